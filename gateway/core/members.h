/* Members likely to come, their day keys, and the table that resolves a token by one look-up.
 *
 * A gateway never holds a member key, only keys of single days (design section 6). From them it works out
 * what each member's phone may say in the steps now-1, now and now+1, each with its own day's key, and puts
 * those tokens into one hash table: an advert costs one look-up whatever the number of members. Working
 * out a token per advert and member was rejected: 30 k MACs for each phone that walks past.
 *
 * Frugal because 30 k members are normal and the whole daemon has 6 MB: a record is 56 bytes and its name,
 * a token 10 bytes, a hash slot 4. Core allocates nothing: the caller hands in one block of memory, whose
 * untouched part costs nothing on a system with virtual memory.
 *
 * To replace the members: members_init() a second struct over a second block, members_add() each, and
 * when all were taken assign it over the first (`*live = fresh`), wipe and free the old block. Then call
 * members_clock() (radio_clock() does); until that call the new table resolves nobody.
 */
#ifndef NOREN_CORE_MEMBERS_H
#define NOREN_CORE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/obs.h"
#include "noren/units.h"
#include "noren/wire.h"

/* Yesterday (until 00:15 UTC), today and tomorrow. */
#define MEMBERS_DATES_MAX 3
/* now-1, now, now+1 */
#define MEMBERS_STEPS 3
/* 4.5 times what is normal; a token's place in the hash table must fit 32 bits, with room to spare. */
#define MEMBERS_MAX 131072

/** The key of one UTC date. */
struct member_day {
    uint32_t date; /**< YYYYMMDD */
    uint8_t key[NOREN_DAY_KEY_SIZE];
};

/** One member, as the members document has it and as a token resolves. */
struct member {
    char ref[NOREN_ID_SIZE];
    uint8_t consent; /**< enum consent bits */
    uint16_t bucket; /**< 0..9999 */
    uint8_t days_n;  /**< 0 in what members_resolve() returns */
    struct member_day days[MEMBERS_DATES_MAX];
};

struct member_record;

/** The table. Treat as opaque; zeroed it is a table of nobody. */
struct members {
    void *memory; /**< the caller's block, or NULL */
    size_t capacity, n;
    struct member_record *records;
    char *names; /**< NUL-terminated refs, one after the other */
    size_t names_n;
    uint8_t (*macs)[NOREN_TOKEN_MAC_SIZE]; /**< MEMBERS_STEPS runs of `capacity` */
    uint32_t *slots; /**< hash table: 1 + place in macs, 0 = free; open addressing */
    size_t slots_n;  /**< a power of two */
    uint32_t dates[MEMBERS_DATES_MAX]; /**< UTC dates that keys are held of; 0 = none */
    uint64_t steps[MEMBERS_STEPS];     /**< which step each run of macs is for; 0 = none */
    bool open;                         /**< the clock is good enough to accept tokens */
};

/** Bytes that a table of `capacity` (<= MEMBERS_MAX) members needs; about 150 a member touched. */
size_t members_size(size_t capacity);

/** An empty table over `memory`: members_size(capacity) bytes, aligned as malloc does, borrowed. */
void members_init(struct members *m, void *memory, size_t capacity);

/** Takes one member in. NULL, or a static sentence saying why it was refused (nothing changed then). */
const char *members_add(struct members *m, const struct member *in);

/** What time it is. Brings the token table up to the steps around `utc_us` and opens it while the clock is
 * synced or held; a floor clock closes it. A synced clock also wipes keys of days that are over.
 * Cost when the step has moved on by one (each quarter of an hour): one HMAC a member and a refill of the
 * hash table; for 30 k members 30 k HMACs, see `scripts/bench members`. Otherwise next to nothing. */
void members_clock(struct members *m, int64_t utc_us, enum clock_quality quality);

/** Whose token this is: `step_low` and `mac` as on the air. False when nobody's, or the table is closed.
 * Fills ret's ref, consent and bucket. */
bool members_resolve(const struct members *m, uint8_t step_low,
                     const uint8_t mac[NOREN_TOKEN_MAC_SIZE], struct member *ret);

#endif
