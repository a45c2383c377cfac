/* The mgmt socket and the parameters of its commands; see bluez_commands.h. Layouts: doc/mgmt-api.txt of BlueZ. */
#include "io/bluez_commands.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/bluez_uapi.h"

const struct bluez_command BLUEZ_COMMANDS[STEP_RUN] = {
    [STEP_INFO] = {MGMT_OP_READ_INFO, "to read its settings"},
    [STEP_LE] = {MGMT_OP_SET_LE, "to enable low energy"},
    [STEP_FEATURES] = {MGMT_OP_READ_ADV_MONITOR_FEATURES,
                       "to list monitors (Linux 5.10 or newer?)"},
    [STEP_REMOVE] = {MGMT_OP_REMOVE_ADV_MONITOR, "to remove our old monitor"},
    [STEP_CONFIG] = {MGMT_OP_SET_DEF_SYSTEM_CONFIG, "to set the scan window"},
    [STEP_ADD] = {MGMT_OP_ADD_ADV_PATTERNS_MONITOR, "to add an advertisement monitor"},
    [STEP_POWER_OFF] = {MGMT_OP_SET_POWERED, "to switch off"},
    [STEP_POWER_ON] = {MGMT_OP_SET_POWERED, "to switch on"},
};

/* All integers are little-endian. */
void bluez_command_write(struct wr *w, enum step step, uint16_t handle, uint16_t window)
{
    switch (step) {
    case STEP_LE:
    case STEP_POWER_ON:
        wr_u8(w, 1);
        break;
    case STEP_POWER_OFF:
        wr_u8(w, 0);
        break;
    case STEP_REMOVE:
        assert(handle != 0); /* 0 would remove everybody's */
        wr_le(w, handle, 2);
        break;
    case STEP_CONFIG:
        wr_le(w, MGMT_CONFIG_ADVMON_SCAN_INTERVAL, 2);
        wr_u8(w, 2);
        wr_le(w, BLUEZ_SCAN_INTERVAL, 2);
        wr_le(w, MGMT_CONFIG_ADVMON_SCAN_WINDOW, 2);
        wr_u8(w, 2);
        wr_le(w, window, 2);
        /* With paired devices the kernel would listen to those alone for 300 of every 800 ms. */
        wr_le(w, MGMT_CONFIG_ADVMON_INTERLEAVE_SCAN, 2);
        wr_u8(w, 1);
        wr_u8(w, 0);
        break;
    case STEP_ADD: {
        static const uint8_t value[31] = {0x06}; /* general discoverable, no BR/EDR */

        wr_u8(w, 1);    /* pattern_count */
        wr_u8(w, 0x01); /* AD type: flags */
        wr_u8(w, 0);    /* offset */
        wr_u8(w, 1);    /* length */
        wr_copy(w, value, sizeof(value));
        break;
    }
    case STEP_INFO:
    case STEP_FEATURES:
    case STEP_RUN:
    case STEP_HELD:
    case STEP_ABSENT:
        break;
    }
}

int bluez_control_open(void)
{
    const struct sockaddr_hci control = {
        .hci_family = AF_BLUETOOTH, .hci_dev = HCI_DEV_NONE, .hci_channel = HCI_CHANNEL_CONTROL};
    int fd = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, BTPROTO_HCI);

    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&control, sizeof(control)) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}
