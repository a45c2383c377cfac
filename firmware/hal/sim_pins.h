/* The script of the simulated chips in sim_pins.c; shared with the test that checks what comes out. */
#ifndef NOREN_SIM_PINS_H
#define NOREN_SIM_PINS_H

#define SIM_PINS_BASE   100000 /* counts on chip 0 at first */
#define SIM_PINS_STEP   50000  /* more ... */
#define SIM_PINS_STEP_S 5      /* ... from this second on */

#endif
