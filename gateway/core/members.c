/* The table of members; see members.h for what it is for and what it costs. */
#include "core/members.h"

#include <string.h>

#include "noren/cursor.h"

struct member_record {
    uint32_t name; /* offset of the ref in names */
    uint16_t bucket;
    uint8_t consent; /* and RECORD_STAFF */
    uint8_t has;     /* bit i: there is a key in column i; RECORD_FORGOTTEN */
};

/* In place of a date whose keys were wiped: taken, and no date. */
#define DATE_OVER 1

#define RECORD_STAFF     0x80
#define RECORD_FORGOTTEN 0x80
#define NAME_WIPED       0x7f /* no ref begins with a control character */

/* A slot: the low 17 bits are 1 + the record's number (0 = free), the others come from the token. */
#define SLOT_RECORD_BITS 17
#define SLOT_RECORD      (((uint64_t)1 << SLOT_RECORD_BITS) - 1)

/* At most four fifths full, so that a look-up that finds nothing stays short. */
static size_t slots_for(size_t capacity)
{
    return capacity / 4 * 5 + 8;
}

size_t members_size(size_t capacity)
{
    return MEMBERS_RUNS * slots_for(capacity) * sizeof(uint64_t) +
           capacity * (sizeof(struct member_record) +
                       (size_t)MEMBERS_DATES_MAX * NOREN_DAY_KEY_SIZE + NOREN_ID_SIZE);
}

void members_init(struct members *m, void *memory, size_t capacity)
{
    size_t slots_n = slots_for(capacity);
    uint8_t *p = memory;

    /* in the order of falling alignment; keys by column, so that a day without keys is memory that was
     * never touched */
    *m = (struct members){.memory = memory, .capacity = capacity, .slots_n = slots_n};
    m->slots = (uint64_t *)memory;
    p += MEMBERS_RUNS * slots_n * sizeof(uint64_t);
    m->records = (struct member_record *)(void *)p;
    p += capacity * sizeof(struct member_record);
    m->keys = (uint8_t(*)[NOREN_DAY_KEY_SIZE])p;
    p += capacity * MEMBERS_DATES_MAX * NOREN_DAY_KEY_SIZE;
    m->names = (char *)p;
}

static uint8_t *key_of(const struct members *m, size_t i, int column)
{
    return m->keys[(size_t)column * m->capacity + i];
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
    struct member_record r = {
        .bucket = in->bucket,
        .consent = (uint8_t)((in->consent & CONSENT_ALL) | (in->staff ? RECORD_STAFF : 0))};
    uint32_t dates[MEMBERS_DATES_MAX];
    size_t n = strnlen(in->ref, sizeof(in->ref));

    if (m->n >= m->capacity)
        return "more members than the table was made for";
    if (n == 0 || n == sizeof(in->ref) || (unsigned char)in->ref[0] < 0x20 ||
        in->ref[0] == NAME_WIPED)
        return "member_ref must have 1 to 39 bytes and no control characters";
    if (in->bucket > 9999)
        return "bucket must be 0 to 9999";
    if (in->days_n > MEMBERS_DATES_MAX)
        return "a member may have day keys of at most three dates";
    memcpy(dates, m->dates, sizeof(dates));
    for (int i = 0; i < in->days_n; i++) {
        int column = in->days[i].date != 0 ? date_column(dates, in->days[i].date) : -1;

        if (column < 0)
            return "the members together may have day keys of at most three dates";
        memcpy(key_of(m, m->n, column), in->days[i].key, NOREN_DAY_KEY_SIZE);
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
    struct rd r = rd_init(mac, 4);

    return (size_t)(rd_le(&r, 4) * m->slots_n >> 32);
}

/* 80 bits folded into the 47 above the record's: each bit of the token is in one of them. */
static uint64_t slot_bits(const uint8_t *mac)
{
    struct rd r = rd_init(mac, NOREN_TOKEN_MAC_SIZE);
    uint64_t high = rd_le(&r, 5), low = rd_le(&r, 5);

    return (low ^ high << 7) << SLOT_RECORD_BITS;
}

static void insert(struct members *m, uint64_t *slots, const uint8_t *mac, size_t record)
{
    size_t s = slot_of(m, mac);

    while (slots[s] != 0)
        s = s + 1 < m->slots_n ? s + 1 : 0;
    slots[s] = slot_bits(mac) | (record + 1);
}

/* Works out the tokens for `step` of the members before `until` that are yet to be done, `budget` at most.
 * Returns how many that were. */
static size_t fill_run(struct members *m, uint64_t step, size_t until, size_t budget)
{
    size_t run = step % MEMBERS_RUNS, done = 0;
    uint64_t *slots = m->slots + run * m->slots_n;
    uint32_t date = noren_utc_date((int64_t)step * NOREN_STEP_S);
    int column = -1;

    if (m->steps[run] != step) {
        m->steps[run] = step;
        m->filled[run] = 0;
        memset(slots, 0, m->slots_n * sizeof(slots[0]));
    }
    for (int i = 0; i < MEMBERS_DATES_MAX; i++)
        if (m->dates[i] == date)
            column = i;
    for (; m->filled[run] < until && done < budget; m->filled[run]++, done++) {
        uint8_t mac[NOREN_TOKEN_MAC_SIZE];

        if (column < 0 || (m->records[m->filled[run]].has & 1 << column) == 0)
            continue;
        noren_token_mac(key_of(m, m->filled[run], column), step, mac);
        insert(m, slots, mac, m->filled[run]);
    }
    return done;
}

/* Keys of days before `date` are of no more use to us, and must not be to a thief. */
static void wipe_before(struct members *m, uint32_t date)
{
    for (int c = 0; c < MEMBERS_DATES_MAX; c++) {
        if (m->dates[c] == 0 || m->dates[c] >= date)
            continue;
        memset(key_of(m, 0, c), 0, m->n * NOREN_DAY_KEY_SIZE);
        for (size_t i = 0; i < m->n; i++)
            m->records[i].has &= (uint8_t) ~(1 << c);
        m->dates[c] = DATE_OVER; /* the column cannot be used again */
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
        m->now = now;
        if (quality == CLOCK_SYNCED)
            wipe_before(m, noren_utc_date((int64_t)(now - 1) * NOREN_STEP_S));
    }
    /* done with the last call before the step ends, if there is one in its last eighth */
    fill_run(m, now + 2,
             into_us < step_us / 8 * 7 ? m->n * (uint64_t)into_us / (uint64_t)(step_us / 8 * 7)
                                       : m->n,
             SIZE_MAX);
}

bool members_expired(const struct members *m)
{
    for (int c = 0; c < MEMBERS_DATES_MAX; c++)
        if (m->dates[c] > DATE_OVER)
            return false;
    return m->dates[0] != 0;
}

static bool is_forgotten(const struct member_record *r)
{
    return (r->has & RECORD_FORGOTTEN) != 0;
}

static void tell(const struct members *m, const struct member_record *r, struct member *ret)
{
    const char *name = m->names + r->name;

    *ret = (struct member){.consent = r->consent & CONSENT_ALL,
                           .bucket = r->bucket,
                           .staff = (r->consent & RECORD_STAFF) != 0};
    memcpy(ret->ref, name, strlen(name) + 1);
}

enum token_verdict members_resolve(const struct members *m, uint8_t step_low,
                                   const uint8_t mac[NOREN_TOKEN_MAC_SIZE], struct member *ret)
{
    int8_t ahead = (int8_t)(step_low - (uint8_t)m->now);
    uint64_t step = m->now + (uint64_t)(int64_t)ahead, bits;
    const uint64_t *slots;

    if (!m->open || m->now == 0)
        return TOKEN_CLOSED;
    if (ahead < -1 || ahead > 1)
        return ahead > 0 ? TOKEN_EARLY : TOKEN_LATE;
    if (m->steps[step % MEMBERS_RUNS] != step)
        return TOKEN_CLOSED;
    slots = m->slots + step % MEMBERS_RUNS * m->slots_n;
    bits = slot_bits(mac);
    /* not constant time: a token is spoken in the clear, there is no secret to leak by timing */
    for (size_t s = slot_of(m, mac); slots[s] != 0; s = s + 1 < m->slots_n ? s + 1 : 0) {
        const struct member_record *r = &m->records[(slots[s] & SLOT_RECORD) - 1];

        if ((slots[s] & ~SLOT_RECORD) != bits || is_forgotten(r))
            continue;
        tell(m, r, ret);
        return TOKEN_RESOLVED;
    }
    return TOKEN_UNKNOWN;
}

static struct member_record *find(const struct members *m, const char *ref)
{
    for (size_t i = 0; i < m->n; i++)
        if (!is_forgotten(&m->records[i]) && strcmp(m->names + m->records[i].name, ref) == 0)
            return &m->records[i];
    return NULL;
}

bool members_find(const struct members *m, const char *ref, struct member *ret)
{
    const struct member_record *r = find(m, ref);

    if (r != NULL)
        tell(m, r, ret);
    return r != NULL;
}

bool members_forget(struct members *m, const char *ref)
{
    struct member_record *r = find(m, ref);
    char *name;

    if (r == NULL)
        return false;
    name = m->names + r->name;
    memset(name, NAME_WIPED, strlen(name));
    for (int c = 0; c < MEMBERS_DATES_MAX; c++)
        if ((r->has & 1 << c) != 0)
            memset(key_of(m, (size_t)(r - m->records), c), 0, NOREN_DAY_KEY_SIZE);
    *r = (struct member_record){.name = r->name, .has = RECORD_FORGOTTEN};
    return true;
}

const char *members_next_ref(const struct members *m, const char *ref)
{
    const char *next = ref == NULL ? m->names : ref + strlen(ref) + 1;

    while (next != NULL && next < m->names + m->names_n && *next == NAME_WIPED)
        next += strlen(next) + 1;
    return next != NULL && next < m->names + m->names_n ? next : NULL;
}
