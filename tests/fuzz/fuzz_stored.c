/* Fuzz target: rows of the database, as a disk or a wrong hand may have changed them. Each line is one row: a
 * letter for the kind, the key, a bar, and the value.
 *
 * Beyond not crashing: the brain that took such rows can be stepped, and what it prints is a state.
 */
#include <stdlib.h>
#include <string.h>

#include "core/shop.h"
#include "io/plan_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct plan *read_plan(void)
{
    static const char text[] =
        "{\"plates\":[{\"id\":\"p1\",\"zone\":\"z\",\"cells\":[{\"id\":\"c1\",\"x_mm\":0,"
        "\"zero_counts\":0,\"mg_per_count\":1.0}],\"facings\":[{\"gtin\":\"96385074\","
        "\"unit_mass_mg\":500,\"min\":1,\"capacity\":9}]}]}";
    static struct plan *plan;
    char error[PLAN_ERROR_SIZE];

    if (plan == NULL) {
        plan = calloc(1, sizeof(*plan));
        if (plan == NULL || plan_read_planogram(plan, text, sizeof(text) - 1, error) != 0)
            abort();
    }
    return plan;
}

static void restore(struct shop *s, const char *line, size_t n)
{
    struct record r = {0};
    const char *bar = memchr(line, '|', n);
    size_t key_n = bar != NULL ? (size_t)(bar - line) : 0, value_n;

    if (n < 2 || key_n < 1 || key_n >= RECORD_KEY_SIZE)
        return;
    value_n = n - key_n - 1;
    if (value_n >= RECORD_VALUE_SIZE)
        return;
    r.kind = (enum record_kind)((unsigned char)line[0] % RECORD_KINDS);
    memcpy(r.key, line + 1, key_n - 1);
    memcpy(r.value, bar + 1, value_n);
    (void)shop_restore(s, &r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct shop *s;
    static struct batch out;
    static char state[1 << 18];
    struct obs plan = {.kind = OBS_PLAN, .t_us = 1, .u.plan = read_plan()};
    struct obs tick = {.kind = OBS_TICK, .t_us = 2};
    const char *at = (const char *)data, *end = at + n;

    if (s == NULL && (s = malloc(sizeof(*s))) == NULL)
        abort();
    shop_init(s);
    (void)shop_step(s, &plan, &out);
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line_n = (size_t)((stop != NULL ? stop : end) - at);

        restore(s, at, line_n);
        at += line_n + 1;
    }
    for (int i = 0; i < 8; i++) {
        int64_t next = shop_step(s, &tick, &out);

        if (next == NOREN_NEVER_US)
            break;
        tick.t_us = next > tick.t_us ? next : tick.t_us + 1;
    }
    (void)shop_print_store(s, state, sizeof(state));
    return 0;
}
