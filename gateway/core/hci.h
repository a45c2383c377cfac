/* HCI events to advertising reports.
 *
 * The controller sends LE meta events (code 3e); two of their kinds carry advertisements, and each may
 * carry several. Core 5.4, Vol 4 Part E, 7.7.65.2 (legacy) and 7.7.65.13 (extended) write the fields as
 * arrays; what controllers send, and the Linux kernel reads, is one whole report after the other.
 *
 * An event whose lengths lie is refused whole: once one length is wrong there is no telling where the next
 * report begins, and guessing has put strangers' bytes into other people's reports.
 */
#ifndef NOREN_CORE_HCI_H
#define NOREN_CORE_HCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/refusal.h"
#include "noren/cursor.h"

#define HCI_LE_META           0x3e
#define HCI_LE_ADV_REPORT     0x02
#define HCI_LE_EXT_ADV_REPORT 0x0d
#define HCI_ADDRESS_SIZE      6
/* "not available", in both kinds of report */
#define HCI_RSSI_UNKNOWN 127

/** Data status of an extended report (Event_Type bits 5 and 6). */
enum hci_data {
    HCI_DATA_COMPLETE,
    HCI_DATA_MORE, /**< the next report of this advertiser goes on */
    HCI_DATA_CUT,  /**< the controller lost the rest */
    HCI_DATA_RESERVED,
};

/** One advertising report. Pointers are borrowed from the packet. */
struct hci_report {
    bool extended;
    uint8_t event_type; /**< legacy: 0..4; extended: bits 0 to 4 of Event_Type */
    enum hci_data data_status;
    uint8_t address_type;
    const uint8_t
        *address;     /**< HCI_ADDRESS_SIZE bytes, least significant first; never leaves radio.c */
    uint8_t sid;      /**< advertising set, ff = none */
    int16_t rssi_dbm; /**< HCI_RSSI_UNKNOWN = not measured */
    struct rd data;   /**< AD structures */
};

/** A walk over the reports of one event. Treat as opaque. */
struct hci_walk {
    struct rd r;
    uint8_t left;
    bool extended;
};

/** Checks one whole event (without the H4 type byte) and readies the walk over its reports. On refusal
 * the walk has no reports. */
enum refusal hci_open(const uint8_t *packet, size_t n, struct hci_walk *ret);

/** The next report; false after the last one. */
bool hci_next(struct hci_walk *w, struct hci_report *ret);

#define HCI_CHAINS_MAX 4

/** Advertisements of which parts arrived and the last part did not: the tail of such a chain says
 * "complete" and would be read as if AD structures began with it. Zeroed = none. */
struct hci_chains {
    struct {
        bool open;
        uint8_t address[HCI_ADDRESS_SIZE], address_type, sid;
    } chain[HCI_CHAINS_MAX];
    uint8_t next; /**< the one that is given up when all are open */
};

/** True when this report is a part of a longer advertisement (and not to be decoded by itself). Keep one
 * for each controller. Parts are not put together yet: who sends more than one event holds (229 bytes and
 * more) is nobody that Noren knows. */
bool hci_chain_part(struct hci_chains *c, const struct hci_report *report);

#endif
