/* AD structures to frames: the table of formats that Noren understands.
 *
 * One file a format (decode_x.c) and one row in decode.c. A decoder looks at the body of an AD structure
 * and says "not mine" at the first byte that is another's; once it has claimed a body, a fault in it is a
 * refusal with a reason. Exactly one decoder may claim anything: a test runs every vector against every row.
 * Decoders hold no keys and no state; what is sealed is opened by whoever has the key.
 */
#ifndef NOREN_CORE_DECODE_H
#define NOREN_CORE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/adv.h"
#include "core/json.h"
#include "core/refusal.h"
#include "noren/cursor.h"
#include "noren/wire.h"

enum frame_kind {
    FRAME_IBEACON,
    FRAME_ALTBEACON,
    FRAME_EDDYSTONE_UID,
    FRAME_EDDYSTONE_URL,
    FRAME_EDDYSTONE_TLM,
    FRAME_EDDYSTONE_ETLM,
    FRAME_EDDYSTONE_EID,
    FRAME_BTHOME,
    FRAME_LINE,
    FRAME_MEMBER,
    FRAME_SHELF,
    FRAME_KINDS
};

/** iBeacon, also a store beacon. */
struct frame_ibeacon {
    uint8_t uuid[16];
    uint16_t major, minor;
    int8_t power_1m_dbm;
};

/** AltBeacon. */
struct frame_altbeacon {
    uint16_t company_id;
    uint8_t id[20];
    int8_t power_1m_dbm;
    uint8_t data; /**< the manufacturer's own byte */
};

/** Eddystone-UID. */
struct frame_eddystone_uid {
    uint8_t namespace_id[10], instance[6];
    int8_t power_0m_dbm;
};

/** Eddystone-URL. */
struct frame_eddystone_url {
    int8_t power_0m_dbm;
    uint8_t scheme;
    struct rd encoded; /**< borrowed from the packet; nothing reserved is in it */
};

/** Eddystone-TLM in the clear. */
struct frame_eddystone_tlm {
    uint16_t voltage_mv;      /**< 0 = not measured */
    int16_t temperature_256c; /**< 1/256 C; INT16_MIN = not measured */
    uint32_t adv_count;
    uint32_t uptime_ds; /**< tenths of a second */
};

/** Eddystone-TLM, sealed. */
struct frame_eddystone_etlm {
    uint8_t data[12], salt[2], mic[2];
};

/** Eddystone-EID. */
struct frame_eddystone_eid {
    uint8_t eid[8];
    int8_t power_0m_dbm;
};

/** LINE Simple Beacon. */
struct frame_line {
    uint8_t hwid[5];
    int8_t power_1m_dbm;
    struct rd device_message; /**< 1 to 13 bytes, borrowed from the packet */
};

/** Noren member token: what tells members apart. */
struct frame_member {
    uint8_t step_low; /**< lowest byte of the sender's step */
    uint8_t mac[NOREN_TOKEN_MAC_SIZE];
};

#define FRAME_SHELF_AAD (NOREN_NODE_HEADER - 1)

/** Noren shelf node. mass_dg and status are sealed until decode_shelf_open(). */
struct frame_shelf {
    uint16_t node;
    uint8_t cell;
    uint32_t counter;
    bool opened;
    int32_t mass_dg; /**< tenths of a gram */
    uint8_t status;  /**< enum noren_node_status */
    uint8_t aad[FRAME_SHELF_AAD], body[NOREN_NODE_BODY], tag[4];
};

/** BTHome version 2. */
struct frame_bthome {
    bool encrypted;
    bool opened;       /**< encrypted, and decode_bthome_open() succeeded */
    uint8_t info;      /**< the device information byte */
    uint32_t counter;  /**< encrypted only; goes up with every advertisement */
    int16_t packet_id; /**< 0..255, -1 = none */
    struct rd objects; /**< borrowed from the packet, or from who opened it; empty while sealed */
    struct rd sealed, tag;
};

/** What one AD structure said. Lives no longer than the packet. */
struct frame {
    enum frame_kind kind;
    union {
        struct frame_ibeacon ibeacon;
        struct frame_altbeacon altbeacon;
        struct frame_eddystone_uid eddystone_uid;
        struct frame_eddystone_url eddystone_url;
        struct frame_eddystone_tlm eddystone_tlm;
        struct frame_eddystone_etlm eddystone_etlm;
        struct frame_eddystone_eid eddystone_eid;
        struct frame_bthome bthome;
        struct frame_line line;
        struct frame_member member;
        struct frame_shelf shelf;
    } u;
};

/** One format. */
struct decoder {
    enum frame_kind kind;
    uint8_t ad_types[2]; /**< where it is found; the second is 0 when there is one */
    const char *name;    /**< "format" in JSON */
    size_t item;         /**< the body is a list of items of this size; 0 = one body */
    /** Fills `ret` and returns REFUSAL_NONE; on anything else `ret` is untouched. */
    enum refusal (*decode)(struct rd body, struct frame *ret);
    /** Writes the fields into the open JSON object. */
    void (*print)(const struct frame *f, struct json *j);
};

/** The table, FRAME_KINDS rows in the order of enum frame_kind. */
extern const struct decoder decoders[FRAME_KINDS];

/* A legacy advertisement holds six frames at most, an event's worth of extended data 51. The longest
 * advertisement there is (1650 bytes) could hold 330 empty ones: more than 64 are refused. */
#define DECODE_FRAMES_MAX 64

/** Runs one row over one AD structure. REFUSAL_NONE: *ret_n frames were appended to `ret` (they fit). */
enum refusal decode_structure(const struct decoder *d, const struct adv_structure *s,
                              struct frame ret[DECODE_FRAMES_MAX], size_t *ret_n);

/** What became of one advertisement. */
struct decode_result {
    enum refusal refused; /**< REFUSAL_NONE: `n` frames are in `ret` (none: nothing of ours) */
    const struct decoder
        *by; /**< who refused, or NULL when the AD structures themselves are wrong */
    size_t n;
};

/** Decodes one advertisement: all of it, or nothing. */
struct decode_result decode_advert(struct rd data, struct frame ret[DECODE_FRAMES_MAX]);

/** Opens what a shelf node sealed. REFUSAL_NONE, or REFUSAL_TAG (then the frame is as before). */
enum refusal decode_shelf_open(struct frame_shelf *s, const uint8_t key[16]);

/* An AD structure has at most 255 bytes. */
#define DECODE_BTHOME_PLAIN 256

/** Opens an encrypted frame. `address` is the sender's as a report has it, least significant byte first;
 * `plain` must outlive the frame. REFUSAL_NONE; REFUSAL_TAG; or what is wrong with the objects inside. The
 * frame is as before unless opened. */
enum refusal decode_bthome_open(struct frame_bthome *b, const uint8_t address[6],
                                const uint8_t key[16], uint8_t plain[DECODE_BTHOME_PLAIN]);

/* Voltage x2, temperature x2, advertisements x4, time x4, as in a TLM frame. */
#define DECODE_TLM_SIZE 12

/** Opens an eTLM frame with the beacon's identity key; `window` is the beacon's clock with the lowest K bits
 * cleared. False: the MIC is wrong; `ret_plain` is then untouched. */
bool decode_etlm_open(const struct frame_eddystone_etlm *b, const uint8_t key[16], uint32_t window,
                      uint8_t ret_plain[DECODE_TLM_SIZE]);

/** The first temperature of an opened (or clear) frame in thousandths of a degree Celsius; false: none. */
bool decode_bthome_temperature(const struct frame_bthome *b, int32_t *ret_mc);

/* the decoders' own functions, for the table */
enum refusal decode_ibeacon(struct rd body, struct frame *ret);
void print_ibeacon(const struct frame *f, struct json *j);
enum refusal decode_altbeacon(struct rd body, struct frame *ret);
void print_altbeacon(const struct frame *f, struct json *j);
enum refusal decode_eddystone_uid(struct rd body, struct frame *ret);
void print_eddystone_uid(const struct frame *f, struct json *j);
enum refusal decode_eddystone_url(struct rd body, struct frame *ret);
void print_eddystone_url(const struct frame *f, struct json *j);
enum refusal decode_eddystone_tlm(struct rd body, struct frame *ret);
void print_eddystone_tlm(const struct frame *f, struct json *j);
enum refusal decode_eddystone_etlm(struct rd body, struct frame *ret);
void print_eddystone_etlm(const struct frame *f, struct json *j);
enum refusal decode_eddystone_eid(struct rd body, struct frame *ret);
void print_eddystone_eid(const struct frame *f, struct json *j);
enum refusal decode_bthome(struct rd body, struct frame *ret);
void print_bthome(const struct frame *f, struct json *j);
enum refusal decode_line_beacon(struct rd body, struct frame *ret);
void print_line_beacon(const struct frame *f, struct json *j);
enum refusal decode_member(struct rd body, struct frame *ret);
void print_member(const struct frame *f, struct json *j);
enum refusal decode_shelf(struct rd body, struct frame *ret);
void print_shelf(const struct frame *f, struct json *j);

#endif
