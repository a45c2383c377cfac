/* From bytes of a Bluetooth controller to sightings: the only place where addresses and keys live.
 *
 * radio_step() takes one HCI event as it came from the controller (or the simulated one), walks its
 * reports, decodes the advertisements and resolves who it is. What comes out (struct obs) carries a
 * member_ref or a tag id, never an address.
 */
#ifndef NOREN_CORE_RADIO_H
#define NOREN_CORE_RADIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crowd.h"
#include "core/decode.h"
#include "core/hci.h"
#include "core/limits.h"
#include "core/members.h"
#include "core/obs.h"
#include "core/tags.h"

/** What was heard and what became of it; all monotonic counters. */
struct radio_counters {
    int64_t packets;     /**< HCI events seen */
    int64_t reports;     /**< advertising reports in them */
    int64_t refused_hci; /**< events whose lengths lie */
    int64_t refused_ad;  /**< reports with malformed AD structures, or a format's bad body */
    int64_t refused_by[FRAME_KINDS]; /**< of these, by the format that refused */
    int64_t refused_for[REFUSALS];   /**< both, by reason */
    int64_t frames[FRAME_KINDS];     /**< accepted, by format */
    int64_t unknown;                 /**< reports that are well-formed, of no format of ours */
    int64_t coded;                   /**< reports heard on LE Coded PHY */
    int64_t
        fragments;    /**< parts of longer advertisements that could not be decoded by themselves */
    int64_t joined;   /**< longer advertisements put together, and then treated as one report */
    int64_t cut;      /**< longer advertisements of which the controller lost the rest */
    int64_t overlong; /**< longer advertisements of more than HCI_CHAIN_BYTES */
    int64_t tokens_resolved;
    int64_t tokens_unknown; /**< nobody's key fits */
    int64_t tokens_closed;  /**< the clock is not good enough, or there are no members */
    int64_t tokens_early;   /**< of a step that is yet to come: somebody's clock is ahead */
    int64_t tokens_late; /**< of a step that is over: played back, or somebody's clock is behind */
    int64_t tags_resolved;  /**< EIDs and addresses of tags */
    int64_t eids_unknown;   /**< no tag says this EID now, or the clock is not good enough */
    int64_t no_consent;     /**< resolved, but the member did not agree to presence */
    int64_t twins;          /**< tokens from an address that another one had followed */
    int64_t staff;          /**< resolved, of somebody who works here */
    int64_t no_rssi;        /**< resolved, but the controller did not measure a strength */
    int64_t crowded;        /**< resolved, but the event had RADIO_OBS_MAX already */
    int64_t nodes_good;     /**< shelf node readings passed on */
    int64_t nodes_repeated; /**< the last reading once more: a node says each several times */
    int64_t nodes_refused;  /**< no key of that node, wrong tag, or a counter that went back */
    int64_t sensors_good;   /**< BTHome frames opened with the sender's key */
    int64_t sensors_repeated;
    int64_t
        sensors_refused; /**< wrong tag, a counter that went back, or in the clear despite a key */
    int64_t sensors_skipped; /**< of unknown senders, beyond what is tried in a second */
    int64_t health_good;     /**< eTLM frames of our tags, opened */
    int64_t health_refused;  /**< eTLM frames from where our tags are that their keys do not open */
};

#define RADIO_NODES_MAX 256

/** A shelf node that we have a key of. */
struct radio_node {
    uint16_t node;
    bool heard;       /**< `counter` is meaningful */
    uint32_t counter; /**< of the last reading that was accepted */
    uint8_t key[16];
};

#define RADIO_SENSORS_MAX 64

/** A BTHome sensor that we have the key of. Its address, which goes into the nonce, is learnt: the sender
 * whose frame the key opens is it. A list of addresses was rejected: no document has a hardware address. */
struct radio_sensor {
    char id[NOREN_ID_SIZE];
    uint8_t address[HCI_ADDRESS_SIZE]; /**< least significant byte first; never leaves radio.c */
    bool heard;                        /**< `address` and `counter` are meaningful */
    uint32_t counter;                  /**< of the last frame that was accepted */
    uint8_t key[16];
};

/* Unknown senders of sealed BTHome frames that are tried with all keys, each second. */
#define RADIO_TRIES_PER_S 16

#define RADIO_VOICES          1024 /* a power of two */
#define RADIO_VOICE_ADDRESSES 4

/** From where one member's tokens came lately: whoever rotates the address does not go back, two transmitters
 * take turns. A place is found by the ref's hash alone; who shares one with somebody is not watched. */
struct radio_voice {
    uint32_t ref; /**< hash of the member_ref; 0 = free */
    struct {
        uint32_t bytes, heard_s; /**< four of the address, newest first */
    } from[RADIO_VOICE_ADDRESSES];
};

/** All state of reception. `members` and `tags` may be replaced at any time between two calls
 * (core/members.h says how); call radio_clock() right after. About 140 KB besides their own blocks. */
struct radio {
    struct members members;
    struct tags tags;
    struct radio_sensor sensors[RADIO_SENSORS_MAX];
    size_t sensors_n;
    int64_t tries_s; /**< the second that tries_left is for */
    int tries_left;
    struct radio_node nodes[RADIO_NODES_MAX];
    size_t nodes_n;
    struct hci_chains chains;
    struct radio_voice voices[RADIO_VOICES];
    struct crowd crowd; /**< of who is unknown; counts nobody until crowd_salt() */
    struct radio_counters counters;
};

/** One HCI event packet without the H4 type byte: 3e len 02|0d ... */
struct radio_in {
    int64_t t_us;
    uint16_t receiver;     /**< index into the plan */
    const uint8_t *packet; /**< borrowed for the call */
    size_t n;
};

/* An event of 255 bytes holds 14 tokens; one of many advertisements of tags more, if somebody made it up. */
#define RADIO_OBS_MAX 16

/** Nobody, no nodes, no tags, no time. */
void radio_init(struct radio *r);

/** What time it is; tokens are accepted only while it is synced or held. Call about once a second: each
 * call does a share of the work for the next step (core/members.h). */
void radio_clock(struct radio *r, int64_t utc_us, enum clock_quality quality);

/** The key of one shelf node; replaces an earlier one (and its counter, if the key differs). False when
 * there are RADIO_NODES_MAX already. */
bool radio_node_key(struct radio *r, uint16_t node, const uint8_t key[16]);

/** The key of one BTHome sensor; replaces an earlier one of that id as radio_node_key() does. From then on
 * only what that key opens, with a counter that goes up, is taken from its address. False when there are
 * RADIO_SENSORS_MAX already. */
bool radio_sensor_key(struct radio *r, const char *id, const uint8_t key[16]);

/** Decodes one packet. Returns how many observations were written to `ret` (at most RADIO_OBS_MAX). */
size_t radio_step(struct radio *r, const struct radio_in *in, struct obs ret[RADIO_OBS_MAX]);

#endif
