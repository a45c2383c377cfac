/* HX711 frame logic; see hx711.h. */
#include "adc/hx711.h"

int32_t hx711_sign_extend(uint32_t code)
{
    return (int32_t)((code & 0xffffff) ^ 0x800000) - 0x800000;
}
