/* Provisioning bytes; see provision.h. Layout, little-endian:
 *   0 "NRNP" | 4 version=1 | 5 kind | 6 interval_ms u16 | 8 key[16] | 24 number u16 | 26 power s8 | 27 cells_n |
 *   28 uuid[16] | 44 first_step u32 | 48 cells[4]: zero s32, ug_per_count s32 | 80 zeros[20] | 100 crc32 of 0..99
 */
#include "core/provision.h"

#include "noren/cursor.h"

#define VERSION 1

uint32_t provision_crc32(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
    }
    return ~crc;
}

const char *provision_parse(const uint8_t *bytes, size_t n, struct provision *ret)
{
    struct rd r = rd_init(bytes, n);
    const uint8_t *body = rd_take(&r, PROVISION_SIZE - 4);
    struct provision p = {0};
    uint8_t magic[4], kind;

    if (body == NULL || rd_le32(&r) != provision_crc32(body, PROVISION_SIZE - 4) || r.bad)
        return "not provisioned (no valid page)";
    r = rd_init(body, PROVISION_SIZE - 4);
    rd_copy(&r, magic, 4);
    if (memcmp(magic, "NRNP", 4) != 0 || rd_u8(&r) != VERSION)
        return "provisioned for another firmware version";
    kind = rd_u8(&r);
    if (kind != DEVICE_SHELF_NODE && kind != DEVICE_STORE_BEACON)
        return "unknown kind of device";
    p.kind = kind;
    p.interval_ms = rd_le16(&r);
    rd_copy(&r, p.key, sizeof(p.key));
    p.number = rd_le16(&r);
    p.power_1m_dbm = (int8_t)rd_u8(&r);
    p.cells_n = rd_u8(&r);
    rd_copy(&r, p.uuid, sizeof(p.uuid));
    p.first_step = rd_le32(&r);
    if (p.interval_ms < 100 || p.interval_ms > 10000)
        return "interval is not 100..10000 ms";
    if (p.cells_n > PROVISION_CELLS_MAX)
        return "more than 4 cells";
    for (size_t i = 0; i < PROVISION_CELLS_MAX; i++) {
        p.cells[i].zero_counts = (int32_t)rd_le32(&r);
        p.cells[i].ug_per_count = (int32_t)rd_le32(&r);
    }
    *ret = p;
    return NULL;
}

void provision_build(const struct provision *p, uint8_t ret_bytes[PROVISION_SIZE])
{
    struct wr w = wr_init(ret_bytes, PROVISION_SIZE);

    memset(ret_bytes, 0, PROVISION_SIZE);
    wr_copy(&w, "NRNP", 4);
    wr_u8(&w, VERSION);
    wr_u8(&w, (uint8_t)p->kind);
    wr_le(&w, p->interval_ms, 2);
    wr_copy(&w, p->key, sizeof(p->key));
    wr_le(&w, p->number, 2);
    wr_u8(&w, (uint8_t)p->power_1m_dbm);
    wr_u8(&w, p->cells_n);
    wr_copy(&w, p->uuid, sizeof(p->uuid));
    wr_le(&w, p->first_step, 4);
    for (size_t i = 0; i < PROVISION_CELLS_MAX; i++) {
        wr_le(&w, (uint32_t)p->cells[i].zero_counts, 4);
        wr_le(&w, (uint32_t)p->cells[i].ug_per_count, 4);
    }
    w.n = PROVISION_SIZE - 4;
    wr_le(&w, provision_crc32(ret_bytes, PROVISION_SIZE - 4), 4);
}
