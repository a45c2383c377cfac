/* A Bluetooth LE controller on /dev/vhci, and the air around it.
 *
 * The kernel and bluetoothd talk to it as to a USB dongle: it answers their commands, and while they have
 * the scan enabled it reports what advertises nearby. Phones build their member token with the same
 * include/noren/wire.h that the gateway's decoder is tested against, from the guest's clock.
 * (btvirt of BlueZ times out while it initialises under emulation, and knows no phones.)
 *
 * usage: vhci FIFO SEED      commands, one a line through the FIFO:
 *   beacon NAME ADDRESS RSSI PERIOD_MS HEX    advertises these AD bytes
 *   phone NAME ADDRESS RSSI PERIOD_MS KEY     advertises the member token of a 32-byte member key
 *   quiet NAME                                goes out of reach
 *   mall RATE FRESH                           RATE reports/s of 2,048 strangers, FRESH new addresses/s; 0 0 ends it
 *   raw HEX                                   an HCI event as it is, however malformed
 *   deaf scan|reset|ever|no                   hears nothing until the scan starts anew, until it is reset
 *   mute on|off                               does not answer commands
 *   stats                                     prints a line of counters
 * ADDRESS and KEY are hex. Prints "ready hciN", every change of the scan and of what is advertised, and
 * errors, one a line. Killed, it is a dongle that was pulled out.
 *
 * Packets on /dev/vhci are H4: type 01 command, 04 event, ff vendor (creates the controller). Opcodes and
 * layouts: Bluetooth Core 5.2, Vol 4 Part E, 7.3 to 7.8.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "noren/wire.h"

#define ADVERTISERS_MAX 16
#define AD_MAX          31
#define CROWD_MAX       2048 /* addresses that a mall shows at one time */
#define CROWD_TICK_US   10000

enum { H4_COMMAND = 0x01, H4_EVENT = 0x04, H4_VENDOR = 0xff };
enum { EV_COMMAND_COMPLETE = 0x0e, EV_LE_META = 0x3e };
enum {
    OP_RESET = 0x0c03,
    OP_LE_SET_RANDOM_ADDRESS = 0x2005,
    OP_LE_SET_ADV_PARAMETERS = 0x2006,
    OP_LE_SET_ADV_DATA = 0x2008,
    OP_LE_SET_ADV_ENABLE = 0x200a,
    OP_LE_SET_SCAN_PARAMETERS = 0x200b,
    OP_LE_SET_SCAN_ENABLE = 0x200c,
};
enum { STATUS_SUCCESS = 0, STATUS_COMMAND_DISALLOWED = 0x0c };

/* What has to happen before a deaf controller hears again. */
enum deaf { HEARS, DEAF_UNTIL_SCAN, DEAF_UNTIL_RESET, DEAF };

struct advertiser {
    char name[32]; /* empty: free */
    uint8_t address[6];
    int rssi_dbm;
    int64_t period_us, next_us;
    bool phone;
    uint8_t key[32]; /* phone: member key */
    uint8_t ad[AD_MAX], ad_n;
};

struct controller {
    int fd;
    struct advertiser advertisers[ADVERTISERS_MAX];
    bool scanning, advertising;
    int type, interval, window;
    int adv_type, adv_interval;
    uint8_t adv[AD_MAX], adv_n;
    char adv_said[128]; /* the last line about it */
    enum deaf deaf;
    bool mute; /* commands are not answered */
    struct {   /* a mall: strangers who come and go */
        int rate, fresh;
        int64_t next_us, due_reports, due_fresh; /* in millionths */
        size_t oldest;
        uint8_t addresses[CROWD_MAX][6];
    } crowd;
    uint64_t random;
    int64_t commands, dropped, reports, raws;
};

/* Answers whose return parameters are more than the status; the rest of the parameters up to `n` is zero. */
struct answer {
    uint16_t opcode, n;
    uint8_t bytes[12];
};

static const struct answer ANSWERS[] = {
    {0x1001, 9, {0, 0x0b, 0, 0, 0x0b, 0xff, 0xff, 0, 0}}, /* local version: 5.2 */
    {0x1002, 65, {0}},                                    /* supported commands */
    {0x1003, 9, {0, 0, 0, 0, 0, 0x60}},                   /* features: LE, no BR/EDR */
    {0x1005, 8, {0, 0xfb, 0x00, 0, 8, 0, 0, 0}},          /* buffer size */
    {0x1009, 7, {0, 0x42, 0x00, 0x00, 0x01, 0xaa, 0x00}}, /* BD_ADDR 00:aa:01:00:00:42 */
    {0x0c14, 249, {0}},                                   /* local name */
    {0x2002, 4, {0, 0xfb, 0x00, 8}},                      /* LE buffer size */
    {0x2003, 9, {0}},                                     /* LE features: no extended advertising */
    {0x2007, 2, {0, 0}},                                  /* advertising power */
    {0x200f, 2, {0, 8}},                                  /* filter accept list size */
    {0x201c, 9, {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03, 0, 0}}, /* supported states */
};

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* xorshift64: the air is the same for the same seed. */
static uint32_t random_below(struct controller *c, uint32_t n)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (uint32_t)(c->random >> 32) % n;
}

static void send_packet(struct controller *c, const uint8_t *bytes, size_t n)
{
    if (write(c->fd, bytes, n) != (ssize_t)n)
        printf("error: cannot write to the controller: %s\n", strerror(errno));
}

/* Says what is on the air now, when that changed: "advertise TYPE INTERVAL HEX". */
static void say_advertising(struct controller *c)
{
    char line[sizeof(c->adv_said)] = "advertise off";
    int n;

    if (c->advertising) {
        n = snprintf(line, sizeof(line), "advertise type %d interval %d data ", c->adv_type,
                     c->adv_interval);
        for (uint8_t i = 0; i < c->adv_n; i++)
            n += snprintf(line + n, sizeof(line) - (size_t)n, "%02x", c->adv[i]);
    }
    if (strcmp(line, c->adv_said) != 0)
        puts(line);
    memcpy(c->adv_said, line, sizeof(line));
}

static void on_scan_enable(struct controller *c, struct rd *r)
{
    c->scanning = rd_u8(r) != 0;
    if (c->scanning && c->deaf == DEAF_UNTIL_SCAN)
        c->deaf = HEARS;
    printf("scan %s %s interval %d window %d duplicates %s\n", c->scanning ? "on" : "off",
           c->type == 0 ? "passive" : "active", c->interval, c->window,
           rd_u8(r) != 0 ? "filtered" : "reported");
}

static void on_adv_data(struct controller *c, struct rd *r)
{
    uint8_t n = rd_u8(r);

    c->adv_n = n <= AD_MAX ? n : AD_MAX;
    rd_copy(r, c->adv, c->adv_n);
    say_advertising(c);
}

/* Does what a command says. Returns its status. */
static uint8_t obey(struct controller *c, uint16_t opcode, struct rd *r)
{
    switch (opcode) {
    case OP_RESET:
        c->scanning = c->advertising = false;
        if (c->deaf == DEAF_UNTIL_RESET)
            c->deaf = HEARS;
        puts("reset");
        say_advertising(c);
        break;
    case OP_LE_SET_RANDOM_ADDRESS: /* 7.8.4: not while it scans or advertises */
        if (c->scanning || c->advertising)
            return STATUS_COMMAND_DISALLOWED;
        break;
    case OP_LE_SET_ADV_PARAMETERS:
        c->adv_interval = rd_le16(r);
        (void)rd_le16(r);
        c->adv_type = rd_u8(r);
        break;
    case OP_LE_SET_ADV_DATA:
        on_adv_data(c, r);
        break;
    case OP_LE_SET_ADV_ENABLE:
        c->advertising = rd_u8(r) != 0;
        say_advertising(c);
        break;
    case OP_LE_SET_SCAN_PARAMETERS:
        c->type = rd_u8(r);
        c->interval = rd_le16(r);
        c->window = rd_le16(r);
        break;
    case OP_LE_SET_SCAN_ENABLE:
        on_scan_enable(c, r);
        break;
    }
    return STATUS_SUCCESS;
}

static void on_command(struct controller *c, struct rd *r)
{
    uint8_t buf[300], status;
    struct wr w = wr_init(buf, sizeof(buf));
    uint16_t opcode = rd_le16(r), n = 1;
    const uint8_t *bytes = NULL;

    (void)rd_u8(r);
    c->commands++;
    if (c->mute) {
        c->dropped++;
        return;
    }
    status = obey(c, opcode, r);
    for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(ANSWERS[0]); i++)
        if (ANSWERS[i].opcode == opcode) {
            n = ANSWERS[i].n;
            bytes = ANSWERS[i].bytes;
        }
    wr_u8(&w, H4_EVENT);
    wr_u8(&w, EV_COMMAND_COMPLETE);
    wr_u8(&w, (uint8_t)(3 + n));
    wr_u8(&w, 1); /* commands we take at once */
    wr_le(&w, opcode, 2);
    wr_u8(&w, status);
    for (uint16_t i = 1; i < n; i++)
        wr_u8(&w, bytes != NULL && i < sizeof(ANSWERS[0].bytes) ? bytes[i] : 0);
    send_packet(c, buf, w.n);
}

/* One LE advertising report: ADV_NONCONN_IND from a random address. */
static void report(struct controller *c, struct advertiser *a)
{
    uint8_t buf[64], token[NOREN_TOKEN_SIZE], day_key[NOREN_DAY_KEY_SIZE];
    struct wr w = wr_init(buf, sizeof(buf));

    if (a->phone) {
        int64_t now_s = clock_us(CLOCK_REALTIME) / 1000000;
        uint64_t step = noren_step(now_s);

        noren_day_key(a->key, noren_utc_date((int64_t)step * NOREN_STEP_S), day_key);
        noren_token(day_key, step, token);
        memcpy(a->ad, (uint8_t[]){0x02, 0x01, 0x1a}, 3);
        noren_token_ad(token, a->ad + 3);
        a->ad_n = 3 + 18;
    }
    wr_u8(&w, H4_EVENT);
    wr_u8(&w, EV_LE_META);
    wr_u8(&w, (uint8_t)(12 + a->ad_n));
    wr_u8(&w, 0x02); /* advertising report */
    wr_u8(&w, 1);    /* one of them */
    wr_u8(&w, 0x03); /* ADV_NONCONN_IND */
    wr_u8(&w, 0x01); /* random address */
    wr_reversed(&w, a->address, 6);
    wr_u8(&w, a->ad_n);
    wr_copy(&w, a->ad, a->ad_n);
    wr_u8(&w, (uint8_t)(a->rssi_dbm - 2 + (int)random_below(c, 5)));
    send_packet(c, buf, w.n);
    c->reports++;
}

/* A stranger: what phones send most, an Apple continuity message of random content. */
static void report_stranger(struct controller *c)
{
    struct advertiser a = {.rssi_dbm = -90 + (int)random_below(c, 50), .ad_n = 17};

    memcpy(a.address, c->crowd.addresses[random_below(c, CROWD_MAX)], sizeof(a.address));
    memcpy(a.ad, (uint8_t[]){0x02, 0x01, 0x1a, 0x0d, 0xff, 0x4c, 0x00, 0x10, 0x08}, 9);
    for (int i = 9; i < 17; i++)
        a.ad[i] = (uint8_t)random_below(c, 256);
    report(c, &a);
}

static void new_stranger(struct controller *c)
{
    uint8_t *address = c->crowd.addresses[c->crowd.oldest++ % CROWD_MAX];

    for (int i = 0; i < 6; i++)
        address[i] = (uint8_t)random_below(c, 256);
    address[0] = (address[0] & 0x3f) | 0x40; /* resolvable */
}

/* What is due of the mall since the last look; an emulator that is late sends more at once, up to a second's. */
static void crowd(struct controller *c, int64_t now_us)
{
    int64_t since_us = now_us - c->crowd.next_us;

    if (since_us < CROWD_TICK_US)
        return;
    since_us = since_us > 1000000 ? 1000000 : since_us;
    c->crowd.next_us = now_us;
    c->crowd.due_fresh += c->crowd.fresh * since_us;
    c->crowd.due_reports += c->crowd.rate * since_us;
    for (; c->crowd.due_fresh >= 1000000; c->crowd.due_fresh -= 1000000)
        new_stranger(c);
    for (; c->crowd.due_reports >= 1000000; c->crowd.due_reports -= 1000000)
        if (c->scanning && c->deaf == HEARS)
            report_stranger(c);
}

/* --- the air's control -------------------------------------------------------------------------- */

/* Returns the number of bytes, or -1. */
static int parse_hex(const char *s, uint8_t *ret, size_t cap)
{
    size_t n = strlen(s) / 2;

    if (strlen(s) % 2 != 0 || n > cap)
        return -1;
    for (size_t i = 0; i < n; i++) {
        char digits[3] = {s[2 * i], s[2 * i + 1], '\0'}, *end;

        ret[i] = (uint8_t)strtoul(digits, &end, 16);
        if (*end != '\0')
            return -1;
    }
    return (int)n;
}

static struct advertiser *find(struct controller *c, const char *name)
{
    for (size_t i = 0; i < ADVERTISERS_MAX; i++)
        if (strcmp(c->advertisers[i].name, name) == 0)
            return &c->advertisers[i];
    return NULL;
}

/* beacon|phone NAME ADDRESS RSSI PERIOD_MS HEX */
static bool on_advertiser(struct controller *c, char *words[6], bool phone)
{
    struct advertiser a = {.phone = phone, .next_us = clock_us(CLOCK_BOOTTIME)}, *place;
    int n;

    if (words[5] == NULL || strlen(words[1]) >= sizeof(a.name))
        return false;
    snprintf(a.name, sizeof(a.name), "%s", words[1]);
    a.rssi_dbm = (int)strtol(words[3], NULL, 10);
    a.period_us = strtol(words[4], NULL, 10) * INT64_C(1000);
    n = phone ? parse_hex(words[5], a.key, 32) : parse_hex(words[5], a.ad, AD_MAX);
    if (parse_hex(words[2], a.address, 6) != 6 || a.period_us <= 0 || (phone ? n != 32 : n < 0))
        return false;
    a.ad_n = phone ? 0 : (uint8_t)n;
    place = find(c, a.name);
    place = place != NULL ? place : find(c, "");
    if (place == NULL)
        return false;
    *place = a;
    return true;
}

static bool on_raw(struct controller *c, const char *hex)
{
    uint8_t buf[1 + 1000] = {H4_EVENT};
    int n = hex != NULL ? parse_hex(hex, buf + 1, sizeof(buf) - 1) : -1;

    if (n < 0)
        return false;
    send_packet(c, buf, 1 + (size_t)n);
    c->raws++;
    return true;
}

static bool on_deaf(struct controller *c, const char *until)
{
    static const char *const names[] = {"no", "scan", "reset", "ever"};

    for (int i = 0; until != NULL && i < 4; i++)
        if (strcmp(names[i], until) == 0) {
            c->deaf = (enum deaf)i;
            return true;
        }
    return false;
}

static bool on_line(struct controller *c, char *line)
{
    char *words[6] = {NULL}, *save = NULL;

    for (size_t i = 0; i < 6; i++)
        words[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
    if (words[0] == NULL)
        return true;
    if (strcmp(words[0], "beacon") == 0)
        return on_advertiser(c, words, false);
    if (strcmp(words[0], "phone") == 0)
        return on_advertiser(c, words, true);
    if (strcmp(words[0], "raw") == 0)
        return on_raw(c, words[1]);
    if (strcmp(words[0], "quiet") == 0 && words[1] != NULL) {
        struct advertiser *a = find(c, words[1]);

        if (a != NULL)
            *a = (struct advertiser){0};
        return a != NULL;
    }
    if (strcmp(words[0], "mall") == 0 && words[2] != NULL) {
        c->crowd.rate = (int)strtol(words[1], NULL, 10);
        c->crowd.fresh = (int)strtol(words[2], NULL, 10);
        for (size_t i = 0; i < CROWD_MAX; i++)
            new_stranger(c);
        return true;
    }
    if (strcmp(words[0], "deaf") == 0)
        return on_deaf(c, words[1]);
    if (strcmp(words[0], "mute") == 0 && words[1] != NULL) {
        c->mute = strcmp(words[1], "on") == 0;
        return true;
    }
    if (strcmp(words[0], "stats") != 0)
        return false;
    printf("stats commands %" PRId64 " dropped %" PRId64 " reports %" PRId64 " raw %" PRId64 "\n",
           c->commands, c->dropped, c->reports, c->raws);
    return true;
}

static void on_control(struct controller *c, int fd)
{
    static char buf[4096];
    static size_t n;
    ssize_t got = read(fd, buf + n, sizeof(buf) - 1 - n);
    char *end;

    n += got > 0 ? (size_t)got : 0;
    buf[n] = '\0';
    while ((end = strchr(buf, '\n')) != NULL) {
        *end = '\0';
        if (!on_line(c, buf))
            printf("error: did not understand: %s\n", buf);
        n -= (size_t)(end + 1 - buf);
        memmove(buf, end + 1, n + 1);
    }
}

/* Reports what is due; returns milliseconds until the next, -1 for never. */
static int advertise(struct controller *c)
{
    int64_t now_us = clock_us(CLOCK_BOOTTIME), next_us = INT64_MAX;

    for (size_t i = 0; i < ADVERTISERS_MAX; i++) {
        struct advertiser *a = &c->advertisers[i];

        if (a->name[0] == '\0')
            continue;
        if (a->next_us <= now_us) {
            if (c->scanning && c->deaf == HEARS)
                report(c, a);
            /* advDelay: 0..10 ms, so that two advertisers do not stay in step */
            a->next_us = now_us + a->period_us + random_below(c, 10000);
        }
        next_us = a->next_us < next_us ? a->next_us : next_us;
    }
    if (c->crowd.rate > 0) {
        crowd(c, now_us);
        return CROWD_TICK_US / 1000;
    }
    return next_us == INT64_MAX ? -1 : (int)((next_us - now_us) / 1000 + 1);
}

static int create(struct controller *c)
{
    uint8_t reply[4];

    c->fd = open("/dev/vhci", O_RDWR | O_CLOEXEC);
    if (c->fd < 0 || write(c->fd, (uint8_t[]){H4_VENDOR, 0x00}, 2) != 2 ||
        read(c->fd, reply, sizeof(reply)) != (ssize_t)sizeof(reply)) {
        printf("error: no controller on /dev/vhci: %s; is hci_vhci loaded?\n", strerror(errno));
        return -1;
    }
    printf("ready hci%d\n", reply[2] | reply[3] << 8);
    return 0;
}

int main(int argc, char **argv)
{
    static struct controller c;
    int fifo =
        argc == 3 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1; /* RDWR: no EOF between writers */

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (fifo < 0) {
        printf("usage: vhci FIFO SEED\n");
        return 2;
    }
    c.random = strtoull(argv[2], NULL, 10) * 2 + 1;
    if (create(&c) < 0)
        return 1;
    for (;;) {
        struct pollfd p[2] = {{.fd = c.fd, .events = POLLIN}, {.fd = fifo, .events = POLLIN}};
        uint8_t buf[2048];

        if (poll(p, 2, advertise(&c)) < 0 && errno != EINTR)
            return 1;
        if ((p[0].revents & POLLIN) != 0) {
            ssize_t n = read(c.fd, buf, sizeof(buf));
            struct rd r = rd_init(buf, n > 0 ? (size_t)n : 0);

            if (rd_u8(&r) == H4_COMMAND)
                on_command(&c, &r);
        }
        if ((p[1].revents & POLLIN) != 0)
            on_control(&c, fifo);
    }
}
