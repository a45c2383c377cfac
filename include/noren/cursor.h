/* Bounds-checked cursors: the only way bytes from outside are read, or bytes for outside are built.
 *
 * A cursor's error is sticky: after the first read past the end every read yields zero and `bad` stays
 * set, so a parser reads straight through and checks once at the end. Indexing into a received buffer
 * was rejected: each index is a chance to forget a check, and every parser CVE in our peers is one.
 */
#ifndef NOREN_CURSOR_H
#define NOREN_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Reading cursor. Borrows `p`, which must outlive it. */
struct rd {
    const uint8_t *p; /**< next unread byte */
    size_t n;         /**< bytes left */
    bool bad;         /**< a read went past the end */
};

/** A cursor over `n` bytes at `p`. */
static inline struct rd rd_init(const void *p, size_t n)
{
    return (struct rd){.p = (const uint8_t *)p, .n = n};
}

/** Consumes `n` bytes and returns their address, or NULL (and sets `bad`) when fewer are left. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->bad || r->n < n) {
        r->bad = true;
        r->n = 0;
        return NULL;
    }
    r->p += n;
    r->n -= n;
    return p;
}

/** Consumes `n` bytes as a cursor of their own; a bad one when fewer are left. */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
    const uint8_t *p = rd_take(r, n);

    return (struct rd){.p = p, .n = p != NULL ? n : 0, .bad = p == NULL};
}

/** Copies `n` bytes to `ret`; zeroes it when fewer are left. */
static inline void rd_copy(struct rd *r, void *ret, size_t n)
{
    const uint8_t *p = rd_take(r, n);

    if (p != NULL)
        memcpy(ret, p, n);
    else
        memset(ret, 0, n);
}

/** Unsigned little-endian integer of `n` <= 8 bytes. */
static inline uint64_t rd_le(struct rd *r, size_t n)
{
    const uint8_t *p = rd_take(r, n);
    uint64_t v = 0;

    for (size_t i = n; p != NULL && i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

/** Unsigned big-endian integer of `n` <= 8 bytes. */
static inline uint64_t rd_be(struct rd *r, size_t n)
{
    const uint8_t *p = rd_take(r, n);
    uint64_t v = 0;

    for (size_t i = 0; p != NULL && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static inline uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_le(r, 1);
}

static inline uint16_t rd_le16(struct rd *r)
{
    return (uint16_t)rd_le(r, 2);
}

static inline uint16_t rd_be16(struct rd *r)
{
    return (uint16_t)rd_be(r, 2);
}

static inline uint32_t rd_le32(struct rd *r)
{
    return (uint32_t)rd_le(r, 4);
}

/** Sign-extends the low `bits` (1..63) of `v`, two's complement, without shifting a negative. */
static inline int64_t rd_sign_extend(uint64_t v, unsigned bits)
{
    uint64_t sign = (uint64_t)1 << (bits - 1);

    return (int64_t)((v & (sign | (sign - 1))) ^ sign) - (int64_t)sign;
}

/** Writing cursor over a caller's buffer; `bad` is sticky and nothing is written past the end. */
struct wr {
    uint8_t *p;
    size_t n;   /**< bytes written so far */
    size_t cap; /**< size of the buffer */
    bool bad;
};

/** A cursor that writes at most `cap` bytes to `p`, which it borrows. */
static inline struct wr wr_init(void *p, size_t cap)
{
    return (struct wr){.p = (uint8_t *)p, .cap = cap};
}

static inline void wr_copy(struct wr *w, const void *src, size_t n)
{
    if (w->bad || w->cap - w->n < n) {
        w->bad = true;
        return;
    }
    if (n > 0) /* `src` may be NULL then */
        memcpy(w->p + w->n, src, n);
    w->n += n;
}

/** Little-endian, `n` <= 8 bytes. */
static inline void wr_le(struct wr *w, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    wr_copy(w, b, n);
}

/** Big-endian, `n` <= 8 bytes. */
static inline void wr_be(struct wr *w, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    wr_copy(w, b, n);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
    wr_le(w, v, 1);
}

/** Bytes in reverse order: UUIDs are big-endian on paper and little-endian on air. */
static inline void wr_reversed(struct wr *w, const uint8_t *src, size_t n)
{
    for (size_t i = n; i > 0; i--)
        wr_u8(w, src[i - 1]);
}

#endif
