/* The counter in flash; see counter.h. */
#include "core/counter.h"

#define ERASED 0xffffffffu

/* Largest valid value of one page; also the first pair of words that was never written. */
static uint32_t page_latest(const uint32_t *page, uint16_t *ret_free)
{
    uint32_t latest = 0;

    *ret_free = 0;
    for (uint16_t i = 0; i + 1 < COUNTER_PAGE_WORDS; i += 2) {
        if (page[i] == ERASED && page[i + 1] == ERASED)
            continue;
        *ret_free = (uint16_t)(i + 2);
        if (page[i] == ~page[i + 1] && page[i] > latest)
            latest = page[i];
    }
    return latest;
}

uint32_t counter_latest(const uint32_t *const pages[COUNTER_PAGES])
{
    uint16_t unused;
    uint32_t a = page_latest(pages[0], &unused), b = page_latest(pages[1], &unused);

    return a > b ? a : b;
}

struct counter_write counter_next(const uint32_t *const pages[COUNTER_PAGES], uint32_t value)
{
    uint16_t space[COUNTER_PAGES];
    uint32_t a = page_latest(pages[0], &space[0]), b = page_latest(pages[1], &space[1]);
    uint8_t page = b > a ? 1 : 0; /* the page with the newest value is the one in use */

    if (space[page] + 1 < COUNTER_PAGE_WORDS)
        return (struct counter_write){.page = page, .word = space[page], .value = value};
    return (struct counter_write){.erase = true, .page = (uint8_t)(1 - page), .value = value};
}
