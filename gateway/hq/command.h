/* Commands to gateways: made and signed here, sent until there is an answer or they have expired, and kept with it.
 *
 * MQTT acknowledges that a broker has the bytes, not that a gateway has done anything; so a command is sent again,
 * with the same id, until its answer came. That is safe because a gateway does each id once (io/command.h). What was
 * given and what became of it stays in the database: HQ's half of the audit.
 *
 * The envelope is stored, not the signature: a key that was rotated meanwhile signs what is sent again. What is
 * signed names the session of the gateway's connection (its birth says which): a gateway whose database was put back
 * to an old backup does not know what it has done since, and must not do it again because a broker kept a copy.
 */
#ifndef NOREN_HQ_COMMAND_H
#define NOREN_HQ_COMMAND_H

#include <stdint.h>

#include <jansson.h>

#include "hq/store.h"
#include "noren/units.h"

#define COMMAND_TOPIC_SIZE (4 * NOREN_ID_SIZE + 32)
/** How long a command is good when nobody says. */
#define COMMAND_VALID_S 300
/** How long until it is sent again. */
#define COMMAND_RESEND_US (10 * NOREN_US_PER_S)

/** Reads {"gateway","store"?,"name","actor","args"?,"id"?,"valid_s"?} and stores the command (writes: call inside a
 * transaction). The id is a random one unless given; given again with the same command it is the same one. Returns
 * its id as a new JSON string, or NULL and an HTTP status with what is wrong and the remedy. */
json_t *command_give(struct store *s, const json_t *request, int64_t utc_us, int *ret_status,
                     const char **ret_error, const char **ret_remedy);

/** One command that is to be sent now. */
struct command_out {
    char topic[COMMAND_TOPIC_SIZE];
    char *envelope; /**< free() */
    int64_t expires_us;
};

/** The next unanswered command that was last sent before `before_us`; it counts as sent at `utc_us` from now on. 1, 0:
 * none, or -errno. */
int command_next(struct store *s, int64_t before_us, int64_t utc_us, struct command_out *ret);

/** A gateway's answer. Returns what changed (enum topicality), 0 for an answer to nothing of ours, or -errno
 * (-EINVAL: no answer at all). */
int command_answered(struct store *s, int64_t gateway_id, const json_t *answer, int64_t utc_us);

/** The newest commands with their answers, for /api/commands. `id` NULL: all. */
json_t *command_list(struct store *s, const char *store_name, const char *id, int64_t limit,
                     int64_t utc_us);

#endif
