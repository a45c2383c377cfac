/* The advert path (design section 14: at least 1,000,000 adverts/s on one core of a PC): HCI events in
 * memory through radio_step() with 30,000 members and 1,000 tags loaded, half of them known by EID and half
 * by private address.
 *
 * Three airs: 511 recorded events of strangers, which is what a store hears most; 4,096 members, each with
 * a valid token, where every advert is a look-up that finds somebody and makes an observation; and the
 * tags, where every other one is found by its address.
 */
#include <string.h>

#include "bench.h"
#include "core/radio.h"

#define MEMBERS 30000
#define TAGS    1000
#define CROWD   4096
#define UTC_US  ((int64_t)NOREN_VECTOR_UNIX_S * NOREN_US_PER_S)

struct air {
    struct {
        uint8_t n, bytes[257];
    } packet[CROWD];
    size_t n;
};

/* `04` and an event in hexadecimal, one a line. */
static void read_air(struct air *a, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[600];

    if (f == NULL) {
        perror(path);
        exit(1);
    }
    while (a->n < CROWD && fgets(line, sizeof(line), f) != NULL) {
        size_t n = strcspn(line, "\n") / 2;

        for (size_t i = 1; i < n; i++) {
            char pair[3] = {line[2 * i], line[2 * i + 1], '\0'};

            a->packet[a->n].bytes[i - 1] = (uint8_t)strtoul(pair, NULL, 16);
        }
        a->packet[a->n++].n = (uint8_t)(n - 1);
    }
    fclose(f);
}

static void add_token(struct air *a, const uint8_t key[NOREN_DAY_KEY_SIZE])
{
    static const uint8_t head[] = {
        HCI_LE_META, 33, HCI_LE_ADV_REPORT, 1, 3, 1, 1, 2, 3, 4, 5, 0xc6, 21, 2, 1, 6};
    uint8_t token[NOREN_TOKEN_SIZE], ad[18];
    struct wr w = wr_init(a->packet[a->n].bytes, sizeof(a->packet[a->n].bytes));

    noren_token(key, NOREN_VECTOR_STEP, token);
    noren_token_ad(token, ad);
    wr_copy(&w, head, sizeof(head));
    wr_copy(&w, ad, sizeof(ad));
    wr_u8(&w, 0xc4);
    a->packet[a->n++].n = (uint8_t)w.n;
}

static void load_members(struct radio *r, struct air *crowd)
{
    void *memory = calloc(1, members_size(MEMBERS));
    uint64_t seed = 20261121;

    if (memory == NULL)
        abort();
    members_init(&r->members, memory, MEMBERS);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member m = {.consent = CONSENT_ALL, .days_n = 1};

        snprintf(m.ref, sizeof(m.ref), "m-%08x", i);
        m.days[0].date = NOREN_VECTOR_DATE;
        for (size_t k = 0; k < sizeof(m.days[0].key); k++)
            m.days[0].key[k] = (uint8_t)bench_random(&seed);
        if (members_add(&r->members, &m) != NULL)
            abort();
        if (i % (MEMBERS / CROWD) == 0 && crowd->n < CROWD)
            add_token(crowd, m.days[0].key);
    }
    radio_clock(r, UTC_US, CLOCK_SYNCED);
}

/* Tag i: an EID in service data, or nothing but flags under a private address. */
static void add_tag_advert(struct air *a, const struct tag *tag)
{
    static const uint8_t head[] = {HCI_LE_META, 0, HCI_LE_ADV_REPORT, 1, 3, 1},
                         flags[] = {3, 2, 1, 6}, eid[] = {14, 13, 0x16, 0xaa, 0xfe, 0x30, 0xee};
    struct wr w = wr_init(a->packet[a->n].bytes, sizeof(a->packet[a->n].bytes));
    uint32_t prand = 0x400000 + (uint32_t)a->n;
    uint8_t id[TAG_EID_SIZE];

    wr_copy(&w, head, sizeof(head));
    wr_le(&w, tag->kind == TAG_IRK ? tags_ah(tag->key, prand) : 0, 3);
    wr_le(&w, tag->kind == TAG_IRK ? prand : 0xc00000, 3);
    if (tag->kind == TAG_IRK) {
        wr_copy(&w, flags, sizeof(flags));
    } else {
        tags_eid(tag->key, tag->k, NOREN_VECTOR_UNIX_S, id);
        wr_copy(&w, eid, sizeof(eid));
        wr_copy(&w, id, sizeof(id));
    }
    wr_u8(&w, 0xc4);
    a->packet[a->n].bytes[1] = (uint8_t)(w.n - 2);
    a->packet[a->n++].n = (uint8_t)w.n;
}

static void load_tags(struct radio *r, struct air *a)
{
    void *memory = calloc(1, tags_size(TAGS));
    uint64_t seed = 20261122;

    if (memory == NULL)
        abort();
    tags_init(&r->tags, memory, TAGS);
    for (unsigned i = 0; i < TAGS; i++) {
        struct tag tag = {.kind = i % 2 == 0 ? TAG_EID : TAG_IRK, .k = 10};

        snprintf(tag.id, sizeof(tag.id), "t-%u", i);
        for (size_t k = 0; k < sizeof(tag.key); k++)
            tag.key[k] = (uint8_t)bench_random(&seed);
        if (tags_add(&r->tags, &tag) != NULL)
            abort();
        add_tag_advert(a, &tag);
    }
}

/* Every address once, as over the first minutes of a day: what is measured is the air of a store that has
 * been open for a while. The bound of AES a second is lifted for it. */
static void warm_up(struct radio *r, const struct air *a)
{
    struct obs obs[RADIO_OBS_MAX];

    for (size_t i = 0; i < a->n; i++) {
        struct radio_in in = {
            .t_us = (int64_t)i, .packet = a->packet[i].bytes, .n = a->packet[i].n};

        r->tags.aes_s = -1;
        radio_step(r, &in, obs);
    }
}

/* Adverts per second, and how many observations they made. */
static double play(struct radio *r, const struct air *a, size_t adverts, size_t *ret_obs)
{
    struct obs obs[RADIO_OBS_MAX];
    int64_t before = r->counters.reports;
    double start = bench_seconds();

    *ret_obs = 0;
    for (size_t i = 0; i < adverts; i++) {
        struct radio_in in = {
            .t_us = (int64_t)i, .packet = a->packet[i % a->n].bytes, .n = a->packet[i % a->n].n};

        *ret_obs += radio_step(r, &in, obs);
    }
    return (double)(r->counters.reports - before) / (bench_seconds() - start);
}

static void measure(struct radio *r, const struct air *a, const char *metric, size_t expect)
{
    double rate[BENCH_ROUNDS];
    size_t obs, adverts = 1000000;

    for (int i = 0; i < BENCH_ROUNDS; i++) {
        rate[i] = play(r, a, adverts, &obs);
        if (obs != expect * adverts || r->counters.refused_hci + r->counters.refused_ad != 0) {
            fprintf(stderr, "%s: %zu observations, refused %" PRId64 "\n", metric, obs,
                    r->counters.refused_ad);
            exit(1);
        }
    }
    bench_print(metric, bench_median(rate, BENCH_ROUNDS), "adverts/s", "higher");
}

int main(void)
{
    static struct radio r;
    static struct air strangers, crowd, tags;

    radio_init(&r);
    read_air(&strangers, NOREN_SOURCE_DIR "/tests/data/air-hci.txt");
    warm_up(&r, &strangers);
    measure(&r, &strangers, "strangers_nobody", 0); /* 0 members, 0 tags: what knowing some costs */
    load_tags(&r, &tags);
    load_members(&r, &crowd);
    warm_up(&r, &strangers);
    warm_up(&r, &tags);
    measure(&r, &strangers, "strangers", 0);
    measure(&r, &crowd, "members", 1);
    measure(&r, &tags, "tags", 1);
    free(r.tags.memory);
    free(r.members.memory);
    return 0;
}
