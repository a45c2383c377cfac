/* The simulated board: chips and radios behind a unix datagram socket; see sim.h.
 *
 * The chips live here and are clocked by the sampling thread through a bus like that of real lines. What the
 * socket changes (signal, noise, fault) is handed over in atomics; the chip itself belongs to the thread.
 */
#include "io/sim.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "adc/hx711_sim.h"
#include "noren/hex.h"

#define LINE_MAX_SIZE (16 + NOREN_ID_SIZE + 2 * BLE_PACKET_MAX)
#define NOISE_DEFAULT 20 /* counts: that of a 5 kg cell at 80 SPS is some tens */

enum sim_state { SIM_UNPLUGGED, SIM_RUNS, SIM_STALLS };

struct sim_cell {
    char id[NOREN_ID_SIZE];
    _Atomic int32_t signal, noise;
    _Atomic int fault; /* enum hx711_sim_fault */
    _Atomic int state; /* enum sim_state */
    struct hx711_sim chip;
};

struct sim_bank {
    char id[NOREN_ID_SIZE];
    bool shared;
    uint8_t n;
    uint64_t random;
    struct sim_cell cells[BOARD_BANK_CELLS_MAX];
};

struct sim {
    int fd;
    struct sockaddr_un address;
    int64_t refused;
    struct sockaddr_un watcher; /* family 0: none */
    socklen_t watcher_n;
    uint8_t radios_n;
    struct board_radio radios[BOARD_RADIOS_MAX];
    uint8_t banks_n;
    struct sim_bank banks[BOARD_BANKS_MAX];
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* --- the bus that the sampling thread sees ------------------------------------------------------ */

static void sleep_us(int32_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};

    nanosleep(&t, NULL);
}

/* One PD_SCK high in 50 of a stalled chip is a long one: about every second frame. */
static void maybe_stall(struct sim_bank *b, const struct sim_cell *c)
{
    if (atomic_load(&c->state) != SIM_STALLS)
        return;
    b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    if ((b->random >> 33) % 50 == 0)
        sleep_us(60 + (int32_t)((b->random >> 40) % 4940));
}

static int bus_set_sck(void *ctx, unsigned line, bool high)
{
    struct sim_bank *b = ctx;
    unsigned first = b->shared ? 0 : line, last = b->shared ? b->n : line + 1;

    for (unsigned i = first; i < last; i++)
        if (!high)
            maybe_stall(b, &b->cells[i]);
    for (unsigned i = first; i < last; i++)
        hx711_sim_sck(&b->cells[i].chip, high, now_ns());
    return 0;
}

static int bus_get_dout(void *ctx, uint32_t *ret_levels)
{
    struct sim_bank *b = ctx;
    int64_t now = now_ns();
    uint32_t levels = 0;

    for (unsigned i = 0; i < b->n; i++) {
        struct sim_cell *c = &b->cells[i];

        c->chip.signal = atomic_load_explicit(&c->signal, memory_order_relaxed);
        c->chip.noise = atomic_load_explicit(&c->noise, memory_order_relaxed);
        c->chip.fault = atomic_load(&c->state) == SIM_UNPLUGGED
                            ? HX711_SIM_ABSENT
                            : (enum hx711_sim_fault)atomic_load(&c->fault);
        if (hx711_sim_dout(&c->chip, now))
            levels |= UINT32_C(1) << i;
    }
    *ret_levels = levels;
    return 0;
}

static int64_t bus_now_us(void *ctx)
{
    (void)ctx;
    return now_ns() / 1000;
}

static void bus_wait_us(void *ctx, int32_t us)
{
    (void)ctx;
    sleep_us(us);
}

struct bank_bus sim_bus(struct sim *s, const struct board_bank *bank)
{
    struct bank_bus bus = {.set_sck = bus_set_sck,
                           .get_dout = bus_get_dout,
                           .now_us = bus_now_us,
                           .wait_us = bus_wait_us};

    for (int i = 0; i < s->banks_n; i++)
        if (strcmp(s->banks[i].id, bank->id) == 0)
            bus.ctx = &s->banks[i];
    return bus;
}

/* --- set-up ------------------------------------------------------------------------------------- */

/* Every chip has its own clock, up to 2 % off, the same at every start. */
static void init_bank(struct sim_bank *b, const struct board_bank *config)
{
    *b = (struct sim_bank){.shared = config->sck_n == 1, .n = config->cells_n};
    memcpy(b->id, config->id, sizeof(b->id));
    for (int i = 0; i < b->n; i++) {
        struct sim_cell *c = &b->cells[i];
        uint64_t seed = 5381;

        memcpy(c->id, config->cells[i], sizeof(c->id));
        for (const char *p = c->id; *p != '\0'; p++)
            seed = seed * 33 + (uint8_t)*p;
        b->random ^= seed;
        atomic_init(&c->noise, NOISE_DEFAULT);
        hx711_sim_init(&c->chip, now_ns(),
                       INT64_C(1000000) / config->rate_sps * (980 + (int64_t)(seed % 41)), seed);
    }
}

/* A socket file that nobody listens to is left from a process that was killed. */
static int remove_dead(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    if (lstat(address->sun_path, &st) < 0)
        r = errno == ENOENT ? 0 : -errno;
    else if (!S_ISSOCK(st.st_mode))
        r = -EEXIST;
    else if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        r = -EADDRINUSE;
    else if (unlink(address->sun_path) < 0)
        r = -errno;
    close(fd);
    return r;
}

static int bind_socket(struct sim *s, const char *path)
{
    int r, size = 1 << 20;

    if (strlen(path) >= sizeof(s->address.sun_path))
        return -ENAMETOOLONG;
    s->address.sun_family = AF_UNIX;
    memcpy(s->address.sun_path, path, strlen(path) + 1);
    r = remove_dead(&s->address);
    if (r < 0)
        return r;
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -errno;
    (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (bind(s->fd, (const struct sockaddr *)&s->address, sizeof(s->address)) < 0 ||
        chmod(path, 0660) < 0) {
        r = -errno;
        close(s->fd);
        return r;
    }
    return 0;
}

int sim_open(struct sim **ret_sim, const char *path, const struct board *board)
{
    struct sim *s = calloc(1, sizeof(*s));
    int r;

    if (s == NULL)
        return -ENOMEM;
    for (int i = 0; i < board->banks_n; i++)
        if (board->banks[i].kind == BANK_SIM)
            init_bank(&s->banks[s->banks_n++], &board->banks[i]);
    memcpy(s->radios, board->radios, sizeof(s->radios));
    s->radios_n = board->radios_n;
    r = bind_socket(s, path);
    if (r < 0) {
        free(s);
        return r;
    }
    *ret_sim = s;
    return 0;
}

void sim_close(struct sim *s)
{
    if (s == NULL)
        return;
    close(s->fd);
    unlink(s->address.sun_path);
    free(s);
}

int sim_fd(const struct sim *s)
{
    return s->fd;
}

int64_t sim_refused(const struct sim *s)
{
    return s->refused;
}

/* --- commands ----------------------------------------------------------------------------------- */

static struct sim_cell *find_cell(struct sim *s, const char *id)
{
    for (int i = 0; i < s->banks_n; i++)
        for (int k = 0; k < s->banks[i].n; k++)
            if (strcmp(s->banks[i].cells[k].id, id) == 0)
                return &s->banks[i].cells[k];
    return NULL;
}

static bool handle_adv(const struct sim *s, const char *receiver, const char *hex,
                       struct ble_packet *ret)
{
    size_t n = strlen(hex);
    int radio = -1;

    for (int i = 0; i < s->radios_n; i++)
        if (s->radios[i].kind == RADIO_SIM && strcmp(s->radios[i].receiver, receiver) == 0)
            radio = i;
    if (radio < 0 || n == 0 || n / 2 > sizeof(ret->bytes) || !hex_read(hex, ret->bytes, n / 2))
        return false;
    ret->t_us = now_ns() / 1000;
    ret->adapter = (uint16_t)radio;
    ret->n = (uint16_t)(n / 2);
    return true;
}

static bool parse_counts(const char *text, int32_t *ret)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < -100000000 || v > 100000000)
        return false;
    *ret = (int32_t)v;
    return true;
}

static bool handle_fault(struct sim_cell *c, const char *name)
{
    static const char *const names[] = {"none", "absent", "stuck", "saturated"};

    for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
        if (strcmp(names[i], name) == 0) {
            atomic_store(&c->fault, i);
            if (atomic_load(&c->state) == SIM_STALLS)
                atomic_store(&c->state, SIM_RUNS);
            return true;
        }
    if (strcmp(name, "stall") != 0)
        return false;
    atomic_store(&c->fault, HX711_SIM_NONE);
    atomic_store(&c->state, SIM_STALLS);
    return true;
}

/* One datagram. Returns the number of packets written to `ret` (0 or 1), or -1 when it is refused. */
static int handle(struct sim *s, char *line, struct ble_packet *ret)
{
    char *save = NULL;
    const char *verb = strtok_r(line, " \n", &save), *id = strtok_r(NULL, " \n", &save),
               *value = strtok_r(NULL, " \n", &save);
    struct sim_cell *c;
    int32_t counts;

    if (verb == NULL || id == NULL || value == NULL || strtok_r(NULL, " \n", &save) != NULL)
        return -1;
    if (strcmp(verb, "adv") == 0)
        return handle_adv(s, id, value, ret) ? 1 : -1;
    c = find_cell(s, id);
    if (c == NULL)
        return -1;
    if (strcmp(verb, "fault") == 0)
        return handle_fault(c, value) ? 0 : -1;
    if (!parse_counts(value, &counts))
        return -1;
    if (strcmp(verb, "load") == 0) {
        int unplugged = SIM_UNPLUGGED;

        atomic_store(&c->signal, counts);
        atomic_compare_exchange_strong(&c->state, &unplugged, SIM_RUNS);
        return 0;
    }
    if (strcmp(verb, "noise") != 0 || counts < 0)
        return -1;
    atomic_store(&c->noise, counts);
    return 0;
}

/* Who has no address, or has gone, is not told: a light matters to those who look. */
void sim_led(struct sim *s, const char *led, bool on)
{
    char line[8 + NOREN_ID_SIZE];
    int n = snprintf(line, sizeof(line), "led %s %s", led, on ? "on" : "off");

    if (s->watcher.sun_family == AF_UNIX)
        (void)sendto(s->fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&s->watcher, s->watcher_n);
}

/* "watch", with or without a line end, by somebody who can be answered. */
static bool handle_watch(struct sim *s, const char *line, const struct sockaddr_un *from,
                         socklen_t from_n)
{
    if (strncmp(line, "watch", 5) != 0 || line[5 + strspn(line + 5, " \n")] != '\0' ||
        from_n <= sizeof(sa_family_t))
        return false;
    s->watcher = *from;
    s->watcher_n = from_n;
    return true;
}

int sim_read(struct sim *s, struct ble_packet *ret, size_t cap)
{
    char line[LINE_MAX_SIZE + 1];
    size_t n = 0;

    while (n < cap) {
        struct sockaddr_un from = {0};
        socklen_t from_n = sizeof(from);
        ssize_t got =
            recvfrom(s->fd, line, sizeof(line), MSG_TRUNC, (struct sockaddr *)&from, &from_n);
        int r = -1;

        if (got < 0)
            return errno == EAGAIN || errno == EINTR || n > 0 ? (int)n : -errno;
        if (got < (ssize_t)sizeof(line)) { /* else it was cut: longer than any command */
            line[got] = '\0';
            r = handle_watch(s, line, &from, from_n) ? 0 : handle(s, line, &ret[n]);
        }
        if (r < 0)
            s->refused++;
        else
            n += (size_t)r;
    }
    return (int)n;
}
