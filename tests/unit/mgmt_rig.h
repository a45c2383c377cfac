/* The kernel's end of a mgmt socket, for tests: what BlueZ's doc/mgmt-api.txt says of headers, command complete and
 * command status. The adapter is hci3 unless a message says otherwise. Include after cmocka.h.
 */
#ifndef NOREN_TESTS_UNIT_MGMT_RIG_H
#define NOREN_TESTS_UNIT_MGMT_RIG_H

#include <stdio.h>
#include <sys/socket.h>

#include "io/bluez_uapi.h"
#include "noren/cursor.h"

#define MGMT_RIG_ADAPTER  3
#define MGMT_RIG_HEX_SIZE 512

/** The kernel says `event` of `adapter`, with `n` bytes of parameters. */
static inline void mgmt_rig_say(int fd, uint16_t event, uint16_t adapter, const uint8_t *p,
                                size_t n)
{
    uint8_t buf[128];
    struct wr w = wr_init(buf, sizeof(buf));

    wr_le(&w, event, 2);
    wr_le(&w, adapter, 2);
    wr_le(&w, n, 2);
    wr_copy(&w, p, n);
    assert_int_equal(send(fd, buf, w.n, 0), (ssize_t)w.n);
}

/** The kernel gets the command `opcode`; its parameters in hex. */
static inline void mgmt_rig_take(int fd, uint16_t opcode, char ret_hex[MGMT_RIG_HEX_SIZE])
{
    uint8_t buf[256];
    ssize_t len = recv(fd, buf, sizeof(buf), 0);
    struct rd r = rd_init(buf, len > 0 ? (size_t)len : 0);

    ret_hex[0] = '\0';
    assert_true(len >= MGMT_HDR_SIZE);
    assert_int_equal(rd_le16(&r), opcode);
    assert_int_equal(rd_le16(&r), MGMT_RIG_ADAPTER);
    assert_int_equal(rd_le16(&r), len - MGMT_HDR_SIZE);
    for (size_t i = 0; r.n > 0; i += 2)
        (void)snprintf(ret_hex + i, MGMT_RIG_HEX_SIZE - i, "%02x", rd_u8(&r));
}

/** The kernel answers the command with `n` bytes, or with the error `status`. */
static inline void mgmt_rig_answer(int fd, uint16_t opcode, uint8_t status, const uint8_t *p,
                                   size_t n)
{
    uint8_t reply[128];
    struct wr w = wr_init(reply, sizeof(reply));

    wr_le(&w, opcode, 2);
    wr_u8(&w, status);
    wr_copy(&w, p, n);
    mgmt_rig_say(fd, status == 0 ? MGMT_EV_CMD_COMPLETE : MGMT_EV_CMD_STATUS, MGMT_RIG_ADAPTER,
                 reply, w.n);
}

/** Nothing is asked of the kernel. */
static inline void mgmt_rig_silent(int fd)
{
    uint8_t buf[256];

    assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
}

#endif
