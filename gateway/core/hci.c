/* HCI events to advertising reports; see hci.h. */
#include "core/hci.h"

#include <string.h>

/* Num_Reports may be 1 to 19 (hex) and 1 to 0a; a legacy PDU carries at most 31 bytes, an extended report
 * at most 229 in one event. */
#define LEGACY_REPORTS_MAX   0x19
#define EXTENDED_REPORTS_MAX 0x0a
#define LEGACY_DATA_MAX      31
#define EXTENDED_DATA_MAX    229

/* Event_Type | Address_Type | Address x6 | Data_Length | Data | RSSI */
static void read_legacy(struct rd *r, struct hci_report *ret)
{
    ret->event_type = rd_u8(r);
    ret->address_type = rd_u8(r);
    ret->address = rd_take(r, HCI_ADDRESS_SIZE);
    ret->sid = 0xff;
    ret->data_status = HCI_DATA_COMPLETE;
    ret->data = rd_sub(r, rd_u8(r));
    ret->rssi_dbm = (int16_t)rd_sign_extend(rd_u8(r), 8);
}

/* Event_Type LE16 | Address_Type | Address x6 | Primary_PHY | Secondary_PHY | SID | TX_Power | RSSI |
 * Periodic_Interval LE16 | Direct_Address_Type | Direct_Address x6 | Data_Length | Data */
static void read_extended(struct rd *r, struct hci_report *ret)
{
    uint16_t type = rd_le16(r);

    ret->event_type = type & 0x1f;
    ret->data_status = (enum hci_data)(type >> 5 & 3);
    ret->address_type = rd_u8(r);
    ret->address = rd_take(r, HCI_ADDRESS_SIZE);
    rd_take(r, 2);
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

bool hci_chain_part(struct hci_chains *c, const struct hci_report *report)
{
    size_t i;

    if (!report->extended)
        return false;
    for (i = 0; i < HCI_CHAINS_MAX; i++)
        if (c->chain[i].open && c->chain[i].sid == report->sid &&
            c->chain[i].address_type == report->address_type &&
            memcmp(c->chain[i].address, report->address, HCI_ADDRESS_SIZE) == 0)
            break;
    if (report->data_status != HCI_DATA_MORE) {
        if (i < HCI_CHAINS_MAX)
            c->chain[i].open = false;
        return i < HCI_CHAINS_MAX || report->data_status != HCI_DATA_COMPLETE;
    }
    if (i == HCI_CHAINS_MAX) {
        i = c->next;
        c->next = (uint8_t)((c->next + 1) % HCI_CHAINS_MAX);
        c->chain[i].open = true;
        c->chain[i].sid = report->sid;
        c->chain[i].address_type = report->address_type;
        memcpy(c->chain[i].address, report->address, HCI_ADDRESS_SIZE);
    }
    return true;
}
