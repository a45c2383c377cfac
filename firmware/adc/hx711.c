/* HX711 frame logic; the checks and the reasons for them are in hx711.h. */
#include "adc/hx711.h"

/* A value that differs from its neighbours by less than this is no jump: 64 counts are some tenths of a
 * gram on any usual cell. */
#define TOLERANCE_MIN 64
#define LEARN_SHIFT   4 /* a sixteenth of each new interval or difference */

const char *hx711_reason_name(enum hx711_reason reason)
{
    switch (reason) {
    case HX711_GOOD:
        return "good";
    case HX711_NOT_READY:
        return "not_ready";
    case HX711_LATE_START:
        return "late_start";
    case HX711_SCK_HIGH:
        return "sck_high";
    case HX711_LATE_END:
        return "late_end";
    case HX711_PULSES:
        return "pulses";
    case HX711_EXTRA_BITS:
        return "extra_bits";
    case HX711_DOUT_LOW:
        return "dout_low";
    case HX711_GAP:
        return "gap";
    case HX711_SETTLING:
        return "settling";
    case HX711_CLIP:
        return "clip";
    case HX711_PATTERN:
        return "pattern";
    case HX711_REASONS:
        break;
    }
    return "?";
}

int32_t hx711_sign_extend(uint32_t code)
{
    return (int32_t)((code & 0xffffff) ^ 0x800000) - 0x800000;
}

/* --- one frame ---------------------------------------------------------------------------------- */

void hx711_frame_begin(struct hx711_frame *f, int64_t ready_lo_us, int64_t ready_us, int64_t now_us,
                       bool dout)
{
    *f = (struct hx711_frame){
        .ready_lo_us = ready_lo_us,
        .ready_us = ready_us,
        .start_us = now_us,
        .end_us = now_us,
        .was_low = !dout,
    };
}

void hx711_frame_pulse(struct hx711_frame *f, int64_t rise_us, int64_t fall_us, bool dout)
{
    int64_t high = fall_us - rise_us;

    if (high > f->high_max_us)
        f->high_max_us = high > INT32_MAX ? INT32_MAX : (int32_t)high;
    if (f->pulses < HX711_DATA_BITS)
        f->code = f->code << 1 | (dout ? 1 : 0);
    else if (!dout)
        f->extra_zero = true;
    if (f->pulses < UINT8_MAX)
        f->pulses++;
    f->end_us = fall_us;
}

void hx711_frame_end(struct hx711_frame *f, int64_t now_us, bool dout)
{
    f->end_us = now_us;
    f->is_high = dout;
}

int32_t hx711_frame_counts(const struct hx711_frame *f)
{
    return hx711_sign_extend(f->code);
}

/* C1..C4 and the clip codes: all that one frame tells by itself.
 *
 * A chip with its own PD_SCK is read as soon as it is ready, so C3 is half a conversion as the reference
 * has it. On a shared PD_SCK the bank waits for its slowest chip and the data of the others is up to one
 * conversion old; half a conversion would refuse every second frame of a healthy bank. What C3 protects
 * from is a boundary inside the frame, and the conversion time is learnt to a fraction of a per cent, so
 * there the limit is 15/16. C1's limit leaves a sixteenth for the clocking itself. */
static enum hx711_reason frame_check(const struct hx711_frame *f, const struct hx711_config *c,
                                     int32_t period_us)
{
    int32_t end_max = c->shared ? period_us / 16 * 15 : period_us / 2;
    int32_t counts = hx711_frame_counts(f);

    if (!f->was_low)
        return HX711_NOT_READY;
    if (f->high_max_us > c->sck_high_max_us) /* before the late ones: a reset must not be missed */
        return HX711_SCK_HIGH;
    if (f->start_us - f->ready_lo_us > end_max - period_us / 16)
        return HX711_LATE_START;
    if (f->end_us - f->ready_lo_us > end_max)
        return HX711_LATE_END;
    if (f->pulses != c->pulses)
        return HX711_PULSES;
    if (f->extra_zero)
        return HX711_EXTRA_BITS;
    if (!f->is_high)
        return HX711_DOUT_LOW;
    if (counts == HX711_CLIP_HIGH || counts == HX711_CLIP_LOW)
        return HX711_CLIP;
    return HX711_GOOD;
}

/* --- a stream of frames ------------------------------------------------------------------------- */

static int32_t nominal_us(const struct hx711_config *c)
{
    return 1000000 / (c->rate_sps > 0 ? c->rate_sps : 1);
}

void hx711_stream_init(struct hx711_stream *s, const struct hx711_config *config)
{
    *s = (struct hx711_stream){
        .config = *config,
        .period_q4 = nominal_us(config) * 16,
        .settled_us = INT64_MIN,
    };
}

static size_t give(struct hx711_stream *s, struct hx711_result r, struct hx711_result *ret)
{
    s->count[r.reason]++;
    *ret = r;
    return 1;
}

/* Gives the held frame out as refused, if there is one. */
static size_t drop_held(struct hx711_stream *s, enum hx711_reason reason, struct hx711_result *ret)
{
    if (!s->held)
        return 0;
    s->held = false;
    s->frame.reason = reason;
    return give(s, s->frame, ret);
}

/* Nothing before is comparable to what comes after, and that is not settled before `from_us` + 4 T. */
static void unsettle(struct hx711_stream *s, int64_t from_us)
{
    if (s->doubt) /* so it was a reset, and we know when */
        from_us = s->end_us;
    s->doubt = false;
    s->discard = true;
    s->settled_us = from_us + HX711_SETTLE_CONVERSIONS * (int64_t)hx711_stream_period_us(s);
    s->has_last = false;
}

size_t hx711_stream_reset(struct hx711_stream *s, int64_t now_us,
                          struct hx711_result ret[HX711_RESULTS_MAX])
{
    size_t n = drop_held(s, HX711_GAP, ret);

    s->doubt = false;
    unsettle(s, now_us);
    s->timed = false;
    return n;
}

/* Does the code look like a frame whose tail is missing? A chip that powered down answers with ones. */
static bool is_pattern(int32_t counts)
{
    uint32_t code = (uint32_t)counts & 0xffffff;

    return (code & 0x3ff) == 0x3ff || (code & (code + 1)) == 0;
}

/* C6: a suspicious value is believed when it lies between its neighbours, or near one. */
static bool is_supported(const struct hx711_stream *s, int32_t counts, const int32_t *next)
{
    int32_t tolerance = s->noise_q4 / 16 * 8;
    int32_t low, high;

    if (!s->has_last && next == NULL)
        return false;
    low = s->has_last ? s->last : *next;
    high = low;
    if (next != NULL && *next < low)
        low = *next;
    if (next != NULL && *next > high)
        high = *next;
    if (tolerance < TOLERANCE_MIN)
        tolerance = TOLERANCE_MIN;
    return counts >= low - tolerance && counts <= high + tolerance;
}

static void learn_noise(struct hx711_stream *s, int32_t counts)
{
    int32_t diff = counts > s->last ? counts - s->last : s->last - counts;
    int32_t cap = s->noise_q4 / 4 + TOLERANCE_MIN; /* a step of the load is not noise */

    if (diff > cap)
        diff = cap;
    s->noise_q4 += (diff * 16 - s->noise_q4) / (1 << LEARN_SHIFT);
}

/* The held frame has survived C5. `next` is its successor's value, NULL when that was refused. */
static size_t release_held(struct hx711_stream *s, const int32_t *next, struct hx711_result *ret)
{
    if (!s->held)
        return 0;
    if (is_pattern(s->frame.counts) && !is_supported(s, s->frame.counts, next))
        return drop_held(s, HX711_PATTERN, ret);
    if (s->has_last)
        learn_noise(s, s->frame.counts);
    s->has_last = true;
    s->last = s->frame.counts;
    s->held = false;
    return give(s, s->frame, ret);
}

/* The latest moment from which a regular chip's next edge is one conversion away: the edge before, or the clocking
 * when that began so late that further conversions may have ended meanwhile. */
static int64_t last_edge_us(const struct hx711_stream *s)
{
    return s->late ? s->start_us : s->ready_us;
}

/* C5. Each edge is known as an interval, from the last look that found high to the first that found low; a reader
 * that is kept waiting sees long ones. A frame passes when a regular chip can have made what was seen, and a reset
 * one cannot: that takes four conversions from the clocking on, a reset by itself from later. Judging the
 * longest interval alone took every pause of the reader for a reset, and a reader that often waits half a conversion
 * had no frame left. An edge that was only seen late must not look like one that came early either. */
static bool interval_fits(const struct hx711_stream *s, const struct hx711_frame *f)
{
    int64_t period = hx711_stream_period_us(s);

    return (f->ready_lo_us - last_edge_us(s)) * 2 <= period * 3 &&
           (f->ready_us - s->end_us) * 2 < period * 7 &&
           (f->ready_us - s->ready_lo_us) * 10 >= period * 7;
}

static void learn_period(struct hx711_stream *s, int64_t lo_us, int64_t hi_us)
{
    int32_t nominal = nominal_us(&s->config), period = s->period_q4 / 16;
    int64_t interval = hi_us - s->ready_us;

    if (s->late || hi_us - lo_us > period / 8 || s->ready_us - s->ready_lo_us > period / 8)
        return; /* an edge that was seen late says little */
    s->period_q4 += (int32_t)(interval * 16 - s->period_q4) / (1 << LEARN_SHIFT);
    if (s->period_q4 < nominal * 16 / 10 * 7)
        s->period_q4 = nominal * 16 / 10 * 7;
    if (s->period_q4 > nominal * 16 / 10 * 15)
        s->period_q4 = nominal * 16 / 10 * 15;
}

/* Whole conversions between the ready edge that was seen and the start: on a shared PD_SCK a chip that
 * waits is overtaken by its own next conversion, and then that is what is read. */
static int64_t overtaken_us(const struct hx711_stream *s, const struct hx711_frame *f)
{
    int64_t period = hx711_stream_period_us(s);
    int64_t age = f->start_us - f->ready_us;

    return s->config.shared && f->was_low && age >= period ? age / period * period : 0;
}

size_t hx711_stream_push(struct hx711_stream *s, const struct hx711_frame *clocked,
                         struct hx711_result ret[HX711_RESULTS_MAX])
{
    struct hx711_frame f = *clocked;
    enum hx711_reason reason;
    int32_t counts = hx711_frame_counts(&f);
    size_t n = 0;

    if (s->timed && (!f.was_low || !interval_fits(s, &f))) {
        n += drop_held(s, HX711_GAP, ret);
        unsettle(s, f.start_us);
    } else if (s->timed) {
        learn_period(s, f.ready_lo_us, f.ready_us);
        s->doubt = false; /* a chip that was reset would have taken four conversions */
    }
    f.ready_lo_us += overtaken_us(s, clocked);
    f.ready_us += overtaken_us(s, clocked);
    reason = frame_check(&f, &s->config, hx711_stream_period_us(s));
    n += release_held(s, reason == HX711_GOOD ? &counts : NULL, ret + n);
    s->timed = f.was_low;
    s->ready_lo_us = f.ready_lo_us;
    s->ready_us = f.ready_us;
    s->late = reason == HX711_LATE_START;
    s->doubt = reason == HX711_SCK_HIGH;
    s->start_us = f.start_us;
    s->end_us = f.end_us;
    if (reason == HX711_GOOD && (s->discard || f.ready_us < s->settled_us)) {
        reason = HX711_SETTLING;
        s->discard = false;
    }
    if (reason != HX711_GOOD)
        return n + give(s, (struct hx711_result){f.ready_us, counts, reason}, ret + n);
    s->held = true;
    s->frame = (struct hx711_result){f.ready_us, counts, HX711_GOOD};
    return n;
}

size_t hx711_stream_wait(struct hx711_stream *s, int64_t high_us,
                         struct hx711_result ret[HX711_RESULTS_MAX])
{
    if (!s->timed || (high_us - last_edge_us(s)) * 2 <= hx711_stream_period_us(s) * INT64_C(3))
        return 0;
    unsettle(s, high_us);
    s->timed = false;
    return drop_held(s, HX711_GAP, ret);
}

size_t hx711_stream_end(struct hx711_stream *s, struct hx711_result ret[HX711_RESULTS_MAX])
{
    return release_held(s, NULL, ret);
}
