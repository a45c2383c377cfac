/* Noren member token (design section 6): one UUID of a list of 128-bit service UUIDs, AD types 06 and 07.
 *
 * In the order it is written:  4e 52 4e 31 "NRN1" | 10 version | step & 255 | MAC x10
 * On air a UUID's bytes are reversed. iOS lets an app advertise service UUIDs and nothing else, so the
 * token lives in one; a phone may list others beside it.
 */
#include "core/decode.h"

#include <string.h>

enum refusal decode_member(struct rd body, struct frame *ret)
{
    uint8_t on_air[NOREN_TOKEN_SIZE], token[NOREN_TOKEN_SIZE];
    struct wr w = wr_init(token, sizeof(token));

    rd_copy(&body, on_air, sizeof(on_air));
    wr_reversed(&w, on_air, sizeof(on_air));
    if (memcmp(token, NOREN_TOKEN_MAGIC, sizeof(NOREN_TOKEN_MAGIC)) != 0)
        return REFUSAL_NOT_MINE;
    if (token[4] != NOREN_TOKEN_VERSION)
        return REFUSAL_VERSION;
    ret->u.member.step_low = token[5];
    memcpy(ret->u.member.mac, token + 6, NOREN_TOKEN_MAC_SIZE);
    return REFUSAL_NONE;
}

void print_member(const struct frame *f, struct json *j)
{
    json_key_i64(j, "step_low", f->u.member.step_low);
    json_key(j, "mac");
    json_hex(j, f->u.member.mac, NOREN_TOKEN_MAC_SIZE);
}
