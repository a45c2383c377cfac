/* The table of members; see members.h for what it is for and what it costs. */
#include "core/members.h"

#include <string.h>

/* 48 bytes of keys, then the rest packed: 56 bytes. */
struct member_record {
    uint8_t keys[MEMBERS_DATES_MAX][NOREN_DAY_KEY_SIZE];
    uint32_t name; /* offset of the ref in names */
    uint16_t bucket;
    uint8_t consent;
    uint8_t has; /* bit i: keys[i] is there */
};

/* At most three quarters full, so that a look-up that finds nothing stays short. */
static size_t slots_for(size_t capacity)
{
    size_t n = 16;

    while (n / 4 * 3 < capacity * MEMBERS_STEPS)
        n *= 2;
    return n;
}

size_t members_size(size_t capacity)
{
    return capacity * (sizeof(struct member_record) + NOREN_ID_SIZE +
                       (size_t)MEMBERS_RUNS * NOREN_TOKEN_MAC_SIZE) +
           slots_for(capacity) * sizeof(uint32_t);
}

void members_init(struct members *m, void *memory, size_t capacity)
{
    size_t slots_n = slots_for(capacity);
    uint8_t *p = memory;

    /* in the order of falling alignment */
    *m = (struct members){.memory = memory, .capacity = capacity, .slots_n = slots_n};
    m->slots = (uint32_t *)memory;
    p += slots_n * sizeof(uint32_t);
    m->records = (struct member_record *)(void *)p;
    p += capacity * sizeof(struct member_record);
    m->macs = (uint8_t(*)[NOREN_TOKEN_MAC_SIZE])p;
    p += capacity * MEMBERS_RUNS * NOREN_TOKEN_MAC_SIZE;
    m->names = (char *)p;
}

/* The column of keys for this date, opened if there is room; -1 when there is none. */
static int date_column(uint32_t dates[MEMBERS_DATES_MAX], uint32_t date)
{
    for (int i = 0; i < MEMBERS_DATES_MAX; i++) {
        if (dates[i] == 0)
            dates[i] = date;
        if (dates[i] == date)
            return i;
    }
    return -1;
}

const char *members_add(struct members *m, const struct member *in)
{
    struct member_record r = {.bucket = in->bucket, .consent = in->consent};
    uint32_t dates[MEMBERS_DATES_MAX];
    size_t n = strnlen(in->ref, sizeof(in->ref));

    if (m->n >= m->capacity)
        return "more members than the table was made for";
    if (n == 0 || n == sizeof(in->ref))
        return "member_ref must have 1 to 39 bytes";
    if (in->bucket > 9999)
        return "bucket must be 0 to 9999";
    if (in->days_n > MEMBERS_DATES_MAX)
        return "a member may have day keys of at most three dates";
    memcpy(dates, m->dates, sizeof(dates));
    for (int i = 0; i < in->days_n; i++) {
        int column = in->days[i].date != 0 ? date_column(dates, in->days[i].date) : -1;

        if (column < 0)
            return "the members together may have day keys of at most three dates";
        memcpy(r.keys[column], in->days[i].key, NOREN_DAY_KEY_SIZE);
        r.has |= (uint8_t)(1 << column);
    }
    memcpy(m->dates, dates, sizeof(dates));
    r.name = (uint32_t)m->names_n;
    memcpy(m->names + m->names_n, in->ref, n + 1);
    m->names_n += n + 1;
    m->records[m->n++] = r;
    m->now = 0; /* the tokens of this one are yet to be worked out; the others' runs go on */
    return NULL;
}

/* MACs are uniformly distributed already. An attacker chooses what is looked up, not what is stored, so
 * the longest probe is that of a random table. */
static size_t slot_of(const struct members *m, const uint8_t *mac)
{
    uint32_t h;

    memcpy(&h, mac, sizeof(h));
    return h & (m->slots_n - 1);
}

/* Works out the tokens for `step` of the members before `until` that are yet to be done, `budget` at most.
 * Returns how many that were. */
static size_t fill_run(struct members *m, uint64_t step, size_t until, size_t budget)
{
    size_t run = step % MEMBERS_RUNS, done = 0;
    uint32_t date = noren_utc_date((int64_t)step * NOREN_STEP_S);
    int column = -1;

    if (m->steps[run] != step) {
        m->steps[run] = step;
        m->filled[run] = 0;
    }
    for (int i = 0; i < MEMBERS_DATES_MAX; i++)
        if (m->dates[i] == date)
            column = i;
    for (; m->filled[run] < until && done < budget; m->filled[run]++, done++) {
        const struct member_record *r = &m->records[m->filled[run]];
        uint8_t *mac = m->macs[run * m->capacity + m->filled[run]];

        if (column >= 0 && (r->has & 1 << column) != 0)
            noren_token_mac(r->keys[column], step, mac);
        else
            memset(mac, 0, NOREN_TOKEN_MAC_SIZE); /* all zero: no token; never entered */
    }
    return done;
}

static void fill_slots(struct members *m, uint64_t now)
{
    static const uint8_t none[NOREN_TOKEN_MAC_SIZE];

    memset(m->slots, 0, m->slots_n * sizeof(m->slots[0]));
    for (uint64_t step = now - 1; step <= now + 1; step++) {
        for (size_t i = 0; i < m->n; i++) {
            size_t place = step % MEMBERS_RUNS * m->capacity + i;
            size_t s = slot_of(m, m->macs[place]);

            if (memcmp(m->macs[place], none, sizeof(none)) == 0)
                continue;
            while (m->slots[s] != 0)
                s = (s + 1) & (m->slots_n - 1);
            m->slots[s] = (uint32_t)place + 1;
        }
    }
    m->now = now;
}

/* Keys of days before `date` are of no more use to us, and must not be to a thief. */
static void wipe_before(struct members *m, uint32_t date)
{
    for (int c = 0; c < MEMBERS_DATES_MAX; c++) {
        if (m->dates[c] == 0 || m->dates[c] >= date)
            continue;
        for (size_t i = 0; i < m->n; i++) {
            memset(m->records[i].keys[c], 0, NOREN_DAY_KEY_SIZE);
            m->records[i].has &= (uint8_t) ~(1 << c);
        }
        m->dates[c] = 1; /* taken, and no date: the column cannot be used again */
    }
}

static bool usable(int64_t utc_us)
{
    return utc_us > NOREN_STEP_S * NOREN_US_PER_S; /* there must be a step before */
}

bool members_prepare(struct members *m, int64_t utc_us, size_t budget)
{
    uint64_t now = noren_step(utc_us / NOREN_US_PER_S);

    if (!usable(utc_us))
        return true;
    for (uint64_t step = now - 1; step <= now + 1; step++) {
        budget -= fill_run(m, step, m->n, budget);
        if (m->filled[step % MEMBERS_RUNS] < m->n)
            return false;
    }
    return true;
}

void members_clock(struct members *m, int64_t utc_us, enum clock_quality quality)
{
    const int64_t step_us = NOREN_STEP_S * NOREN_US_PER_S;
    uint64_t now = noren_step(utc_us / NOREN_US_PER_S);
    int64_t into_us = utc_us % step_us;

    m->open = quality != CLOCK_FLOOR && usable(utc_us);
    if (!m->open || m->n == 0)
        return;
    if (m->now != now) {
        members_prepare(m, utc_us, SIZE_MAX);
        fill_slots(m, now);
        if (quality == CLOCK_SYNCED)
            wipe_before(m, noren_utc_date((int64_t)(now - 1) * NOREN_STEP_S));
    }
    /* done with the last call before the step ends, if there is one in its last eighth */
    fill_run(m, now + 2,
             into_us < step_us / 8 * 7 ? m->n * (uint64_t)into_us / (uint64_t)(step_us / 8 * 7)
                                       : m->n,
             SIZE_MAX);
}

bool members_resolve(const struct members *m, uint8_t step_low,
                     const uint8_t mac[NOREN_TOKEN_MAC_SIZE], struct member *ret)
{
    const struct member_record *r;
    size_t s;

    if (!m->open || m->n == 0)
        return false;
    for (s = slot_of(m, mac); m->slots[s] != 0; s = (s + 1) & (m->slots_n - 1)) {
        size_t place = m->slots[s] - 1;

        /* not constant time: a token is spoken in the clear, there is no secret to leak by timing */
        if ((uint8_t)m->steps[place / m->capacity] != step_low ||
            memcmp(m->macs[place], mac, NOREN_TOKEN_MAC_SIZE) != 0)
            continue;
        r = &m->records[place % m->capacity];
        *ret = (struct member){.consent = r->consent, .bucket = r->bucket};
        memcpy(ret->ref, m->names + r->name, strlen(m->names + r->name) + 1);
        return true;
    }
    return false;
}

const char *members_next_ref(const struct members *m, const char *ref)
{
    const char *next = ref == NULL ? m->names : ref + strlen(ref) + 1;

    return next != NULL && next < m->names + m->names_n ? next : NULL;
}
