/* Everything the daemon is made of, in one value. Filled by main.c, read by control.c. */
#ifndef NOREN_IO_NOREND_H
#define NOREN_IO_NOREND_H

#include "io/act.h"
#include "io/bluez_beacon.h"
#include "io/bus.h"
#include "io/clock.h"
#include "io/command.h"
#include "io/config.h"
#include "io/db.h"
#include "io/deliver.h"
#include "io/desired.h"
#include "io/engine.h"
#include "io/jws.h"
#include "io/local.h"
#include "io/relay.h"
#include "io/sources.h"
#include "io/uplink.h"

/** Evidence that was used: an HMAC of what it said under the boot id, in memory only. */
#define CHECKINS_SEEN 1024
#define CHECKIN_PROOF 48
struct checkin_seen {
    uint8_t digest[8];
    int64_t until_s; /**< UTC */
};

struct norend {
    struct config config;
    const char *record_file; /**< NULL: no recording */
    char bootid[CLOCK_BOOTID_SIZE];
    int64_t started_us;
    struct jws_key *hq_key;
    struct db *db;
    struct relay *relay;
    struct deliver *deliver;
    struct local *local;
    struct bus *bus;            /**< the broker of the store; NULL: there is none */
    struct plan *receiver_plan; /**< role receiver: its radios and cells, for the sources */
    struct recorder *recorder;  /**< NULL: no recording */
    struct engine engine;
    struct sources sources;
    struct act *act;
    struct bluez_beacon *beacon; /**< NULL: none is to be sent, or it could not be opened */
    char beacon_problem[128];    /**< why it could not be opened, "" = it could */
    struct uplink uplink;
    char relay_problem[RELAY_TEXT_SIZE]; /**< why there is no connection, "" when there is one */
    char relay_said[4][RELAY_TEXT_SIZE]; /**< reasons logged since it was last connected, ring */
    unsigned relay_said_n;
    struct commands commands;
    struct desired desired;
    int64_t sales_refused, sale_lines_unknown;
    bool commit_failing; /**< said so */
    int64_t next_metrics_us;
    bool stands_still; /**< said so, and feed the watchdog no more */
    int64_t checkins_taken, checkins_refused;
    struct checkin_seen checkins[CHECKINS_SEEN];
    int64_t next_second_us, next_minute_us, next_beacon_us;
};

/** Takes back what had checked in before a restart; after the vault was opened (control_identity.c). */
void control_load_checkins(struct norend *d);

/** Reads everything in the folder `dir`; logs file, line and remedy. 0 or -errno. */
int norend_configure(struct norend *d, const char *dir, struct engine_plan *ret_plan);

/** Opens all parts, the database first, the sources last. Logs. 0 or -errno: norend_stop() then cleans up. */
int norend_start(struct norend *d, struct engine_plan *plan);

/** Commits; logs when the disk begins or ceases to take commits. 0 also while it does not: everything is
 * kept. -EUCLEAN: the file is corrupt, end. */
int norend_commit(struct norend *d, int64_t now_us);

/** Reads the documents again; a mistake in them keeps what is in force. */
void norend_reload(struct norend *d);

/** Takes what the relay thread brought: connection, acks, members. */
void norend_read_relay(struct norend *d);

/** Tells systemd that there is progress, if there is: the loop turned (it calls this once a second), commits come
 * through or their failure is reported, and the sampling threads live. Else the watchdog restarts norend. */
void norend_pet(struct norend *d, int64_t now_us);

/** Commits what waits and closes all parts. */
void norend_stop(struct norend *d);

/** A figure of `norenctl status` and of the metrics file. */
struct control_counter {
    const char *name;
    int64_t value;
};

#define CONTROL_COUNTERS_MAX 96

/** All of them. Returns how many. */
size_t control_counters(const struct norend *d, int64_t now_us,
                        struct control_counter ret[CONTROL_COUNTERS_MAX]);

/** The health event as of now. */
struct event control_health(const struct norend *d, int64_t now_us);

#endif
