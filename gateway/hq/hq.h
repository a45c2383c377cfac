/* What noren-hq is made of, in one value: filled by main.c, read by what publishes. */
#ifndef NOREN_HQ_HQ_H
#define NOREN_HQ_HQ_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "hq/api.h"
#include "hq/broker.h"
#include "hq/config.h"
#include "hq/desired.h"
#include "hq/http.h"
#include "hq/ingest.h"
#include "hq/roster.h"
#include "hq/store.h"
#include "io/jws.h"

/** Everything; strings of `config` live as long. */
struct hq {
    struct hq_config config;
    struct store store;
    struct ingest ingest;
    struct roster roster;
    struct jws_key *key;
    sd_event *loop;
    struct broker *broker;
    struct api api;
    struct http *http;
    sd_event_source *commit_timer, *minute_timer, *http_io, *tick_timer, *peer_timer;
    int64_t data_version; /**< of the shared file: changes when another replica commits */
    int64_t forgotten_n;  /**< receipts that the roster honours already */
    uint32_t date;        /**< UTC date the published day keys are centred on */
    bool commit_trouble;
    char desired_trouble[DESIRED_ERROR_SIZE]; /**< logged once while it stays the same */
    bool refusal_logged[REFUSALS];
};

#endif
