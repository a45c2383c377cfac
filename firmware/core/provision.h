/* Provisioning: what one device is told about itself, as bytes in its flash.
 *
 * Written once by noren-provision (a program on the bench) into a page of its own, read at every start.
 * One firmware image serves all devices: what differs between two shelf nodes is data, not code, so an
 * image can be tested once. Little-endian like the rest of the chip; the CRC makes an erased or half
 * written page a clear "not provisioned" instead of a device that sends under a wrong key.
 */
#ifndef NOREN_FW_PROVISION_H
#define NOREN_FW_PROVISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROVISION_SIZE      104
#define PROVISION_CELLS_MAX 4

enum device_kind { DEVICE_SHELF_NODE = 1, DEVICE_STORE_BEACON = 2 };

/** Calibration of one load cell. */
struct provision_cell {
    int32_t zero_counts;
    int32_t
        ug_per_count; /**< micrograms per count: 4 kg over 24 bits is about 480; 0 = no such cell */
};

struct provision {
    enum device_kind kind;
    uint16_t interval_ms; /**< between adverts, 100..10000 */
    uint8_t key[16];      /**< the node's CCM key, or the beacon's key */
    uint16_t number;      /**< node number, or the store's number (major) */
    int8_t power_1m_dbm;  /**< beacon: received power at 1 m */
    uint8_t uuid[16];     /**< beacon: the tenant's UUID */
    uint32_t first_step;  /**< beacon: step of UTC when it was provisioned */
    uint8_t cells_n;
    struct provision_cell cells[PROVISION_CELLS_MAX];
};

/** Reads a page. Returns NULL, or a static string that says what is wrong; `ret` is then untouched. */
const char *provision_parse(const uint8_t *bytes, size_t n, struct provision *ret);

/** Writes PROVISION_SIZE bytes. */
void provision_build(const struct provision *p, uint8_t ret_bytes[PROVISION_SIZE]);

/** CRC-32 (IEEE 802.3, reflected), bit by bit: it runs once a start. */
uint32_t provision_crc32(const uint8_t *p, size_t n);

#endif
