# nRF51822: Cortex-M0
set(MCU_FLAGS -mcpu=cortex-m0 -mthumb)
