/* GPIO lines of a bank: the thin shim over libgpiod 1.6 (gpio_v1.c) or 2.x (gpio_v2.c).
 *
 * The two libraries share nothing but the name; the build takes the file for the one that is installed
 * (Debian 12 has 1.6, Debian 13 has 2.x). Only what weight ADCs need: some outputs that are set one by one,
 * some inputs that are read in one system call.
 */
#ifndef NOREN_IO_GPIO_H
#define NOREN_IO_GPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gpio;

/** Most inputs of one request: a mask of 32 bits. */
#define GPIO_INPUTS_MAX 32

/** Requests `outputs` (driven low) and `inputs` of the chip with this label, by line offset; one of the
 * two may be empty (an LED has no input). Returns 0 or -errno: -ENODEV no chip with that label, -EBUSY a line is taken, -EACCES no permission, -EINVAL an offset
 * that the chip does not have. */
int gpio_open(struct gpio **ret_gpio, const char *label, const uint32_t *outputs, size_t outputs_n,
              const uint32_t *inputs, size_t inputs_n);

/** Sets output number `i`. Returns 0 or -errno. */
int gpio_set(struct gpio *g, size_t i, bool high);

/** Reads all inputs at once, bit i = inputs[i]. Returns 0 or -errno. */
int gpio_get(struct gpio *g, uint32_t *ret_levels);

/** Releases the lines; NULL is allowed. */
void gpio_close(struct gpio *g);

#endif
