/* The store beacon through mgmt; see bluez_beacon.h.
 *
 * bluetoothd hands its advertisements to the kernel as numbered instances, from 1 upwards, and removes all
 * of them when it starts. Ours takes the highest number that is free, so the two do not meet, and is put
 * back when it is gone. D-Bus (LEAdvertisingManager1) was rejected: it needs bluetoothd to run, and its
 * advertisements vanish with it.
 *
 * Add Extended Advertising Parameters and Data (Linux 5.11) let our instance alone have the 100 ms that
 * iPhones expect of an iBeacon; a kernel without them takes Add Advertising, at its own 1.28 s. Instances
 * outlive the process that added them, like monitors do (bluez_mgmt.c): ours is remembered in run_dir.
 *
 * An advertisement that nobody can connect to has a random address, and a controller without extended
 * advertising refuses a new one while it scans; Linux (6.1) then reports failure. So our own scan pauses for
 * the moment, some hundred milliseconds every 900 s.
 *
 * A small state machine with one command under way, on a socket of its own: the scan's commands and these do
 * not wait for each other. It runs from the tick.
 */
#include "io/bluez_beacon.h"

#include <errno.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/ble.h"
#include "io/bluez_commands.h"
#include "io/bluez_handles.h"
#include "io/bluez_uapi.h"
#include "noren/cursor.h"
#include "noren/units.h"
#include "noren/wire.h"

#define FILE_NAME "ble-beacon"
#define INTERVAL_MIN \
    0x00a0 /* 100 ms: Apple's interval, and the least for this kind before Core 5.0 */
#define INTERVAL_MAX       0x00a8
#define COMMAND_TIMEOUT_US 10000000
#define LOOK_US            60000000 /* how often the kernel is asked whether ours is still there */
#define HOLD_WAIT_US       3000000
#define RETRY_US           2000000 /* doubles up to 256 s: each try may cost the scan a moment */
#define RETRY_DOUBLES_MAX  7
#define SECOND_US          1000000
#define SOON_US            50000 /* while a reply is waited for */
#define CLOSE_TIMEOUT_MS   1000
#define MESSAGE_MAX        512
#define AD_SIZE            (3 + 27)

enum beacon_step {
    BEACON_FEATURES, /* which instances are there */
    BEACON_PARAMS,   /* ours, with its interval */
    BEACON_DATA,     /* what it says */
    BEACON_ADD,      /* both at once, where the kernel is too old */
    BEACON_RUN,
};

struct bluez_beacon {
    int fd;
    struct bluez_beacon_config config;
    char *run_dir; /* NULL: not remembered */
    enum beacon_step step;
    bool pending;      /* the command of `step` is under way */
    bool no_clock;     /* the wall clock is not to be trusted */
    bool no_ext;       /* this kernel has no extended commands */
    bool own_address;  /* an address for each advertisement: no need to hold the scan */
    bool holding;      /* the scan is held off, or about to be */
    int64_t hold_us;   /* since when */
    bool full;         /* every instance is somebody's */
    unsigned refusals; /* in a row */
    uint8_t status;    /* of the last command that was refused */
    uint8_t wanted;    /* instance to be added, or that is up */
    bool up;           /* `wanted` is the kernel's */
    int64_t sent_us;   /* when the command under way was sent */
    int64_t look_us;   /* when to look again whether ours is there */
    int64_t retry_us;  /* not before, after a refusal */
    uint64_t on_air;   /* step of UTC that the kernel sends, 0 = none */
    uint64_t asked;    /* step of UTC in the command under way */
    struct bluez_beacon_state state;
    char sentence[256];
};

/* --- commands ----------------------------------------------------------------------------------- */

static uint16_t opcode_of(enum beacon_step step)
{
    switch (step) {
    case BEACON_FEATURES:
        return MGMT_OP_READ_ADV_FEATURES;
    case BEACON_PARAMS:
        return MGMT_OP_ADD_EXT_ADV_PARAMS;
    case BEACON_DATA:
        return MGMT_OP_ADD_EXT_ADV_DATA;
    case BEACON_ADD:
        return MGMT_OP_ADD_ADVERTISING;
    case BEACON_RUN:
        break;
    }
    return 0;
}

static bool send_command(struct bluez_beacon *b, uint16_t opcode, const uint8_t *params, size_t n)
{
    uint8_t buf[MGMT_HDR_SIZE + 64];
    struct wr w = wr_init(buf, sizeof(buf));

    wr_le(&w, opcode, 2);
    wr_le(&w, b->config.adapter, 2);
    wr_le(&w, n, 2);
    wr_copy(&w, params, n);
    return send(b->fd, buf, w.n, MSG_NOSIGNAL) >= 0;
}

/* Flags "LE general discoverable, no BR/EDR", as iPhones want them, then the iBeacon. We write the flags
 * ourselves: asked to add them, the kernel would make the adapter discoverable. */
static void write_data(struct wr *w, const struct bluez_beacon *b)
{
    uint8_t ad[27];

    noren_beacon_ad(b->config.uuid, b->config.major, noren_beacon_minor(b->config.key, b->asked),
                    b->config.power_1m_dbm, ad);
    wr_u8(w, 2);
    wr_u8(w, 0x01);
    wr_u8(w, 0x06);
    wr_copy(w, ad, sizeof(ad));
}

static void command(struct bluez_beacon *b, uint64_t utc_step, int64_t now_us)
{
    uint8_t params[64];
    struct wr w = wr_init(params, sizeof(params));

    b->asked = utc_step;
    switch (b->step) {
    case BEACON_FEATURES:
    case BEACON_RUN:
        break;
    case BEACON_PARAMS:
        wr_u8(&w, b->wanted);
        wr_le(&w, MGMT_ADV_PARAM_INTERVALS, 4); /* not connectable, not discoverable */
        wr_le(&w, 0, 2);                        /* duration: the kernel's turn */
        wr_le(&w, 0, 2);                        /* timeout: none */
        wr_le(&w, INTERVAL_MIN, 4);
        wr_le(&w, INTERVAL_MAX, 4);
        wr_u8(&w, 0x7f); /* transmit power: not ours to say */
        break;
    case BEACON_DATA:
        wr_u8(&w, b->wanted);
        wr_u8(&w, AD_SIZE);
        wr_u8(&w, 0); /* no scan response */
        write_data(&w, b);
        break;
    case BEACON_ADD:
        wr_u8(&w, b->wanted);
        wr_le(&w, 0, 4);
        wr_le(&w, 0, 2);
        wr_le(&w, 0, 2);
        wr_u8(&w, AD_SIZE);
        wr_u8(&w, 0);
        write_data(&w, b);
        break;
    }
    b->pending = send_command(b, opcode_of(b->step), params, w.n);
    b->sent_us = now_us;
}

static void remember(struct bluez_beacon *b, uint8_t instance)
{
    struct bluez_handle h = {b->config.adapter, instance};

    if (b->run_dir != NULL)
        bluez_handles_save(b->run_dir, FILE_NAME, &h, instance != 0 ? 1 : 0);
}

static void gone(struct bluez_beacon *b)
{
    b->up = false;
    b->on_air = 0;
    b->step = BEACON_FEATURES;
    b->pending = false;
}

/* --- replies and events ------------------------------------------------------------------------- */

/* le32 flags, u8 data length, u8 scan response length, u8 max, u8 n, n instances. Ours is the one that we
 * added and the kernel still has; else the highest number that nobody has. */
static void on_features(struct bluez_beacon *b, struct rd *r, int64_t now_us)
{
    bool taken[256] = {false};
    uint8_t max, n;

    b->own_address = (rd_le32(r) & MGMT_ADV_FLAG_SEC_1M) != 0;
    (void)rd_take(r, 1 + 1);
    max = rd_u8(r);
    n = rd_u8(r);
    while (n-- > 0 && !r->bad)
        taken[rd_u8(r)] = true;
    b->look_us = now_us + LOOK_US;
    if (b->up && taken[b->wanted]) {
        b->step = BEACON_RUN;
        return;
    }
    b->up = false;
    b->on_air = 0;
    /* wanted is what we had, or what the file of this boot says is ours: it may be added over */
    if (b->wanted == 0 || b->wanted > max || !taken[b->wanted])
        for (b->wanted = max; b->wanted > 0 && taken[b->wanted];)
            b->wanted--;
    b->full = b->wanted == 0;
    if (!b->full)
        b->step = b->no_ext ? BEACON_ADD : BEACON_PARAMS;
}

static void on_success(struct bluez_beacon *b, struct rd *r, int64_t now_us)
{
    b->status = MGMT_STATUS_SUCCESS;
    switch (b->step) {
    case BEACON_FEATURES:
        on_features(b, r, now_us);
        break;
    case BEACON_PARAMS: /* from here on there is something that we must not leave behind */
        remember(b, b->wanted);
        b->step = BEACON_DATA;
        break;
    case BEACON_DATA:
    case BEACON_ADD:
        if (b->up)
            b->state.steps++;
        else
            b->state.added++;
        remember(b, b->wanted);
        b->up = true;
        b->refusals = 0;
        b->on_air = b->asked;
        b->state.minor = noren_beacon_minor(b->config.key, b->asked);
        b->step = BEACON_RUN;
        break;
    case BEACON_RUN:
        break;
    }
}

static void on_reply(struct bluez_beacon *b, struct rd *r, int64_t now_us)
{
    uint16_t opcode = rd_le16(r);
    uint8_t status = rd_u8(r);

    if (r->bad || !b->pending || opcode != opcode_of(b->step))
        return;
    b->pending = false;
    if (status == MGMT_STATUS_SUCCESS) {
        on_success(b, r, now_us);
    } else if (status == MGMT_STATUS_UNKNOWN_COMMAND && b->step == BEACON_PARAMS) {
        b->no_ext = true;
        b->step = BEACON_ADD;
    } else {
        b->status = status;
        b->retry_us = now_us + (RETRY_US << b->refusals);
        b->refusals += b->refusals < RETRY_DOUBLES_MAX ? 1 : 0;
        gone(b);
    }
}

static void on_message(struct bluez_beacon *b, const uint8_t *bytes, size_t n, int64_t now_us)
{
    struct rd r = rd_init(bytes, n);
    uint16_t event = rd_le16(&r), adapter = rd_le16(&r);
    uint8_t instance;

    (void)rd_le16(&r);
    if (r.bad || adapter != b->config.adapter)
        return;
    switch (event) {
    case MGMT_EV_CMD_COMPLETE:
    case MGMT_EV_CMD_STATUS:
        on_reply(b, &r, now_us);
        break;
    case MGMT_EV_INDEX_ADDED:
    case MGMT_EV_INDEX_REMOVED:
        b->wanted = 0;
        b->refusals = 0;
        b->retry_us = 0;
        remember(b, 0);
        gone(b);
        break;
    case MGMT_EV_ADVERTISING_ADDED: /* by somebody else, over ours: the number is theirs now */
    case MGMT_EV_ADVERTISING_REMOVED:
        instance = rd_u8(&r);
        if (r.bad || !b->up || instance != b->wanted)
            break;
        b->wanted = 0;
        gone(b);
        break;
    }
}

static int read_messages(struct bluez_beacon *b, int64_t now_us)
{
    uint8_t buf[MESSAGE_MAX];

    for (;;) {
        ssize_t n = recv(b->fd, buf, sizeof(buf), MSG_DONTWAIT);

        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
        on_message(b, buf, (size_t)n, now_us);
    }
}

static void remove_own(struct bluez_beacon *b)
{
    struct pollfd p = {.fd = b->fd, .events = POLLIN};

    if (!b->up && b->step != BEACON_DATA)
        return;
    b->step = BEACON_RUN;
    b->pending = false;
    if (!send_command(b, MGMT_OP_REMOVE_ADVERTISING, &b->wanted, 1))
        return;
    for (;;) {
        uint8_t buf[MESSAGE_MAX];
        ssize_t n = poll(&p, 1, CLOSE_TIMEOUT_MS) > 0 ? recv(b->fd, buf, sizeof(buf), 0) : -1;
        struct rd r = rd_init(buf, n > 0 ? (size_t)n : 0);
        uint16_t event = rd_le16(&r);

        (void)rd_le32(&r); /* adapter, length */
        if (n <= 0)
            return;
        if (event <= MGMT_EV_CMD_STATUS && rd_le16(&r) == MGMT_OP_REMOVE_ADVERTISING) {
            if (rd_u8(&r) == MGMT_STATUS_SUCCESS)
                remember(b, 0);
            b->up = false;
            b->on_air = 0;
            return;
        }
    }
}

/* --- outside ------------------------------------------------------------------------------------ */

static void let_scan(struct bluez_beacon *b, struct ble *ble, int64_t now_us)
{
    if (b->holding && ble != NULL)
        ble_release(ble, b->config.adapter, now_us);
    b->holding = false;
}

/* Before a command that makes the kernel choose an address, the scan is held off. What does not come about
 * in a few seconds (somebody else scans too) is tried nevertheless: some controllers do not mind. */
static bool may_send(struct bluez_beacon *b, struct ble *ble, int64_t now_us)
{
    if (b->own_address || ble == NULL || (b->step != BEACON_DATA && b->step != BEACON_ADD))
        return true;
    if (!b->holding)
        b->hold_us = now_us;
    b->holding = true;
    return ble_hold(ble, b->config.adapter, now_us) || now_us - b->hold_us >= HOLD_WAIT_US;
}

int64_t bluez_beacon_tick(struct bluez_beacon *b, struct ble *ble, int64_t now_us, int64_t utc_us)
{
    uint64_t utc_step = utc_us >= 0 ? noren_step(utc_us / NOREN_US_PER_S) : 0;

    (void)read_messages(b, now_us);
    b->no_clock = utc_us < 0;
    if (b->no_clock) {
        if (b->up)
            remove_own(b);
        gone(b);
        return now_us + SECOND_US;
    }
    if (b->pending && now_us - b->sent_us < COMMAND_TIMEOUT_US)
        return now_us + SOON_US;
    b->pending = false;
    if (now_us < b->retry_us || (b->step == BEACON_FEATURES && b->full && now_us < b->look_us)) {
        let_scan(b, ble, now_us);
        return now_us + SECOND_US;
    }
    if (b->step == BEACON_RUN && b->on_air != utc_step)
        b->step = b->no_ext ? BEACON_ADD : BEACON_DATA;
    else if (b->step == BEACON_RUN && now_us >= b->look_us)
        b->step = BEACON_FEATURES;
    if (b->step == BEACON_RUN || !may_send(b, ble, now_us)) {
        if (b->step == BEACON_RUN)
            let_scan(b, ble, now_us);
        return now_us + (b->step == BEACON_RUN ? SECOND_US : SOON_US);
    }
    command(b, utc_step, now_us);
    return now_us + SOON_US;
}

struct bluez_beacon_state bluez_beacon_state(const struct bluez_beacon *b)
{
    struct bluez_beacon_state s = b->state;

    s.on_air = b->on_air != 0;
    s.instance = b->up ? b->wanted : 0;
    return s;
}

const char *bluez_beacon_problem(struct bluez_beacon *b)
{
    const char *why = NULL;

    if (b->no_clock)
        why = "the clock is not set: let it be synchronised (timedatectl set-ntp true)";
    else if (b->on_air != 0)
        return NULL;
    else if (b->status == MGMT_STATUS_PERMISSION_DENIED)
        why = "no permission (CAP_NET_ADMIN): start norend by its systemd unit";
    else if (b->status == MGMT_STATUS_INVALID_INDEX)
        why = "the adapter is not there: plug it in, or correct adapter= in noren.conf";
    else if (b->full)
        why = "other programs use all advertisements that the adapter can send: stop one of them";
    else if (b->status == MGMT_STATUS_NOT_SUPPORTED)
        why =
            "the adapter cannot advertise while it scans: use another one (adapter= in noren.conf)";
    else if (b->status != MGMT_STATUS_SUCCESS && b->status != MGMT_STATUS_REJECTED)
        why = "the kernel refused it; see journalctl -k -g hci";
    if (why == NULL) /* being set up, or the adapter is being switched on */
        return NULL;
    snprintf(b->sentence, sizeof(b->sentence), "store beacon on hci%u is not on air: %s",
             b->config.adapter, why);
    return b->sentence;
}

/* Unread, what the mgmt socket tells of every advert would fill it. */
static int attach_filter(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_CMD_COMPLETE << 8, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_CMD_STATUS << 8, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_INDEX_ADDED << 8, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_INDEX_REMOVED << 8, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_ADVERTISING_ADDED << 8, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MGMT_EV_ADVERTISING_REMOVED << 8, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int bluez_beacon_open_fd(struct bluez_beacon **ret_beacon, int fd,
                         const struct bluez_beacon_config *config, const char *run_dir)
{
    struct bluez_beacon *b = calloc(1, sizeof(*b));
    struct bluez_handle left;
    int r = b == NULL ? -ENOMEM : attach_filter(fd);

    if (r == 0 && run_dir != NULL && (b->run_dir = strdup(run_dir)) == NULL)
        r = -ENOMEM;
    if (r < 0) {
        close(fd);
        free(b);
        return r;
    }
    b->fd = fd;
    b->config = *config;
    if (run_dir != NULL && bluez_handles_load(run_dir, FILE_NAME, &left, 1) == 1 &&
        left.adapter == config->adapter && left.handle <= UINT8_MAX)
        b->wanted = (uint8_t)left.handle;
    *ret_beacon = b;
    return 0;
}

int bluez_beacon_open(struct bluez_beacon **ret_beacon, const struct bluez_beacon_config *config,
                      const char *run_dir)
{
    int fd = bluez_control_open();

    return fd < 0 ? fd : bluez_beacon_open_fd(ret_beacon, fd, config, run_dir);
}

void bluez_beacon_close(struct bluez_beacon *b)
{
    if (b == NULL)
        return;
    remove_own(b);
    close(b->fd);
    free(b->run_dir);
    free(b);
}
