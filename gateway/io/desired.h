/* Desired state: signed bundles on their way into force, and back when they do not work.
 *
 *   desired/keys       the next signing key, signed by the one before; kept, so the old one stays retired
 *   desired/config     other broker, other quotas: on trial until headquarters acknowledges through it
 *   desired/planogram  planogram and map
 *   desired/campaigns
 * (desired/members is taken by io/engine_members.c.)
 *
 * A bundle is taken whole or not at all: it is checked, with the others in force, before anything changes; then its
 * file in DIR/desired is replaced (a power cut leaves the old or the new one), then the plan. At start the files are
 * verified and read again; where there is none, the files of the configuration folder hold. What is refused stays
 * known with its reason, which goes to headquarters as retained state/desired; what was done or refused is audited.
 *
 * Planogram and campaigns may only fit together, and a broker gives retained messages in any order. So the last one
 * that did not fit is kept and tried again, alone and with the other, whenever one of them comes.
 *
 * The trial: a config that names another broker is kept apart (config.trial). After the move an event is put into
 * the outbox; when headquarters has acknowledged it, through the new broker, the config is kept. When that did not
 * happen within confirm_s, or the gateway was restarted meanwhile, the config before holds again, and that
 * revision is refused from then on. An acknowledgement alone would prove little: the new broker may have a retained one.
 */
#ifndef NOREN_IO_DESIRED_H
#define NOREN_IO_DESIRED_H

#include "io/bundle.h"
#include "io/engine.h"
#include "io/relay.h"

struct norend;
struct json;

#define DESIRED_PATH_SIZE 320
/** Longest bundle that is kept for another try. */
#define DESIRED_WAIT_MAX (1 << 20)

/** One kind of bundle at this gateway. */
struct desired_bundle {
    int64_t revision;              /**< in force; 0: what the configuration folder says */
    int64_t refused_revision;      /**< 0: none, or it could not be read */
    char error[BUNDLE_ERROR_SIZE]; /**< why the last one was refused, "" = it was not */
    char *waiting;                 /**< the token that may fit later; owned */
    size_t waiting_n;
};

/** Part of struct norend. */
struct desired {
    char dir[DESIRED_PATH_SIZE];
    struct desired_bundle bundles[BUNDLES];
    struct bundle_config config; /**< in force */
    char file_host[BUNDLE_HOST_SIZE];
    uint32_t file_port; /**< what noren.conf says */
    enum { TRIAL_NONE, TRIAL_MOVED, TRIAL_SENT } trial;
    struct bundle_config before; /**< what a failed trial goes back to */
    int64_t trial_revision;
    int64_t trial_until_us; /**< boot time */
    uint64_t trial_seq;     /**< of the event that headquarters must acknowledge */
};

/** Before the database is opened: verifies and reads what is kept, changes d->config and the key, and replaces
 * `plan` where a bundle says so. Logs what does not verify any more and goes on without it. */
void desired_load(struct norend *d, struct engine_plan *plan);

/** After the parts are open: what the config says of the database, what became of a trial, what to report. */
void desired_start(struct norend *d);

/** A message below desired/ other than members. */
void desired_take(struct norend *d, const struct relay_event *e);

/** Before the delivery sees them: connections, which a trial waits for. */
void desired_event(struct norend *d, const struct relay_event *e);

/** Once a second: how a trial goes. */
void desired_second(struct norend *d, int64_t now_us);

/** Reads the configuration folder again, as far as no bundle took its place. 0, or -errno with a sentence. */
int desired_reload(struct norend *d, struct engine_plan *ret_plan,
                   char ret_error[ENGINE_ERROR_SIZE]);

/** {"planogram":{"revision":7,...},...}: for status and state/desired. */
void desired_print(const struct norend *d, struct json *j);

void desired_free(struct desired *ds);

#endif
