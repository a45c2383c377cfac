/* Tags and cards whose identity changes on the air: Eddystone-EID, and resolvable private addresses (RPA); and
 * devices whose address never changes, known by a keyed hash of it.
 *
 * EID: like member tokens (core/members.h), what each tag says in the windows around now is worked out
 * ahead and put into one hash table, so an advert costs one look-up. A tag's clock is a counter of its own;
 * its record says how far it is from UTC, and what is heard corrects that by as much as a crystal may drift
 * and no more: whoever plays an old EID back does not drag the clock along.
 *
 * Devices: each new address is hashed once (HMAC, as dear as some thirty AES) and compared; the rest as for RPA.
 *
 * RPA: an address cannot be worked out ahead, each new one is tried against every key (one AES each). So it
 * is done once an address, the outcome (strangers too) is remembered while such an address lives, and there
 * is a bound of AES a second: a flood of random addresses costs what the bound says, and a remembered tag
 * is never given up for a stranger. A tag may have any number of addresses at a time.
 *
 * Core allocates nothing: the caller hands in one block. To replace the tags do as with members.
 */
#ifndef NOREN_CORE_TAGS_H
#define NOREN_CORE_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/decode.h"
#include "core/obs.h"
#include "noren/units.h"

#define TAGS_MAX       16384
#define TAG_KEY_SIZE   16
#define TAG_EID_SIZE   8
#define TAG_K_MAX      15 /* Eddystone-EID: a period is 1 s to 32768 s */
#define TAG_ADDR_SIZE  6
#define TAGS_WINDOWS   8     /* EID windows for each tag of the capacity, on average */
#define TAGS_ADDRESSES 8192  /* addresses remembered */
#define TAGS_AES_PER_S 65536 /* a twentieth of a Raspberry Pi's core */
/* Private addresses live 15 minutes by default (Core 5.4, Vol 3 Part C, Appendix A, TGAP(private_addr_int)). */
#define TAGS_ADDRESS_S 1200

enum tag_kind { TAG_EID, TAG_IRK, TAG_DEVICE };

/** One tag, as its record has it and as it resolves. */
struct tag {
    char id[NOREN_ID_SIZE];
    char member_ref[NOREN_ID_SIZE]; /**< who carries it; empty = it is nobody's but its own */
    uint8_t consent;                /**< enum consent bits of that member */
    uint16_t bucket;                /**< 0..9999, of that member */
    bool staff;                     /**< of somebody who works here: never an observation */
    enum tag_kind kind;
    uint8_t key[TAG_KEY_SIZE]; /**< EID identity key, IRK most significant byte first, or device
                                    tag (noren/wire.h); zeroed in what resolves */
    uint8_t k;                 /**< EID: log2 of the period in seconds, 0..15 */
    int64_t offset_s;          /**< EID: the tag's counter minus unix time */
};

struct tag_record;
struct tag_window;
struct tag_address;

/** The table. Treat as opaque but for the counters; zeroed it is a table of nothing. */
struct tags {
    void *memory; /**< the caller's block, or NULL */
    size_t capacity, n;
    struct tag_record *records;
    struct tag_window *windows; /**< each EID tag has a run of them */
    size_t windows_n, windows_max;
    uint32_t *slots; /**< hash table of windows: 1 + index, 0 = free; open addressing */
    size_t slots_n;  /**< a power of two */
    struct tag_address *addresses;   /**< TAGS_ADDRESSES, in sets */
    size_t irks;                     /**< tags of kind TAG_IRK */
    size_t devices;                  /**< tags of kind TAG_DEVICE ... */
    uint8_t store_key[TAG_KEY_SIZE]; /**< ... and what their tags are made with; set any time */
    int64_t now_s;                   /**< unix time of the last tags_clock() */
    bool open;                       /**< the clock is good enough for EIDs */
    int64_t aes_s;                   /**< the second that aes_left is for */
    uint32_t aes_left;
    int64_t addresses_tried; /**< counter: new addresses tried against all keys */
    int64_t
        addresses_skipped; /**< counter: not tried for want of AES; tried again when next heard */
};

/** Bytes that a table of `capacity` (1..TAGS_MAX) tags needs: about 400 a tag, and 128 KB. */
size_t tags_size(size_t capacity);

/** An empty table over `memory`: tags_size(capacity) bytes, aligned as malloc does, borrowed. */
void tags_init(struct tags *t, void *memory, size_t capacity);

/** Takes one tag in. NULL, or a static sentence saying why it was refused (nothing changed then). */
const char *tags_add(struct tags *t, const struct tag *in);

/** What `old` learnt about the clocks of tags that are in both tables with the same key. */
void tags_carry(struct tags *t, const struct tags *old);

/** What time it is; about once a second. Works out the EIDs of windows that have come into reach, 6 AES a
 * tag and period for periods of 512 s and more. A floor clock closes the table for EIDs. */
void tags_clock(struct tags *t, int64_t utc_us, enum clock_quality quality);

/** Whose EID this is now; false: nobody's, or the table is closed. `address` (least significant byte first)
 * is remembered as that tag's until its next EID: its other frames come from there too. */
bool tags_resolve_eid(struct tags *t, const uint8_t eid[TAG_EID_SIZE],
                      const uint8_t address[TAG_ADDR_SIZE], struct tag *ret);

/** What an eTLM frame says, once opened. */
struct tag_health {
    char id[NOREN_ID_SIZE];
    bool of_member;         /**< somebody carries it */
    int32_t voltage_mv;     /**< 0: not measured */
    int32_t temperature_mc; /**< thousandths of a degree Celsius; INT32_MIN: not measured */
};

/** Opens an eTLM frame that comes from where a tag's EID was heard last, by its identity key (AES-EAX). The
 * nonce is the tag's own clock, so windows as far off as an EID may be are tried. -1: of no tag of ours;
 * 0: wrong MIC; 1: `ret` is filled. */
int tags_open_etlm(struct tags *t, const uint8_t address[TAG_ADDR_SIZE],
                   const struct frame_eddystone_etlm *frame, struct tag_health *ret);

/** Wipes all tags of a member. Returns how many there were. */
int tags_forget(struct tags *t, const char *member_ref);

/** Whose address this is; `address` least significant byte first, as in a report, `random` unless it is a public
 * one; false: nobody's, neither a resolvable private address nor any device known, or no AES left this second.
 * `t_us` is the time of reception. */
bool tags_resolve_address(struct tags *t, const uint8_t address[TAG_ADDR_SIZE], bool random,
                          int64_t t_us, struct tag *ret);

/** The EID that a tag with this identity key and K says when its counter is `time` (google/eddystone,
 * eid-computation). */
void tags_eid(const uint8_t key[TAG_KEY_SIZE], uint8_t k, uint32_t time, uint8_t ret[TAG_EID_SIZE]);

/** The random address hash function ah (Core 5.4, Vol 3 Part H, 2.2.2): 24 bits of 24 bits. */
uint32_t tags_ah(const uint8_t irk[TAG_KEY_SIZE], uint32_t prand);

#endif
