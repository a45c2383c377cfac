/* The advert path (design section 14: at least 1,000,000 adverts/s on one core of a PC): HCI events in
 * memory through radio_step() with 30,000 members loaded.
 *
 * Two airs: 511 recorded events of strangers, which is what a store hears most; and 4,096 members, each
 * with a valid token, where every advert is a look-up that finds somebody and makes an observation.
 */
#include <string.h>

#include "bench.h"
#include "core/radio.h"

#define MEMBERS 30000
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
    static struct air strangers, crowd;

    radio_init(&r);
    read_air(&strangers, NOREN_SOURCE_DIR "/tests/data/air-hci.txt");
    load_members(&r, &crowd);
    measure(&r, &strangers, "strangers", 0);
    measure(&r, &crowd, "members", 1);
    free(r.members.memory);
    return 0;
}
