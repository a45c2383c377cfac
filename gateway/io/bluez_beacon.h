/* The store beacon of the gateway's own radio (design section 6): an iBeacon whose minor changes every 900 s,
 * sent by the kernel through mgmt beside whatever bluetoothd advertises.
 */
#ifndef NOREN_IO_BLUEZ_BEACON_H
#define NOREN_IO_BLUEZ_BEACON_H

#include <stdbool.h>
#include <stdint.h>

struct ble;
struct bluez_beacon;

/** What is sent, and by which adapter. */
struct bluez_beacon_config {
    uint16_t adapter;
    uint16_t major;
    uint8_t uuid[16];
    uint8_t key[16];
    int8_t power_1m_dbm;
};

/** How it is. */
struct bluez_beacon_state {
    bool on_air;
    uint8_t instance; /**< the kernel's number of our advertisement, 0 = none */
    uint16_t minor;   /**< of the step on air */
    int64_t
        added; /**< how often it was put on air: 1, and once for each time somebody removed it */
    int64_t steps; /**< how often the minor changed while it was on air */
};

/** Opens a mgmt socket; the rest is worked off by bluez_beacon_tick. `config` and `run_dir` (where our
 * instance is remembered across a kill) are copied. 0 or -errno. */
int bluez_beacon_open(struct bluez_beacon **ret_beacon, const struct bluez_beacon_config *config,
                      const char *run_dir);

/** The same over a socket that is already open (tests). Takes ownership of `fd`, also on failure. */
int bluez_beacon_open_fd(struct bluez_beacon **ret_beacon, int fd,
                         const struct bluez_beacon_config *config, const char *run_dir);

/** Call once a second, and when it asked to be. `ble` runs the scan, which may have to pause for a moment
 * (ble_hold); NULL when we do not scan. Returns when it wants to be called next. `utc_us` is the wall clock, -1 while it is not to be trusted: then nothing is sent,
 * because a wrong minor sends visitors away. */
int64_t bluez_beacon_tick(struct bluez_beacon *b, struct ble *ble, int64_t now_us, int64_t utc_us);

struct bluez_beacon_state bluez_beacon_state(const struct bluez_beacon *b);

/** NULL, or a sentence saying why it is not on air and the remedy; valid until the next call. */
const char *bluez_beacon_problem(struct bluez_beacon *b);

/** Removes our own advertisement, waiting at most a second, and closes; NULL is allowed. */
void bluez_beacon_close(struct bluez_beacon *b);

#endif
