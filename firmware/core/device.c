/* Shelf node and store beacon; see device.h. */
#include "core/device.h"

#define BLOCK 256 /* frame counters reserved by one write to flash */

/* Mass is "stable" when it moved less than this between two reports. */
#define STABLE_DG 20

static bool is_due(uint32_t now_ms, uint32_t due_ms)
{
    return (int32_t)(now_ms - due_ms) >= 0;
}

void device_init(struct device *d, const struct provision *config, uint32_t counter,
                 uint32_t now_ms)
{
    memset(d, 0, sizeof(*d));
    d->config = *config;
    d->next_counter = counter; /* everything below may have been on air */
    d->due_ms = now_ms;
    d->next_step_ms = now_ms + NOREN_STEP_S * 1000u;
    d->step = counter > config->first_step ? counter : config->first_step;
    d->minor = noren_beacon_minor(config->key, d->step);
}

static void add_sample(struct device_cell *c, int32_t counts)
{
    if (c->n == DEVICE_SAMPLES) { /* reports are slower than samples: keep the newest */
        memmove(c->counts, c->counts + 1, (DEVICE_SAMPLES - 1) * sizeof(c->counts[0]));
        c->n--;
    }
    c->counts[c->n++] = counts;
}

/* Median by insertion: at most 15 values, and no library sort on the M0. */
static int32_t take_median(struct device_cell *c)
{
    for (uint8_t i = 1; i < c->n; i++) {
        int32_t v = c->counts[i];
        uint8_t k = i;

        for (; k > 0 && c->counts[k - 1] > v; k--)
            c->counts[k] = c->counts[k - 1];
        c->counts[k] = v;
    }
    return c->counts[c->n / 2];
}

static int32_t to_dg(const struct provision_cell *cal, int32_t counts)
{
    int64_t ug = (int64_t)(counts - cal->zero_counts) * cal->ug_per_count;
    int64_t dg = ug / 100000; /* a tenth of a gram is 100,000 micrograms */

    return dg > 0x7fffff ? 0x7fffff : dg < -0x800000 ? -0x800000 : (int32_t)dg;
}

/* One cell a frame, in turn: a legacy advertisement has room for one. */
static void report_cell(struct device *d, struct device_out *out)
{
    struct device_cell *c = &d->cells[d->cell];
    struct noren_node frame = {
        .node = d->config.number, .cell = d->cell, .counter = d->next_counter++};

    if (c->n == 0) {
        frame.status = NOREN_NODE_FAULT;
    } else {
        frame.mass_dg = to_dg(&d->config.cells[d->cell], take_median(c));
        if (frame.mass_dg - c->last_dg < STABLE_DG && c->last_dg - frame.mass_dg < STABLE_DG)
            frame.status = NOREN_NODE_STABLE;
        c->last_dg = frame.mass_dg;
        c->n = 0;
    }
    noren_node_ad(d->config.key, &frame, out->ad);
    out->ad_n = NOREN_NODE_AD_SIZE;
    d->cell = (uint8_t)((d->cell + 1) % d->config.cells_n);
}

static void shelf_node_step(struct device *d, const struct device_in *in, uint32_t now_ms,
                            struct device_out *out)
{
    for (uint8_t i = 0; i < d->config.cells_n; i++) {
        if (in->sampled[i])
            add_sample(&d->cells[i], in->counts[i]);
    }
    if (d->next_counter >=
        in->counter) { /* reserve first; nothing goes out above what flash holds */
        out->store = true;
        out->counter = d->next_counter + BLOCK;
        return;
    }
    if (is_due(now_ms, d->due_ms) && d->config.cells_n > 0) {
        report_cell(d, out);
        d->due_ms = now_ms + d->config.interval_ms;
    }
}

static void beacon_step(struct device *d, const struct device_in *in, uint32_t now_ms,
                        struct device_out *out)
{
    while (is_due(now_ms, d->next_step_ms)) {
        d->next_step_ms += NOREN_STEP_S * 1000u;
        d->minor = noren_beacon_minor(d->config.key, ++d->step);
    }
    if (d->step > in->counter) { /* a restart goes on from here; the gateway learns the rest */
        out->store = true;
        out->counter = d->step;
    }
    if (is_due(now_ms, d->due_ms)) {
        noren_beacon_ad(d->config.uuid, d->config.number, d->minor, d->config.power_1m_dbm,
                        out->ad);
        out->ad_n = 27;
        d->due_ms = now_ms + d->config.interval_ms;
    }
}

uint32_t device_step(struct device *d, const struct device_in *in, uint32_t now_ms,
                     struct device_out *ret_out)
{
    memset(ret_out, 0, sizeof(*ret_out));
    if (d->config.kind == DEVICE_STORE_BEACON) {
        beacon_step(d, in, now_ms, ret_out);
    } else {
        shelf_node_step(d, in, now_ms, ret_out);
        if (ret_out->store) /* come back at once with the counter in flash */
            return now_ms;
    }
    return d->due_ms;
}
