/* Bluetooth reception from the kernel: every HCI event that carries advertisements, by the monitor channel.
 *
 * The monitor channel is what btmon reads: a copy of everything that passes between the kernel and all its
 * controllers, for any number of readers, whoever runs the scan. That gives whole HCI events with the
 * kernel's time stamp; D-Bus (one object an address, text, no time) and the mgmt socket (no PHY, no time)
 * were rejected. A classic BPF program lets only advertising reports through, so that a busy headset on
 * the same controller costs us nothing. Needs CAP_NET_RAW; nothing can be sent on this socket.
 *
 * What keeps the scan running is in bluez_mgmt.c. libbluetooth is not used: its headers lack most of what
 * is needed here and its functions all of it. Constants are those of the kernel's
 * include/net/bluetooth/{hci_sock,hci_mon,hci}.h and of doc/mgmt-api.txt in BlueZ.
 */
#include "io/ble.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "io/bluez_mgmt.h"
#include "io/bluez_uapi.h"
#include "noren/cursor.h"

#define BATCH     64
#define FOUND_MAX 512
/* A second of 3,000 adverts/s, each charged by the kernel with its buffer's true size (about 700 bytes). */
#define RECEIVE_BUFFER (4 << 20)
/* A stamp that is older than this was made before the wall clock was set; "now" is the better time. */
#define STAMP_AGE_MAX_US 5000000

struct ble {
    int fd_monitor; /* -1: not permitted, advertisements come by mgmt */
    int fd_epoll;
    struct ble_packet found[FOUND_MAX]; /* from mgmt, waiting for ble_read */
    size_t found_n;
    char degraded[400];
    struct bluez_mgmt *mgmt; /* NULL when the mgmt socket could not be opened */
    struct ble_counters counters;
    int64_t last_us; /* packets are handed over in non-decreasing time */
    uint32_t drops;  /* the kernel's drop counter, which wraps */
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    uint8_t buf[BATCH][HCI_MON_HDR_SIZE + BLE_PACKET_MAX];
    char control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
};

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* Passes a monitor frame iff it is an HCI event 3e (LE meta) with sub-event 02 (advertising report) or 0d
 * (extended advertising report). The header is little-endian, BPF loads are big-endian: hence the swapped
 * constant. A frame too short for a load is dropped by BPF itself. */
static int attach_filter(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HCI_MON_EVENT_PKT << 8, 0, 6),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, HCI_MON_HDR_SIZE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HCI_EV_LE_META, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, HCI_MON_HDR_SIZE + 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HCI_EV_LE_ADVERTISING_REPORT, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HCI_EV_LE_EXT_ADVERTISING_REPORT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static int monitor_open(int *ret_fd)
{
    const struct sockaddr_hci any = {
        .hci_family = AF_BLUETOOTH, .hci_dev = HCI_DEV_NONE, .hci_channel = HCI_CHANNEL_MONITOR};
    int fd = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, BTPROTO_HCI);
    int size = RECEIVE_BUFFER, on = 1, r;

    if (fd < 0)
        return -errno;
    /* Before bind: afterwards, what the kernel queued in between has already come through. */
    r = attach_filter(fd);
    /* FORCE goes beyond net.core.rmem_max and needs CAP_NET_ADMIN; without it we take what is allowed. */
    if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
        r = -errno;
    if (r == 0 && bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int watch(int fd_epoll, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(fd_epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static void prepare_batch(struct ble *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        b->iov[i] = (struct iovec){.iov_base = b->buf[i], .iov_len = sizeof(b->buf[i])};
        b->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[i],
                                             .msg_iovlen = 1,
                                             .msg_control = b->control[i],
                                             .msg_controllen = sizeof(b->control[i])};
    }
}

/* Device Found of mgmt (6 bytes of address, address type 1 public or 2 random, RSSI, le32 flags, le16 length,
 * data) as the HCI event that it was made of. The kernel does not say what kind of advertisement it was; it
 * counts as one that nobody can connect to. Data of extended advertisements does not fit and is lost. */
static void on_found(void *arg, uint16_t adapter, const uint8_t *params, size_t n)
{
    struct ble *b = arg;
    struct rd r = rd_init(params, n);
    const uint8_t *address = rd_take(&r, 6);
    uint8_t type = rd_u8(&r), rssi = rd_u8(&r);
    struct ble_packet *p = &b->found[b->found_n];
    struct wr w;
    uint16_t len;

    (void)rd_le32(&r);
    len = rd_le16(&r);
    if (r.bad || r.n < len || type == 0)
        return;
    if (b->found_n == FOUND_MAX || len > 31) {
        b->counters.lost++;
        return;
    }
    p->t_us = clock_us(CLOCK_BOOTTIME);
    if (!bluez_mgmt_heard(b->mgmt, adapter, p->t_us))
        return;
    w = wr_init(p->bytes, sizeof(p->bytes));
    wr_u8(&w, HCI_EV_LE_META);
    wr_u8(&w, (uint8_t)(12 + len));
    wr_u8(&w, HCI_EV_LE_ADVERTISING_REPORT);
    wr_u8(&w, 1);
    wr_u8(&w, 0x03); /* ADV_NONCONN_IND */
    wr_u8(&w, type - 1);
    wr_copy(&w, address, 6);
    wr_u8(&w, (uint8_t)len);
    wr_copy(&w, r.p, len);
    wr_u8(&w, rssi);
    p->adapter = adapter;
    p->n = (uint16_t)w.n;
    b->found_n++;
}

int ble_open(struct ble **ret_ble, const struct board *board, const char *run_dir)
{
    struct ble *b = calloc(1, sizeof(*b));
    int r;

    if (b == NULL)
        return -ENOMEM;
    b->fd_monitor = b->fd_epoll = -1;
    r = monitor_open(&b->fd_monitor);
    if (r == -EPERM || r == -EACCES)
        r = 0; /* then by mgmt */
    if (r == 0) {
        b->fd_epoll = epoll_create1(EPOLL_CLOEXEC);
        r = b->fd_epoll < 0 ? -errno : 0;
    }
    if (r == 0 && b->fd_monitor >= 0)
        r = watch(b->fd_epoll, b->fd_monitor);
    if (r == 0)
        r = bluez_mgmt_open(&b->mgmt, board, run_dir, clock_us(CLOCK_BOOTTIME));
    if (r == 0)
        r = watch(b->fd_epoll, bluez_mgmt_fd(b->mgmt));
    if (r == 0 && b->fd_monitor < 0)
        r = bluez_mgmt_listen(b->mgmt, on_found, b);
    if (r < 0) {
        ble_close(b);
        return r;
    }
    *ret_ble = b;
    return 0;
}

int ble_fd(const struct ble *b)
{
    return b->fd_epoll;
}

/* The kernel stamps in wall-clock time; `boot_us - wall_us` is read once a batch. */
static int64_t stamp_of(struct msghdr *h, int64_t boot_us, int64_t wall_us)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        struct timespec t;
        int64_t age_us;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof(t));
        age_us = wall_us - (t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000);
        if (age_us >= 0 && age_us <= STAMP_AGE_MAX_US)
            return boot_us - age_us;
    }
    return boot_us;
}

/* HCI sockets do not support SO_RXQ_OVFL, but the socket's own drop counter can be read. Clones that the
 * kernel could not allocate are not in it. */
static void count_drops(struct ble *b)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t n = sizeof(info);

    if (getsockopt(b->fd_monitor, SOL_SOCKET, SO_MEMINFO, info, &n) < 0 ||
        n < (SK_MEMINFO_DROPS + 1) * sizeof(info[0]))
        return;
    b->counters.lost += (uint32_t)(info[SK_MEMINFO_DROPS] - b->drops);
    b->drops = info[SK_MEMINFO_DROPS];
}

/* One monitor frame: opcode, index and length (16 bits each, little-endian), then the HCI event. What lies
 * about its length inside the event is passed on: the parser refuses it and counts. */
static bool take_frame(struct ble *b, const uint8_t *frame, size_t n, struct ble_packet *ret)
{
    struct rd r = rd_init(frame, n);

    (void)rd_le16(&r);
    ret->adapter = rd_le16(&r);
    (void)rd_le16(&r);
    if (r.bad || r.n == 0 || !bluez_mgmt_heard(b->mgmt, ret->adapter, ret->t_us))
        return false;
    ret->n = (uint16_t)r.n;
    rd_copy(&r, ret->bytes, r.n);
    return true;
}

static int take_found(struct ble *b, struct ble_packet *ret, size_t cap)
{
    size_t n = b->found_n < cap ? b->found_n : cap;

    memcpy(ret, b->found, n * sizeof(*ret));
    memmove(b->found, b->found + n, (b->found_n - n) * sizeof(*ret));
    b->found_n -= n;
    b->counters.packets += (int64_t)n;
    return (int)n;
}

int ble_read(struct ble *b, struct ble_packet *ret, size_t cap)
{
    int64_t boot_us = clock_us(CLOCK_BOOTTIME), wall_us = clock_us(CLOCK_REALTIME);
    int r = bluez_mgmt_read(b->mgmt, boot_us), n;
    size_t out = 0;

    if (r < 0)
        return r;
    if (b->fd_monitor < 0)
        return take_found(b, ret, cap);
    prepare_batch(b);
    n = recvmmsg(b->fd_monitor, b->msgs, (unsigned)(cap < BATCH ? cap : BATCH), MSG_DONTWAIT, NULL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        int64_t t_us = stamp_of(&b->msgs[i].msg_hdr, boot_us, wall_us);

        b->last_us = t_us > b->last_us ? t_us : b->last_us;
        ret[out].t_us = b->last_us;
        out += take_frame(b, b->buf[i], b->msgs[i].msg_len, &ret[out]) ? 1 : 0;
    }
    b->counters.packets += (int64_t)out;
    return (int)out;
}

void ble_tick(struct ble *b, int64_t now_us)
{
    if (b->fd_monitor >= 0)
        count_drops(b);
    bluez_mgmt_tick(b->mgmt, now_us);
}

bool ble_hold(struct ble *b, uint16_t adapter, int64_t now_us)
{
    return bluez_mgmt_hold(b->mgmt, adapter, now_us);
}

void ble_release(struct ble *b, uint16_t adapter, int64_t now_us)
{
    bluez_mgmt_release(b->mgmt, adapter, now_us);
}

const char *ble_degraded(struct ble *b)
{
    const char *scan = bluez_mgmt_degraded(b->mgmt);

    if (b->fd_monitor >= 0)
        return scan;
    snprintf(
        b->degraded, sizeof(b->degraded),
        "no permission for the monitor channel (CAP_NET_RAW): advertisements are taken from the "
        "management socket, extended ones are lost; start norend by its systemd unit%s%s",
        scan != NULL ? "; " : "", scan != NULL ? scan : "");
    return b->degraded;
}

struct ble_counters ble_counters(const struct ble *b)
{
    struct ble_counters c = b->counters;

    c.scan = bluez_mgmt_counters(b->mgmt);
    return c;
}

void ble_close(struct ble *b)
{
    if (b == NULL)
        return;
    bluez_mgmt_close(b->mgmt);
    if (b->fd_epoll >= 0)
        close(b->fd_epoll);
    if (b->fd_monitor >= 0)
        close(b->fd_monitor);
    free(b);
}
