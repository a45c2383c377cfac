/* The table of formats and the walk through it; see decode.h. */
#include "core/decode.h"

/* clang-format off */
const struct decoder decoders[FRAME_KINDS] = {
    {FRAME_IBEACON,         {AD_MANUFACTURER},                      "ibeacon",         0,                decode_ibeacon,        print_ibeacon},
    {FRAME_ALTBEACON,       {AD_MANUFACTURER},                      "altbeacon",       0,                decode_altbeacon,      print_altbeacon},
    {FRAME_EDDYSTONE_UID,   {AD_SERVICE_DATA_16},                   "eddystone_uid",   0,                decode_eddystone_uid,  print_eddystone_uid},
    {FRAME_EDDYSTONE_URL,   {AD_SERVICE_DATA_16},                   "eddystone_url",   0,                decode_eddystone_url,  print_eddystone_url},
    {FRAME_EDDYSTONE_TLM,   {AD_SERVICE_DATA_16},                   "eddystone_tlm",   0,                decode_eddystone_tlm,  print_eddystone_tlm},
    {FRAME_EDDYSTONE_ETLM,  {AD_SERVICE_DATA_16},                   "eddystone_etlm",  0,                decode_eddystone_etlm, print_eddystone_etlm},
    {FRAME_EDDYSTONE_EID,   {AD_SERVICE_DATA_16},                   "eddystone_eid",   0,                decode_eddystone_eid,  print_eddystone_eid},
    {FRAME_BTHOME,          {AD_SERVICE_DATA_16},                   "bthome",          0,                decode_bthome,         print_bthome},
    {FRAME_LINE,            {AD_SERVICE_DATA_16},                   "line_beacon",     0,                decode_line_beacon,    print_line_beacon},
    {FRAME_MEMBER,          {AD_UUIDS_128_SOME, AD_UUIDS_128_ALL},  "noren_member",    NOREN_TOKEN_SIZE, decode_member,         print_member},
    {FRAME_SHELF,           {AD_SERVICE_DATA_128},                  "noren_shelf",     0,                decode_shelf,          print_shelf},
};
/* clang-format on */

static enum refusal append(const struct decoder *d, struct rd body,
                           struct frame ret[DECODE_FRAMES_MAX], size_t *ret_n)
{
    enum refusal r;

    if (*ret_n == DECODE_FRAMES_MAX)
        return REFUSAL_TOO_MANY;
    r = d->decode(body, &ret[*ret_n]);
    if (r == REFUSAL_NONE)
        ret[(*ret_n)++].kind = d->kind;
    return r;
}

enum refusal decode_structure(const struct decoder *d, const struct adv_structure *s,
                              struct frame ret[DECODE_FRAMES_MAX], size_t *ret_n)
{
    struct rd list = s->data;
    size_t before = *ret_n;

    if (s->type == 0 || (s->type != d->ad_types[0] && s->type != d->ad_types[1]))
        return REFUSAL_NOT_MINE;
    if (d->item == 0)
        return append(d, s->data, ret, ret_n);
    while (list.n >= d->item) {
        enum refusal r = append(d, rd_sub(&list, d->item), ret, ret_n);

        if (r != REFUSAL_NONE && r != REFUSAL_NOT_MINE)
            return r;
    }
    if (*ret_n == before)
        return REFUSAL_NOT_MINE;
    return list.n == 0 ? REFUSAL_NONE : REFUSAL_LENGTH;
}

struct decode_result decode_advert(struct rd data, struct frame ret[DECODE_FRAMES_MAX])
{
    struct decode_result result = {.refused = REFUSAL_NONE};
    struct adv_walk walk = adv_open(data);
    struct adv_structure s;
    size_t n = 0;

    while (adv_next(&walk, &s)) {
        for (size_t i = 0; i < FRAME_KINDS; i++) {
            enum refusal r = decode_structure(&decoders[i], &s, ret, &n);

            if (r == REFUSAL_NOT_MINE)
                continue;
            if (r != REFUSAL_NONE)
                return (struct decode_result){.refused = r, .by = &decoders[i]};
            break;
        }
    }
    result.refused = walk.refused;
    result.n = walk.refused == REFUSAL_NONE ? n : 0;
    return result;
}
