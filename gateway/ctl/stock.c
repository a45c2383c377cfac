/* norenctl stock, count, transfer, return, sale: what there is, and what people and tills know of it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ask.h"

/* --- what there is ------------------------------------------------------------------------------ */

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_product(const json_t *p)
{
    bool bound = json_is_true(json_object_get(p, "atp_lower_bound"));
    json_t *facing;
    size_t i;

    printf("%s  %s\n", json_string_value(json_object_get(p, "gtin")),
           json_string_value(json_object_get(p, "name")));
    printf("  %s %lld to promise: %lld on shelves that are known, %lld in the backroom, %lld held, "
           "%lld safety\n",
           bound ? "at least" : "exactly", number(p, "atp"), number(p, "on_shelf"),
           number(p, "backroom"), number(p, "held"), number(p, "safety"));
    printf("  %lld in hands, %lld sold\n", number(p, "in_hand"), number(p, "sold"));
    json_array_foreach(json_object_get(p, "facings"), i, facing)
    {
        const json_t *n = json_object_get(facing, "on_shelf");
        const char *zone = json_string_value(json_object_get(facing, "zone"));

        printf("  plate %s, fixture %s, zone %s: ",
               json_string_value(json_object_get(facing, "plate")),
               json_string_value(json_object_get(facing, "fixture")), zone != NULL ? zone : "-");
        if (json_is_integer(n))
            printf("%lld of %lld", (long long)json_integer_value(n), number(facing, "capacity"));
        else
            printf("unknown");
        printf(" (sensor %s)\n", json_string_value(json_object_get(facing, "sensor")));
    }
}

/* Prints the products of one answer; the place to go on from, 0 at the end. */
static long long print_products(const struct ctl_call *c, const json_t *reply)
{
    json_t *product;
    size_t i;

    json_array_foreach(json_object_get(reply, "products"), i, product)
    {
        if (c->json) { /* one product a line, each with the moment it is of */
            json_object_set(product, "as_of", json_object_get(reply, "as_of"));
            json_dumpf(product, stdout, JSON_COMPACT);
            putchar('\n');
        } else {
            print_product(product);
        }
    }
    return number(reply, "next");
}

int cmd_stock(int argc, char **argv)
{
    struct ctl_call c;
    long long from = 0, next;
    int rc = ctl_read_options(&c, argc, argv);

    if (rc != CTL_OK)
        return rc;
    if (optind != argc - (c.all ? 0 : 1))
        return ctl_usage(c.command, "wants one GTIN, or --all");
    do {
        json_t *request = c.all ? json_pack("{s:I}", "from", (json_int_t)from)
                                : json_pack("{s:s}", "gtin", argv[optind]);
        json_t *reply = ctl_ask(&c, "stock.query", request);
        bool ok = json_is_true(json_object_get(reply, "ok"));

        next = ok ? print_products(&c, reply) : 0;
        json_decref(reply);
        if (!ok || (next != 0 && next <= from))
            return CTL_FAILED;
        from = next;
    } while (next != 0);
    return CTL_OK;
}

/* --- the backroom ------------------------------------------------------------------------------- */

/* The two arguments from `argument` on: a GTIN and a number of pieces. */
static int adjust(struct ctl_call *c, const char *name, char **argument, const char *done)
{
    long long quantity = 0;
    json_t *request;
    int rc = ctl_quantity(c, argument[1], &quantity);

    if (rc != CTL_OK)
        return rc;
    request = json_pack("{s:s,s:I}", "gtin", argument[0], "quantity", (json_int_t)quantity);
    if (c->document != NULL)
        json_object_set_new(request, "document", json_string(c->document));
    return ctl_order(c, name, request, done);
}

/* A command that has no other arguments and its own name. */
static int adjust_only(int argc, char **argv, const char *wants, const char *done)
{
    struct ctl_call c;
    int rc = ctl_begin(&c, argc, argv, 2, wants);

    return rc == CTL_OK ? adjust(&c, c.command, argv + optind, done) : rc;
}

int cmd_count(int argc, char **argv)
{
    return adjust_only(argc, argv, "wants a GTIN and how many are in the backroom", "counted");
}

int cmd_return(int argc, char **argv)
{
    return adjust_only(argc, argv, "wants a GTIN and how many came back",
                       "returned into the backroom");
}

int cmd_transfer(int argc, char **argv)
{
    struct ctl_call c;
    int rc = ctl_read_options(&c, argc, argv);
    bool in;

    if (rc != CTL_OK)
        return rc;
    if (optind != argc - 3 || (strcmp(argv[optind], "in") != 0 && strcmp(argv[optind], "out") != 0))
        return ctl_usage(c.command, "wants \"in\" or \"out\", a GTIN and a number of pieces");
    in = strcmp(argv[optind], "in") == 0;
    return adjust(&c, in ? "transfer_in" : "transfer_out", argv + optind + 1,
                  in ? "now in the backroom" : "gone from the backroom");
}

/* --- sales -------------------------------------------------------------------------------------- */

static int send_sale(const struct ctl_call *c, json_t *sale)
{
    json_t *reply = ctl_ask(c, "sale", json_pack("{s:o}", "sale", sale));
    bool ok = json_is_true(json_object_get(reply, "ok"));

    if (ok && !c->json)
        printf("%s: %lld units%s, %lld of them nobody saw leave, %zu lines not of this planogram\n",
               json_string_value(json_object_get(reply, "sale_id")), number(reply, "units"),
               json_is_true(json_object_get(reply, "repeated")) ? " (told before)" : "",
               number(reply, "shortfall"), json_array_size(json_object_get(reply, "unknown")));
    json_decref(reply);
    return ok ? CTL_OK : CTL_FAILED;
}

/* One JSON object after the other, so that a till's journal can be piped in. A refused one does not keep the
 * next ones out. */
int cmd_sale(int argc, char **argv)
{
    struct ctl_call c;
    json_error_t error;
    int rc = ctl_begin(&c, argc, argv, 1, "wants a file of sales, or - for standard input"),
        worst = CTL_OK, c0;
    FILE *f;

    if (rc != CTL_OK)
        return rc;
    f = strcmp(argv[optind], "-") == 0 ? stdin : fopen(argv[optind], "re");
    if (f == NULL) {
        fprintf(stderr, "norenctl %s: %s cannot be read\n", c.command, argv[optind]);
        return CTL_FAILED;
    }
    for (;;) {
        json_t *sale;

        while ((c0 = getc(f)) == ' ' || c0 == '\n' || c0 == '\r' || c0 == '\t')
            ;
        if (c0 == EOF)
            break;
        ungetc(c0, f);
        sale = json_loadf(f, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
        if (sale == NULL) {
            fprintf(stderr, "norenctl %s: %s: line %d: %s; what came before was sent\n", c.command,
                    argv[optind], error.line, error.text);
            worst = CTL_FAILED;
            break;
        }
        if (send_sale(&c, sale) != CTL_OK)
            worst = CTL_FAILED;
    }
    if (f != stdin)
        fclose(f);
    return worst;
}

/* --- tasks -------------------------------------------------------------------------------------- */

static void print_task(const struct ctl_call *c, const json_t *t)
{
    const char *actor = json_string_value(json_object_get(t, "actor"));

    if (c->json) {
        json_dumpf(t, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    printf("%-8s %lld x %s (%s) to plate %s, fixture %s; open for %lld min%s%s%s\n",
           json_string_value(json_object_get(t, "task_id")), number(t, "wanted"),
           json_string_value(json_object_get(t, "name")),
           json_string_value(json_object_get(t, "gtin")),
           json_string_value(json_object_get(t, "plate")),
           json_string_value(json_object_get(t, "fixture")), number(t, "age_s") / 60,
           json_is_true(json_object_get(t, "overdue")) ? ", OVERDUE" : "",
           actor != NULL ? ", done by " : "", actor != NULL ? actor : "");
}

int cmd_tasks(int argc, char **argv)
{
    struct ctl_call c;
    long long from = 0, next;
    int rc = ctl_begin(&c, argc, argv, 0, "takes no argument");

    if (rc != CTL_OK)
        return rc;
    do {
        json_t *reply = ctl_ask(&c, "tasks", json_pack("{s:I}", "from", (json_int_t)from)), *task;
        bool ok = json_is_true(json_object_get(reply, "ok"));
        size_t i;

        json_array_foreach(json_object_get(reply, "tasks"), i, task) print_task(&c, task);
        next = number(reply, "next");
        json_decref(reply);
        if (!ok || (next != 0 && next <= from))
            return CTL_FAILED;
        from = next;
    } while (next != 0);
    return CTL_OK;
}

int cmd_claim(int argc, char **argv)
{
    struct ctl_call c;
    int rc = ctl_begin(&c, argc, argv, 2, "wants a task and who does it");

    if (rc != CTL_OK)
        return rc;
    return ctl_order(&c, c.command,
                     json_pack("{s:s,s:s}", "task_id", argv[optind], "actor", argv[optind + 1]),
                     "claimed");
}
