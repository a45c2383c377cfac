/* GPIO lines by libgpiod 1.6; see gpio.h.
 *
 * One request for each output and one for all inputs: a bulk of inputs is read by one ioctl as long as no
 * edge events are asked for. libgpiod reports errors in errno only.
 */
#include "io/gpio.h"

#include <errno.h>
#include <gpiod.h>
#include <stdlib.h>
#include <string.h>

struct gpio {
    struct gpiod_chip *chip;
    struct gpiod_line_bulk inputs;
    struct gpiod_line *outputs[GPIO_INPUTS_MAX];
    size_t outputs_n;
};

static int chip_open(struct gpio *g, const char *label)
{
    errno = 0;
    g->chip = gpiod_chip_open_by_label(label);
    if (g->chip != NULL)
        return 0;
    return errno == 0 || errno == ENOENT ? -ENODEV : -errno;
}

static int request_outputs(struct gpio *g, const uint32_t *outputs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct gpiod_line *line = gpiod_chip_get_line(g->chip, outputs[i]);

        if (line == NULL || gpiod_line_request_output(line, "noren", 0) < 0)
            return -errno;
        g->outputs[g->outputs_n++] = line;
    }
    return 0;
}

static int request_inputs(struct gpio *g, const uint32_t *inputs, size_t n)
{
    unsigned offsets[GPIO_INPUTS_MAX];

    for (size_t i = 0; i < n; i++)
        offsets[i] = inputs[i];
    if (n == 0) /* an LED: nothing to read */
        return 0;
    if (gpiod_chip_get_lines(g->chip, offsets, (unsigned)n, &g->inputs) < 0 ||
        gpiod_line_request_bulk_input(&g->inputs, "noren") < 0)
        return -errno;
    return 0;
}

int gpio_open(struct gpio **ret_gpio, const char *label, const uint32_t *outputs, size_t outputs_n,
              const uint32_t *inputs, size_t inputs_n)
{
    struct gpio *g;
    int r;

    if (outputs_n > GPIO_INPUTS_MAX || inputs_n > GPIO_INPUTS_MAX || outputs_n + inputs_n == 0)
        return -EINVAL;
    g = calloc(1, sizeof(*g));
    if (g == NULL)
        return -ENOMEM;
    r = chip_open(g, label);
    if (r == 0)
        r = request_outputs(g, outputs, outputs_n);
    if (r == 0)
        r = request_inputs(g, inputs, inputs_n);
    if (r < 0) {
        gpio_close(g);
        return r;
    }
    *ret_gpio = g;
    return 0;
}

int gpio_set(struct gpio *g, size_t i, bool high)
{
    return gpiod_line_set_value(g->outputs[i], high ? 1 : 0) < 0 ? -errno : 0;
}

int gpio_get(struct gpio *g, uint32_t *ret_levels)
{
    int values[GPIO_INPUTS_MAX];
    unsigned n = gpiod_line_bulk_num_lines(&g->inputs);
    uint32_t levels = 0;

    if (gpiod_line_get_value_bulk(&g->inputs, values) < 0)
        return -errno;
    for (unsigned i = 0; i < n; i++)
        levels |= values[i] != 0 ? UINT32_C(1) << i : 0;
    *ret_levels = levels;
    return 0;
}

void gpio_close(struct gpio *g)
{
    if (g == NULL)
        return;
    if (g->chip != NULL)
        gpiod_chip_close(g->chip); /* releases the lines */
    free(g);
}
