/* Fuzz target: inputs of a replay, every format by its content.
 *
 * Beyond not crashing: a reader comes to an end, an id fits where ids go, a packet is a report event no
 * longer than an event can be, and reading a second time gives the same items.
 */
#include <stdlib.h>
#include <string.h>

#include "io/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* A sum over everything that was read. */
static uint64_t read_through(struct source *s)
{
    struct item item;
    uint64_t sum = 0;
    size_t items = 0;

    while (s->reader->next(s, &item)) {
        must(++items <= s->n && item.place.n < NOREN_ID_SIZE && item.who.n < NOREN_ID_SIZE);
        if (item.kind == ITEM_PACKET)
            must(item.n <= PACKET_BYTES_MAX && source_is_report(item.bytes, item.n));
        sum = sum * 31 + (uint64_t)item.t_us + (uint64_t)item.value + item.line;
        for (size_t i = 0; i < item.n; i++)
            sum = sum * 31 + item.bytes[i];
        for (size_t i = 0; i < item.place.n; i++)
            sum = sum * 31 + (unsigned char)item.place.p[i];
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct refusals refusals = {.n = 0};
    struct source s = {.name = "fuzz", .p = data, .n = n, .refusals = &refusals};
    char error[256];
    uint64_t first;

    if (source_recognise(&s, error, sizeof(error)) < 0)
        return 0;
    first = read_through(&s);
    must(s.reader->open(&s, error, sizeof(error)));
    must(read_through(&s) == first);
    return 0;
}
