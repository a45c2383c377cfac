/* Eddystone-eTLM (google/eddystone, eddystone-tlm/tlm-encrypted): a beacon's health, sealed by AES-EAX.
 *
 *   aa fe | 20 | 01 version | ciphertext x12 | salt x2 | MIC x2
 *
 * Who holds the identity key and the beacon's clock can open it; a decoder has neither and says what is
 * there. The nonce is the clock of the beacon's EID window, 4 bytes, and the salt.
 */
#include "core/decode.h"
#include "core/eax.h"
#include "core/eddystone.h"

enum refusal decode_eddystone_etlm(struct rd body, struct frame *ret)
{
    struct frame_eddystone_etlm b;

    if (!eddystone_open(&body, EDDYSTONE_TLM) || rd_u8(&body) != EDDYSTONE_TLM_ENCRYPTED)
        return REFUSAL_NOT_MINE;
    rd_copy(&body, b.data, sizeof(b.data));
    rd_copy(&body, b.salt, sizeof(b.salt));
    rd_copy(&body, b.mic, sizeof(b.mic));
    if (body.bad || body.n != 0)
        return REFUSAL_LENGTH;
    ret->u.eddystone_etlm = b;
    return REFUSAL_NONE;
}

void print_eddystone_etlm(const struct frame *f, struct json *j)
{
    const struct frame_eddystone_etlm *b = &f->u.eddystone_etlm;

    json_key(j, "data");
    json_hex(j, b->data, sizeof(b->data));
    json_key(j, "salt");
    json_hex(j, b->salt, sizeof(b->salt));
    json_key(j, "mic");
    json_hex(j, b->mic, sizeof(b->mic));
}

bool decode_etlm_open(const struct frame_eddystone_etlm *b, const uint8_t key[16], uint32_t window,
                      uint8_t ret_plain[DECODE_TLM_SIZE])
{
    uint8_t nonce[6];
    struct wr w = wr_init(nonce, sizeof(nonce));

    wr_be(&w, window, 4);
    wr_copy(&w, b->salt, sizeof(b->salt));
    return eax_open(key, nonce, sizeof(nonce), b->data, sizeof(b->data), b->mic, sizeof(b->mic),
                    ret_plain);
}
