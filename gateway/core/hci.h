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
    bool coded;       /**< heard on LE Coded PHY, primary or secondary */
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

/* Core 5.4, Vol 4 Part E, 7.8.57: the most that an advertisement can hold, in as many reports as it takes. */
#define HCI_CHAIN_BYTES 1650
/* Advertisements being put together at a time, of all controllers together; more than one event's reports,
 * so that what a report completes is not overwritten by the others of its event. */
#define HCI_CHAINS_MAX 16

/** An advertisement of which parts have arrived, told by controller, address and advertising set. */
struct hci_chain {
    bool open;
    bool lost; /**< it became too long: what is left of it is passed over */
    uint16_t source;
    uint8_t address[HCI_ADDRESS_SIZE], address_type, sid;
    uint16_t n;
    uint8_t data[HCI_CHAIN_BYTES];
};

/** Longer advertisements of any number of controllers. Zeroed = none. 27 KB. */
struct hci_chains {
    struct hci_chain chain[HCI_CHAINS_MAX];
    uint8_t next; /**< where the search for a free one begins, and which is given up when none is */
};

/** What a report is. */
enum hci_part {
    HCI_WHOLE,    /**< an advertisement by itself */
    HCI_PART,     /**< kept; the rest is yet to come */
    HCI_JOINED,   /**< the last part; the report's data is now the whole advertisement */
    HCI_CUT,      /**< the controller lost the rest: nothing to decode */
    HCI_OVERLONG, /**< the last part of more than HCI_CHAIN_BYTES: nothing to decode */
};

/** Puts advertisements together that a controller reports in parts. `source` tells controllers apart. When
 * the result is HCI_JOINED, `report->data` is borrowed from `c` and stays while no more than
 * HCI_CHAINS_MAX - 1 further advertisements begin. An advertisement cut off is not decoded: which of its
 * structures is the last whole one is known, but what the sender meant by all of them is not. */
enum hci_part hci_chain(struct hci_chains *c, uint16_t source, struct hci_report *report);

#endif
