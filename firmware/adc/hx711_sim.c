/* The simulated chip; see hx711_sim.h. What the datasheet leaves open (what happens to the bits at a
 * conversion's end while they are clocked) follows what users of real parts report: the register is
 * replaced, and the remaining bits are those of the new value. */
#include "adc/hx711_sim.h"

#include "adc/hx711.h"

#define POWER_DOWN_NS (HX711_SCK_POWER_DOWN_US * INT64_C(1000))
#define GAIN_A128     25
/* DOUT that nobody has read goes high for a moment before new data. */
#define UPDATE_NS INT64_C(20000)

/* splitmix64: small, seedable with anything, good enough for noise. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Four uniform 16-bit numbers summed: nearly normal, variance 4 * 65536^2 / 12, sd 37837. */
static int32_t noise(struct hx711_sim *c)
{
    uint64_t r = next_random(&c->random);
    int32_t sum = (int32_t)(r & 0xffff) + (int32_t)(r >> 16 & 0xffff) +
                  (int32_t)(r >> 32 & 0xffff) + (int32_t)(r >> 48);

    return (int32_t)((int64_t)(sum - 2 * 65535) * c->noise / 37837);
}

void hx711_sim_init(struct hx711_sim *c, int64_t now_ns, int64_t period_ns, uint64_t seed)
{
    *c = (struct hx711_sim){
        .period_ns = period_ns,
        .next_ns = now_ns + period_ns,
        .unsettled = HX711_SETTLE_CONVERSIONS - 1,
        .gain = GAIN_A128,
        .next_gain = GAIN_A128,
        .edge_ns = now_ns,
        .random = seed,
    };
}

/* The code of a conversion that ends now. Channel B has nothing connected. */
static uint32_t convert(struct hx711_sim *c)
{
    int64_t sum = 0, value;
    int32_t input = c->gain == 26 ? 0 : c->signal;

    c->taps[c->tap] = input;
    c->tap = (uint8_t)((c->tap + 1) % HX711_SETTLE_CONVERSIONS);
    for (int i = 0; i < HX711_SETTLE_CONVERSIONS; i++)
        sum += c->taps[i];
    value = sum / HX711_SETTLE_CONVERSIONS;
    if (c->gain == 27)
        value /= 2;
    value += noise(c);
    if (c->fault == HX711_SIM_STUCK)
        value = c->signal / 2;
    if (c->fault == HX711_SIM_SATURATED || value > HX711_CLIP_HIGH)
        value = HX711_CLIP_HIGH;
    if (value < HX711_CLIP_LOW)
        value = HX711_CLIP_LOW;
    return (uint32_t)value & 0xffffff;
}

/* One conversion ends. */
static void finish(struct hx711_sim *c)
{
    int64_t at = c->next_ns;
    uint32_t code;

    if (c->gain != c->next_gain) { /* selected by the last frame; the filter starts over */
        c->gain = c->next_gain;
        c->unsettled = HX711_SETTLE_CONVERSIONS;
    }
    code = convert(c);
    c->next_ns += c->period_ns;
    if (c->unsettled > 0) {
        c->unsettled--;
        c->low = false;
        c->pulses = 0;
        return;
    }
    c->code = code;
    if (c->pulses > 0 && c->pulses < GAIN_A128 && at - c->edge_ns < c->period_ns / 2)
        return; /* in the middle of a frame: the rest of it comes from the new value */
    c->pulses = 0;
    c->low = true;
}

/* Lets time pass up to `now_ns`. */
static void advance(struct hx711_sim *c, int64_t now_ns)
{
    if (c->sck && !c->down && now_ns - c->edge_ns > POWER_DOWN_NS)
        c->down = true;
    if (c->down)
        return;
    if (now_ns - c->next_ns > c->period_ns * 16) /* nobody looked for long: skip, keep the phase */
        c->next_ns += (now_ns - c->next_ns) / c->period_ns * c->period_ns - 8 * c->period_ns;
    while (c->next_ns <= now_ns)
        finish(c);
}

/* Out of power-down: the filter is empty, and A/128 is selected as after power-up. */
static void wake(struct hx711_sim *c, int64_t now_ns)
{
    c->down = false;
    c->low = false;
    c->pulses = 0;
    c->gain = GAIN_A128;
    c->next_gain = GAIN_A128;
    c->next_ns = now_ns + c->period_ns;
    c->unsettled = HX711_SETTLE_CONVERSIONS - 1;
}

/* A rising edge shifts the next bit out, a pulse after the data selects the gain. */
static void shift(struct hx711_sim *c)
{
    if (c->pulses == 0 && !c->low)
        return; /* not ready: pulses do nothing */
    if (c->pulses < UINT8_MAX)
        c->pulses++;
    if (c->pulses <= HX711_DATA_BITS) {
        c->low = (c->code >> (HX711_DATA_BITS - c->pulses) & 1) == 0;
        return;
    }
    c->low = false;
    if (c->pulses <= 27)
        c->next_gain = c->pulses;
}

void hx711_sim_sck(struct hx711_sim *c, bool high, int64_t now_ns)
{
    advance(c, now_ns);
    if (high == c->sck)
        return;
    c->sck = high;
    c->edge_ns = now_ns;
    if (!high && c->down)
        wake(c, now_ns);
    else if (high)
        shift(c);
}

bool hx711_sim_dout(struct hx711_sim *c, int64_t now_ns)
{
    advance(c, now_ns);
    if (c->fault == HX711_SIM_ABSENT || c->down)
        return true;
    if (c->pulses == 0 && c->next_ns - now_ns <= UPDATE_NS)
        return true;
    return !c->low;
}
