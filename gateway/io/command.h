/* The dispatcher: every command passes here, whether a person at the control socket gave it or headquarters.
 *
 *   control socket ──▶ flat JSON ─────────────────────────────┐
 *   cmd/{name} ──▶ JWS ──▶ to us? in time? in this order ──▶ permission ──▶ journal ──▶ handler ──▶ one commit
 *                                                                                                    │
 *                        effect, journal row and audit event together ◀──────────────────────────────┘
 * The answer goes out after that commit: what was answered is on the disk. A command that comes again is answered
 * from the journal and does nothing, also after a restart or a power cut. Headquarters repeats one until it has the
 * answer, because MQTT's own acknowledgement only says that the bytes came.
 *
 * Who may: the socket's file permissions and the signature say who asks, the table in control.c what they may.
 * What was not signed by headquarters, or was signed for another gateway, is counted and gets no answer: an answer
 * would tell a hostile broker more than silence does. What changed something, and what was refused, is audited
 * (noren.gateway.audit); refusals and repeats at most AUDITS_A_MINUTE a minute one by one, then as a number, because
 * whoever floods us must not fill the outbox. Questions at the control socket are not audited: monitoring asks them
 * each second.
 *
 * Time: a command says from when to when it is good, COMMAND_LIFE_US at most. While the clock is synced it may be
 * SKEW_SYNCED_US off, while it is only held SKEW_HELD_US; a gateway that does not know the time answers questions
 * and refuses the rest.
 */
#ifndef NOREN_IO_COMMAND_H
#define NOREN_IO_COMMAND_H

#include "io/local.h"
#include "io/relay.h"
#include "noren/units.h"

struct norend;

#define COMMAND_LIFE_US  (24 * 3600 * NOREN_US_PER_S)
#define COMMAND_ANSWERS  16    /* that wait for the broker */
#define COMMAND_SIZE_MAX 24576 /* of a signed one: LOCAL_LINE_MAX in base64, and its envelope */

/* Why a command was not done. */
#define COMMAND_REFUSALS_TABLE(X)                                            \
    X(RETAINED, "retained")   /* published retained: old by definition */    \
    X(OVERSIZED, "oversized") /* longer than any command */                  \
    X(FORGED, "forged")       /* not signed by headquarters' key */          \
    X(MALFORMED, "malformed") /* signed, but no command */                   \
    X(AUDIENCE, "audience")   /* for another gateway */                      \
    X(SESSION, "session")     /* signed for another connection */            \
    X(EXPIRED, "expired")                                                    \
    X(EARLY, "early")         /* issued later than now */                    \
    X(CLOCK, "clock")         /* we do not know what time it is */           \
    X(FORGOTTEN, "forgotten") /* so old that the journal may have lost it */ \
    X(UNKNOWN, "unknown")     /* no such command */                          \
    X(FORBIDDEN, "forbidden") /* not from this source */                     \
    X(REUSED, "reused")       /* the id stands for another command */        \
    X(REFUSED, "refused")     /* the command itself says no */               \
    X(STORAGE, "storage")     /* the disk takes nothing */

enum command_refusal {
    COMMAND_DONE = -1,
#define X(name, text) COMMAND_##name,
    COMMAND_REFUSALS_TABLE(X)
#undef X
        COMMAND_REFUSALS
};

/** Its name: "expired". */
const char *command_refusal_name(enum command_refusal r);

struct command_counters {
    int64_t done, asked, repeated;
    int64_t refused[COMMAND_REFUSALS];
    int64_t answers_dropped; /**< more than COMMAND_ANSWERS waited; the command comes again */
};

/** An answer on its way to headquarters. */
struct command_answer {
    char *text; /**< NULL: a free place */
    size_t n;
    char topic[RELAY_TOPIC_SIZE];
    uint8_t correlation[RELAY_CORRELATION_SIZE];
    size_t correlation_n;
    bool durable; /**< must not go before the disk has what it says */
    bool in_flight;
};

/** Part of struct norend. */
struct commands {
    struct command_counters counters;
    struct command_answer answers[COMMAND_ANSWERS];
    bool connected;
    uint32_t generation;
    char session[NOREN_ID_SIZE]; /**< of the connection, as birth and will name it */
    int64_t minute_us;           /**< when the minute that audits are counted in ends */
    int audited;                 /**< refusals and repeats in it */
    int64_t unaudited;           /**< and how many more */
};

/** What an audit event says; "" is null. */
struct command_audit {
    const char *id, *name, *source, *actor, *outcome, *reason, *subject;
    int64_t count;
};

/** Adds an audit event to what is committed next. */
void command_audit(struct norend *d, const struct command_audit *a);

/** A message below cmd/. */
void command_take(struct norend *d, const struct relay_event *e);

/** Looks at connections and PUBACKs. True when the event was for an answer and for nobody else. */
bool command_event(struct norend *d, const struct relay_event *e);

/** Sends answers as far as they may go. Call after commits and relay events. */
void command_pump(struct norend *d);

/** Once a minute: the number of what was not audited one by one. */
void command_minute(struct norend *d, int64_t now_us);

/** Answers a line of the control socket (local_answer_fn; `user` is the struct norend). */
size_t command_local(void *user, unsigned uid, const char *request, size_t n,
                     char ret_answer[LOCAL_ANSWER_MAX]);

/** The same for what comes by the broker of the store (io/bus.h). A sale of a till has an id of its own that the shop
 * remembers, and is told by its events: the journal leaves it alone, and only what is refused is audited. */
size_t command_store(void *user, unsigned uid, const char *request, size_t n,
                     char ret_answer[LOCAL_ANSWER_MAX]);

void command_free(struct commands *c);

#endif
