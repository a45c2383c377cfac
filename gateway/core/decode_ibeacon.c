/* iBeacon (Apple, Proximity Beacon Specification R1): manufacturer data, 25 bytes.
 *
 *   4c 00 | 02 15 | UUID x16 | major be16 | minor be16 | power s8, dBm at 1 m
 *
 * Claimed by the first four bytes: 02 is the type and 15 (hex) the length of what follows.
 */
#include "core/decode.h"

#include <stdio.h>

#define COMPANY_APPLE 0x004c

enum refusal decode_ibeacon(struct rd body, struct frame *ret)
{
    struct frame_ibeacon b;

    if (rd_le16(&body) != COMPANY_APPLE || rd_u8(&body) != 0x02 || rd_u8(&body) != 0x15)
        return REFUSAL_NOT_MINE;
    rd_copy(&body, b.uuid, sizeof(b.uuid));
    b.major = rd_be16(&body);
    b.minor = rd_be16(&body);
    b.power_1m_dbm = (int8_t)rd_u8(&body);
    if (body.bad || body.n != 0)
        return REFUSAL_LENGTH;
    ret->u.ibeacon = b;
    return REFUSAL_NONE;
}

void print_ibeacon(const struct frame *f, struct json *j)
{
    const struct frame_ibeacon *b = &f->u.ibeacon;
    char text[37];
    int n = 0;

    for (size_t i = 0; i < sizeof(b->uuid); i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%02x",
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b->uuid[i]);
    json_key_str(j, "uuid", text);
    json_key_i64(j, "major", b->major);
    json_key_i64(j, "minor", b->minor);
    json_key_i64(j, "power_1m_dbm", b->power_1m_dbm);
}
