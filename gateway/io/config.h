/* The local configuration: noren.conf and the board file it names.
 *
 * Only what a gateway must know before it can reach headquarters is in here; what a store is made of
 * (planogram, map, campaigns) are JSON documents beside it. Formats: comments in boards/ and README.
 */
#ifndef NOREN_IO_CONFIG_H
#define NOREN_IO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "io/board.h"
#include "io/ini_file.h"

#define CONFIG_PATH_SIZE 256
#define CONFIG_NODES_MAX 32

/** A shelf node that this store listens to: section [node N] with `key_file`. */
struct config_node {
    uint16_t node;
    char key_file[CONFIG_PATH_SIZE];
    uint8_t key[16]; /**< read from key_file, which holds 32 hexadecimal digits */
};

/** The store beacon that the gateway's own radio sends: section [beacon]. */
struct config_beacon {
    bool sent; /**< there is such a section */
    uint8_t uuid[16];
    uint32_t major;
    int32_t power_1m_dbm;
    char adapter[16]; /**< "hciN"; "" = the board's first */
    uint16_t hci;     /**< N of it */
    char key_file[CONFIG_PATH_SIZE];
    uint8_t key[16]; /**< read from key_file, which holds 32 hexadecimal digits */
};

/** Several boards in a store: one has visits, stock and holds, the others hear and weigh for it. */
enum config_role { ROLE_STORE, ROLE_RECEIVER };

struct config {
    char dir[CONFIG_PATH_SIZE]; /**< the folder it was read from */
    char tenant[NOREN_ID_SIZE], store[NOREN_ID_SIZE], gateway[NOREN_ID_SIZE];
    int role;                        /**< enum config_role */
    char data_dir[CONFIG_PATH_SIZE]; /**< the database; default /var/lib/noren */
    char
        key_dir[CONFIG_PATH_SIZE]; /**< key of what is sealed in data_dir (io/vault.h); "" = none */
    char run_dir[CONFIG_PATH_SIZE]; /**< sockets; default /run/noren */
    char board_file[CONFIG_PATH_SIZE];
    struct {
        char host[256];
        uint32_t port;
        char ca[CONFIG_PATH_SIZE], cert[CONFIG_PATH_SIZE], key[CONFIG_PATH_SIZE];
        int ack;              /**< 0 = hq, 1 = puback: a foreign HQ that sends no acks */
        int batch;            /**< 0 = yes: arrays of events while a backlog drains; 1 = no */
        uint32_t drain_per_s; /**< events a second of a backlog, 0 = as fast as it goes */
    } mqtt;
    struct {
        char host[256]; /**< "" = no broker in the store */
        uint32_t port;  /**< 8883 with a ca, else 1883 */
        char ca[CONFIG_PATH_SIZE], cert[CONFIG_PATH_SIZE], key[CONFIG_PATH_SIZE]; /**< "" = none */
        char user[NOREN_ID_SIZE], password_file[CONFIG_PATH_SIZE], password[128];
    } local;
    struct config_node nodes[CONFIG_NODES_MAX];
    uint16_t nodes_n;
    struct config_beacon beacon;
    struct board board;
};

/** Reads DIR/noren.conf and its board. File names inside are relative to DIR and come out joined to it.
 * Returns 0 or -errno with one line in `ret_error` that says file, line and remedy; `ret` is then
 * undefined. */
int config_load(struct config *ret, const char *dir, char ret_error[INI_ERROR_SIZE]);

/** Reads one board file. */
int config_load_board(struct board *ret, const char *path, char ret_error[INI_ERROR_SIZE]);

/** Joins a folder and a name; an absolute name stays as it is. 0, or -ENAMETOOLONG. */
int config_path(char ret[CONFIG_PATH_SIZE], const char *dir, const char *name);

#endif
