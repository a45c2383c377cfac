/* Names to indices by one hash look-up: a replay resolves millions of rows, and the plan's own look-ups are
 * linear on purpose. */
#ifndef NOREN_IO_NAMES_H
#define NOREN_IO_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NAMES_NONE UINT32_MAX

struct names_slot {
    const char *name; /**< NULL: free; borrowed, must outlive the table */
    uint32_t index;
};

/** Zeroed it is empty. */
struct names {
    struct names_slot *slots;
    size_t slots_n, n;
    const char *last; /**< rows of one plate follow each other: the name found last */
    uint32_t last_index;
};

/** Adds a terminated name that is not in the table. 0 or -ENOMEM. */
int names_add(struct names *t, const char *name, uint32_t index);

/** The index of the name of `n` bytes, or NAMES_NONE. */
uint32_t names_find(struct names *t, const char *name, size_t n);

/** Empties and frees. */
void names_clear(struct names *t);

#endif
