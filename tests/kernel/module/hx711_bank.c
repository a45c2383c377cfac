// SPDX-License-Identifier: GPL-2.0-only
/* A bank of HX711 chips behind a real /dev/gpiochip: what the load cells of a shelf look like to Linux.
 *
 * The kernel's own gpio-sim (not in Debian's kernels) has no timing, and timing is what goes wrong with an
 * HX711: a reader that is preempted while PD_SCK is high switches the chip off, and one that is late reads
 * across a conversion. So the chip is modelled where its pins are: in the callbacks of a gpio_chip, against
 * the kernel's clock. Nothing runs in the background; a chip catches up when a line is touched.
 *
 * Lines: PD_SCK of the bank (shared=1) or of each chip first, then DOUT of each chip, then LEDs.
 * Everything is a module parameter, so a shell in the guest can be the shopper:
 *   echo 120000,0 > /sys/module/hx711_bank/parameters/counts
 *
 * GPL-2.0-only because the gpiochip symbols are for GPL modules; it shares no code with the rest of Noren.
 * Behaviour after the Avia HX711 datasheet: 24 bits MSB first, shifted by rising edges; pulses 25..27 choose
 * channel and gain of the next conversion; PD_SCK high for 60 us powers down; 4 conversions to settle.
 */
#include <linux/gpio/driver.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/spinlock.h>
#include <linux/version.h>

#define CHIPS_MAX          16
#define LEDS_MAX           8
#define SETTLE_CONVERSIONS 4

enum fault { FAULT_NONE, FAULT_ABSENT, FAULT_STUCK };

static unsigned int chips = 1;
module_param(chips, uint, 0444);
static bool shared = true;
module_param(shared, bool, 0444);
MODULE_PARM_DESC(shared, "one PD_SCK for the whole bank (default), or one a chip");
static unsigned int rate_sps = 80;
module_param(rate_sps, uint, 0444);
static unsigned int power_down_us = 60;
module_param(power_down_us, uint, 0644);
MODULE_PARM_DESC(power_down_us,
                 "PD_SCK high for longer powers down; an emulated CPU needs a relaxed limit");
static int counts[CHIPS_MAX];
module_param_array(counts, int, NULL, 0644);
MODULE_PARM_DESC(counts, "true signal of each chip at gain 128");
static unsigned int noise[CHIPS_MAX];
module_param_array(noise, uint, NULL, 0644);
MODULE_PARM_DESC(noise, "standard deviation of each chip's noise, in counts");
static unsigned int fault[CHIPS_MAX];
module_param_array(fault, uint, NULL, 0644);
MODULE_PARM_DESC(fault, "0 none, 1 absent (DOUT floats high), 2 stuck (DOUT held low)");

static unsigned int leds;
module_param(leds, uint, 0444);
MODULE_PARM_DESC(leds, "output lines behind the chips' that a light hangs on");
static unsigned int led_high[LEDS_MAX];
module_param_array(led_high, uint, NULL, 0444);
MODULE_PARM_DESC(led_high, "their levels");
static unsigned int led_edges[LEDS_MAX];
module_param_array(led_edges, uint, NULL, 0444);
MODULE_PARM_DESC(led_edges, "how often each changed");

/* What happened to the chips, the truth a reader's own counters can be held against. */
static unsigned long frames;
module_param(frames, ulong, 0444);
MODULE_PARM_DESC(frames, "frames clocked out to the 25th pulse");
static unsigned long power_downs;
module_param(power_downs, ulong, 0444);
static unsigned long straddled;
module_param(straddled, ulong, 0444);
MODULE_PARM_DESC(straddled, "conversions that ended in the middle of a frame and spoilt it");

struct chip {
    u64 ready_ns; /* when the conversion under way ends */
    u64 edge_ns;  /* last edge of PD_SCK */
    u32 shift;    /* the 24 bits being read */
    unsigned int pulses;
    unsigned int gain_pulses; /* 25..27, as chosen by the last frame */
    bool sck, dout;
};

static struct chip bank[CHIPS_MAX];
static DEFINE_SPINLOCK(lock);
static struct gpio_chip gc;
static struct platform_device *device;

static unsigned int first_led(void)
{
    return (shared ? 1 : chips) + chips;
}

static u64 period_ns(void)
{
    return 1000000000ULL / rate_sps;
}

/* Sum of four uniform numbers: near enough to a normal distribution for a load cell. */
static int noise_of(unsigned int i)
{
    s64 sum = 0;
    int k;

    for (k = 0; k < 4; k++)
        sum += (s64)(get_random_u32() >> 16) - 32768;
    return (int)div_s64(sum * (s64)noise[i], 37837); /* its standard deviation is 65536/sqrt(3) */
}

static u32 convert(unsigned int i)
{
    int v = counts[i];

    if (bank[i].gain_pulses == 27)
        v /= 2;
    else if (bank[i].gain_pulses == 26)
        v /= 4;
    return (u32)clamp(v + noise_of(i), -0x800000, 0x7fffff) & 0xffffff;
}

/* Lets the conversions that ended meanwhile happen. One that ends between the pulses of a frame replaces
 * the bits still to come. */
static void catch_up(unsigned int i, u64 now)
{
    struct chip *c = &bank[i];
    u64 late;
    bool reading = c->pulses >= 1 && c->pulses <= 24 && now - c->edge_ns < period_ns() / 4;

    if (now < c->ready_ns)
        return;
    late = now - c->ready_ns;
    c->ready_ns += (div64_u64(late, period_ns()) + 1) * period_ns();
    if (c->pulses >= 25 && c->pulses <= 27)
        c->gain_pulses = c->pulses;
    c->shift = convert(i);
    if (reading) {
        straddled++;
        return;
    }
    c->pulses = 0;
    c->dout = false;
}

static void power_up(unsigned int i, u64 now)
{
    bank[i].ready_ns = now + SETTLE_CONVERSIONS * period_ns();
    bank[i].gain_pulses = 25;
    bank[i].pulses = 0;
    bank[i].dout = true;
}

static bool powered_down(const struct chip *c, u64 now)
{
    return c->sck && now - c->edge_ns > (u64)power_down_us * 1000;
}

static void clock_chip(unsigned int i, bool level, u64 now)
{
    struct chip *c = &bank[i];

    if (level == c->sck)
        return;
    if (level) {
        catch_up(i, now);
        if (c->pulses > 0 || !c->dout) { /* pulses before data is ready do nothing */
            c->pulses++;
            c->dout = c->pulses > 24 || (c->shift >> (24 - c->pulses) & 1);
            frames += c->pulses == 25;
        }
    } else if (powered_down(c, now)) {
        power_downs++;
        power_up(i, now);
    }
    c->sck = level;
    c->edge_ns = now;
}

static int bank_get(struct gpio_chip *g, unsigned int line)
{
    unsigned int scks = shared ? 1 : chips, i = line - scks;
    unsigned long flags;
    u64 now;
    int v;

    if (line < scks)
        return bank[line].sck;
    if (line >= first_led())
        return led_high[line - first_led()];
    spin_lock_irqsave(&lock, flags);
    now = ktime_get_ns();
    if (fault[i] == FAULT_ABSENT || powered_down(&bank[i], now)) {
        v = 1;
    } else if (fault[i] == FAULT_STUCK) {
        v = 0;
    } else {
        catch_up(i, now);
        v = bank[i].dout;
    }
    spin_unlock_irqrestore(&lock, flags);
    return v;
}

static void set_line(unsigned int line, int level)
{
    unsigned int i, scks = shared ? 1 : chips;
    unsigned long flags;
    u64 now;

    if (line >= first_led()) {
        unsigned int *high = &led_high[line - first_led()];

        led_edges[line - first_led()] += *high != (level != 0);
        *high = level != 0;
        return;
    }
    if (line >= scks)
        return;
    spin_lock_irqsave(&lock, flags);
    now = ktime_get_ns();
    for (i = 0; i < chips; i++)
        if (shared || i == line)
            clock_chip(i, level != 0, now);
    spin_unlock_irqrestore(&lock, flags);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
static int bank_set(struct gpio_chip *g, unsigned int line, int level)
{
    set_line(line, level);
    return 0;
}
#else
static void bank_set(struct gpio_chip *g, unsigned int line, int level)
{
    set_line(line, level);
}
#endif

static int bank_direction_input(struct gpio_chip *g, unsigned int line)
{
    /* PD_SCK is the chips' input, a light is one too */
    return line < (shared ? 1 : chips) || line >= first_led() ? -EINVAL : 0;
}

static int bank_direction_output(struct gpio_chip *g, unsigned int line, int level)
{
    if (line >= (shared ? 1 : chips) && line < first_led())
        return -EINVAL;
    set_line(line, level);
    return 0;
}

static int bank_get_direction(struct gpio_chip *g, unsigned int line)
{
    return line < (shared ? 1 : chips) || line >= first_led() ? GPIO_LINE_DIRECTION_OUT
                                                              : GPIO_LINE_DIRECTION_IN;
}

static int __init bank_init(void)
{
    unsigned int i;
    int r;

    if (chips < 1 || chips > CHIPS_MAX || leds > LEDS_MAX || rate_sps < 1)
        return -EINVAL;
    device = platform_device_register_simple("noren-hx711", -1, NULL, 0);
    if (IS_ERR(device))
        return PTR_ERR(device);
    for (i = 0; i < chips; i++)
        power_up(i, ktime_get_ns());
    gc.label = "noren-hx711";
    gc.parent = &device->dev;
    gc.owner = THIS_MODULE;
    gc.base = -1;
    gc.ngpio = first_led() + leds;
    gc.get = bank_get;
    gc.set = bank_set;
    gc.direction_input = bank_direction_input;
    gc.direction_output = bank_direction_output;
    gc.get_direction = bank_get_direction;
    r = gpiochip_add_data(&gc, NULL);
    if (r < 0)
        platform_device_unregister(device);
    return r;
}

static void __exit bank_exit(void)
{
    gpiochip_remove(&gc);
    platform_device_unregister(device);
}

module_init(bank_init);
module_exit(bank_exit);
MODULE_DESCRIPTION("Bank of simulated HX711 weight ADCs behind a gpio_chip");
MODULE_LICENSE("GPL");
