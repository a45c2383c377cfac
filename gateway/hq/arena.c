/* The block; see arena.h. noren-hq has one thread. */
#include "hq/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#define ALIGN         16
#define TREE_PER_TEXT 24        /* bytes of tree for a byte of text, at most, for events */
#define BLOCK_MAX     (8 << 20) /* a batch of 64 KB takes 1.5 MB */

static struct {
    char *block;
    size_t size, used;
    bool active, installed;
} arena;

static void *take(size_t n)
{
    size_t at = (arena.used + ALIGN - 1) / ALIGN * ALIGN;

    if (!arena.active || n > arena.size || at > arena.size - n)
        return malloc(n);
    arena.used = at + n;
    return arena.block + at;
}

static void give_back(void *p)
{
    if ((uintptr_t)p - (uintptr_t)arena.block >= arena.size)
        free(p);
}

void arena_begin(size_t n)
{
    size_t want = n < BLOCK_MAX / TREE_PER_TEXT ? n * TREE_PER_TEXT : BLOCK_MAX;

    if (!arena.installed)
        json_set_alloc_funcs(take, give_back);
    arena.installed = true;
    if (want > arena.size) {
        free(arena.block);
        arena.block = malloc(want);
        arena.size = arena.block != NULL ? want : 0;
    }
    arena.used = 0;
    arena.active = arena.size > 0;
}

void arena_end(void)
{
    arena.active = false;
}
