/* A message from a gateway, read strictly: topic and JSON in, checked values out. No database, no socket.
 *
 * HQ believes nothing: the CloudEvent's source must be the topic's root (the broker's ACL ties the topic to
 * the client certificate, so the source is as good as the certificate), numbers must be canonical decimal
 * strings, keys may not repeat. What is refused has a kind, so that it can be counted and logged once.
 */
#ifndef NOREN_HQ_MESSAGE_H
#define NOREN_HQ_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "noren/units.h"

/* Why something a gateway sent was refused; the first names what is not even ours to read. */
#define REFUSAL_KINDS(X)                                \
    X(TOPIC, "topic is not in the contract")            \
    X(RETAINED, "event was published retained")         \
    X(SIZE, "payload is empty or too long")             \
    X(JSON, "not valid JSON")                           \
    X(SHAPE, "neither an event nor a batch")            \
    X(SOURCE, "source is not the topic's root")         \
    X(IDENTITY, "epoch, seq and id do not fit")         \
    X(ENVELOPE, "not a CloudEvent 1.0 of ours")         \
    X(CLASS, "event type does not belong to the topic") \
    X(DATA, "data lacks a field or has a wrong type")   \
    X(STATE, "retained state has a wrong shape")        \
    X(ANSWER, "not an answer to a command")

enum refusal {
    REFUSAL_NONE = -1,
#define X(name, text) REFUSAL_##name,
    REFUSAL_KINDS(X)
#undef X
        REFUSALS
};

/** What the refusal means, in English. */
const char *refusal_text(enum refusal r);
/** Its name in counters: "source". */
const char *refusal_name(enum refusal r);

#define EPOCH_SIZE 33
/** Longest payload that is read: a batch is at most 64 KB (design section 11), state may be longer. */
#define MESSAGE_MAX (512 * 1024)

enum topic_kind {
    TOPIC_EVENT,
    TOPIC_FIXTURE,
    TOPIC_STORE,
    TOPIC_GATEWAY,
    TOPIC_DESIRED,
    TOPIC_CERTIFICATE,
    TOPIC_ANSWER
};

/** noren/1/{tenant}/{store}/{gateway}/... taken apart. */
struct topic {
    enum topic_kind kind;
    char tenant[NOREN_ID_SIZE], store[NOREN_ID_SIZE], gateway[NOREN_ID_SIZE];
    char leaf[NOREN_ID_SIZE]; /**< event class, or fixture id */
};

/** 0, or -EINVAL: not a topic that a gateway publishes to. `ret` is untouched then. */
int topic_parse(const char *text, struct topic *ret);

/** One event; strings borrow from `json`. */
struct message_event {
    const json_t *json; /**< the whole CloudEvent, borrowed */
    const char *type, *epoch;
    const json_t *data;
    int64_t seq;        /**< >= 1 */
    int64_t utc_us;     /**< 0: the gateway did not know the time */
    const char *bootid; /**< NULL: absent */
    int64_t tus;        /**< boot time, -1: absent */
    const char *clock;  /**< NULL: absent */
};

/** Checks one CloudEvent against its topic. Returns REFUSAL_NONE, or why not; on every refusal after
 * IDENTITY `ret` has epoch and seq (so that the number can be accounted for), before it they are NULL and 0. */
enum refusal message_read_event(const json_t *json, const struct topic *topic,
                                struct message_event *ret);

/** True for 32 lower-case hex digits; NULL is allowed. */
bool message_is_epoch(const char *text);

#endif
