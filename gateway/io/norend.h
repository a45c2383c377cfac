/* Everything the daemon is made of, in one value. Filled by main.c, read by control.c. */
#ifndef NOREN_IO_NOREND_H
#define NOREN_IO_NOREND_H

#include "io/clock.h"
#include "io/config.h"
#include "io/db.h"
#include "io/deliver.h"
#include "io/engine.h"
#include "io/jws.h"
#include "io/local.h"
#include "io/relay.h"
#include "io/sources.h"

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
    struct engine engine;
    struct sources sources;
    char relay_problem[RELAY_TEXT_SIZE]; /**< why there is no connection, "" when there is one */
    char relay_said[4][RELAY_TEXT_SIZE]; /**< reasons logged since it was last connected, ring */
    unsigned relay_said_n;
    int64_t commands_refused; /**< by MQTT: not yet taken there */
    int64_t next_second_us, next_minute_us;
};

/** The answer to a line of the control socket (local_answer_fn; `user` is the struct norend). */
size_t control_answer(void *user, const char *request, size_t n, char ret_answer[LOCAL_ANSWER_MAX]);

/** The health event as of now. */
struct event control_health(const struct norend *d, int64_t now_us);

#endif
