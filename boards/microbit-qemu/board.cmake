# QEMU -M microbit
set(BOARD_MCU nrf51)
set(BOARD_PINS sim_pins.c)
