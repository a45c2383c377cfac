/* btsnoop captures, as btmon, Android and hcidump write them.
 *
 * Head: "btsnoop\0", version, datalink; records: original length, included length, flags, drops, time in
 * microseconds since 0000-01-01; all big-endian (RFC 1761 with another magic and epoch). Datalinks: 1001
 * plain HCI, 1002 HCI with the H4 type byte, 2001 Linux monitor (flags = adapter << 16 | opcode).
 */
#include <stdio.h>
#include <string.h>

#include "io/source.h"
#include "noren/cursor.h"

#define HEAD_SIZE       16
#define RECORD_SIZE     24
#define EPOCH_US        INT64_C(0x00dcddb30f2f8000) /* 1970-01-01 */
#define DATALINK_HCI    1001
#define DATALINK_H4     1002
#define DATALINK_LINUX  2001
#define OPCODE_EVENT    3
#define H4_EVENT        4
#define FLAGS_DIRECTION 3
#define FLAGS_EVENT     3 /* controller to host, command or event */

static bool recognise(const uint8_t *p, size_t n)
{
    return n >= 8 && memcmp(p, "btsnoop", 8) == 0;
}

static bool open_btsnoop(struct source *s, char *error, size_t size)
{
    struct rd r = rd_init(s->p, s->n);
    uint32_t version;

    rd_take(&r, 8);
    version = (uint32_t)rd_be(&r, 4);
    s->u.btsnoop.datalink = (uint32_t)rd_be(&r, 4);
    s->at = HEAD_SIZE;
    s->line = 0;
    s->absolute = true;
    if (r.bad || version != 1) {
        (void)snprintf(error, size, "btsnoop version %u; only version 1 is known", version);
        return false;
    }
    if (s->u.btsnoop.datalink != DATALINK_HCI && s->u.btsnoop.datalink != DATALINK_H4 &&
        s->u.btsnoop.datalink != DATALINK_LINUX) {
        (void)snprintf(
            error, size,
            "btsnoop datalink %u is not supported; capture with 'btmon -w FILE' (2001) or as "
            "HCI H4 (1002)",
            s->u.btsnoop.datalink);
        return false;
    }
    return true;
}

/* The event inside a record, without the H4 byte; n = 0 when it is something else. */
static struct rd event_of(const struct source *s, uint32_t flags, struct rd r,
                          uint16_t *ret_adapter)
{
    const struct rd none = {.n = 0};

    *ret_adapter = 0;
    switch (s->u.btsnoop.datalink) {
    case DATALINK_LINUX:
        *ret_adapter = (uint16_t)(flags >> 16);
        return (flags & 0xffff) == OPCODE_EVENT ? r : none;
    case DATALINK_H4:
        return rd_u8(&r) == H4_EVENT ? r : none;
    default:
        return (flags & FLAGS_DIRECTION) == FLAGS_EVENT ? r : none;
    }
}

static bool next_btsnoop(struct source *s, struct item *ret)
{
    while (s->at < s->n) {
        struct rd r = rd_init(s->p + s->at, s->n - s->at), body;
        uint32_t included, flags;
        uint64_t stamp;

        s->line++;
        rd_take(&r, 4);
        included = (uint32_t)rd_be(&r, 4);
        flags = (uint32_t)rd_be(&r, 4);
        rd_take(&r, 4);
        stamp = rd_be(&r, 8);
        body = rd_sub(&r, included);
        if (body.bad) {
            s->at = s->n;
            refusals_add(s->refusals, s->name, s->line, "a btsnoop record ends beyond the file",
                         "the capture is cut short; what came before is used");
            return false;
        }
        s->at += RECORD_SIZE + (size_t)included;
        *ret = (struct item){.kind = ITEM_PACKET, .line = s->line};
        body = event_of(s, flags, body, &ret->adapter);
        if (!source_is_report(body.p, body.n) || body.n > PACKET_BYTES_MAX)
            continue;
        ret->bytes = body.p;
        ret->n = body.n;
        ret->t_us = (int64_t)(stamp - EPOCH_US);
        if (ret->t_us >= 0 && ret->t_us <= SOURCE_TIME_MAX_US)
            return true;
        refusals_add(s->refusals, s->name, s->line, "a stamp is not in the years 1970 to 9999",
                     "the record is left out");
    }
    return false;
}

const struct reader reader_btsnoop = {"btsnoop", recognise, open_btsnoop, next_btsnoop};
