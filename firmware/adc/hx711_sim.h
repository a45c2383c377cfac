/* A simulated HX711: what the chip does on its two wires, in virtual time.
 *
 * First-class source of the shipped gateway (boards/sim), partner of the frame logic's tests, and of the
 * firmware's host board. It is as nasty as the real part: it powers down when PD_SCK is high for more
 * than 60 us and answers with ones from then on, it replaces the bits under a reader that is too slow,
 * and the number of pulses selects the next channel and gain.
 *
 * Pure and integer; time only enters through the arguments and must not run backwards.
 */
#ifndef NOREN_ADC_HX711_SIM_H
#define NOREN_ADC_HX711_SIM_H

#include <stdbool.h>
#include <stdint.h>

/** What is wrong with a simulated chip. */
enum hx711_sim_fault {
    HX711_SIM_NONE,
    HX711_SIM_ABSENT,    /**< nothing on the wire: DOUT is pulled up */
    HX711_SIM_STUCK,     /**< converts, but always to the same code */
    HX711_SIM_SATURATED, /**< the bridge is torn: every code is the upper clip code */
};

/** One chip. Initialise with hx711_sim_init; signal, noise and fault may be changed at any time. */
struct hx711_sim {
    int32_t signal; /**< the true input in counts at gain 128; not limited to the 24-bit range */
    int32_t noise;  /**< standard deviation in counts */
    enum hx711_sim_fault fault;

    int64_t period_ns;       /**< of a conversion by the chip's own clock */
    int64_t next_ns;         /**< end of the conversion that is going on */
    uint8_t unsettled;       /**< conversions until DOUT may fall again */
    uint8_t gain, next_gain; /**< as pulses: 25 (A/128), 26 (B/32), 27 (A/64) */
    bool sck;
    bool down;       /**< powered down */
    bool low;        /**< DOUT */
    int64_t edge_ns; /**< last change of PD_SCK */
    uint8_t pulses;  /**< of the frame that is being clocked; 0 = none */
    uint32_t code;   /**< the bits that are shifted out */
    int32_t taps[4]; /**< the digital filter: mean of the last four conversions */
    uint8_t tap;
    uint64_t random;
};

/** Powers a chip up at `now_ns`. `period_ns` is its own conversion time (a real one is off by per cents),
 * `seed` drives its noise. */
void hx711_sim_init(struct hx711_sim *c, int64_t now_ns, int64_t period_ns, uint64_t seed);

/** PD_SCK is set to `high` at `now_ns`. */
void hx711_sim_sck(struct hx711_sim *c, bool high, int64_t now_ns);

/** Level of DOUT at `now_ns`. */
bool hx711_sim_dout(struct hx711_sim *c, int64_t now_ns);

#endif
