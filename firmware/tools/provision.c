/* noren-provision: writes the provisioning page of one device (firmware/core/provision.h).
 *
 * Runs on the bench. The page is programmed beside the image, e.g. with a debug probe at the board's
 * BOARD_FLASH_PROVISION; QEMU takes it with -device loader.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/provision.h"
#include "noren/hex.h"

static const char usage[] =
    "usage: noren-provision node|beacon --number N --key HEX [options] > page.bin\n"
    "  --number N            node number, or the store's number (iBeacon major), 0..65535\n"
    "  --key HEX             32 hex digits: the node's or beacon's key\n"
    "  --interval-ms N       between advertisements, 100..10000 (default 1000)\n"
    "  --cell ZERO:UG        node: calibration of the next cell: counts at zero, micrograms per "
    "count\n"
    "  --uuid HEX            beacon: 32 hex digits, the tenant's UUID\n"
    "  --power DBM           beacon: received power at 1 m (default -59)\n"
    "  --step N              beacon: quarter hours since 1970, now (date +%s divided by 900)\n";

static int fail(const char *what, const char *value)
{
    fprintf(stderr, "noren-provision: %s: '%s'\n%s", what, value, usage);
    return 2;
}

static int parse_number(const char *text, long long min, long long max, long long *ret)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < min || v > max)
        return -EINVAL;
    *ret = v;
    return 0;
}

static int parse_cell(const char *text, struct provision *p)
{
    const char *colon = strchr(text, ':');
    char zero[16];
    long long z, ug;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(zero) ||
        p->cells_n == PROVISION_CELLS_MAX)
        return -EINVAL;
    memcpy(zero, text, (size_t)(colon - text));
    zero[colon - text] = '\0';
    if (parse_number(zero, -0x800000, 0x7fffff, &z) < 0 ||
        parse_number(colon + 1, INT32_MIN, INT32_MAX, &ug) < 0)
        return -EINVAL;
    p->cells[p->cells_n++] =
        (struct provision_cell){.zero_counts = (int32_t)z, .ug_per_count = (int32_t)ug};
    return 0;
}

static int parse_option(int c, const char *value, struct provision *p)
{
    long long n = 0;
    int r = 0;

    switch (c) {
    case 'n':
        r = parse_number(value, 0, 65535, &n);
        p->number = (uint16_t)n;
        break;
    case 'k':
        r = hex_read(value, p->key, sizeof(p->key)) ? 0 : -EINVAL;
        break;
    case 'i':
        r = parse_number(value, 100, 10000, &n);
        p->interval_ms = (uint16_t)n;
        break;
    case 'c':
        r = parse_cell(value, p);
        break;
    case 'u':
        r = hex_read(value, p->uuid, sizeof(p->uuid)) ? 0 : -EINVAL;
        break;
    case 'p':
        r = parse_number(value, -127, 20, &n);
        p->power_1m_dbm = (int8_t)n;
        break;
    case 's':
        r = parse_number(value, 0, UINT32_MAX, &n);
        p->first_step = (uint32_t)n;
        break;
    default:
        r = -EINVAL;
    }
    return r;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"number", required_argument, NULL, 'n'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"interval-ms", required_argument, NULL, 'i'},
                                            {"cell", required_argument, NULL, 'c'},
                                            {"uuid", required_argument, NULL, 'u'},
                                            {"power", required_argument, NULL, 'p'},
                                            {"step", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct provision p = {.interval_ms = 1000, .power_1m_dbm = -59};
    uint8_t page[PROVISION_SIZE];
    bool number = false, key = false;
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'h')
            return fputs(usage, stdout) < 0;
        if (c == '?' || parse_option(c, optarg, &p) < 0)
            return fail("bad option value", c == '?' ? argv[optind - 1] : optarg);
        number |= c == 'n';
        key |= c == 'k';
    }
    if (optind + 1 != argc)
        return fail("say what it is", "node|beacon");
    if (strcmp(argv[optind], "node") == 0)
        p.kind = DEVICE_SHELF_NODE;
    else if (strcmp(argv[optind], "beacon") == 0)
        p.kind = DEVICE_STORE_BEACON;
    else
        return fail("unknown kind of device", argv[optind]);
    if (!number || !key)
        return fail("missing", number ? "--key" : "--number");
    if (p.kind == DEVICE_SHELF_NODE && p.cells_n == 0)
        return fail("a node needs at least one", "--cell");
    provision_build(&p, page);
    return fwrite(page, 1, sizeof(page), stdout) == sizeof(page) && fflush(stdout) == 0 ? 0 : 1;
}
