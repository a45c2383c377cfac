/* Files of the kernel with a number in them; see sysfs.h. */
#include "io/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "adc/hx711.h"
#include "io/clock.h"

#define RING_SIZE   512
#define PATH_SIZE   (BOARD_DEVICE_SIZE + 32)
#define STACK_SIZE  ((size_t)64 * 1024)
#define AGAIN_MS    1000  /* after an error */
#define WARMTH_MS   10000 /* a shop warms slowly */
#define MID_SCALE   0x800000
#define MILLIKELVIN 1e6 /* more than any thermometer says */

struct file {
    struct sysfs *owner;
    pthread_t thread;
    char path[PATH_SIZE];
    bool is_cell, offset_binary;
    uint16_t cell;
    int32_t period_ms;
    double scale, offset; /* of a raw temperature */
    char sensor[NOREN_ID_SIZE];
};

struct sysfs {
    int event_fd, stop_fd;
    pthread_mutex_t lock; /* some tens of readings a second */
    struct obs ring[RING_SIZE];
    size_t first, n;
    struct adc_counters counters;
    uint8_t files_n;
    struct file files[BOARD_BANK_CELLS_MAX > BOARD_THERMOMETERS_MAX ? BOARD_BANK_CELLS_MAX
                                                                    : BOARD_THERMOMETERS_MAX];
};

/* --- one file ----------------------------------------------------------------------------------- */

/* The file's text without its line end; -errno. The file is opened anew each time: a device that was taken
 * away and came back has the same name and another inode. */
static int read_text(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r;
    ssize_t got;

    if (fd < 0)
        return -errno;
    got = read(fd, ret, size - 1);
    r = got < 0 ? -errno : 0;
    close(fd);
    if (r < 0)
        return r;
    ret[got] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    return 0;
}

/* A finite number, and nothing else; -EPROTO. */
static int read_number(const char *path, double *ret)
{
    char text[64], *end;
    int r = read_text(path, text, sizeof(text));
    double v;

    if (r < 0)
        return r;
    v = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(v))
        return -EPROTO;
    *ret = v;
    return 0;
}

static bool take_cell(struct file *f, struct obs *o)
{
    double v = 0;
    int r = read_number(f->path, &v);

    *o = (struct obs){.kind = OBS_CELL, .t_us = clock_boot_us()};
    o->u.cell.cell = f->cell;
    v -= f->offset_binary ? MID_SCALE : 0;
    if (r == -EIO || r == -ETIMEDOUT || r == -EPROTO) /* the driver found DOUT high */
        o->u.cell.fault = CELL_CORRUPT;
    else if (r < 0)
        o->u.cell.fault = CELL_ABSENT;
    else if (v <= HX711_CLIP_LOW || v >= HX711_CLIP_HIGH)
        o->u.cell.fault = CELL_SATURATED;
    else
        o->u.cell.counts = (int32_t)v;
    return r == 0;
}

static bool take_warmth(const struct file *f, struct obs *o)
{
    double v;

    *o = (struct obs){.kind = OBS_TEMPERATURE, .t_us = clock_boot_us()};
    if (read_number(f->path, &v) < 0)
        return false;
    v = (v + f->offset) * f->scale;
    if (fabs(v) > MILLIKELVIN)
        return false;
    o->u.temperature.temperature_mc = (int32_t)lround(v);
    memcpy(o->u.temperature.sensor, f->sensor, sizeof(f->sensor));
    return true;
}

static void count_frame(struct adc_counters *c, enum cell_fault fault)
{
    switch (fault) {
    case CELL_OK:
        c->frames_good++;
        c->by_reason[HX711_GOOD]++;
        return;
    case CELL_SATURATED:
        c->by_reason[HX711_CLIP]++;
        break;
    case CELL_CORRUPT:
        c->by_reason[HX711_NOT_READY]++;
        break;
    case CELL_ABSENT:
    case CELL_RATE:
        return;
    }
    c->frames_refused++;
}

/* A full ring drops the newest: the main loop is what is late. */
static void hand_over(struct sysfs *s, const struct obs *o)
{
    const uint64_t one = 1;

    pthread_mutex_lock(&s->lock);
    if (o->kind == OBS_CELL)
        count_frame(&s->counters, o->u.cell.fault);
    if (s->n < RING_SIZE)
        s->ring[(s->first + s->n++) % RING_SIZE] = *o;
    else
        s->counters.ring_overflows++;
    pthread_mutex_unlock(&s->lock);
    if (write(s->event_fd, &one, sizeof(one)) < 0)
        return; /* the reader has been told often enough */
}

static void *run(void *arg)
{
    struct file *f = arg;
    struct pollfd stop = {.fd = f->owner->stop_fd, .events = POLLIN};
    struct obs o;
    bool good;

    do {
        good = f->is_cell ? take_cell(f, &o) : take_warmth(f, &o);
        if (good || f->is_cell)
            hand_over(f->owner, &o);
    } while (poll(&stop, 1, good || !f->is_cell ? f->period_ms : AGAIN_MS) == 0);
    return NULL;
}

/* --- set-up ------------------------------------------------------------------------------------- */

static void add_cell(struct sysfs *s, const struct board_bank *bank, int i, uint16_t cell)
{
    struct file *f = &s->files[s->files_n++];
    char path[PATH_SIZE], name[32] = "hx711";

    *f = (struct file){.owner = s, .is_cell = true, .cell = cell};
    f->period_ms = (int32_t)(1000 / bank->rate_sps);
    snprintf(f->path, sizeof(f->path), "%s/in_voltage0_raw", bank->devices[i]);
    snprintf(path, sizeof(path), "%s/name", bank->devices[i]);
    (void)read_text(path, name, sizeof(name)); /* not there yet: what we are for */
    f->offset_binary = strcmp(name, "hx711") == 0;
}

static void add_thermometer(struct sysfs *s, const struct board_thermometer *t)
{
    struct file *f = &s->files[s->files_n++];
    size_t n = strlen(t->path);
    char path[PATH_SIZE];

    *f = (struct file){.owner = s, .period_ms = WARMTH_MS, .scale = 1};
    memcpy(f->path, t->path, n + 1);
    memcpy(f->sensor, t->id, sizeof(f->sensor));
    if (n < 4 || strcmp(t->path + n - 4, "_raw") != 0)
        return;
    snprintf(path, sizeof(path), "%.*s_scale", (int)(n - 4), t->path);
    (void)read_number(path, &f->scale);
    snprintf(path, sizeof(path), "%.*s_offset", (int)(n - 4), t->path);
    (void)read_number(path, &f->offset);
}

static int start(struct sysfs *s)
{
    uint8_t wanted = s->files_n;
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);

    s->files_n = 0;
    if (r != 0)
        return -r;
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    for (; r == 0 && s->files_n < wanted; s->files_n += r == 0)
        r = pthread_create(&s->files[s->files_n].thread, &attr, run, &s->files[s->files_n]);
    pthread_attr_destroy(&attr);
    return -r;
}

int sysfs_open(struct sysfs **ret, const struct board *board, const struct board_bank *bank,
               const uint16_t *cells)
{
    struct sysfs *s = calloc(1, sizeof(*s));
    int r;

    if (s == NULL)
        return -ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int i = 0; bank != NULL && i < bank->cells_n; i++)
        if (cells[i] != NO_INDEX)
            add_cell(s, bank, i, cells[i]);
    for (int i = 0; bank == NULL && i < board->thermometers_n; i++)
        add_thermometer(s, &board->thermometers[i]);
    r = s->event_fd < 0 || s->stop_fd < 0 ? -errno : start(s);
    if (r < 0) {
        sysfs_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

int sysfs_fd(const struct sysfs *s)
{
    return s->event_fd;
}

int sysfs_read(struct sysfs *s, struct obs *ret, size_t cap)
{
    const uint64_t one = 1;
    uint64_t told;
    size_t n = 0;

    if (read(s->event_fd, &told, sizeof(told)) < 0 && errno != EAGAIN)
        return 0;
    pthread_mutex_lock(&s->lock);
    for (; n < cap && s->n > 0; s->n--) {
        ret[n++] = s->ring[s->first];
        s->first = (s->first + 1) % RING_SIZE;
    }
    cap = s->n;
    pthread_mutex_unlock(&s->lock);
    if (cap > 0 && write(s->event_fd, &one, sizeof(one)) < 0)
        return (int)n;
    return (int)n;
}

struct adc_counters sysfs_counters(struct sysfs *s)
{
    struct adc_counters ret;

    pthread_mutex_lock(&s->lock);
    ret = s->counters;
    pthread_mutex_unlock(&s->lock);
    return ret;
}

void sysfs_close(struct sysfs *s)
{
    const uint64_t one = 1;

    if (s == NULL)
        return;
    if (s->stop_fd >= 0 && write(s->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
        for (uint8_t i = 0; i < s->files_n; i++)
            pthread_join(s->files[i].thread, NULL);
    pthread_mutex_destroy(&s->lock);
    if (s->event_fd >= 0)
        close(s->event_fd);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    free(s);
}
