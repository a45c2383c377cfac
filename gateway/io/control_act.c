/* The control socket's commands about lights: locate. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/control.h"

/* The facing of `plate` on which `gtin` (any length) stands, -1 when it does not. */
static bool stands_on(const struct plan *plan, const struct plan_plate *plate, uint16_t product)
{
    for (uint8_t i = 0; i < plate->facings_n; i++)
        if (plate->facings[i].product == product)
            return product < plan->products_n;
    return false;
}

/* What a person names: a plate, a facing as PLATE/GTIN, or a product wherever it stands. */
struct target {
    uint16_t plate;   /* NO_INDEX: every plate of the product */
    uint16_t product; /* NO_INDEX: the whole plate */
};

static bool read_target(const struct control_call *c, const char *text, struct target *ret)
{
    const struct plan *plan = c->d->engine.plan;
    const char *slash = strrchr(text, '/');
    char plate[NOREN_ID_SIZE] = "";

    *ret = (struct target){plan_find_plate(plan, text), NO_INDEX};
    if (ret->plate != NO_INDEX)
        return true;
    if (slash != NULL)
        snprintf(plate, sizeof(plate), "%.*s", (int)(slash - text), text);
    ret->plate = slash != NULL ? plan_find_plate(plan, plate) : NO_INDEX;
    ret->product = plan_find_product(plan, slash != NULL ? slash + 1 : text);
    if (slash != NULL && ret->plate == NO_INDEX)
        return doc_refuse(c->doc, "no plate \"%s\" in planogram.json", plate);
    if (ret->product == NO_INDEX)
        return doc_refuse(c->doc,
                          "\"%s\" is neither a plate nor a GTIN of planogram.json; name a plate, a "
                          "GTIN, or PLATE/GTIN (norenctl stock --all lists them)",
                          slash != NULL ? slash + 1 : text);
    if (slash != NULL && !stands_on(plan, &plan->plates[ret->plate], ret->product))
        return doc_refuse(c->doc, "%s does not stand on plate %s; norenctl stock %s says where",
                          slash + 1, plate, slash + 1);
    return true;
}

/* Lights one plate. False with the reason in `why`. */
static bool light(struct control_call *c, const struct plan_plate *plate, int64_t duration_us,
                  char *why, size_t size)
{
    int r;

    if (plate->led[0] == '\0') {
        snprintf(why, size, "plate %s has no LED: name one as \"led\" in planogram.json",
                 plate->id);
        return false;
    }
    r = act_locate(c->d->act, plate->led, plate->id, duration_us, clock_boot_us());
    if (r == 0)
        return true;
    if (r == -ENOENT)
        snprintf(why, size,
                 "plate %s: its LED \"%s\" is not on this board: add a section [led %s] to %s",
                 plate->id, plate->led, plate->led, c->d->config.board_file);
    else if (r == -ENOSPC)
        snprintf(why, size, "%d lights are asked for already; wait until one of them has ended",
                 ACT_REQUESTS_MAX);
    else
        snprintf(why, size,
                 "plate %s: its LED \"%s\" cannot be switched (%s); norenctl status "
                 "says what is wrong with it",
                 plate->id, plate->led, strerror(-r));
    return false;
}

void control_print_lights(const struct norend *d, struct json *j)
{
    struct act_light l;

    json_key(j, "lights");
    json_open(j, '[');
    for (size_t i = 0; act_light(d->act, i, clock_boot_us(), &l); i++) {
        json_open(j, '{');
        json_key_str(j, "led", l.led);
        json_key_str(j, "plate", l.plate);
        json_key_str(j, "state", l.blinks ? "blinks" : "waits");
        json_key_i64(j, "seconds", (l.left_us + NOREN_US_PER_S - 1) / NOREN_US_PER_S);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Blinks the LED of every plate that is meant. Some without one are named in the answer; all without one is
 * a refusal. */
bool control_locate(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "target", "seconds", NULL};
    const struct plan *plan = c->d->engine.plan;
    char why[400] = "", dark[16][400];
    int64_t seconds = ACT_SECONDS_USUAL;
    const char *text;
    struct target t;
    int lit = 0, dark_n = 0;

    if (!doc_object(c->doc, keys) || !doc_string(c->doc, "target", &text) ||
        !doc_opt_i64(c->doc, "seconds", 1, ACT_SECONDS_MAX, &seconds) || !read_target(c, text, &t))
        return false;
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        const struct plan_plate *plate = &plan->plates[i];

        if (t.plate != NO_INDEX ? i != t.plate : !stands_on(plan, plate, t.product))
            continue;
        if (light(c, plate, seconds * NOREN_US_PER_S, why, sizeof(why)))
            lit++;
        else if (dark_n < 16)
            memcpy(dark[dark_n++], why, sizeof(why));
    }
    if (lit == 0)
        return doc_refuse(c->doc, "%s", why[0] != '\0' ? why : "it stands nowhere");
    control_print_lights(c->d, c->j);
    json_key(c->j, "dark");
    json_open(c->j, '[');
    for (int i = 0; i < dark_n; i++)
        json_str(c->j, dark[i]);
    json_close(c->j, ']');
    return true;
}
