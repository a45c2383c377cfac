/* HX711 lines of a board without chips: simulated ones, on the board's own clock.
 *
 * The load is a script in code, so that a test knows what must come out: chip 0 carries SIM_PINS_BASE counts
 * and SIM_PINS_STEP more from the fifth second on; chip 1 is not there, which is a case of its own.
 */
#include "adc/hx711_sim.h"
#include "board.h"
#include "hal/hal.h"
#include "hal/sim_pins.h"

static struct hx711_sim chips[BOARD_CELLS];
static bool started;

static int64_t sim_now_ns(void)
{
    int64_t now_ns = hal_now_us() * 1000;

    if (!started) {
        started = true;
        for (unsigned i = 0; i < BOARD_CELLS; i++)
            hx711_sim_init(&chips[i], now_ns, 1000000000 / BOARD_RATE_SPS, 1 + i);
        chips[0].noise = 20;
        chips[1].fault = HX711_SIM_ABSENT;
    }
    chips[0].signal =
        SIM_PINS_BASE + (now_ns > (int64_t)SIM_PINS_STEP_S * 1000000000 ? SIM_PINS_STEP : 0);
    return now_ns;
}

void hal_sck(bool high)
{
    int64_t now_ns = sim_now_ns();

    for (unsigned i = 0; i < BOARD_CELLS; i++)
        hx711_sim_sck(&chips[i], high, now_ns);
}

bool hal_dout(unsigned i)
{
    return hx711_sim_dout(&chips[i], sim_now_ns());
}
