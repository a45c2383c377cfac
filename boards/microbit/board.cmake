# BBC micro:bit v1
set(BOARD_MCU nrf51)
set(BOARD_PINS nrf51/pins.c)
