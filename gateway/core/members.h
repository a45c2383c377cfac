/* Members likely to come, their day keys, and the tables that resolve a token by one look-up.
 *
 * A gateway never holds a member key, only keys of single days (design section 6). From them it works out
 * what each member's phone may say in the steps now-1, now and now+1, each with its own day's key, and puts
 * those tokens into one hash table a step: a token says its step, so an advert costs one look-up whatever
 * the number of members. Working out a token per advert and member was rejected: 30 k MACs for each phone
 * that walks past.
 *
 * Frugal because 30 k members are normal and the whole daemon has 6 MB: a record is 8 bytes and its name, a
 * day's key 16, a token 5 of four steps. A slot is 32 bits, the record and 15 bits of the token: what agrees in
 * those is compared whole, with the MAC made once more from the day's key. That takes some microseconds, so it
 * is done once a token: those that were heard, which are few of all, are remembered by 47 bits folded out of
 * their 80. Keeping so much of every token was rejected: twice the memory. Who makes tokens up hits
 * one that is remembered once in 2^45 tries, 300 years at 3,000 adverts a second; whoever has heard a token
 * can play it back anyway.
 * Core allocates nothing: the caller hands in one block of memory, whose untouched part costs nothing on a
 * system with virtual memory.
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
/* now-1, now and now+1 are accepted; now+2 is being worked out in the meantime. */
#define MEMBERS_STEPS 3
#define MEMBERS_RUNS  4
/* Four times what is normal; a record's number, counted from 1, is 17 bits of a slot. */
#define MEMBERS_MAX 131071

/* Tokens that need no MAC when they are heard again: ten times those who are in a store. A power of two. */
#define MEMBERS_HEARD 8192

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
    bool staff;      /**< works here: never an observation */
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
    uint8_t (*keys)[NOREN_DAY_KEY_SIZE]; /**< MEMBERS_DATES_MAX columns of `capacity` */
    uint32_t *slots;                     /**< MEMBERS_RUNS hash tables, by step mod 4 */
    size_t slots_n;                      /**< of each */
    uint64_t *heard;                     /**< MEMBERS_HEARD tokens that were compared, in sets */
    uint32_t dates[MEMBERS_DATES_MAX];   /**< UTC dates that keys are held of; 0 = none */
    uint64_t steps[MEMBERS_RUNS];        /**< which step each table is for; 0 = none */
    size_t filled[MEMBERS_RUNS];         /**< of how many members their tokens are in it */
    uint64_t now;                        /**< the step that all was last ready for; 0 = none */
    bool open;                           /**< the clock is good enough to accept tokens */
};

/** Bytes that a table of `capacity` (<= MEMBERS_MAX) members needs; about 100 a member touched, and 64 KB. */
size_t members_size(size_t capacity);

/** An empty table over `memory`: members_size(capacity) bytes, aligned as malloc does, borrowed. */
void members_init(struct members *m, void *memory, size_t capacity);

/** Takes one member in. NULL, or a static sentence saying why it was refused (nothing changed then). */
const char *members_add(struct members *m, const struct member *in);

/** Walks the refs of all members: the one after `ref`, or the first when that is NULL; NULL at the end. In no
 * useful order; borrowed. */
const char *members_next_ref(const struct members *m, const char *ref);

/** The member with this ref; false when there is none (or it was forgotten). No keys in `ret`. Linear: for
 * commands, never per advert. */
bool members_find(const struct members *m, const char *ref, struct member *ret);

/** Wipes one member's name and keys: from now on nobody of the kind was ever here. False: there was none. */
bool members_forget(struct members *m, const char *ref);

/** What time it is. Brings the token tables up to the steps around `utc_us` and opens it while the clock is
 * synced or held; a floor clock closes it. A synced clock also wipes keys of days that are over.
 *
 * The work is one HMAC a member and step, 30,000 each quarter of an hour. They are spread: each call works
 * ahead for the step after next in proportion to the time gone by, so with a call a second none does more
 * than some forty HMACs. Only when there was no call for a step (or the table is new, see members_prepare)
 * is it done at once. `scripts/bench members` measures both. */
void members_clock(struct members *m, int64_t utc_us, enum clock_quality quality);

/** Does at most `budget` HMACs of what members_clock() would have to do at once for a new table. True when
 * nothing is left. For whoever wants to swap tables without holding up the loop; optional. */
bool members_prepare(struct members *m, int64_t utc_us, size_t budget);

/** What became of a token. */
enum token_verdict {
    TOKEN_RESOLVED,
    TOKEN_UNKNOWN, /**< nobody's key fits */
    TOKEN_CLOSED,  /**< the clock is not good enough, or there are no members */
    TOKEN_EARLY,   /**< of a step after the next one */
    TOKEN_LATE, /**< of a step before the last one: played back, or a phone whose clock is wrong */
};

/** There were keys, and all their days are over. */
bool members_expired(const struct members *m);

/** Whose token this is: `step_low` and `mac` as on the air. Fills ret's ref, consent, bucket and staff when
 * TOKEN_RESOLVED. */
enum token_verdict members_resolve(struct members *m, uint8_t step_low,
                                   const uint8_t mac[NOREN_TOKEN_MAC_SIZE], struct member *ret);

#endif
