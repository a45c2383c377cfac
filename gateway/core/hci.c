/* HCI events to advertising reports; see hci.h. */
#include "core/hci.h"

#include <string.h>

/* Num_Reports may be 1 to 19 (hex) and 1 to 0a; a legacy PDU carries at most 31 bytes, an extended report
 * at most 229 in one event. */
#define LEGACY_REPORTS_MAX   0x19
#define EXTENDED_REPORTS_MAX 0x0a
#define LEGACY_DATA_MAX      31
#define EXTENDED_DATA_MAX    229
#define PHY_CODED            3

/* Event_Type | Address_Type | Address x6 | Data_Length | Data | RSSI */
static void read_legacy(struct rd *r, struct hci_report *ret)
{
    ret->event_type = rd_u8(r);
    ret->address_type = rd_u8(r);
    ret->address = rd_take(r, HCI_ADDRESS_SIZE);
    ret->sid = 0xff;
    ret->coded = false;
    ret->data_status = HCI_DATA_COMPLETE;
    ret->data = rd_sub(r, rd_u8(r));
    ret->rssi_dbm = (int16_t)rd_sign_extend(rd_u8(r), 8);
}

/* Event_Type LE16 | Address_Type | Address x6 | Primary_PHY | Secondary_PHY | SID | TX_Power | RSSI |
 * Periodic_Interval LE16 | Direct_Address_Type | Direct_Address x6 | Data_Length | Data */
static void read_extended(struct rd *r, struct hci_report *ret)
{
    uint16_t type = rd_le16(r);
    uint8_t primary, secondary;

    ret->event_type = type & 0x1f;
    ret->data_status = (enum hci_data)(type >> 5 & 3);
    ret->address_type = rd_u8(r);
    ret->address = rd_take(r, HCI_ADDRESS_SIZE);
    primary = rd_u8(r);
    secondary = rd_u8(r);
    ret->coded = primary == PHY_CODED || secondary == PHY_CODED;
    ret->sid = rd_u8(r);
    rd_take(r, 1);
    ret->rssi_dbm = (int16_t)rd_sign_extend(rd_u8(r), 8);
    rd_take(r, 2 + 1 + HCI_ADDRESS_SIZE);
    ret->data = rd_sub(r, rd_u8(r));
}

bool hci_next(struct hci_walk *w, struct hci_report *ret)
{
    if (w->left == 0)
        return false;
    w->left--;
    ret->extended = w->extended;
    if (w->extended)
        read_extended(&w->r, ret);
    else
        read_legacy(&w->r, ret);
    return !w->r.bad;
}

enum refusal hci_open(const uint8_t *packet, size_t n, struct hci_walk *ret)
{
    struct rd r = rd_init(packet, n);
    struct hci_report report;
    struct hci_walk check;
    uint8_t code = rd_u8(&r), length = rd_u8(&r), kind;
    bool extended;

    *ret = (struct hci_walk){.left = 0};
    if (r.bad || r.n != length)
        return REFUSAL_HCI_LENGTH;
    kind = rd_u8(&r);
    if (code != HCI_LE_META || (kind != HCI_LE_ADV_REPORT && kind != HCI_LE_EXT_ADV_REPORT))
        return REFUSAL_HCI_KIND;
    extended = kind == HCI_LE_EXT_ADV_REPORT;
    check = (struct hci_walk){.left = rd_u8(&r), .extended = extended};
    check.r = r;
    if (check.left < 1 || check.left > (extended ? EXTENDED_REPORTS_MAX : LEGACY_REPORTS_MAX))
        return REFUSAL_HCI_COUNT;
    *ret = check;
    while (hci_next(&check, &report)) {
        if (report.data.n > (extended ? EXTENDED_DATA_MAX : LEGACY_DATA_MAX)) {
            ret->left = 0;
            return REFUSAL_HCI_DATA;
        }
    }
    if (!check.r.bad && check.r.n == 0)
        return REFUSAL_NONE;
    ret->left = 0;
    return check.r.bad ? REFUSAL_HCI_REPORT : REFUSAL_HCI_TRAILING;
}

static bool is_of(const struct hci_chain *ch, uint16_t source, const struct hci_report *report)
{
    return ch->open && ch->source == source && ch->sid == report->sid &&
           ch->address_type == report->address_type &&
           memcmp(ch->address, report->address, HCI_ADDRESS_SIZE) == 0;
}

/* A chain that is not in use; when there is none, the one begun longest ago is given up. */
static struct hci_chain *begin_chain(struct hci_chains *c, uint16_t source,
                                     const struct hci_report *report)
{
    size_t i = c->next;
    struct hci_chain *ch;

    for (size_t k = 0; k < HCI_CHAINS_MAX && c->chain[i].open; k++)
        i = (i + 1) % HCI_CHAINS_MAX;
    c->next = (uint8_t)((i + 1) % HCI_CHAINS_MAX);
    ch = &c->chain[i];
    ch->open = true;
    ch->lost = false;
    ch->source = source;
    ch->sid = report->sid;
    ch->address_type = report->address_type;
    memcpy(ch->address, report->address, HCI_ADDRESS_SIZE);
    ch->n = 0;
    return ch;
}

static void append_part(struct hci_chain *ch, const struct rd *data)
{
    struct wr w = wr_init(ch->data, sizeof(ch->data));

    w.n = ch->n;
    wr_copy(&w, data->p, data->n);
    ch->n = (uint16_t)w.n;
    ch->lost = ch->lost || w.bad;
}

enum hci_part hci_chain(struct hci_chains *c, uint16_t source, struct hci_report *report)
{
    struct hci_chain *ch = NULL;

    if (!report->extended)
        return HCI_WHOLE;
    for (size_t i = 0; i < HCI_CHAINS_MAX && ch == NULL; i++)
        if (is_of(&c->chain[i], source, report))
            ch = &c->chain[i];
    switch (report->data_status) {
    case HCI_DATA_MORE:
        if (ch == NULL)
            ch = begin_chain(c, source, report);
        append_part(ch, &report->data);
        return HCI_PART;
    case HCI_DATA_COMPLETE:
        if (ch == NULL)
            return HCI_WHOLE;
        append_part(ch, &report->data);
        ch->open = false;
        report->data = rd_init(ch->data, ch->n);
        return ch->lost ? HCI_OVERLONG : HCI_JOINED;
    case HCI_DATA_CUT:
    case HCI_DATA_RESERVED:
        break;
    }
    if (ch != NULL)
        ch->open = false;
    return HCI_CUT;
}
