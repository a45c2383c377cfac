/* From readings to stock; see shelf.h. */
#include "core/shelf.h"

#include <string.h>

void shelf_init(struct shelf *s)
{
    memset(s, 0, sizeof(*s));
}

void shelf_plan(struct shelf *s, const struct plan *old_plan, const struct plan *plan)
{
    (void)s;
    (void)old_plan;
    (void)plan;
}

int shelf_restore(struct shelf *s, const struct plan *plan, const struct record *r)
{
    (void)s;
    (void)plan;
    (void)r;
    return -1;
}

int64_t shelf_step(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out)
{
    (void)s;
    (void)plan;
    (void)o;
    (void)out;
    return NOREN_NEVER_US;
}

struct shelf_atp shelf_atp(const struct shelf *s, const struct plan *plan, uint16_t product)
{
    (void)s;
    return (struct shelf_atp){.units = plan->products[product].backroom, .lower_bound = true};
}

enum shelf_sensor shelf_sensor(const struct shelf *s, const struct plan *plan, uint16_t plate)
{
    (void)s;
    (void)plan;
    (void)plate;
    return SENSOR_SETTLING;
}

struct shelf_facing shelf_facing(const struct shelf *s, const struct plan *plan, uint16_t plate,
                                 uint8_t facing)
{
    (void)s;
    (void)plan;
    (void)plate;
    (void)facing;
    return (struct shelf_facing){.known = false};
}

int32_t shelf_alerts(const struct shelf *s, const struct plan *plan)
{
    (void)s;
    (void)plan;
    return 0;
}
