/* Control of the kernel's passive scan through the mgmt socket; data comes by bluez.c.
 *
 * bluetoothd stays in charge of the adapter. We add one advertisement monitor, which makes the kernel scan
 * passively without duplicate filter as long as it exists, and look after it: the scan keeper judges by
 * adverts that arrive, not by flags, because stalled controllers keep their flags set.
 */
#ifndef NOREN_IO_BLUEZ_MGMT_H
#define NOREN_IO_BLUEZ_MGMT_H

#include <stdbool.h>
#include <stdint.h>

#include "io/ble.h"
#include "io/board.h"

struct bluez_mgmt;

/** Opens the mgmt socket and starts the set-up of each RADIO_HCI of the board; the replies are worked off
 * by bluez_mgmt_read. `run_dir` as in ble_open. Returns 0 or -errno. */
int bluez_mgmt_open(struct bluez_mgmt **ret_mgmt, const struct board *board, const char *run_dir,
                    int64_t now_us);

/** The same over a socket that is already open (unit tests play the kernel at the other end). Takes
 * ownership of `fd`, also on failure. */
int bluez_mgmt_open_fd(struct bluez_mgmt **ret_mgmt, int fd, const struct board *board,
                       const char *run_dir, int64_t now_us);

/** Readable when bluez_mgmt_read has work. */
int bluez_mgmt_fd(const struct bluez_mgmt *m);

/** Works off waiting replies and events. Returns 0 or -errno. */
int bluez_mgmt_read(struct bluez_mgmt *m, int64_t now_us);

/** An advertisement of adapter hciN arrived. Returns whether the adapter is one of the board's. */
bool bluez_mgmt_heard(struct bluez_mgmt *m, uint16_t adapter, int64_t t_us);

/** The keeper, about once a second: repeats what failed, and acts on silence. */
void bluez_mgmt_tick(struct bluez_mgmt *m, int64_t now_us);

/** See ble_hold and ble_release. */
bool bluez_mgmt_hold(struct bluez_mgmt *m, uint16_t adapter, int64_t now_us);
void bluez_mgmt_release(struct bluez_mgmt *m, uint16_t adapter, int64_t now_us);

/** NULL, or a sentence saying what is missing and the remedy; valid until the next call. */
const char *bluez_mgmt_degraded(struct bluez_mgmt *m);

/** What the keeper did since opening. */
struct ble_scan bluez_mgmt_counters(const struct bluez_mgmt *m);

/** An advertisement as mgmt tells it: le address, type, le16 flags.. (Device Found in mgmt-api). */
typedef void bluez_found_fn(void *arg, uint16_t adapter, const uint8_t *params, size_t n);

/** Takes advertisements from the mgmt socket: for who may not read the monitor channel. 0 or -errno. */
int bluez_mgmt_listen(struct bluez_mgmt *m, bluez_found_fn *found, void *arg);

/** Removes our own monitors, waiting at most a second for the kernel's answers, and closes. */
void bluez_mgmt_close(struct bluez_mgmt *m);

#endif
