/* One identity that was heard: what locate.c filters and zone.c judges. */
#ifndef NOREN_CORE_TRACK_H
#define NOREN_CORE_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "noren/units.h"

#define TRACK_SLOTS 12 /* receivers remembered per identity */

/** Levels are in 1/16 dB; slot times are `ticks` of 2^14 us that wrap after 1073 s: a track is gone long
 * before, and 10,000 tracks fit in 1.6 MB. */
struct track {
    int64_t heard_us;      /**< last sighting */
    uint32_t challenge_ms; /**< since when there is this challenger; low bits of the boot time */
    uint16_t heard_tick[TRACK_SLOTS];
    int16_t level[TRACK_SLOTS];
    uint16_t zone;       /**< committed zone, also one that must not be told; NO_INDEX: none */
    uint16_t challenger; /**< zone that would replace it; equals `zone` when none would */
    uint16_t
        lead_nat_ms;    /**< evidence for the challenger so far: log likelihood ratio times time */
    uint16_t announced; /**< zone that was last told to the world */
    uint16_t confidence_pm; /**< share of the likelihood that speaks for `zone` */
    uint16_t decided_tick;  /**< when the levels were judged last */
    int16_t power;  /**< its transmitter at 1 m as shown so far, 1/16 dB, with `power_looks` */
    uint16_t visit; /**< slot in struct visits, or NO_INDEX */
    uint16_t older, newer; /**< neighbours in its list */
    uint16_t chain;        /**< next in its hash bucket */
    uint8_t receiver[TRACK_SLOTS];
    uint8_t lead_db[TRACK_SLOTS]; /**< most by which it was ahead of every other zone's receivers */
    uint8_t power_looks;
    uint8_t slots_n;
    uint8_t list; /**< enum track_list */
    bool dirty;   /**< something is to be told, the batch was full */
    char ref[NOREN_ID_SIZE];
};

/** Forgets one receiver; the last slot takes the hole. */
static inline void track_drop_slot(struct track *t, uint8_t i)
{
    t->slots_n--;
    t->heard_tick[i] = t->heard_tick[t->slots_n];
    t->level[i] = t->level[t->slots_n];
    t->receiver[i] = t->receiver[t->slots_n];
    t->lead_db[i] = t->lead_db[t->slots_n];
}

static inline uint16_t track_tick(int64_t t_us)
{
    return (uint16_t)((uint64_t)t_us >> 14);
}

/** Time since a tick, to 16 ms; right while it is less than 1073 s ago. */
static inline int64_t track_age_us(uint16_t tick, int64_t t_us)
{
    return (int64_t)(uint16_t)(track_tick(t_us) - tick) << 14;
}

#endif
