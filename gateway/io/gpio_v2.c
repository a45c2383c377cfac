/* GPIO lines by libgpiod 2.x; see gpio.h.
 *
 * One request holds outputs and inputs; a subset is read or set by one ioctl with a mask. Chips are found by
 * walking /dev, since version 2 opens by path only. libgpiod reports errors in errno only.
 */
#include "io/gpio.h"

#include <dirent.h>
#include <errno.h>
#include <gpiod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gpio {
    struct gpiod_line_request *request;
    unsigned outputs[GPIO_INPUTS_MAX], inputs[GPIO_INPUTS_MAX];
    size_t outputs_n, inputs_n;
};

/* The chip at this path if it has the label. NULL with errno set when not, ENODEV: another label. */
static struct gpiod_chip *open_if_label(const char *path, const char *label)
{
    struct gpiod_chip *chip = gpiod_chip_open(path);
    struct gpiod_chip_info *info = chip != NULL ? gpiod_chip_get_info(chip) : NULL;
    bool match = info != NULL && strcmp(gpiod_chip_info_get_label(info), label) == 0;

    if (info != NULL)
        gpiod_chip_info_free(info);
    if (match || chip == NULL)
        return chip;
    gpiod_chip_close(chip);
    errno = ENODEV;
    return NULL;
}

/* An error in opening some chip only matters when no other chip has the label. */
static int chip_open(struct gpiod_chip **ret_chip, const char *label)
{
    DIR *dev = opendir("/dev");
    const struct dirent *entry;
    struct gpiod_chip *chip = NULL;
    int r = -ENODEV;

    if (dev == NULL)
        return -errno;
    while (chip == NULL && (entry = readdir(dev)) != NULL) {
        char path[sizeof("/dev/") + sizeof(entry->d_name)];

        snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        if (strncmp(entry->d_name, "gpiochip", 8) != 0 || !gpiod_is_gpiochip_device(path))
            continue;
        chip = open_if_label(path, label);
        if (chip == NULL && errno != ENODEV)
            r = -errno;
    }
    closedir(dev);
    if (chip == NULL)
        return r;
    *ret_chip = chip;
    return 0;
}

static int add_lines(struct gpiod_line_config *config, const unsigned *offsets, size_t n,
                     enum gpiod_line_direction direction)
{
    struct gpiod_line_settings *settings = gpiod_line_settings_new();
    int r = 0;

    if (settings == NULL)
        return -ENOMEM;
    if (gpiod_line_settings_set_direction(settings, direction) < 0 ||
        gpiod_line_settings_set_output_value(settings, GPIOD_LINE_VALUE_INACTIVE) < 0 ||
        gpiod_line_config_add_line_settings(config, offsets, n, settings) < 0)
        r = -errno;
    gpiod_line_settings_free(settings);
    return r;
}

static int request_lines(struct gpio *g, struct gpiod_chip *chip)
{
    struct gpiod_line_config *lines = gpiod_line_config_new();
    struct gpiod_request_config *request = gpiod_request_config_new();
    int r = lines == NULL || request == NULL ? -ENOMEM : 0;

    if (r == 0 && g->outputs_n > 0)
        r = add_lines(lines, g->outputs, g->outputs_n, GPIOD_LINE_DIRECTION_OUTPUT);
    if (r == 0 && g->inputs_n > 0)
        r = add_lines(lines, g->inputs, g->inputs_n, GPIOD_LINE_DIRECTION_INPUT);
    if (r == 0) {
        gpiod_request_config_set_consumer(request, "noren");
        g->request = gpiod_chip_request_lines(chip, request, lines);
        if (g->request == NULL)
            r = -errno;
    }
    if (lines != NULL)
        gpiod_line_config_free(lines);
    if (request != NULL)
        gpiod_request_config_free(request);
    return r;
}

int gpio_open(struct gpio **ret_gpio, const char *label, const uint32_t *outputs, size_t outputs_n,
              const uint32_t *inputs, size_t inputs_n)
{
    struct gpiod_chip *chip = NULL;
    struct gpio *g;
    int r;

    if (outputs_n > GPIO_INPUTS_MAX || inputs_n > GPIO_INPUTS_MAX || outputs_n + inputs_n == 0)
        return -EINVAL;
    g = calloc(1, sizeof(*g));
    if (g == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < outputs_n; i++)
        g->outputs[i] = outputs[i];
    for (size_t i = 0; i < inputs_n; i++)
        g->inputs[i] = inputs[i];
    g->outputs_n = outputs_n;
    g->inputs_n = inputs_n;
    r = chip_open(&chip, label);
    if (r == 0) {
        r = request_lines(g, chip);
        gpiod_chip_close(chip); /* the request lives on */
    }
    if (r < 0) {
        gpio_close(g);
        return r;
    }
    *ret_gpio = g;
    return 0;
}

int gpio_set(struct gpio *g, size_t i, bool high)
{
    enum gpiod_line_value value = high ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE;

    return gpiod_line_request_set_value(g->request, g->outputs[i], value) < 0 ? -errno : 0;
}

int gpio_get(struct gpio *g, uint32_t *ret_levels)
{
    enum gpiod_line_value values[GPIO_INPUTS_MAX];
    uint32_t levels = 0;

    if (gpiod_line_request_get_values_subset(g->request, g->inputs_n, g->inputs, values) < 0)
        return -errno;
    for (size_t i = 0; i < g->inputs_n; i++)
        levels |= values[i] == GPIOD_LINE_VALUE_ACTIVE ? UINT32_C(1) << i : 0;
    *ret_levels = levels;
    return 0;
}

void gpio_close(struct gpio *g)
{
    if (g == NULL)
        return;
    if (g->request != NULL)
        gpiod_line_request_release(g->request);
    free(g);
}
