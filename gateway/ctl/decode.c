/* norenctl decode: what is in an advertisement (design section 15).
 *
 * One line in, one JSON object out, so that a file of captured air can be looked at with the usual tools.
 * A line is an HCI event when it can be one to the byte (length byte and sub-event fit), else an AD payload;
 * the guess is needed because both are just hexadecimal. Device addresses are never printed.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decode.h"
#include "core/hci.h"
#include "core/json.h"
#include "noren/hex.h"

#define H4_EVENT 0x04 /* Core 5.4, Vol 4 Part A, 2 */

struct decode_options {
    bool structures;
    bool has_key;
    uint8_t key[16];
};

/* What is kept from line to line. */
struct decode_state {
    struct decode_options options;
    struct hci_chains chains;
    char *out; /* grows with the longest line */
    size_t out_size;
};

/* True when the bytes are an advertising event; strips the H4 type byte if it is there. */
static bool strip_event(struct rd *r)
{
    struct rd event = *r, e;
    uint8_t length, kind;

    if (event.n > 0 && event.p[0] == H4_EVENT)
        rd_take(&event, 1);
    e = event;
    if (rd_u8(&e) != HCI_LE_META)
        return false;
    length = rd_u8(&e);
    kind = e.n > 0 ? e.p[0] : 0;
    if (e.bad || e.n != length || (kind != HCI_LE_ADV_REPORT && kind != HCI_LE_EXT_ADV_REPORT))
        return false;
    *r = event;
    return true;
}

static void refuse(struct json *j, const char *who, const char *why)
{
    char reason[160];

    snprintf(reason, sizeof(reason), "%s%s%s", who, who[0] != '\0' ? ": " : "", why);
    json_key_str(j, "result", "refused");
    json_key_str(j, "reason", reason);
}

/* One advertisement: of a report, or a line that is nothing but its data. */
struct advert {
    struct rd data;
    const uint8_t *address; /* borrowed from the report; NULL = not known */
    bool skip;              /* part of a longer advertisement, the rest is yet to come or lost */
};

/* Opens what is sealed, if there is a key and what else it takes. */
static enum refusal open_sealed(const struct decode_options *o, const struct advert *a,
                                struct frame *f, uint8_t plain[DECODE_BTHOME_PLAIN])
{
    if (!o->has_key)
        return REFUSAL_NONE;
    if (f->kind == FRAME_SHELF)
        return decode_shelf_open(&f->u.shelf, o->key);
    if (f->kind == FRAME_BTHOME && f->u.bthome.encrypted && a->address != NULL)
        return decode_bthome_open(&f->u.bthome, a->address, o->key, plain);
    return REFUSAL_NONE;
}

/* Everything that can be wrong with one advertisement, before anything of its line is printed. */
static enum refusal check(const struct decode_options *o, const struct advert *a,
                          const char **ret_who)
{
    struct frame frames[DECODE_FRAMES_MAX];
    struct decode_result d = decode_advert(a->data, frames);
    uint8_t plain[DECODE_BTHOME_PLAIN];

    *ret_who = d.by != NULL ? d.by->name : "";
    for (size_t i = 0; i < d.n && d.refused == REFUSAL_NONE; i++) {
        *ret_who = decoders[frames[i].kind].name;
        d.refused = open_sealed(o, a, &frames[i], plain);
    }
    return d.refused;
}

static void print_frames(const struct decode_options *o, const struct advert *a, unsigned report,
                         struct json *j)
{
    struct frame frames[DECODE_FRAMES_MAX];
    struct decode_result d = decode_advert(a->data, frames);
    uint8_t plain[DECODE_BTHOME_PLAIN];

    for (size_t i = 0; i < d.n; i++) {
        open_sealed(o, a, &frames[i], plain);
        json_open(j, '{');
        json_key_str(j, "format", decoders[frames[i].kind].name);
        json_key_i64(j, "report", report);
        decoders[frames[i].kind].print(&frames[i], j);
        json_close(j, '}');
    }
}

static void print_structures(struct rd data, struct json *j)
{
    struct adv_walk walk = adv_open(data);
    struct adv_structure s;

    while (adv_next(&walk, &s)) {
        json_open(j, '{');
        json_key_i64(j, "type", s.type);
        json_key(j, "data");
        json_hex(j, s.data.p, s.data.n);
        json_close(j, '}');
    }
}

/* The advertisements of one line: several reports of an event, or one payload. */
struct adverts {
    struct advert a[256];
    unsigned n;
};

static enum refusal split(struct decode_state *st, struct rd r, struct adverts *ret)
{
    struct hci_report report;
    struct hci_walk walk;
    enum refusal refused;

    ret->n = 0;
    if (!strip_event(&r)) {
        ret->a[ret->n++] = (struct advert){.data = r};
        return REFUSAL_NONE;
    }
    refused = hci_open(r.p, r.n, &walk);
    while (hci_next(&walk, &report)) {
        enum hci_part part = hci_chain(&st->chains, 0, &report);

        ret->a[ret->n++] = (struct advert){.data = report.data,
                                           .address = report.address,
                                           .skip = part != HCI_WHOLE && part != HCI_JOINED};
    }
    return refused;
}

static void decode_bytes(struct decode_state *st, struct rd r, struct json *j)
{
    const struct decode_options *o = &st->options;
    const char *who = "";
    struct adverts adverts;
    enum refusal refused = split(st, r, &adverts);

    for (unsigned i = 0; i < adverts.n && refused == REFUSAL_NONE; i++)
        if (!adverts.a[i].skip)
            refused = check(o, &adverts.a[i], &who);
    if (refused != REFUSAL_NONE) {
        refuse(j, who, refusal_text(refused));
        return;
    }
    json_key_str(j, "result", "ok");
    json_key(j, "frames");
    json_open(j, '[');
    for (unsigned i = 0; i < adverts.n; i++)
        if (!adverts.a[i].skip)
            print_frames(o, &adverts.a[i], i, j);
    json_close(j, ']');
    if (!o->structures)
        return;
    json_key(j, "structures");
    json_open(j, '[');
    for (unsigned i = 0; i < adverts.n; i++)
        if (!adverts.a[i].skip)
            print_structures(adverts.a[i].data, j);
    json_close(j, ']');
}

/* Prints the answer to one line; false when out of memory. */
static bool decode_line(struct decode_state *st, int64_t number, char *line, size_t length)
{
    /* Every AD byte as an own frame would be less; an event may complete ten longer advertisements. Most
     * of it is never touched. */
    size_t need = 4096 + 64 * (length + (size_t)20 * HCI_CHAIN_BYTES);
    char reason[80];
    const char *wrong;
    struct json j;
    size_t n = 0;

    if (st->out_size < need) {
        free(st->out);
        st->out = malloc(need);
        st->out_size = st->out != NULL ? need : 0;
        if (st->out == NULL)
            return false;
    }
    wrong = hex_read_line(line, length, (uint8_t *)line, length, &n);
    if (wrong == NULL && n == 0)
        return true; /* an empty line is no advertisement */
    j = json_init(st->out, st->out_size);
    json_open(&j, '{');
    json_key_i64(&j, "n", number);
    if (wrong != NULL) {
        snprintf(reason, sizeof(reason), "%s at column %zu", wrong, n);
        refuse(&j, "", reason);
    } else {
        decode_bytes(st, rd_init(line, n), &j);
    }
    json_close(&j, '}');
    json_end(&j);
    puts(st->out);
    return true;
}

static int decode_stream(struct decode_state *st, FILE *in, const char *name)
{
    char *line = NULL;
    size_t size = 0;
    int64_t number = 0;
    ssize_t n;
    int status = CTL_OK;

    while (status == CTL_OK && (n = getline(&line, &size, in)) >= 0)
        if (!decode_line(st, ++number, line, (size_t)n))
            status = CTL_FAILED;
    if (ferror(in) || status != CTL_OK) {
        fprintf(stderr, "norenctl decode: %s: %s\n", name, strerror(errno));
        status = CTL_FAILED;
    }
    free(line);
    return status;
}

/* Returns the index of the first argument that is no option, or -1. */
static int parse_options(int argc, char **argv, struct decode_options *ret)
{
    int i;

    for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (strcmp(argv[i], "--structures") == 0) {
            ret->structures = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            continue; /* every command takes it; here there is nothing else */
        } else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
            if (!hex_read(argv[++i], ret->key, sizeof(ret->key)))
                return -1;
            ret->has_key = true;
        } else if (strcmp(argv[i], "--") == 0) {
            return i + 1;
        } else {
            return -1;
        }
    }
    return i;
}

int cmd_decode(int argc, char **argv)
{
    struct decode_state st = {.out = NULL};
    int first = parse_options(argc, argv, &st.options), status;
    FILE *in = stdin;

    if (first < 0)
        return ctl_usage("decode", "options are --structures and --key with 32 hexadecimal digits");
    if (argc - first > 1)
        return ctl_usage("decode", "at most one FILE");
    if (argc > first && strcmp(argv[first], "-") != 0)
        in = fopen(argv[first], "re");
    if (in == NULL) {
        fprintf(stderr, "norenctl decode: %s: %s; give a readable file, or - for standard input\n",
                argv[first], strerror(errno));
        return CTL_FAILED;
    }
    status = decode_stream(&st, in, argc > first ? argv[first] : "standard input");
    if (in != stdin)
        fclose(in);
    free(st.out);
    return status;
}
