/* HX711 lines on GPIO. A board without chips (the emulator) links sim_pins.c in its place. */
#include "board.h"
#include "hal/hal.h"
#include "nrf51/regs.h"

void hal_sck(bool high)
{
    if (high)
        GPIO_OUTSET = 1u << BOARD_PIN_SCK;
    else
        GPIO_OUTCLR = 1u << BOARD_PIN_SCK;
}

bool hal_dout(unsigned i)
{
    return (GPIO_IN >> BOARD_PIN_DOUT(i) & 1) != 0;
}
