/* The kernel's Bluetooth socket interface, as far as Noren uses it.
 *
 * The kernel does not export these in its UAPI headers, and libbluetooth's headers lack the monitor
 * channel and every mgmt command since 2012. Values: kernel include/net/bluetooth/{bluetooth,hci_sock,
 * hci_mon,mgmt}.h; meaning: doc/mgmt-api.txt of BlueZ. They are ABI and do not change.
 */
#ifndef NOREN_IO_BLUEZ_UAPI_H
#define NOREN_IO_BLUEZ_UAPI_H

#include <stdint.h>

#define BTPROTO_HCI         1
#define HCI_DEV_NONE        0xffff
#define HCI_CHANNEL_MONITOR 2
#define HCI_CHANNEL_CONTROL 3 /* mgmt */

struct sockaddr_hci {
    uint16_t hci_family; /* AF_BLUETOOTH */
    uint16_t hci_dev;
    uint16_t hci_channel;
};

/* Monitor frames: le16 opcode, le16 adapter, le16 length, then the packet without its H4 type. */
#define HCI_MON_HDR_SIZE  6
#define HCI_MON_EVENT_PKT 3

#define HCI_EV_LE_META                   0x3e
#define HCI_EV_LE_ADVERTISING_REPORT     0x02
#define HCI_EV_LE_EXT_ADVERTISING_REPORT 0x0d

/* mgmt: le16 opcode or event, le16 adapter, le16 length, parameters. */
#define MGMT_HDR_SIZE 6

#define MGMT_OP_READ_INFO                 0x0004
#define MGMT_OP_SET_POWERED               0x0005
#define MGMT_OP_SET_LE                    0x000d
#define MGMT_OP_READ_ADV_FEATURES         0x003d
#define MGMT_OP_ADD_ADVERTISING           0x003e
#define MGMT_OP_REMOVE_ADVERTISING        0x003f
#define MGMT_OP_SET_DEF_SYSTEM_CONFIG     0x004c
#define MGMT_OP_READ_ADV_MONITOR_FEATURES 0x0051
#define MGMT_OP_ADD_ADV_PATTERNS_MONITOR  0x0052
#define MGMT_OP_REMOVE_ADV_MONITOR        0x0053
#define MGMT_OP_ADD_EXT_ADV_PARAMS        0x0054
#define MGMT_OP_ADD_EXT_ADV_DATA          0x0055

#define MGMT_EV_CMD_COMPLETE             0x0001
#define MGMT_EV_CMD_STATUS               0x0002
#define MGMT_EV_INDEX_ADDED              0x0004
#define MGMT_EV_INDEX_REMOVED            0x0005
#define MGMT_EV_DEVICE_FOUND             0x0012
#define MGMT_EV_ADVERTISING_ADDED        0x0023
#define MGMT_EV_ADVERTISING_REMOVED      0x0024
#define MGMT_EV_ADV_MONITOR_ADDED        0x002b
#define MGMT_EV_ADV_MONITOR_REMOVED      0x002c
#define MGMT_EV_ADV_MONITOR_DEVICE_FOUND 0x002f

#define MGMT_STATUS_SUCCESS           0x00
#define MGMT_STATUS_UNKNOWN_COMMAND   0x01
#define MGMT_STATUS_REJECTED          0x0b
#define MGMT_STATUS_NOT_SUPPORTED     0x0c
#define MGMT_STATUS_INVALID_PARAMS    0x0d
#define MGMT_STATUS_INVALID_INDEX     0x11
#define MGMT_STATUS_RFKILLED          0x12
#define MGMT_STATUS_PERMISSION_DENIED 0x14

#define MGMT_SETTING_POWERED (1u << 0)
#define MGMT_SETTING_LE      (1u << 9)

/* Flags of MGMT_OP_ADD_EXT_ADV_PARAMS and of the features. */
#define MGMT_ADV_FLAG_SEC_1M     (1u << 7) /* the controller has extended advertising */
#define MGMT_ADV_PARAM_INTERVALS (1u << 14)

/* Parameters of MGMT_OP_SET_DEF_SYSTEM_CONFIG: le16 type, u8 length, value. */
#define MGMT_CONFIG_ADVMON_SCAN_INTERVAL   0x0013 /* le16, 0.625 ms */
#define MGMT_CONFIG_ADVMON_SCAN_WINDOW     0x0014 /* le16, 0.625 ms */
#define MGMT_CONFIG_ADVMON_INTERLEAVE_SCAN 0x001f /* u8 */

#endif
