/* Eddystone-EID (google/eddystone, eddystone-eid): an identifier that changes every 2^K seconds.
 *
 *   aa fe | 30 | power s8, dBm at 0 m | EID x8
 *
 * Whose it is, core/tags.h knows.
 */
#include "core/decode.h"
#include "core/eddystone.h"

enum refusal decode_eddystone_eid(struct rd body, struct frame *ret)
{
    struct frame_eddystone_eid b;

    if (!eddystone_open(&body, EDDYSTONE_EID))
        return REFUSAL_NOT_MINE;
    b.power_0m_dbm = (int8_t)rd_u8(&body);
    rd_copy(&body, b.eid, sizeof(b.eid));
    if (body.bad || body.n != 0)
        return REFUSAL_LENGTH;
    ret->u.eddystone_eid = b;
    return REFUSAL_NONE;
}

void print_eddystone_eid(const struct frame *f, struct json *j)
{
    json_key(j, "eid");
    json_hex(j, f->u.eddystone_eid.eid, sizeof(f->u.eddystone_eid.eid));
    json_key_i64(j, "power_0m_dbm", f->u.eddystone_eid.power_0m_dbm);
}
