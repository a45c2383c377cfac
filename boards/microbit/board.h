/* BBC micro:bit v1 (nRF51822): HX711 modules on the edge connector. Data only. */
#ifndef NOREN_BOARD_H
#define NOREN_BOARD_H

#define BOARD_NAME        "microbit"
#define BOARD_CELLS       2
#define BOARD_PIN_SCK     3                  /* edge connector P0 */
#define BOARD_PIN_DOUT(i) ((i) == 0 ? 2 : 1) /* P1, P2 */
#define BOARD_PIN_TXD     24                 /* to the interface chip: a serial port over USB */
#define BOARD_RATE_SPS    10                 /* RATE pin low on common modules */

#define BOARD_FLASH_PAGE      1024
#define BOARD_FLASH_COUNTER   0x3f400 /* two pages */
#define BOARD_FLASH_PROVISION 0x3fc00

#endif
