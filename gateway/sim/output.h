/* Where a simulated world goes: into a running norend, or into recordings, with the truth beside it. */
#ifndef NOREN_SIM_OUTPUT_H
#define NOREN_SIM_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

#include "sim/world.h"

#define OUTPUT_SAMPLE_US 12500 /* recordings hold 80 samples a second */

struct output {
    /* live */
    const char *socket_path; /**< NULL: recordings */
    int fd;                  /**< -1: norend is not there */
    int64_t retry_us, refresh_us;
    int32_t sent[CELLS_MAX];
    int64_t dropped; /**< datagrams that norend did not take */
    /* recordings */
    FILE *cells, *sightings;
    FILE *air[RECEIVERS_MAX];
    int64_t sample_us;
    FILE *truth; /**< NULL: none */
    const struct world *world;
};

/** Sends to norend's run_dir/sim.sock; tries again every second while nobody listens. */
void output_open_live(struct output *o, const struct world *w, const char *socket_path);
/** Writes cells.csv, sightings.csv, RECEIVER.btsnoop and truth.jsonl to an existing folder. 0 or -errno. */
int output_open_folder(struct output *o, const struct world *w, const char *folder);
/** Ground truth as JSON lines to a file of its own. 0 or -errno. */
int output_open_truth(struct output *o, const char *path);
void output_close(struct output *o);

/** Once a step: loads that changed, samples that are due. */
void output_step(struct output *o, const struct world *w);
/** A packet heard by a receiver: HCI event bytes. `identity` is a member_ref, or NULL. */
void output_advert(struct output *o, uint16_t receiver, const uint8_t *packet, size_t n,
                   const char *identity, int rssi_dbm);
/** A command of io/sim.h other than load and adv, sent as it is. */
void output_command(struct output *o, const char *line);

/** Ground truth: goods moved, or somebody came, changed zone, left. `zone` NO_INDEX = in none. */
void output_truth_goods(struct output *o, uint16_t plate, int facing, const char *kind,
                        int64_t quantity);
void output_truth_person(struct output *o, const struct person *p, const char *kind);

#endif
