/* HX711-class weight ADCs: protocol constants (Avia datasheet V2.0). The frame logic follows. */
#ifndef NOREN_ADC_HX711_H
#define NOREN_ADC_HX711_H

#include <stdint.h>

/* Longest PD_SCK high before the chip powers down is 60 us; T3 max is 50 us. */
#define HX711_SCK_POWER_DOWN_US 60

/** The 24-bit two's complement code of a frame as a number. */
int32_t hx711_sign_extend(uint32_t code);

#endif
