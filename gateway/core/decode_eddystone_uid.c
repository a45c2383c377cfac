/* Eddystone-UID (google/eddystone, eddystone-uid): a fixed beacon id of namespace and instance.
 *
 *   aa fe | 00 | power s8, dBm at 0 m | namespace x10 | instance x6 | reserved x2
 *
 * The specification knows of senders that leave the reserved bytes out, so both lengths are right; what is
 * in them is not looked at, or a use that is yet to come would make us deaf to the beacon.
 */
#include "core/decode.h"
#include "core/eddystone.h"

enum refusal decode_eddystone_uid(struct rd body, struct frame *ret)
{
    struct frame_eddystone_uid b;

    if (!eddystone_open(&body, EDDYSTONE_UID))
        return REFUSAL_NOT_MINE;
    b.power_0m_dbm = (int8_t)rd_u8(&body);
    rd_copy(&body, b.namespace_id, sizeof(b.namespace_id));
    rd_copy(&body, b.instance, sizeof(b.instance));
    if (body.bad || (body.n != 0 && body.n != 2))
        return REFUSAL_LENGTH;
    ret->u.eddystone_uid = b;
    return REFUSAL_NONE;
}

void print_eddystone_uid(const struct frame *f, struct json *j)
{
    const struct frame_eddystone_uid *b = &f->u.eddystone_uid;

    json_key(j, "namespace");
    json_hex(j, b->namespace_id, sizeof(b->namespace_id));
    json_key(j, "instance");
    json_hex(j, b->instance, sizeof(b->instance));
    json_key_i64(j, "power_0m_dbm", b->power_0m_dbm);
}
