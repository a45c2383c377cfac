/* A hash table of names; see names.h. Open addressing, at most half full, FNV-1a. */
#include "io/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t hash(const char *name, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)name[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static void put(struct names_slot *slots, size_t slots_n, const char *name, uint32_t index)
{
    size_t i = hash(name, strlen(name)) & (slots_n - 1);

    while (slots[i].name != NULL)
        i = (i + 1) & (slots_n - 1);
    slots[i] = (struct names_slot){name, index};
}

int names_add(struct names *t, const char *name, uint32_t index)
{
    if (2 * (t->n + 1) > t->slots_n) {
        size_t bigger = t->slots_n > 0 ? 2 * t->slots_n : 64;
        struct names_slot *slots = calloc(bigger, sizeof(*slots));

        if (slots == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < t->slots_n; i++)
            if (t->slots[i].name != NULL)
                put(slots, bigger, t->slots[i].name, t->slots[i].index);
        free(t->slots);
        t->slots = slots;
        t->slots_n = bigger;
    }
    put(t->slots, t->slots_n, name, index);
    t->n++;
    return 0;
}

uint32_t names_find(struct names *t, const char *name, size_t n)
{
    size_t i;

    if (t->n == 0)
        return NAMES_NONE;
    if (t->last != NULL && strncmp(t->last, name, n) == 0 && t->last[n] == 0)
        return t->last_index;
    for (i = hash(name, n) & (t->slots_n - 1); t->slots[i].name != NULL;
         i = (i + 1) & (t->slots_n - 1)) {
        if (strncmp(t->slots[i].name, name, n) == 0 && t->slots[i].name[n] == 0) {
            t->last = t->slots[i].name;
            t->last_index = t->slots[i].index;
            return t->last_index;
        }
    }
    return NAMES_NONE;
}

void names_clear(struct names *t)
{
    free(t->slots);
    memset(t, 0, sizeof(*t));
}
