/* hq.conf: what noren-hq must be told. File names inside are relative to the file's folder. */
#ifndef NOREN_HQ_CONFIG_H
#define NOREN_HQ_CONFIG_H

#include <stdint.h>

#include "io/config.h"

struct hq_config {
    char data_dir[CONFIG_PATH_SIZE]; /**< the database is in here */
    uint32_t http_port;              /**< 0: a free one, logged */
    char http_bind[64];              /**< numeric address */
    char key[CONFIG_PATH_SIZE];      /**< Ed25519 private key, PEM: signs all that goes down */
    char members[CONFIG_PATH_SIZE];  /**< "": no members */
    char pages[CONFIG_PATH_SIZE];    /**< folder of the web pages */
    char desired
        [CONFIG_PATH_SIZE]; /**< folder of what gateways shall have (hq/desired.h), "": none */
    char
        ca[CONFIG_PATH_SIZE]; /**< folder of `noren-hq ca`: renews gateways' certificates, "": no */
    char replica[NOREN_ID_SIZE]; /**< "": alone; else its name among several on one database */
    struct {
        char host[256];
        uint32_t port;
        char ca[CONFIG_PATH_SIZE], cert[CONFIG_PATH_SIZE], key[CONFIG_PATH_SIZE];
        char tenant[NOREN_ID_SIZE];
    } mqtt;
};

/** Reads the file. 0 or -errno, with file, line and remedy in `ret_error`. */
int hq_config_load(struct hq_config *ret, const char *path, char ret_error[INI_ERROR_SIZE]);

#endif
