/* What a shell in the guest cannot do by itself: look at the kernel's Bluetooth management, set the clock.
 *
 * usage: btctl monitors N   waits until hci0 has exactly N advertisement monitors, prints their handles
 *        btctl added        prints "listening", then "added" when somebody adds a monitor, and ends
 *        btctl clock        tells the kernel that its clock is synchronised, as an NTP daemon would
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include "io/bluez_uapi.h"
#include "noren/cursor.h"

static int mgmt_open(void)
{
    struct sockaddr_hci control = {AF_BLUETOOTH, HCI_DEV_NONE, HCI_CHANNEL_CONTROL};
    int fd = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC, BTPROTO_HCI);

    if (fd < 0 || bind(fd, (struct sockaddr *)&control, sizeof(control)) < 0) {
        perror("btctl: mgmt socket");
        exit(1);
    }
    return fd;
}

static void mgmt_send(int fd, uint16_t opcode, const uint8_t *params, size_t n)
{
    uint8_t buf[64];
    struct wr w = wr_init(buf, sizeof(buf));

    wr_le(&w, opcode, 2);
    wr_le(&w, 0, 2); /* hci0 */
    wr_le(&w, n, 2);
    wr_copy(&w, params, n);
    (void)send(fd, buf, w.n, 0);
}

/* Reads messages until the reply to `opcode`, then gives its status and the cursor behind it. */
static uint8_t mgmt_reply(int fd, uint16_t opcode, uint8_t buf[512], struct rd *ret)
{
    for (;;) {
        ssize_t n = recv(fd, buf, 512, 0);
        uint16_t event;

        *ret = rd_init(buf, n > 0 ? (size_t)n : 0);
        event = rd_le16(ret);
        (void)rd_le32(ret);
        if ((event == MGMT_EV_CMD_COMPLETE || event == MGMT_EV_CMD_STATUS) &&
            rd_le16(ret) == opcode)
            return rd_u8(ret);
    }
}

static int wait_monitors(unsigned wanted)
{
    int fd = mgmt_open();
    uint8_t buf[512];
    struct rd r;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        unsigned n;

        mgmt_send(fd, MGMT_OP_READ_ADV_MONITOR_FEATURES, NULL, 0);
        if (mgmt_reply(fd, MGMT_OP_READ_ADV_MONITOR_FEATURES, buf, &r) != 0) {
            printf("btctl: hci0 does not answer\n");
            return 1;
        }
        (void)rd_take(&r, 4 + 4 + 2 + 1);
        n = rd_le16(&r);
        if (n == wanted) {
            printf("%u monitors:", n);
            while (n-- > 0)
                printf(" %u", rd_le16(&r));
            printf("\n");
            return 0;
        }
        (void)poll(&p, 1, -1); /* any event may be "monitor added" or "removed" */
    }
}

static int wait_added(void)
{
    int fd = mgmt_open();
    uint8_t buf[512];

    printf("listening\n");
    (void)fflush(stdout);
    for (;;) {
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        struct rd r = rd_init(buf, n > 0 ? (size_t)n : 0);

        if (rd_le16(&r) == MGMT_EV_ADV_MONITOR_ADDED) {
            printf("added\n");
            return 0;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "monitors") == 0)
        return wait_monitors((unsigned)strtoul(argv[2], NULL, 10));
    if (argc == 2 && strcmp(argv[1], "clock") == 0) {
        struct timex t = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR};

        return adjtimex(&t) < 0 ? 1 : 0;
    }
    if (argc == 2 && strcmp(argv[1], "added") == 0)
        return wait_added();
    printf("usage: btctl monitors N | added | clock\n");
    return 2;
}
