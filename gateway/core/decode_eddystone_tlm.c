/* Eddystone-TLM, not encrypted (google/eddystone, eddystone-tlm/tlm-plain): a beacon's health.
 *
 *   aa fe | 20 | 00 version | battery be16, mV | temperature be s8.8, C | adverts be32 | uptime be32, 0.1 s
 *
 * Zero volts and -128 C (8000) mean "not measured" and are null. Version 01 is decode_eddystone_etlm.c's;
 * a version that neither knows is refused here.
 */
#include "core/decode.h"
#include "core/eddystone.h"

#define TEMPERATURE_NONE INT16_MIN

enum refusal decode_eddystone_tlm(struct rd body, struct frame *ret)
{
    struct frame_eddystone_tlm b;
    uint8_t version;

    if (!eddystone_open(&body, EDDYSTONE_TLM))
        return REFUSAL_NOT_MINE;
    version = rd_u8(&body);
    if (version == EDDYSTONE_TLM_ENCRYPTED)
        return REFUSAL_NOT_MINE;
    if (!body.bad && version != EDDYSTONE_TLM_PLAIN)
        return REFUSAL_VERSION;
    b.voltage_mv = rd_be16(&body);
    b.temperature_256c = (int16_t)rd_sign_extend(rd_be16(&body), 16);
    b.adv_count = (uint32_t)rd_be(&body, 4);
    b.uptime_ds = (uint32_t)rd_be(&body, 4);
    if (body.bad || body.n != 0)
        return REFUSAL_LENGTH;
    ret->u.eddystone_tlm = b;
    return REFUSAL_NONE;
}

void print_eddystone_tlm(const struct frame *f, struct json *j)
{
    const struct frame_eddystone_tlm *b = &f->u.eddystone_tlm;

    json_key(j, "voltage_mv");
    if (b->voltage_mv != 0)
        json_i64(j, b->voltage_mv);
    else
        json_nil(j);
    json_key(j, "temperature_c");
    if (b->temperature_256c != TEMPERATURE_NONE)
        json_decimal(j, (int64_t)b->temperature_256c * 390625, 8); /* 10^8 / 256 = 390625 */
    else
        json_nil(j);
    json_key_i64(j, "adv_count", b->adv_count);
    json_key(j, "uptime_s");
    json_decimal(j, b->uptime_ds, 1);
}
