/* LINE Simple Beacon, and LINE Beacon, which differs in what the device message holds (a secure message):
 * service data of the 16-bit UUID FE6F (LINE Simple Beacon specification, "LINE Simple Beacon Frame").
 *
 *   6f fe | 02 frame type | HWID x5 | measured power s8 | device message x1..13
 *
 * The specification allows 7f alone as measured power; what was sent is printed and not judged, since
 * nothing here depends on it.
 */
#include "core/decode.h"

#define UUID_LINE         0xfe6f
#define FRAME_TYPE_SIMPLE 0x02
#define MESSAGE_MAX       13

enum refusal decode_line_beacon(struct rd body, struct frame *ret)
{
    struct frame_line b;

    if (rd_le16(&body) != UUID_LINE || rd_u8(&body) != FRAME_TYPE_SIMPLE)
        return REFUSAL_NOT_MINE;
    rd_copy(&body, b.hwid, sizeof(b.hwid));
    b.power_1m_dbm = (int8_t)rd_u8(&body);
    if (body.bad || body.n < 1 || body.n > MESSAGE_MAX)
        return REFUSAL_LENGTH;
    b.device_message = body;
    ret->u.line = b;
    return REFUSAL_NONE;
}

void print_line_beacon(const struct frame *f, struct json *j)
{
    const struct frame_line *b = &f->u.line;

    json_key(j, "hwid");
    json_hex(j, b->hwid, sizeof(b->hwid));
    json_key_i64(j, "power_1m_dbm", b->power_1m_dbm);
    json_key(j, "device_message");
    json_hex(j, b->device_message.p, b->device_message.n);
}
