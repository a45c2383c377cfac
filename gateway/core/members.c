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
#define SLOT_RECORD      (((uint32_t)1 << SLOT_RECORD_BITS) - 1)

/* The tokens at one place of those that were heard: a cache line's half. */
#define HEARD_SET 4

/* At most four fifths full, so that a look-up that finds nothing stays short. */
static size_t slots_for(size_t capacity)
{
    return capacity / 4 * 5 + 8;
}

size_t members_size(size_t capacity)
{
    return MEMBERS_HEARD * sizeof(uint64_t) +
           MEMBERS_RUNS * slots_for(capacity) * sizeof(uint32_t) +
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
    m->heard = (uint64_t *)memory;
    p += MEMBERS_HEARD * sizeof(uint64_t);
    m->slots = (uint32_t *)(void *)p;
    p += MEMBERS_RUNS * slots_n * sizeof(uint32_t);
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
static uint64_t heard_bits(const uint8_t *mac)
{
    struct rd r = rd_init(mac, NOREN_TOKEN_MAC_SIZE);
    uint64_t high = rd_le(&r, 5), low = rd_le(&r, 5);

    return (low ^ high << 7) << SLOT_RECORD_BITS;
}

/* Where a token that was heard is remembered: another place in another step, so that a token never passes for
 * one of the step before. */
static uint64_t *heard_set(const struct members *m, const uint8_t *mac, uint64_t step)
{
    struct rd r = rd_init(mac, 4);

    return m->heard + (rd_le(&r, 4) + step) % (MEMBERS_HEARD / HEARD_SET) * HEARD_SET;
}

/* In a free place, else in one that the token says: when too many take turns, only two of them make each other
 * be forgotten. */
static void remember(uint64_t set[HEARD_SET], uint64_t heard)
{
    size_t k = 0;

    while (k < HEARD_SET && set[k] != 0)
        k++;
    set[k < HEARD_SET ? k : (heard >> SLOT_RECORD_BITS) % HEARD_SET] = heard;
}

/* 15 bits that slot_of() does not use. */
static uint32_t slot_bits(const uint8_t *mac)
{
    struct rd r = rd_init(mac + 4, 4);

    return (uint32_t)rd_le(&r, 4) << SLOT_RECORD_BITS;
}

static void insert(struct members *m, uint32_t *slots, const uint8_t *mac, size_t record)
{
    size_t s = slot_of(m, mac);

    while (slots[s] != 0)
        s = s + 1 < m->slots_n ? s + 1 : 0;
    slots[s] = slot_bits(mac) | (uint32_t)(record + 1);
}

/* The column of keys that tokens of this step are made with, or -1. */
static int column_of(const struct members *m, uint64_t step)
{
    uint32_t date = noren_utc_date((int64_t)step * NOREN_STEP_S);
    int column = MEMBERS_DATES_MAX - 1;

    while (column >= 0 && m->dates[column] != date)
        column--;
    return column;
}

/* What this member's token is in this step; false without a key. */
static bool mac_of(const struct members *m, size_t i, int column, uint64_t step,
                   uint8_t ret[NOREN_TOKEN_MAC_SIZE])
{
    if (column < 0 || (m->records[i].has & 1 << column) == 0)
        return false;
    noren_token_mac(key_of(m, i, column), step, ret);
    return true;
}

/* Works out the tokens for `step` of the members before `until` that are yet to be done, `budget` at most.
 * Returns how many that were. */
static size_t fill_run(struct members *m, uint64_t step, size_t until, size_t budget)
{
    size_t run = step % MEMBERS_RUNS, done = 0;
    uint32_t *slots = m->slots + run * m->slots_n;
    int column = column_of(m, step);

    if (m->steps[run] != step) {
        m->steps[run] = step;
        m->filled[run] = 0;
        memset(slots, 0, m->slots_n * sizeof(slots[0]));
    }
    for (; m->filled[run] < until && done < budget; m->filled[run]++, done++) {
        uint8_t mac[NOREN_TOKEN_MAC_SIZE];

        if (mac_of(m, m->filled[run], column, step, mac))
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
        memset(m->heard, 0, MEMBERS_HEARD * sizeof(m->heard[0])); /* a step or a key is over */
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

/* The slot of this token, compared whole: the record's number, or -1. */
static int64_t look_up(const struct members *m, uint64_t step, const uint8_t *mac)
{
    const uint32_t *slots = m->slots + step % MEMBERS_RUNS * m->slots_n;
    uint32_t bits = slot_bits(mac);
    int column = column_of(m, step);
    uint8_t said[NOREN_TOKEN_MAC_SIZE];

    for (size_t s = slot_of(m, mac); slots[s] != 0; s = s + 1 < m->slots_n ? s + 1 : 0) {
        size_t i = (slots[s] & SLOT_RECORD) - 1;

        /* not constant time: a token is spoken in the clear, there is no secret to leak by timing */
        if ((slots[s] & ~SLOT_RECORD) == bits && mac_of(m, i, column, step, said) &&
            memcmp(said, mac, sizeof(said)) == 0)
            return (int64_t)i;
    }
    return -1;
}

enum token_verdict members_resolve(struct members *m, uint8_t step_low,
                                   const uint8_t mac[NOREN_TOKEN_MAC_SIZE], struct member *ret)
{
    int8_t ahead = (int8_t)(step_low - (uint8_t)m->now);
    uint64_t step = m->now + (uint64_t)(int64_t)ahead, heard, *set;
    int64_t i = -1;

    if (!m->open || m->now == 0)
        return TOKEN_CLOSED;
    if (ahead < -1 || ahead > 1)
        return ahead > 0 ? TOKEN_EARLY : TOKEN_LATE;
    if (m->steps[step % MEMBERS_RUNS] != step)
        return TOKEN_CLOSED;
    set = heard_set(m, mac, step);
    heard = heard_bits(mac);
    for (int k = 0; k < HEARD_SET && i < 0; k++)
        if (set[k] != 0 && (set[k] & ~(uint64_t)SLOT_RECORD) == heard)
            i = (int64_t)(set[k] & SLOT_RECORD) - 1;
    if (i < 0) {
        i = look_up(m, step, mac);
        if (i < 0)
            return TOKEN_UNKNOWN;
        remember(set, heard | (uint64_t)(i + 1));
    }
    if (is_forgotten(&m->records[i]))
        return TOKEN_UNKNOWN;
    tell(m, &m->records[i], ret);
    return TOKEN_RESOLVED;
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
