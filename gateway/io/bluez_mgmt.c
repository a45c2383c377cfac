/* The scan keeper: one advertisement monitor an adapter, put up and looked after through the mgmt socket.
 *
 * Why a monitor: StartDiscovery by D-Bus stops every 10 s, filters duplicates in the controller and has
 * lost scans for years (bluez/bluez#1554, #464); a raw HCI scan fights the kernel's own idea of the scan
 * state. While any monitor exists the kernel itself keeps a passive scan running, duplicates off, and
 * starts it again after suspend or power-on. By default that scan listens half the time (30 of 60 ms):
 * MGMT_OP_SET_DEF_SYSTEM_CONFIG makes the window as long as the interval first.
 *
 * A monitor wants at least one pattern (pattern_count 0 is refused). Without offload the kernel does not
 * apply it to what the monitor channel shows; controllers that filter in hardware are reported.
 *
 * Monitors outlive the process, an adapter takes 32, and bluetoothd removes everybody's when it starts.
 * So: our handle is kept in run_dir together with the boot id, the next start removes what this one left,
 * handle 0 ("all") is never sent, and a monitor that somebody removed is put up again at once. Killed
 * between the kernel's answer and our writing it down (some microseconds) we do leave one behind.
 *
 * Linux 6.1 answers "failed" to a monitor for an adapter that is off, forgets that the command is over and
 * says "busy" from then on, until the adapter is switched off and on. So an adapter is switched on first
 * (bluetoothd's AutoEnable usually was faster), and one that stays busy is switched off and on.
 *
 * Each adapter is a small state machine: one command is under way, its reply starts the next.
 */
#include "io/bluez_mgmt.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/bluez_commands.h"
#include "io/bluez_handles.h"
#include "io/bluez_uapi.h"
#include "noren/cursor.h"

#define FILE_NAME "ble-monitors"
#define COMMAND_TIMEOUT_US \
    10000000 /* the kernel gives a controller 2 s a command, and may need several */
#define SILENCE_US          10000000 /* first step of the keeper; doubles with every step without effect */
#define SILENCE_DOUBLES_MAX 6
#define CLOSE_TIMEOUT_MS    1000
#define HOLD_MAX_US         5000000
#define MESSAGE_MAX         512

struct adapter {
    uint16_t index;
    uint16_t window; /* of the scan, 0.625 ms */
    enum step step;
    bool pending;     /* the command of `step` is under way */
    bool offload;     /* the controller filters by pattern itself */
    uint8_t status;   /* of the last command that was refused; 0 when the last one was not */
    uint16_t handle;  /* our monitor; 0 = none */
    int64_t sent_us;  /* when the command under way was sent */
    int64_t heard_us; /* last advertisement */
    int64_t acted_us; /* last step of the keeper */
    int64_t hold_us;  /* until when the scan is held off; 0 = it is not */
    unsigned rung;    /* steps of the keeper since the last advertisement */
    bool reported;    /* the steps did not help */
};

struct bluez_mgmt {
    int fd;
    struct adapter adapters[BOARD_RADIOS_MAX];
    size_t adapters_n;
    struct ble_scan counters;
    bluez_found_fn *found; /* NULL: advertisements come by the monitor channel */
    void *found_arg;
    bool no_admin;
    char *run_dir; /* NULL: handles are not remembered */
    char sentence[256];
};

static struct adapter *find_adapter(struct bluez_mgmt *m, uint16_t index)
{
    for (size_t i = 0; i < m->adapters_n; i++)
        if (m->adapters[i].index == index)
            return &m->adapters[i];
    return NULL;
}

static void set_handle(struct bluez_mgmt *m, struct adapter *a, uint16_t handle)
{
    struct bluez_handle handles[BOARD_RADIOS_MAX];
    size_t n = 0;

    a->handle = handle;
    for (size_t i = 0; i < m->adapters_n; i++)
        if (m->adapters[i].handle != 0)
            handles[n++] = (struct bluez_handle){m->adapters[i].index, m->adapters[i].handle};
    if (m->run_dir != NULL)
        bluez_handles_save(m->run_dir, FILE_NAME, handles, n);
}

/* --- commands ----------------------------------------------------------------------------------- */

/* Sends the command of the adapter's step. What cannot be sent is tried again by the tick. */
static void send_command(struct bluez_mgmt *m, struct adapter *a, int64_t now_us)
{
    uint8_t buf[MGMT_HDR_SIZE + 64], params[64];
    struct wr w = wr_init(buf, sizeof(buf)), p = wr_init(params, sizeof(params));

    assert(a->step < STEP_RUN);
    bluez_command_write(&p, a->step, a->handle, a->window);
    wr_le(&w, BLUEZ_COMMANDS[a->step].opcode, 2);
    wr_le(&w, a->index, 2);
    wr_le(&w, p.n, 2);
    wr_copy(&w, params, p.n);
    assert(!w.bad && !p.bad);
    /* Linux 6.12.43 returns 0 from send on mgmt sockets although the command was taken. */
    a->pending = send(m->fd, buf, w.n, MSG_NOSIGNAL) >= 0;
    a->sent_us = now_us;
}

static void go(struct bluez_mgmt *m, struct adapter *a, enum step step, int64_t now_us)
{
    a->step = step;
    a->pending = false;
    if (step < STEP_RUN)
        send_command(m, a, now_us);
}

/* --- replies and events ------------------------------------------------------------------------- */

static enum step after_removal(const struct adapter *a)
{
    return a->hold_us != 0 ? STEP_HELD : STEP_CONFIG;
}

/* le32 supported, le32 enabled, le16 max_handles, u8 max_patterns, le16 n, n handles. What our file names
 * is removed only if the kernel still has it. */
static enum step after_features(struct adapter *a, struct rd *r)
{
    bool mine = false;
    uint16_t n;

    a->offload = rd_le32(r) != 0;
    (void)rd_take(r, 4 + 2 + 1);
    n = rd_le16(r);
    for (uint16_t i = 0; i < n && !r->bad; i++)
        mine |= rd_le16(r) == a->handle;
    if (a->handle != 0 && mine && !r->bad)
        return STEP_REMOVE;
    a->handle = 0;
    return after_removal(a);
}

/* What follows a command that succeeded, or whose failure is no obstacle. */
static enum step next_step(struct bluez_mgmt *m, struct adapter *a, struct rd *r, int64_t now_us)
{
    switch (a->step) {
    case STEP_INFO: {
        uint32_t settings;

        (void)rd_take(r, 6 + 1 + 2 + 4); /* address, version, manufacturer, supported settings */
        settings = rd_le32(r) & (MGMT_SETTING_LE | MGMT_SETTING_POWERED);
        return settings == (MGMT_SETTING_LE | MGMT_SETTING_POWERED) ? STEP_FEATURES : STEP_LE;
    }
    case STEP_LE:
        return STEP_POWER_ON;
    case STEP_FEATURES:
        return after_features(a, r);
    case STEP_REMOVE:
        set_handle(m, a, 0);
        return after_removal(a);
    case STEP_CONFIG:
        return STEP_ADD;
    case STEP_ADD:
        set_handle(m, a, rd_le16(r));
        a->acted_us = now_us;
        return STEP_RUN;
    case STEP_POWER_OFF:
        return STEP_POWER_ON;
    case STEP_POWER_ON:
        return STEP_FEATURES;
    case STEP_RUN:
    case STEP_HELD:
    case STEP_ABSENT:
        break;
    }
    return a->step;
}

/* Failures that do not stand in the way: the monitor to remove is gone already, or a kernel without the
 * scan configuration (before 5.11) listens half the time, which is better than not at all. */
static bool may_go_on(enum step step, uint8_t status)
{
    return status == MGMT_STATUS_SUCCESS || step == STEP_CONFIG ||
           (step == STEP_REMOVE &&
            (status == MGMT_STATUS_INVALID_INDEX || status == MGMT_STATUS_INVALID_PARAMS));
}

static void on_reply(struct bluez_mgmt *m, struct adapter *a, struct rd *r, int64_t now_us)
{
    uint16_t opcode = rd_le16(r);
    uint8_t status = rd_u8(r);

    if (r->bad || a->step >= STEP_RUN || opcode != BLUEZ_COMMANDS[a->step].opcode)
        return;
    a->pending = false;
    a->status = status;
    m->counters.refused += status != MGMT_STATUS_SUCCESS;
    if (status == MGMT_STATUS_PERMISSION_DENIED)
        m->no_admin = true;
    else if (a->step == STEP_INFO && status == MGMT_STATUS_INVALID_INDEX) {
        a->step = STEP_ABSENT;
        set_handle(m, a, 0);
    } else if (may_go_on(a->step, status))
        go(m, a, next_step(m, a, r, now_us), now_us);
}

/* One mgmt message. */
static void on_message(struct bluez_mgmt *m, const uint8_t *bytes, size_t n, int64_t now_us)
{
    struct rd r = rd_init(bytes, n);
    uint16_t event = rd_le16(&r);
    struct adapter *a = find_adapter(m, rd_le16(&r));

    (void)rd_le16(&r);
    if (r.bad || a == NULL)
        return;
    if (event == MGMT_EV_ADV_MONITOR_DEVICE_FOUND) { /* le16 monitor, then the same */
        (void)rd_le16(&r);
        event = MGMT_EV_DEVICE_FOUND;
    }
    switch (event) {
    case MGMT_EV_DEVICE_FOUND:
        if (m->found != NULL && !r.bad)
            m->found(m->found_arg, a->index, r.p, r.n);
        break;
    case MGMT_EV_CMD_COMPLETE:
    case MGMT_EV_CMD_STATUS:
        on_reply(m, a, &r, now_us);
        break;
    case MGMT_EV_INDEX_ADDED:
        m->counters.returns++;
        a->acted_us = now_us;
        a->rung = 0;
        go(m, a, STEP_INFO, now_us);
        break;
    case MGMT_EV_INDEX_REMOVED: /* its monitors went with it */
        go(m, a, STEP_ABSENT, now_us);
        set_handle(m, a, 0);
        break;
    case MGMT_EV_ADV_MONITOR_REMOVED: { /* by somebody else: our own removals are not told to us */
        uint16_t handle = rd_le16(&r);

        /* Linux says handle 0 once for "all", as after bluetoothd's start. */
        if (r.bad || a->handle == 0 || (handle != a->handle && handle != 0))
            break;
        set_handle(m, a, 0);
        m->counters.removals++;
        if (a->step == STEP_RUN || a->step == STEP_REMOVE)
            go(m, a, after_removal(a), now_us);
        break;
    }
    }
}

int bluez_mgmt_read(struct bluez_mgmt *m, int64_t now_us)
{
    uint8_t buf[MESSAGE_MAX];

    for (;;) {
        ssize_t n = recv(m->fd, buf, sizeof(buf), MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
            return -EPIPE;
        on_message(m, buf, (size_t)n, now_us);
    }
}

/* --- the keeper --------------------------------------------------------------------------------- */

bool bluez_mgmt_heard(struct bluez_mgmt *m, uint16_t adapter, int64_t t_us)
{
    struct adapter *a = find_adapter(m, adapter);

    if (a == NULL)
        return false;
    a->heard_us = t_us;
    a->rung = 0;
    a->reported = false;
    return true;
}

static int64_t patience_us(const struct adapter *a)
{
    return SILENCE_US << (a->rung < SILENCE_DOUBLES_MAX ? a->rung : SILENCE_DOUBLES_MAX);
}

/* Silence: first put the monitor up again, then switch the adapter off and on, then say so; and go on
 * switching, each time waiting twice as long (10 s .. 640 s), because an empty shop at night is silent too.
 * The same for a command that is refused again and again; until then it is repeated. */
static void keep(struct bluez_mgmt *m, struct adapter *a, int64_t now_us)
{
    int64_t since_us = a->heard_us > a->acted_us ? a->heard_us : a->acted_us;

    if (a->rung >= 2 && !a->reported && now_us - since_us >= SILENCE_US) {
        a->reported = true;
        m->counters.reports++;
    }
    if (now_us - since_us < patience_us(a)) {
        if (a->step != STEP_RUN)
            send_command(m, a, now_us);
        return;
    }
    a->acted_us = now_us;
    if (a->rung++ == 0 && a->step == STEP_RUN) {
        m->counters.readds++;
        go(m, a, STEP_REMOVE, now_us);
    } else {
        m->counters.power_cycles++;
        go(m, a, STEP_POWER_OFF, now_us);
    }
}

void bluez_mgmt_tick(struct bluez_mgmt *m, int64_t now_us)
{
    for (size_t i = 0; i < m->adapters_n; i++) {
        struct adapter *a = &m->adapters[i];

        if (a->pending && now_us - a->sent_us >= COMMAND_TIMEOUT_US) {
            a->pending = false;
            m->counters.unanswered++;
        }
        if (a->hold_us != 0 && now_us >= a->hold_us)
            bluez_mgmt_release(m, a->index, now_us);
        if (a->step == STEP_HELD || a->step == STEP_ABSENT || a->pending || m->no_admin)
            continue;
        keep(m, a, now_us);
    }
}

bool bluez_mgmt_hold(struct bluez_mgmt *m, uint16_t adapter, int64_t now_us)
{
    struct adapter *a = find_adapter(m, adapter);

    if (a == NULL || a->step == STEP_ABSENT || m->no_admin)
        return true;
    if (a->hold_us == 0)
        a->hold_us = now_us + HOLD_MAX_US;
    if (a->step == STEP_RUN)
        go(m, a, STEP_REMOVE, now_us);
    return a->step == STEP_HELD;
}

void bluez_mgmt_release(struct bluez_mgmt *m, uint16_t adapter, int64_t now_us)
{
    struct adapter *a = find_adapter(m, adapter);

    if (a == NULL)
        return;
    a->hold_us = 0;
    if (a->step == STEP_HELD)
        go(m, a, STEP_CONFIG, now_us);
}

static const char *describe(struct bluez_mgmt *m, const struct adapter *a)
{
    char *s = m->sentence;
    size_t n = sizeof(m->sentence);

    if (a->step == STEP_ABSENT)
        snprintf(s, n, "hci%u is not there: plug the adapter in, or correct adapter= in board.conf",
                 a->index);
    else if (a->status == MGMT_STATUS_RFKILLED)
        snprintf(s, n, "hci%u is blocked: run `rfkill unblock bluetooth`", a->index);
    else if (a->status != MGMT_STATUS_SUCCESS && a->step < STEP_RUN)
        snprintf(s, n, "hci%u refused %s (mgmt status 0x%02x); see `journalctl -k -g hci%u`",
                 a->index, BLUEZ_COMMANDS[a->step].name, a->status, a->index);
    else if (a->reported)
        snprintf(s, n,
                 "hci%u hears no advertisement although the scan was restarted and the adapter "
                 "switched off and on: check its antenna, or plug it in again",
                 a->index);
    else if (a->offload)
        snprintf(s, n,
                 "hci%u filters advertisements in hardware and will miss some: use another adapter",
                 a->index);
    else
        return NULL;
    return s;
}

const char *bluez_mgmt_degraded(struct bluez_mgmt *m)
{
    const char *s = NULL;

    if (m->no_admin)
        return "no permission to start a scan (CAP_NET_ADMIN): advertisements are heard only while "
               "another program scans; start norend by its systemd unit, or give it the capability";
    for (size_t i = 0; i < m->adapters_n && s == NULL; i++)
        s = describe(m, &m->adapters[i]);
    return s;
}

struct ble_scan bluez_mgmt_counters(const struct bluez_mgmt *m)
{
    return m->counters;
}

/* --- open, close -------------------------------------------------------------------------------- */

/* The mgmt socket is told every advert too; unread, they would fill it until sends fail with ENOMEM. Only
 * what on_message understands passes, and adverts only when they are wanted. Little-endian in the message,
 * big-endian in BPF. */
static int attach_filter(int fd, bool adverts)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_CMD_COMPLETE << 8, 7, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_CMD_STATUS << 8, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_INDEX_ADDED << 8, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_INDEX_REMOVED << 8, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_ADV_MONITOR_REMOVED << 8, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_DEVICE_FOUND << 8, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_ADV_MONITOR_DEVICE_FOUND << 8, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, adverts ? UINT32_MAX : 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int bluez_mgmt_listen(struct bluez_mgmt *m, bluez_found_fn *found, void *arg)
{
    m->found = found;
    m->found_arg = arg;
    return attach_filter(m->fd, true);
}

static uint16_t window_of(const struct board_radio *radio)
{
    return radio->scan_window_ms == 0
               ? BLUEZ_SCAN_INTERVAL
               : (uint16_t)(radio->scan_window_ms * BLUEZ_SCAN_INTERVAL / 100);
}

static void recall_handles(struct bluez_mgmt *m)
{
    struct bluez_handle left[BOARD_RADIOS_MAX];
    size_t n =
        m->run_dir != NULL ? bluez_handles_load(m->run_dir, FILE_NAME, left, BOARD_RADIOS_MAX) : 0;

    for (size_t i = 0; i < n; i++) {
        struct adapter *a = find_adapter(m, left[i].adapter);

        if (a != NULL)
            a->handle = left[i].handle;
    }
}

int bluez_mgmt_open_fd(struct bluez_mgmt **ret_mgmt, int fd, const struct board *board,
                       const char *run_dir, int64_t now_us)
{
    struct bluez_mgmt *m = calloc(1, sizeof(*m));
    int r;

    if (m == NULL) {
        close(fd);
        return -ENOMEM;
    }
    m->fd = fd;
    r = attach_filter(fd, false);
    if (r == 0 && run_dir != NULL && (m->run_dir = strdup(run_dir)) == NULL)
        r = -ENOMEM;
    if (r < 0) {
        close(fd);
        free(m);
        return r;
    }
    for (size_t i = 0; i < board->radios_n; i++)
        if (board->radios[i].kind == RADIO_HCI && find_adapter(m, board->radios[i].adapter) == NULL)
            m->adapters[m->adapters_n++] = (struct adapter){.index = board->radios[i].adapter,
                                                            .window = window_of(&board->radios[i]),
                                                            .heard_us = now_us,
                                                            .acted_us = now_us};
    recall_handles(m);
    for (size_t i = 0; i < m->adapters_n; i++)
        go(m, &m->adapters[i], STEP_INFO, now_us);
    *ret_mgmt = m;
    return 0;
}

int bluez_mgmt_open(struct bluez_mgmt **ret_mgmt, const struct board *board, const char *run_dir,
                    int64_t now_us)
{
    int fd = bluez_control_open();

    return fd < 0 ? fd : bluez_mgmt_open_fd(ret_mgmt, fd, board, run_dir, now_us);
}

int bluez_mgmt_fd(const struct bluez_mgmt *m)
{
    return m->fd;
}

/* Lets what is under way come to its end: stopped between asking for a monitor and hearing its handle, we
 * would leave it behind. */
static void settle(struct bluez_mgmt *m)
{
    struct pollfd p = {.fd = m->fd, .events = POLLIN};
    bool busy = true;

    while (busy) {
        busy = false;
        for (size_t i = 0; i < m->adapters_n; i++)
            busy |= m->adapters[i].pending;
        if (busy && (poll(&p, 1, CLOSE_TIMEOUT_MS) <= 0 || bluez_mgmt_read(m, 0) < 0))
            return;
    }
}

/* Asks for the removal of our monitors and waits for the answers, so that a stopped gateway leaves the
 * adapter as it found it. */
static void remove_own(struct bluez_mgmt *m)
{
    struct pollfd p = {.fd = m->fd, .events = POLLIN};
    uint8_t buf[MESSAGE_MAX];
    size_t left = 0;

    for (size_t i = 0; i < m->adapters_n; i++) {
        struct adapter *a = &m->adapters[i];

        if (a->handle == 0 || a->step == STEP_ABSENT || m->no_admin)
            continue;
        a->step = STEP_REMOVE;
        send_command(m, a, 0);
        left += a->pending ? 1 : 0;
    }
    while (left > 0 && poll(&p, 1, CLOSE_TIMEOUT_MS) > 0) {
        ssize_t n = recv(m->fd, buf, sizeof(buf), MSG_DONTWAIT);
        struct rd r = rd_init(buf, n > 0 ? (size_t)n : 0);
        uint16_t event = rd_le16(&r);
        struct adapter *a = find_adapter(m, rd_le16(&r));

        (void)rd_le16(&r);
        if (n <= 0)
            break;
        if (a == NULL || !a->pending || event > MGMT_EV_CMD_STATUS ||
            rd_le16(&r) != MGMT_OP_REMOVE_ADV_MONITOR)
            continue;
        a->pending = false;
        left--;
        if (rd_u8(&r) == MGMT_STATUS_SUCCESS)
            set_handle(m, a, 0);
    }
}

void bluez_mgmt_close(struct bluez_mgmt *m)
{
    if (m == NULL)
        return;
    settle(m);
    remove_own(m);
    close(m->fd);
    free(m->run_dir);
    free(m);
}
