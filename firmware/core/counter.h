/* A counter in flash that never goes back, whatever happens to the power.
 *
 * Two pages are used in turn. Each entry is the value and its complement, so a word that was being written
 * when the power went is recognised: flash bits only go from 1 to 0, and a half-written word reads too
 * large, which would burn the counter. The old page is erased only when the new one already has a valid
 * entry, so at every moment one valid entry exists. The functions are pure: they look at the pages and say
 * what to write; the hal does it.
 */
#ifndef NOREN_FW_COUNTER_H
#define NOREN_FW_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#define COUNTER_PAGES      2
#define COUNTER_PAGE_WORDS 256 /* 1 KiB, the nRF51's page */

/** What the hal must do to store a value: erase page `page` if `erase`, then write `value` at `word` and
 * its complement at `word` + 1, in this order. */
struct counter_write {
    bool erase;
    uint8_t page;
    uint16_t word;
    uint32_t value;
};

/** The largest valid value in the pages (each COUNTER_PAGE_WORDS long); 0 when there is none. */
uint32_t counter_latest(const uint32_t *const pages[COUNTER_PAGES]);

/** How to store `value`, which must be larger than counter_latest(). */
struct counter_write counter_next(const uint32_t *const pages[COUNTER_PAGES], uint32_t value);

#endif
