/* Advertising data to AD structures (Core 5.4, Vol 3 Part C, 11): length, type, data, again and again.
 *
 * What the specification allows is accepted: a length of zero ends the significant part early, and zeros
 * may follow it. What it forbids is refused with the reason, and then the whole advertisement: a sender
 * that cannot count is not to be trusted about identity or mass.
 */
#ifndef NOREN_CORE_ADV_H
#define NOREN_CORE_ADV_H

#include <stdbool.h>
#include <stdint.h>

#include "core/refusal.h"
#include "noren/cursor.h"

/* AD types that formats of ours use (Assigned Numbers, 2.3) */
#define AD_UUIDS_128_SOME   0x06
#define AD_UUIDS_128_ALL    0x07
#define AD_SERVICE_DATA_16  0x16
#define AD_SERVICE_DATA_128 0x21
#define AD_MANUFACTURER     0xff

/** One AD structure; the data is borrowed. */
struct adv_structure {
    uint8_t type;
    struct rd data;
};

/** A walk over advertising data. */
struct adv_walk {
    struct rd r;
    enum refusal refused; /**< after the walk: REFUSAL_NONE when everything was well-formed */
};

/** A walk over `data`, which it borrows. */
static inline struct adv_walk adv_open(struct rd data)
{
    return (struct adv_walk){.r = data};
}

/** The next structure; false at the end or at the first fault (see `refused`). */
bool adv_next(struct adv_walk *w, struct adv_structure *ret);

#endif
