/* Shelf nodes at a serial line; see serial.h. */
#include "io/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "io/clock.h"
#include "noren/cursor.h"
#include "noren/hex.h"
#include "noren/units.h"
#include "noren/wire.h"

#define PREFIX    "AD "
#define AD_UUID   0x21 /* service data of a 128-bit UUID */
#define HEAD_SIZE 13
#define RSSI_NONE 127 /* Core 5.4, Vol 4 Part E, 7.7.65.2 */
#define READ_SIZE 256
#define READS_MAX 16

struct serial {
    const char *path;
    int fd, rc; /* rc: why it is not open */
    struct serial_lines lines;
};

/* --- lines ---------------------------------------------------------------------------------------- */

/* LE Advertising Report, ADV_NONCONN_IND, of nobody's public address (7.7.65.2). */
static bool build(const uint8_t *ad, struct ble_packet *ret)
{
    const uint8_t head[HEAD_SIZE] = {0x3e, HEAD_SIZE - 1 + NOREN_NODE_AD_SIZE, 0x02, 1,
                                     0x03, [12] = NOREN_NODE_AD_SIZE};
    struct wr w = wr_init(ret->bytes, sizeof(ret->bytes));

    wr_copy(&w, head, sizeof(head));
    wr_copy(&w, ad, NOREN_NODE_AD_SIZE);
    wr_u8(&w, RSSI_NONE);
    ret->t_us = 0;
    ret->adapter = 0;
    ret->n = (uint16_t)w.n;
    return !w.bad;
}

/* Is it whole, and a shelf node's? What it says is judged where the keys are. */
static bool take_line(struct serial_lines *l, struct ble_packet *ret)
{
    const size_t prefix = strlen(PREFIX);
    uint8_t bytes[NOREN_NODE_AD_SIZE];
    struct rd line = rd_init(l->line, l->n), r;
    const uint8_t *begin = rd_take(&line, prefix);
    size_t n = 0;

    if (begin == NULL || memcmp(begin, PREFIX, prefix) != 0) {
        l->other++;
        return false;
    }
    l->refused++; /* unless it proves good */
    if (hex_read_line((const char *)line.p, line.n, bytes, sizeof(bytes), &n) != NULL ||
        n != sizeof(bytes))
        return false;
    r = rd_init(bytes, n);
    if (rd_u8(&r) != NOREN_NODE_AD_SIZE - 1 || rd_u8(&r) != AD_UUID || !build(bytes, ret))
        return false;
    (void)rd_take(&r, 12); /* the UUID, reversed: its first four bytes are the last here */
    begin = rd_take(&r, sizeof(NOREN_NODE_MAGIC));
    for (size_t i = 0; begin != NULL && i < sizeof(NOREN_NODE_MAGIC); i++)
        if (begin[sizeof(NOREN_NODE_MAGIC) - 1 - i] != NOREN_NODE_MAGIC[i])
            return false;
    l->refused--;
    l->good++;
    return true;
}

bool serial_byte(struct serial_lines *l, char byte, struct ble_packet *ret)
{
    bool good = false;

    if (byte == '\n') {
        if (l->overlong)
            l->other++;
        else if (l->n > 0)
            good = take_line(l, ret);
        l->n = 0;
        l->overlong = false;
    } else if (l->n == sizeof(l->line)) {
        l->overlong = true;
    } else if (byte != '\r') {
        l->line[l->n++] = byte;
    }
    return good;
}

/* --- the port ------------------------------------------------------------------------------------- */

static void open_port(struct serial *s)
{
    struct termios t;

    s->rc = 0;
    s->fd = open(s->path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0) {
        s->rc = -errno;
        return;
    }
    if (tcgetattr(s->fd, &t) == 0) { /* else a pipe, which is as it is */
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL | CREAD;
        cfsetspeed(&t, B115200);
        (void)tcsetattr(s->fd, TCSANOW, &t);
    }
    memset(s->lines.line, 0, sizeof(s->lines.line));
    s->lines.n = 0;
    s->lines.overlong = true; /* who joins in the middle of a line waits for the next */
}

int serial_open(struct serial **ret, const char *path)
{
    struct serial *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->path = path;
    open_port(s);
    *ret = s;
    return 0;
}

int serial_fd(const struct serial *s)
{
    return s->fd;
}

int serial_read(struct serial *s, struct ble_packet *ret, size_t cap)
{
    char bytes[READ_SIZE];
    int64_t now = clock_boot_us();
    size_t n = 0;

    /* a helping holds at most four advertisements, so none that was read is without room */
    for (int i = 0; i < READS_MAX && s->fd >= 0 && cap - n > sizeof(bytes) / NOREN_NODE_AD_SIZE;
         i++) {
        ssize_t got = read(s->fd, bytes, sizeof(bytes));

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (got <= 0) { /* hung up */
            s->rc = got < 0 ? -errno : -ENODEV;
            close(s->fd);
            s->fd = -1;
            break;
        }
        for (ssize_t b = 0; b < got; b++)
            if (serial_byte(&s->lines, bytes[b], &ret[n]))
                ret[n++].t_us = now;
    }
    return (int)n;
}

bool serial_tick(struct serial *s)
{
    if (s->fd >= 0)
        return false;
    open_port(s);
    return s->fd >= 0;
}

const char *serial_problem(const struct serial *s)
{
    return s->fd >= 0 ? NULL : strerror(-s->rc);
}

const struct serial_lines *serial_lines(const struct serial *s)
{
    return &s->lines;
}

void serial_close(struct serial *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}
