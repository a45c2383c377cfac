/* AltBeacon (AltBeacon Protocol Specification 1.0): manufacturer data of any company, 26 bytes.
 *
 *   company le16 | be ac | beacon id x20 | reference RSSI s8, dBm at 1 m | reserved for the manufacturer
 *
 * The company is the beacon's maker, so the code be ac alone tells it from other manufacturer data.
 */
#include "core/decode.h"

enum refusal decode_altbeacon(struct rd body, struct frame *ret)
{
    struct frame_altbeacon b = {.company_id = rd_le16(&body)};

    if (rd_be16(&body) != 0xbeac)
        return REFUSAL_NOT_MINE;
    rd_copy(&body, b.id, sizeof(b.id));
    b.power_1m_dbm = (int8_t)rd_u8(&body);
    b.data = rd_u8(&body);
    if (body.bad || body.n != 0)
        return REFUSAL_LENGTH;
    ret->u.altbeacon = b;
    return REFUSAL_NONE;
}

void print_altbeacon(const struct frame *f, struct json *j)
{
    const struct frame_altbeacon *b = &f->u.altbeacon;

    json_key_i64(j, "company_id", b->company_id);
    json_key(j, "id");
    json_hex(j, b->id, sizeof(b->id));
    json_key_i64(j, "power_1m_dbm", b->power_1m_dbm);
    json_key(j, "data");
    json_hex(j, &b->data, 1);
}
