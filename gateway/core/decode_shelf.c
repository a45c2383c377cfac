/* Noren shelf node (design section 6): service data with a 128-bit UUID, AD type 21, 29 bytes of body.
 *
 *   UUID 4e524e33-0000-4000-8000-00000000NNNN, reversed | version<<4 | cell | counter LE32 |
 *   sealed: mass s24 LE in 0.1 g, status | AES-CCM tag x4
 *
 * The type byte and everything before the sealed bytes are authenticated; the nonce is made of node number
 * and counter. include/noren/wire.h builds such a frame.
 */
#include "core/decode.h"

#include <string.h>

enum refusal decode_shelf(struct rd body, struct frame *ret)
{
    static const uint8_t rest[10] = {0x00, 0x00, 0x40, 0x00, 0x80};
    struct frame_shelf s = {.aad = {AD_SERVICE_DATA_128}};
    uint8_t on_air[16], uuid[16], version;
    struct wr w = wr_init(uuid, sizeof(uuid));
    struct rd header = body;

    rd_copy(&body, on_air, sizeof(on_air));
    wr_reversed(&w, on_air, sizeof(on_air));
    if (memcmp(uuid, NOREN_NODE_MAGIC, 4) != 0 || memcmp(uuid + 4, rest, sizeof(rest)) != 0)
        return REFUSAL_NOT_MINE;
    s.node = (uint16_t)(uuid[14] << 8 | uuid[15]);
    version = rd_u8(&body);
    s.cell = version & 15;
    s.counter = rd_le32(&body);
    rd_copy(&body, s.body, sizeof(s.body));
    rd_copy(&body, s.tag, sizeof(s.tag));
    if (body.bad || body.n != 0)
        return REFUSAL_LENGTH;
    if (version >> 4 != NOREN_NODE_VERSION)
        return REFUSAL_VERSION;
    rd_copy(&header, s.aad + 1, sizeof(s.aad) - 1);
    ret->u.shelf = s;
    return REFUSAL_NONE;
}

enum refusal decode_shelf_open(struct frame_shelf *s, const uint8_t key[16])
{
    uint8_t nonce[13], plain[NOREN_NODE_BODY] = {0};
    struct rd r = rd_init(plain, sizeof(plain));

    noren_node_nonce(s->node, s->counter, nonce);
    if (noren_aes_ccm_open(key, nonce, s->aad, sizeof(s->aad), s->body, sizeof(s->body), s->tag,
                           plain) != 0)
        return REFUSAL_TAG;
    s->mass_dg = (int32_t)rd_sign_extend(rd_le(&r, 3), 24);
    s->status = rd_u8(&r);
    s->opened = true;
    return REFUSAL_NONE;
}

void print_shelf(const struct frame *f, struct json *j)
{
    const struct frame_shelf *s = &f->u.shelf;

    json_key_i64(j, "node", s->node);
    json_key_i64(j, "cell", s->cell);
    json_key_i64(j, "counter", s->counter);
    json_key(j, "mass_mg");
    if (s->opened)
        json_i64(j, (int64_t)s->mass_dg * (NOREN_MG_PER_G / 10));
    else
        json_nil(j);
    json_key(j, "status");
    if (s->opened)
        json_i64(j, s->status);
    else
        json_nil(j);
}
