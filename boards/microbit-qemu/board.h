/* QEMU's micro:bit: the same chip; its load cells are simulated behind the hal, because clocking an HX711
 * through the emulator's GPIO from outside races with virtual time. Data only. */
#include "../microbit/board.h"
