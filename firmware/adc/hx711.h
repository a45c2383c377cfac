/* HX711-class weight ADCs: from clocked bits to a value, or to the reason why there is none.
 *
 * One implementation for the gateway's reader, the shelf node's firmware, the simulated chip's tests and
 * the decoder of logic captures. It is pure and integer, without an allocation: whoever clocks the lines
 * says what happened and when, this says what it was worth.
 *
 * Why so much care: the chip powers down when PD_SCK stays high for 60 us, and a Linux thread is sometimes
 * preempted for longer. The bits that follow read as ones, so a corrupt frame looks like a weight. The
 * six checks (C1..C6) are those of the reference; together they catch it:
 *   C1 DOUT is low at the start, and the start follows the ready edge closely
 *   C2 no PD_SCK high was longer than the limit (45 us; the datasheet's T3 allows 50, 60 powers down)
 *   C3 the frame ended before half a conversion had passed since the ready edge
 *   C4 the gain pulses read as ones, and DOUT is high after the frame
 *   C5 ready to ready is 0.7 .. 1.5 conversions; else the *previous* frame and all until settled go
 *   C6 no clip code, and no 2^k - 1 or ten trailing ones unless the neighbours make it plausible
 * C5 and C6 look at the following frame, so a stream gives out a frame when the next one has been read: one
 * conversion later (12.5 ms at 80 SPS). Giving values out at once and calling them back was rejected: a
 * filter that has eaten a wrong value cannot spit it out.
 *
 * Works for the HX717 too: same protocol, other rates. Facts: Avia HX711 datasheet V2.0.
 */
#ifndef NOREN_ADC_HX711_H
#define NOREN_ADC_HX711_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A PD_SCK high longer than this powers the chip down (datasheet, "Reset and Power-Down Input"). */
#define HX711_SCK_POWER_DOWN_US 60
/** Default limit of check C2, with a margin for what happens between chip and time stamp. */
#define HX711_SCK_HIGH_MAX_US 45
/** Conversions until the output is settled after power-up, reset or change of gain. */
#define HX711_SETTLE_CONVERSIONS 4
#define HX711_DATA_BITS          24
/** The two codes at the ends of the range: the input is beyond it. */
#define HX711_CLIP_HIGH 0x7fffff
#define HX711_CLIP_LOW  (-0x800000)

/** How one chip is wired and set. */
struct hx711_config {
    uint16_t rate_sps; /**< nominal: 10, 20, 80 or 320; the chip's own clock is off by per cents */
    uint8_t pulses;    /**< 25: channel A gain 128, 26: B gain 32, 27: A gain 64 */
    uint16_t sck_high_max_us; /**< check C2; HX711_SCK_HIGH_MAX_US unless the chip allows more */
    bool
        shared; /**< PD_SCK is shared, so the chip waits for its slowest neighbour; see frame_check */
};

/** Why a frame is no value. The order is that of the checks. */
enum hx711_reason {
    HX711_GOOD,
    HX711_NOT_READY,  /**< C1: DOUT was high when clocking began */
    HX711_LATE_START, /**< C1: clocking began too long after the ready edge */
    HX711_SCK_HIGH,   /**< C2: a PD_SCK high was too long, the chip may have powered down */
    HX711_LATE_END,   /**< C3: the next conversion may have changed the bits */
    HX711_PULSES,     /**< C4: not 25..27 pulses, or not as many as set: wrong channel or gain */
    HX711_EXTRA_BITS, /**< C4: a gain pulse read 0 */
    HX711_DOUT_LOW,   /**< C4: DOUT stayed low after the frame */
    HX711_GAP,        /**< C5: the following ready edge came at the wrong time */
    HX711_SETTLING,   /**< C5: after a reset or a gap, not settled yet */
    HX711_CLIP,       /**< C6: one of the two clip codes */
    HX711_PATTERN,    /**< C6: looks like a frame cut off, and no neighbour supports it */
    HX711_REASONS
};

/** "good", "not_ready", ...: for counters and reports. Static. */
const char *hx711_reason_name(enum hx711_reason reason);

/** One frame as it was clocked. Fill it with the three functions below. */
struct hx711_frame {
    int64_t
        ready_lo_us; /**< last moment at which DOUT was seen high, or ready_us when the edge is known */
    int64_t ready_us;    /**< first moment at which DOUT was seen low */
    int64_t start_us;    /**< before the first rising PD_SCK */
    int64_t end_us;      /**< after DOUT was looked at for the last time */
    int32_t high_max_us; /**< longest PD_SCK high */
    uint32_t code;       /**< the bits, first one highest */
    uint8_t pulses;      /**< saturates at 255 */
    bool was_low;        /**< DOUT before the first pulse */
    bool extra_zero;     /**< a gain pulse read 0 */
    bool is_high;        /**< DOUT after the frame */
};

/** Clocking begins at `now_us` with DOUT at `dout`; the ready edge lies in ready_lo_us..ready_us. */
void hx711_frame_begin(struct hx711_frame *f, int64_t ready_lo_us, int64_t ready_us, int64_t now_us,
                       bool dout);

/** One pulse: `rise_us` taken before PD_SCK was set, `fall_us` after it was cleared, so that a preemption
 * on either side counts; `dout` as read after the fall. */
void hx711_frame_pulse(struct hx711_frame *f, int64_t rise_us, int64_t fall_us, bool dout);

/** The last pulse is over and DOUT reads `dout`. */
void hx711_frame_end(struct hx711_frame *f, int64_t now_us, bool dout);

/** The value of the frame's 24 data bits, whatever it is worth. */
int32_t hx711_frame_counts(const struct hx711_frame *f);

/** What a stream says about a frame: one result for each frame pushed, in the same order. */
struct hx711_result {
    int64_t ready_us; /**< the frame's ready edge: when the conversion ended */
    int32_t counts; /**< HX711_CLIP_LOW..HX711_CLIP_HIGH; a value only when reason is HX711_GOOD */
    enum hx711_reason reason;
};

/** The frames of one chip in order. Zero memory is not a stream: use hx711_stream_init. */
struct hx711_stream {
    struct hx711_config config;
    int32_t
        period_q4; /**< learnt time of a conversion, 1/16 us, within 0.7 .. 1.5 of the nominal one */
    int64_t settled_us; /**< conversions that ended earlier are not settled */
    bool discard;       /**< the next frame goes: after a reset the chip's gain is not known */
    bool timed;         /**< the last frame is a valid start of an interval */
    int64_t ready_lo_us, ready_us, start_us, end_us; /**< of the last frame */
    bool doubt; /**< its PD_SCK was high for too long: the next edge tells if that was a reset */
    bool late;  /**< it began late: it may be of a later conversion than thought */
    bool held;  /**< `frame` waits for its successor */
    struct hx711_result frame;
    bool has_last;
    int32_t last;                  /**< the last good value */
    int32_t noise_q4;              /**< mean absolute difference of good neighbours, 1/16 count */
    uint32_t count[HX711_REASONS]; /**< results so far by reason; wraps */
};

/** At most this many results come out of one call. */
#define HX711_RESULTS_MAX 2

/** A stream of a chip that is running and set as `config` says. A reader that has just opened its lines
 * knows neither: it calls hx711_stream_reset next. */
void hx711_stream_init(struct hx711_stream *s, const struct hx711_config *config);

/** The chip was powered up or reset at `now_us`, or nothing is known about it. A held frame is given out as
 * HX711_GAP. Returns the number of results in `ret`. */
size_t hx711_stream_reset(struct hx711_stream *s, int64_t now_us,
                          struct hx711_result ret[HX711_RESULTS_MAX]);

/** The next frame. Returns the number of results in `ret`: that of the frame before, and that of this one
 * when it is refused by itself. */
size_t hx711_stream_push(struct hx711_stream *s, const struct hx711_frame *f,
                         struct hx711_result ret[HX711_RESULTS_MAX]);

/** DOUT was seen high at `high_us`, so no ready edge has come until then: a held frame older than 1.5 conversions is
 * given out as HX711_GAP. Call it now and then while waiting. Returns the number of results in `ret`. */
size_t hx711_stream_wait(struct hx711_stream *s, int64_t high_us,
                         struct hx711_result ret[HX711_RESULTS_MAX]);

/** The recording ends here: a held frame that nothing contradicts is given out. Not for live readers. */
size_t hx711_stream_end(struct hx711_stream *s, struct hx711_result ret[HX711_RESULTS_MAX]);

/** The learnt time of a conversion. */
static inline int32_t hx711_stream_period_us(const struct hx711_stream *s)
{
    return s->period_q4 / 16;
}

/** The 24-bit two's complement code of a frame as a number. */
int32_t hx711_sign_extend(uint32_t code);

#endif
