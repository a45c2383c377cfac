/* Bluetooth reception: HCI events from the kernel's monitor channel, or from the simulated radio.
 *
 * Two implementations with the same four functions: bluez.c (monitor channel with a BPF filter for data,
 * one mgmt advertisement monitor to keep passive scanning on) and sim.c. Both hand over whole HCI event
 * packets, so one parser (core/radio.c) sees real and simulated air alike.
 */
#ifndef NOREN_IO_BLE_H
#define NOREN_IO_BLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/board.h"

/* The longest HCI event: 2 bytes of header and 255 of parameters (Core 5.4, Vol 4 Part E, 5.4.4). */
#define BLE_PACKET_MAX 257

/** One HCI event packet: event code, length, parameters. */
struct ble_packet {
    int64_t t_us;     /**< CLOCK_BOOTTIME of reception */
    uint16_t adapter; /**< hciN, or the simulated receiver's place in board.radios */
    uint16_t n;
    uint8_t bytes[BLE_PACKET_MAX];
};

/** What the scan keeper did, and why. */
struct ble_scan {
    int64_t readds;       /**< silence: our monitor was put up again */
    int64_t power_cycles; /**< still silence, or refusals: the adapter was switched off and on */
    int64_t reports;      /**< and still silence: said in ble_degraded until something is heard */
    int64_t removals;     /**< somebody removed our monitor; put up again at once */
    int64_t returns;      /**< an adapter that was gone came back */
    int64_t refused;      /**< commands that the kernel or the controller refused */
    int64_t unanswered;   /**< commands without an answer in time */
};

struct ble_counters {
    int64_t packets; /**< handed over */
    int64_t lost;    /**< dropped by a full socket buffer, as far as the kernel tells */
    struct ble_scan scan;
};

struct ble;

/** Opens the monitor channel and adds our advertisement monitor to each RADIO_HCI of the board.
 * `run_dir` (borrowed for the call) is where the handles of our monitors are remembered, because they
 * outlive the process: the next start removes what this one left. NULL: not remembered.
 * Returns 0 or -errno: -EAFNOSUPPORT the kernel has no Bluetooth. It opens without permissions too, and
 * ble_degraded says what that costs: without CAP_NET_ADMIN it listens to what others scan, without
 * CAP_NET_RAW it takes what the management socket tells, with neither it hears nothing. */
int ble_open(struct ble **ret_ble, const struct board *board, const char *run_dir);

/** Readable when packets, or work for the keeper, wait. */
int ble_fd(const struct ble *b);

/** Takes up to `cap` packets; also does the scan keeper's work. Returns how many, or -errno. */
int ble_read(struct ble *b, struct ble_packet *ret, size_t cap);

/** Call about once a second: the keeper looks whether adverts still come (design section 5). */
void ble_tick(struct ble *b, int64_t now_us);

/** Wants hciN not to scan for a moment: controllers without extended advertising refuse a new random address
 * while they scan (Core 5.4, Vol 4 Part E, 7.8.4), and an advertisement that nobody can connect to has one.
 * Returns true when our scan is off, or the adapter is none of the board's; false: ask again soon. Ends by
 * ble_release, or by itself after five seconds. */
bool ble_hold(struct ble *b, uint16_t adapter, int64_t now_us);
void ble_release(struct ble *b, uint16_t adapter, int64_t now_us);

/** NULL, or a sentence saying what is missing and the remedy. */
const char *ble_degraded(struct ble *b);

struct ble_counters ble_counters(const struct ble *b);

/** Removes our own monitors (only our own) and closes; NULL is allowed. */
void ble_close(struct ble *b);

#endif
