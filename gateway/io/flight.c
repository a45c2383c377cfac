/* What is in flight; see flight.h. */
#include "io/flight.h"

#include <assert.h>
#include <string.h>

void flight_begin(struct flight *f, size_t receive_max)
{
    memset(f, 0, sizeof(*f));
    f->window = receive_max > 0 && receive_max < FLIGHT_MAX ? receive_max : FLIGHT_MAX;
    f->bytes_max = FLIGHT_BYTES_FIRST;
}

bool flight_room(const struct flight *f)
{
    return f->n < f->window && (f->n == 0 || f->bytes < f->bytes_max);
}

void flight_sent(struct flight *f, int mid, uint64_t token, size_t bytes, int64_t now_ms)
{
    assert(f->n < FLIGHT_MAX);
    f->ring[(f->first + f->n) % FLIGHT_MAX] =
        (struct flight_message){mid, token, bytes, now_ms, true};
    if (f->n++ == 0)
        f->head_since_ms = now_ms;
    f->bytes += bytes;
}

/* Additive up, half down: the bytes in flight follow what the link takes. */
static void learn(struct flight *f, const struct flight_message *m, int64_t now_ms)
{
    int64_t took_ms = now_ms - m->sent_ms;

    if (took_ms < FLIGHT_FAST_MS)
        f->bytes_max += m->bytes;
    else if (took_ms > FLIGHT_SLOW_MS)
        f->bytes_max /= 2;
    if (f->bytes_max > FLIGHT_BYTES_MAX)
        f->bytes_max = FLIGHT_BYTES_MAX;
    if (f->bytes_max < FLIGHT_BYTES_MIN)
        f->bytes_max = FLIGHT_BYTES_MIN;
}

static void drop_closed(struct flight *f, int64_t now_ms)
{
    bool moved = false;

    while (f->n > 0 && !f->ring[f->first].open) {
        f->first = (f->first + 1) % FLIGHT_MAX;
        f->n--;
        moved = true;
    }
    if (moved)
        f->head_since_ms = now_ms;
}

bool flight_acked(struct flight *f, int mid, int64_t now_ms, uint64_t *ret_token)
{
    for (size_t i = 0; i < f->n; i++) {
        struct flight_message *m = &f->ring[(f->first + i) % FLIGHT_MAX];

        if (!m->open || m->mid != mid)
            continue;
        m->open = false;
        f->bytes -= m->bytes;
        *ret_token = m->token;
        learn(f, m, now_ms);
        drop_closed(f, now_ms);
        return true;
    }
    return false;
}

bool flight_overdue(const struct flight *f, int64_t now_ms)
{
    int64_t limit_ms;

    if (f->n == 0)
        return false;
    limit_ms = FLIGHT_LIMIT_MS + (int64_t)f->ring[f->first].bytes * 1000 / FLIGHT_BYTES_PER_S;
    return now_ms - f->head_since_ms > limit_ms;
}
