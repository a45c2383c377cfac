/* Recordings: everything that entered the brain, in a file that can be replayed (`norend --record FILE`).
 *
 * Text, one thing a line, in the order in which it entered. What starts with '{' is JSON, the rest is the
 * text of an observation (core/obs.h):
 *   {"noren":"recording","version":1}
 *   {"map":{...}} {"planogram":{...}} {"campaigns":{...}}   the documents of a plan, one a line, ...
 *   {"plan":T_US}                                           ... which then enters at this time
 *   {"restore":"plate","key":"...","value":"..."}           a stored row that was given back at start
 *   1200\ttick
 * Ticks are in it: a timer that fired late changes what happens, and a replay must see the same. No
 * hardware address and no key can be in it, because none can be in an observation. Compressing was left to
 * the file system: a recording that a power cut truncated must stay readable up to its last line.
 */
#ifndef NOREN_IO_RECORD_H
#define NOREN_IO_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/obs.h"

struct recorder;

/** A plan's documents as they were read; NULL: there was none. Need not be terminated. */
struct record_documents {
    const char *map, *planogram, *campaigns;
    size_t map_n, planogram_n, campaigns_n;
};

/** Starts a recording in a new file, mode 0640; an existing one is never overwritten (-EEXIST). 0 or
 * -errno. */
int recorder_open(struct recorder **ret_recorder, const char *path);

/** The plan that enters as OBS_PLAN at `t_us`. 0, -EINVAL when a document is no JSON, or -errno. */
int recorder_plan(struct recorder *rec, int64_t t_us, const struct record_documents *docs);

/** A row that shop_restore() was given. */
int recorder_restore(struct recorder *rec, const struct record *r);

/** Any other observation, just before shop_step(). Buffered; the first error of writing is returned by every
 * later call: the caller reports it once, closes, and goes on without recording. */
int recorder_obs(struct recorder *rec, const struct obs *o, const struct plan *plan);

/** Writes the recording anew without the lines that name somebody. A replay then knows nothing of who is
 * forgotten. 0 or -errno: the recording is as before. */
int recorder_forget(struct recorder *rec, const char *member_ref);

/** The same with a recording that has ended. */
int record_forget(const char *path, const char *member_ref);

/** Hands what is buffered to the kernel; about once a second. */
int recorder_flush(struct recorder *rec);

/** Writes the rest and closes; NULL is allowed. */
int recorder_close(struct recorder *rec);

/** "plate", "visit", ...: the names of kinds of rows in a recording; NULL for RECORD_KINDS. */
const char *record_kind_name(enum record_kind kind);

#endif
