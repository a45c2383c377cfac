/* pcap and pcapng captures: of the HCI (link types 187, 201), or of the air by a sniffer (251, 256, 272).
 *
 * What a sniffer heard is a link-layer packet; it is turned into the advertising report event that a
 * controller would have sent for it, so that one parser sees everything. Packets with a bad checksum are
 * left out, as a controller leaves them out. Only legacy advertising on the primary channels is turned:
 * a sniffer's AUX packets need the chain that a controller reassembles.
 * Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, tcpdump.org/linktypes.
 */
#include <stdio.h>
#include <string.h>

#include "io/source.h"
#include "noren/cursor.h"

#define LINK_H4            187
#define LINK_H4_PHDR       201
#define LINK_LE_LL         251
#define LINK_LE_LL_PHDR    256
#define LINK_NORDIC        272
#define ACCESS_ADVERTISING 0x8e89bed6
#define RSSI_UNKNOWN       127

static const char link_remedy[] =
    "known are Bluetooth HCI H4 (187, 201), LE link layer (251, 256) and Nordic BLE (272)";

static bool link_known(uint32_t link)
{
    return link == LINK_H4 || link == LINK_H4_PHDR || link == LINK_LE_LL ||
           link == LINK_LE_LL_PHDR || link == LINK_NORDIC;
}

/* --- link layer to HCI -------------------------------------------------------------------------- */

/* Builds the event in s->packet from a link-layer packet that begins with its access address. Returns its
 * length; 0: not an advertisement (Core 5.4, Vol 6 Part B, 2.3; Vol 4 Part E, 7.7.65.2). */
static size_t report_of(struct source *s, struct rd r, int rssi_dbm)
{
    /* ADV_IND, ADV_NONCONN_IND, SCAN_RSP, ADV_SCAN_IND by PDU type; 0xff: none of them */
    static const uint8_t event_type[16] = {0x00, 0xff, 0x03, 0xff, 0x04, 0xff, 0x02, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint32_t access = rd_le32(&r);
    uint8_t header = rd_u8(&r), length = rd_u8(&r);
    struct rd body = rd_sub(&r, length);
    struct wr w = wr_init(s->packet, sizeof(s->packet));
    const uint8_t *address = rd_take(&body, 6);

    if (body.bad || access != ACCESS_ADVERTISING || event_type[header & 15] == 0xff || body.n > 31)
        return 0;
    wr_u8(&w, 0x3e);
    wr_u8(&w, (uint8_t)(12 + body.n));
    wr_u8(&w, 0x02);
    wr_u8(&w, 1);
    wr_u8(&w, event_type[header & 15]);
    wr_u8(&w, header >> 6 & 1);
    wr_copy(&w, address, 6);
    wr_u8(&w, (uint8_t)body.n);
    wr_copy(&w, body.p, body.n);
    wr_u8(&w, (uint8_t)rssi_dbm);
    return w.n;
}

/* Nordic's sniffer: board, length (2), version, counter (2), id, then its own packet header: length,
 * flags (bit 0: checksum good), channel, -RSSI, event counter (2), time (4). */
static size_t from_nordic(struct source *s, struct rd r)
{
    uint8_t header_n, flags;
    struct rd header;
    int rssi;

    rd_take(&r, 7);
    header_n = rd_u8(&r);
    if (header_n < 4)
        return 0;
    header = rd_sub(&r, header_n - 1u);
    flags = rd_u8(&header);
    rd_u8(&header);
    rssi = -(int)rd_u8(&header);
    return header.bad || (flags & 1) == 0 ? 0 : report_of(s, r, rssi);
}

/* LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR: channel, signal, noise, offences, reference access address (4),
 * flags (2; bit 1: signal valid, bit 10: checksum checked, bit 11: checksum good). */
static size_t from_ll_phdr(struct source *s, struct rd r)
{
    int8_t signal;
    uint16_t flags;

    rd_u8(&r);
    signal = (int8_t)rd_u8(&r);
    rd_take(&r, 6);
    flags = rd_le16(&r);
    if ((flags & 0x0400) != 0 && (flags & 0x0800) == 0)
        return 0;
    return report_of(s, r, (flags & 0x0002) != 0 ? signal : RSSI_UNKNOWN);
}

/* The event of one captured packet in *ret; false when it is something else. */
static bool event_of(struct source *s, uint32_t link, struct rd r, struct item *ret)
{
    size_t built = 0;

    switch (link) {
    case LINK_H4_PHDR:
    case LINK_H4:
        if (link == LINK_H4_PHDR)
            rd_take(&r, 4); /* direction */
        if (rd_u8(&r) != 0x04 || !source_is_report(r.p, r.n) || r.n > PACKET_BYTES_MAX)
            return false;
        ret->bytes = r.p;
        ret->n = r.n;
        return true;
    case LINK_LE_LL:
        built = report_of(s, r, RSSI_UNKNOWN);
        break;
    case LINK_LE_LL_PHDR:
        built = from_ll_phdr(s, r);
        break;
    case LINK_NORDIC:
        built = from_nordic(s, r);
        break;
    default:
        break;
    }
    ret->bytes = s->packet;
    ret->n = built;
    return built > 0;
}

static uint32_t get32(const struct source *s, struct rd *r)
{
    return (uint32_t)(s->u.pcap.swapped ? rd_be(r, 4) : rd_le(r, 4));
}

static uint16_t get16(const struct source *s, struct rd *r)
{
    return (uint16_t)(s->u.pcap.swapped ? rd_be(r, 2) : rd_le(r, 2));
}

static void cut_short(struct source *s)
{
    s->at = s->n;
    refusals_add(s->refusals, s->name, s->line, "a capture record ends beyond the file",
                 "the capture is cut short; what came before is used");
}

/* --- pcap --------------------------------------------------------------------------------------- */

static bool recognise_pcap(const uint8_t *p, size_t n)
{
    struct rd r = rd_init(p, n);
    uint32_t magic = rd_le32(&r);

    return magic == 0xa1b2c3d4 || magic == 0xd4c3b2a1 || magic == 0xa1b23c4d || magic == 0x4d3cb2a1;
}

static bool open_pcap(struct source *s, char *error, size_t size)
{
    struct rd r = rd_init(s->p, s->n);
    uint32_t magic = rd_le32(&r);

    s->u.pcap.swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
    s->u.pcap.per_s = magic == 0xa1b23c4d || magic == 0x4d3cb2a1 ? 1000000000 : 1000000;
    rd_take(&r, 16);
    s->u.pcap.linktype = get32(s, &r) & 0x0fffffff;
    s->at = 24;
    s->line = 0;
    s->absolute = true;
    if (!r.bad && link_known(s->u.pcap.linktype))
        return true;
    (void)snprintf(error, size, "pcap link type %u is not supported; %s", s->u.pcap.linktype,
                   link_remedy);
    return false;
}

static bool next_pcap(struct source *s, struct item *ret)
{
    while (s->at < s->n) {
        struct rd r = rd_init(s->p + s->at, s->n - s->at), body;
        int64_t seconds = get32(s, &r), ticks = get32(s, &r);
        uint32_t captured = get32(s, &r);

        s->line++;
        rd_take(&r, 4);
        body = rd_sub(&r, captured);
        if (body.bad) {
            cut_short(s);
            return false;
        }
        s->at += 16 + (size_t)captured;
        *ret = (struct item){.kind = ITEM_PACKET,
                             .line = s->line,
                             .t_us = seconds * NOREN_US_PER_S +
                                     ticks * NOREN_US_PER_S / s->u.pcap.per_s};
        if (event_of(s, s->u.pcap.linktype, body, ret))
            return true;
    }
    return false;
}

/* --- pcapng ------------------------------------------------------------------------------------- */

#define BLOCK_SECTION   0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET    6
#define OPTION_TSRESOL  9

static bool recognise_pcapng(const uint8_t *p, size_t n)
{
    struct rd r = rd_init(p, n);

    return rd_le32(&r) == BLOCK_SECTION;
}

/* The interface's link type and resolution of stamps (10^-n or 2^-n s; by default microseconds). A second
 * interface must have the same: captures of several radios are rare, and of several kinds rarer. */
static bool read_interface(struct source *s, struct rd r)
{
    s->u.pcap.linktype = get16(s, &r);
    rd_take(&r, 6);
    s->u.pcap.per_s = 1000000;
    while (r.n >= 4) {
        uint16_t code = get16(s, &r), length = get16(s, &r);
        struct rd value = rd_sub(&r, (length + 3u) & ~3u);
        uint8_t resolution = rd_u8(&value);

        if (code == 0)
            break;
        if (code != OPTION_TSRESOL)
            continue;
        s->u.pcap.per_s = 1;
        for (uint8_t i = 0; i < (resolution & 0x7f) && s->u.pcap.per_s < 1000000000; i++)
            s->u.pcap.per_s *= (resolution & 0x80) != 0 ? 2 : 10;
    }
    return link_known(s->u.pcap.linktype);
}

/* The next block's type and body; false at the end. */
static bool next_block(struct source *s, uint32_t *ret_type, struct rd *ret_body)
{
    struct rd r = rd_init(s->p + s->at, s->n - s->at), peek;
    uint32_t length;

    if (s->at >= s->n)
        return false;
    *ret_type = get32(s, &r);
    peek = r;
    rd_take(&peek, 4);
    if (*ret_type == BLOCK_SECTION) /* each section says its own byte order */
        s->u.pcap.swapped = rd_le32(&peek) != 0x1a2b3c4d;
    length = get32(s, &r);
    if (r.bad || length < 12 || length % 4 != 0 || length > s->n - s->at) {
        cut_short(s);
        return false;
    }
    *ret_body = rd_sub(&r, length - 12);
    s->at += length;
    return true;
}

static bool open_pcapng(struct source *s, char *error, size_t size)
{
    struct rd body;
    uint32_t type;

    s->u.pcap.swapped = false;
    s->at = 0;
    s->line = 0;
    s->absolute = true;
    while (next_block(s, &type, &body)) {
        if (type != BLOCK_INTERFACE)
            continue;
        if (read_interface(s, body))
            return true;
        (void)snprintf(error, size, "pcapng link type %u is not supported; %s", s->u.pcap.linktype,
                       link_remedy);
        return false;
    }
    (void)snprintf(error, size, "pcapng without an interface block; the file is damaged");
    return false;
}

static bool next_pcapng(struct source *s, struct item *ret)
{
    struct rd body;
    uint32_t type;

    while (next_block(s, &type, &body)) {
        uint64_t stamp;
        uint32_t captured;
        struct rd data;

        s->line++;
        if (type == BLOCK_INTERFACE && !read_interface(s, body))
            refusals_add(s->refusals, s->name, s->line,
                         "a pcapng interface of an unknown link type", link_remedy);
        if (type != BLOCK_PACKET)
            continue;
        rd_take(&body, 4);
        stamp = (uint64_t)get32(s, &body) << 32;
        stamp |= get32(s, &body);
        captured = get32(s, &body);
        rd_take(&body, 4); /* original length */
        data = rd_sub(&body, captured);
        if (data.bad)
            continue;
        *ret = (struct item){.kind = ITEM_PACKET, .line = s->line};
        if (stamp / (uint64_t)s->u.pcap.per_s > SOURCE_TIME_MAX_US / NOREN_US_PER_S) {
            refusals_add(s->refusals, s->name, s->line, "a stamp is not in the years 1970 to 9999",
                         "the packet is left out");
            continue;
        }
        ret->t_us = (int64_t)(stamp / (uint64_t)s->u.pcap.per_s) * NOREN_US_PER_S +
                    (int64_t)(stamp % (uint64_t)s->u.pcap.per_s) * NOREN_US_PER_S / s->u.pcap.per_s;
        if (event_of(s, s->u.pcap.linktype, data, ret))
            return true;
    }
    return false;
}

const struct reader reader_pcap = {"pcap", recognise_pcap, open_pcap, next_pcap};
const struct reader reader_pcapng = {"pcapng", recognise_pcapng, open_pcapng, next_pcapng};
