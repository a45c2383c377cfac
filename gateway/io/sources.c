/* The sources of a board; see sources.h. */
#include "io/sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STILL_US (5 * NOREN_US_PER_S) /* many conversions of the slowest chip */

#define PROBLEM_BLE BOARD_BANKS_MAX
#define PROBLEM_SIM (BOARD_BANKS_MAX + 1)
#define READ_MAX    64

static void problem(struct sources *s, int i, const char *what, const char *id, int rc,
                    const char *remedy)
{
    snprintf(s->problems[i], sizeof(s->problems[i]), "%s%s: %s; %s", what, id, strerror(-rc),
             remedy);
}

static const char *bank_remedy(int rc)
{
    return rc == -ENODEV  ? "no chip with that label: gpiodetect prints what there is"
           : rc == -EBUSY ? "a line is taken: gpioinfo says by whom"
           : rc == -EACCES || rc == -EPERM ? "let the user norend runs as open /dev/gpiochip*"
                                           : "check its section in the board file";
}

/* Closing a descriptor takes it out again. */
static void watch(struct sources *s, int fd)
{
    struct epoll_event e = {.events = EPOLLIN};

    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static int open_bank(struct sources *s, int i, const uint16_t *cells)
{
    const struct board *b = &s->config->board;
    int rc = 0;

    switch (b->banks[i].kind) {
    case BANK_GPIO:
    case BANK_SIM:
        rc = adc_open(&s->adc[i], &b->banks[i], cells, s->sim);
        if (rc == 0)
            watch(s, adc_fd(s->adc[i]));
        break;
    case BANK_IIO:
        rc = sysfs_open(&s->iio[i], b, &b->banks[i], cells);
        if (rc == 0)
            watch(s, sysfs_fd(s->iio[i]));
        break;
    case BANK_SERIAL:
        rc = serial_open(&s->serial[i], b->banks[i].devices[0]);
        if (rc == 0 && serial_fd(s->serial[i]) >= 0)
            watch(s, serial_fd(s->serial[i]));
        break;
    }
    return rc;
}

static void open_banks(struct sources *s, const struct plan *plan)
{
    const struct board *b = &s->config->board;

    for (int i = 0; i < b->banks_n; i++) {
        uint16_t cells[BOARD_BANK_CELLS_MAX];
        int rc, known = 0;

        for (int c = 0; c < b->banks[i].cells_n; c++) {
            cells[c] = plan_find_cell(plan, b->banks[i].cells[c]);
            known += cells[c] != NO_INDEX;
        }
        s->problems[i][0] = '\0';
        if (known < b->banks[i].cells_n)
            snprintf(
                s->problems[i], sizeof(s->problems[i]),
                "bank %s: %d of %d cells are in no plate of planogram.json; name the cells alike",
                b->banks[i].id, b->banks[i].cells_n - known, b->banks[i].cells_n);
        rc = open_bank(s, i, cells);
        if (rc != 0)
            problem(s, i, "bank ", b->banks[i].id, rc, bank_remedy(rc));
        else if (s->problems[i][0] == '\0' && s->adc[i] != NULL && adc_degraded(s->adc[i]) != NULL)
            snprintf(s->problems[i], sizeof(s->problems[i]), "bank %s: %s", b->banks[i].id,
                     adc_degraded(s->adc[i]));
    }
}

static void find_receivers(struct sources *s, const struct plan *plan)
{
    for (int i = 0; i < s->config->board.radios_n; i++)
        s->receivers[i] = plan_find_receiver(plan, s->config->board.radios[i].receiver);
}

int sources_open(struct sources *s, const struct config *config, const struct plan *plan)
{
    bool real_radio = false, simulated = false;
    char path[CONFIG_PATH_SIZE + 16];
    int rc;

    memset(s, 0, sizeof(*s));
    s->config = config;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0)
        return -errno;
    for (int i = 0; i < config->board.radios_n; i++) {
        real_radio |= config->board.radios[i].kind == RADIO_HCI;
        simulated |= config->board.radios[i].kind == RADIO_SIM;
    }
    for (int i = 0; i < config->board.banks_n; i++)
        simulated |= config->board.banks[i].kind == BANK_SIM;
    find_receivers(s, plan);
    if (simulated) {
        snprintf(path, sizeof(path), "%s/sim.sock", config->run_dir);
        rc = sim_open(&s->sim, path, &config->board);
        if (rc != 0)
            problem(s, PROBLEM_SIM, path, "", rc, "create run_dir for the user norend runs as");
    }
    if (real_radio) {
        rc = ble_open(&s->ble, &config->board, config->run_dir);
        if (rc == -EPERM)
            problem(s, PROBLEM_BLE, "bluetooth", "", rc,
                    "norend needs CAP_NET_RAW and CAP_NET_ADMIN");
        else if (rc == -EAFNOSUPPORT)
            problem(s, PROBLEM_BLE, "bluetooth", "", rc, "load the kernel module bluetooth");
        else if (rc != 0)
            problem(s, PROBLEM_BLE, "bluetooth", "", rc, "see the kernel log");
    }
    if (s->sim != NULL)
        watch(s, sim_fd(s->sim));
    if (s->ble != NULL)
        watch(s, ble_fd(s->ble));
    open_banks(s, plan);
    if (config->board.thermometers_n > 0 &&
        sysfs_open(&s->thermometers, &config->board, NULL, NULL) == 0)
        watch(s, sysfs_fd(s->thermometers));
    return 0;
}

static void close_banks(struct sources *s)
{
    for (int i = 0; i < BOARD_BANKS_MAX; i++) {
        adc_close(s->adc[i]);
        s->adc[i] = NULL;
        sysfs_close(s->iio[i]);
        s->iio[i] = NULL;
        serial_close(s->serial[i]);
        s->serial[i] = NULL;
    }
}

void sources_set_plan(struct sources *s, const struct plan *plan)
{
    if (s->config->role == ROLE_RECEIVER)
        return;
    close_banks(s);
    find_receivers(s, plan);
    open_banks(s, plan);
}

int sources_fd(const struct sources *s)
{
    return s->epoll_fd;
}

/* The plan's receiver behind a packet: by hciN for a real radio, by its place for a simulated one. */
static uint16_t find_receiver(const struct sources *s, enum board_radio_kind kind, uint16_t adapter)
{
    const struct board *b = &s->config->board;

    if (kind == RADIO_SIM)
        return adapter < b->radios_n ? s->receivers[adapter] : NO_INDEX;
    for (int i = 0; i < b->radios_n; i++) {
        if (b->radios[i].kind == RADIO_HCI && b->radios[i].adapter == adapter)
            return s->receivers[i];
    }
    return NO_INDEX;
}

static void feed_packets(struct sources *s, struct engine *e, enum board_radio_kind kind,
                         const struct ble_packet *packets, int n)
{
    for (int i = 0; i < n; i++) {
        uint16_t receiver = find_receiver(s, kind, packets[i].adapter);

        if (receiver == NO_INDEX)
            s->unknown_receiver++;
        else
            engine_packet(e, receiver, packets[i].t_us, packets[i].bytes, packets[i].n);
    }
}

static void feed_files(struct sysfs *files, struct engine *e)
{
    struct obs obs[READ_MAX];
    int n = files != NULL ? sysfs_read(files, obs, READ_MAX) : 0;

    for (int i = 0; i < n; i++)
        engine_sense(e, &obs[i]);
}

void sources_read(struct sources *s, struct engine *e)
{
    struct ble_packet packets[READ_MAX];
    struct obs obs[READ_MAX];

    /* one helping each: a flood on one source must not starve the others, or the commits */
    if (s->ble != NULL)
        feed_packets(s, e, RADIO_HCI, packets, ble_read(s->ble, packets, READ_MAX));
    if (s->sim != NULL)
        feed_packets(s, e, RADIO_SIM, packets, sim_read(s->sim, packets, READ_MAX));
    for (int i = 0; i < BOARD_BANKS_MAX; i++) {
        int n = s->adc[i] != NULL ? adc_read(s->adc[i], obs, READ_MAX) : 0;

        for (int o = 0; o < n; o++) {
            if (obs[o].u.cell.cell != NO_INDEX)
                engine_sense(e, &obs[o]);
        }
        feed_files(s->iio[i], e);
        n = s->serial[i] != NULL ? serial_read(s->serial[i], packets, READ_MAX) : 0;
        for (int p = 0; p < n; p++) /* a wire is no place: the receiver does not matter */
            engine_packet(e, 0, packets[p].t_us, packets[p].bytes, packets[p].n);
    }
    feed_files(s->thermometers, e);
}

/* A port that was pulled and is back, or gone. */
static void tick_serial(struct sources *s, int i)
{
    const struct board_bank *bank = &s->config->board.banks[i];
    const char *what;

    if (serial_tick(s->serial[i]))
        watch(s, serial_fd(s->serial[i]));
    what = serial_problem(s->serial[i]);
    s->problems[i][0] = '\0';
    if (what != NULL)
        snprintf(s->problems[i], sizeof(s->problems[i]),
                 "bank %s: %s: %s; plug it in, or name the right device in the board file",
                 bank->id, bank->devices[0], what);
}

const char *sources_tick(struct sources *s, int64_t now_us)
{
    char now[SOURCES_PROBLEM_SIZE], *noted = s->problems[PROBLEM_BLE];
    const char *what;

    for (int i = 0; i < BOARD_BANKS_MAX; i++)
        if (s->serial[i] != NULL)
            tick_serial(s, i);
    if (s->ble == NULL)
        return NULL;
    ble_tick(s->ble, now_us);
    what = ble_degraded(s->ble);
    snprintf(now, sizeof(now), "%s%s", what != NULL ? "bluetooth: " : "", what != NULL ? what : "");
    if (strcmp(now, noted) != 0) {
        memcpy(noted, now, sizeof(now));
        return NULL;
    }
    if (strcmp(now, s->ble_said) == 0)
        return NULL;
    memcpy(s->ble_said, now, sizeof(now));
    return what != NULL ? s->ble_said : NULL;
}

struct adc_counters sources_bank_counters(const struct sources *s, int i)
{
    return s->adc[i] != NULL   ? adc_counters(s->adc[i])
           : s->iio[i] != NULL ? sysfs_counters(s->iio[i])
                               : (struct adc_counters){0};
}

struct adc_counters sources_adc_counters(const struct sources *s)
{
    struct adc_counters sum = {0};

    for (int i = 0; i < BOARD_BANKS_MAX; i++) {
        struct adc_counters c = sources_bank_counters(s, i);

        sum.frames_good += c.frames_good;
        sum.frames_refused += c.frames_refused;
        sum.ring_overflows += c.ring_overflows;
        for (int reason = 0; reason < HX711_REASONS; reason++)
            sum.by_reason[reason] += c.by_reason[reason];
    }
    return sum;
}

bool sources_alive(struct sources *s, int64_t now_us)
{
    bool alive = true;

    for (int i = 0; i < BOARD_BANKS_MAX; i++) {
        if (s->adc[i] == NULL)
            continue;
        if (s->moved_us[i] == 0 || adc_turns(s->adc[i]) != s->turns[i]) {
            s->turns[i] = adc_turns(s->adc[i]);
            s->moved_us[i] = now_us;
        }
        alive &= now_us - s->moved_us[i] < STILL_US;
    }
    return alive;
}

void sources_close(struct sources *s)
{
    close_banks(s);
    sysfs_close(s->thermometers);
    ble_close(s->ble);
    sim_close(s->sim);
    if (s->epoll_fd > 0)
        close(s->epoll_fd);
}
