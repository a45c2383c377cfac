// SPDX-License-Identifier: GPL-2.0-only
/* Puts the kernel's own hx711 driver on the chips of hx711_bank: what a device tree does on a board.
 *
 * x86 has no device tree, so the three things that the driver wants are registered here: a platform device for
 * each chip, the GPIO lines "sck" and "dout" as a lookup table, and the supply "avdd", whose voltage it asks for
 * its scale. The driver takes each line for itself, so the bank must be loaded with shared=0.
 */
#include <linux/err.h>
#include <linux/gpio/machine.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/regulator/driver.h>
#include <linux/regulator/machine.h>
#include <linux/slab.h>

#define CHIPS_MAX 16

static unsigned int chips = 1;
module_param(chips, uint, 0444);
MODULE_PARM_DESC(chips, "as many as hx711_bank has");

static struct platform_device *supply_device, *devices[CHIPS_MAX];
static struct gpiod_lookup_table *tables[CHIPS_MAX];
static char names[CHIPS_MAX][16];
static struct regulator_consumer_supply consumers[CHIPS_MAX];

static const struct regulator_ops ops = {};
static const struct regulator_desc avdd = {
    .name = "noren-avdd",
    .type = REGULATOR_VOLTAGE,
    .owner = THIS_MODULE,
    .ops = &ops,
    .n_voltages = 1,
    .fixed_uV = 5000000,
};
static struct regulator_init_data init_data = {.constraints = {.always_on = 1}};

static void take_down(void)
{
    unsigned int i;

    for (i = 0; i < chips; i++) {
        if (!IS_ERR_OR_NULL(devices[i]))
            platform_device_unregister(devices[i]);
        if (tables[i] != NULL)
            gpiod_remove_lookup_table(tables[i]);
        kfree(tables[i]);
    }
    if (!IS_ERR_OR_NULL(supply_device))
        platform_device_unregister(supply_device);
}

static int register_supply(void)
{
    struct regulator_config config = {.init_data = &init_data};
    unsigned int i;

    for (i = 0; i < chips; i++) {
        snprintf(names[i], sizeof(names[i]), "hx711-gpio.%u", i);
        consumers[i].supply = "avdd";
        consumers[i].dev_name = names[i];
    }
    init_data.consumer_supplies = consumers;
    init_data.num_consumer_supplies = chips;
    supply_device = platform_device_register_simple("noren-avdd", -1, NULL, 0);
    if (IS_ERR(supply_device))
        return PTR_ERR(supply_device);
    config.dev = &supply_device->dev;
    /* freed with its device; regulator_register() itself takes other arguments from kernel to kernel */
    return PTR_ERR_OR_ZERO(devm_regulator_register(&supply_device->dev, &avdd, &config));
}

static int register_chip(unsigned int i)
{
    struct gpiod_lookup_table *t = kzalloc(struct_size(t, table, 3), GFP_KERNEL);

    if (t == NULL)
        return -ENOMEM;
    t->dev_id = names[i];
    t->table[0] = (struct gpiod_lookup)GPIO_LOOKUP("noren-hx711", i, "sck", GPIO_ACTIVE_HIGH);
    t->table[1] =
        (struct gpiod_lookup)GPIO_LOOKUP("noren-hx711", chips + i, "dout", GPIO_ACTIVE_HIGH);
    tables[i] = t;
    gpiod_add_lookup_table(t);
    devices[i] = platform_device_register_simple("hx711-gpio", (int)i, NULL, 0);
    return PTR_ERR_OR_ZERO(devices[i]);
}

static int __init iio_init(void)
{
    unsigned int i;
    int r;

    if (chips < 1 || chips > CHIPS_MAX)
        return -EINVAL;
    r = register_supply();
    for (i = 0; r == 0 && i < chips; i++)
        r = register_chip(i);
    if (r < 0)
        take_down();
    return r;
}

static void __exit iio_exit(void)
{
    take_down();
}

module_init(iio_init);
module_exit(iio_exit);
MODULE_DESCRIPTION("The kernel's hx711 driver on the chips of hx711_bank");
MODULE_LICENSE("GPL");
