/* What the Eddystone frames have in common: service data of the 16-bit UUID FEAA, then the frame type.
 *
 * Google's Find Hub sends frame types 40 and 41 on the same UUID. They are not Eddystone: no decoder here
 * claims them, nor any other type that the Eddystone specification does not name.
 */
#ifndef NOREN_CORE_EDDYSTONE_H
#define NOREN_CORE_EDDYSTONE_H

#include <stdbool.h>
#include <stdint.h>

#include "noren/cursor.h"

#define EDDYSTONE_UUID 0xfeaa

/** Frame types (first byte behind the UUID). */
enum eddystone_type {
    EDDYSTONE_UID = 0x00,
    EDDYSTONE_URL = 0x10,
    EDDYSTONE_TLM = 0x20,
    EDDYSTONE_EID = 0x30,
};

/** Versions of a telemetry frame (its second byte). */
enum eddystone_tlm_version { EDDYSTONE_TLM_PLAIN = 0, EDDYSTONE_TLM_ENCRYPTED = 1 };

/** Consumes UUID and frame type; false when the body is another service's or another type's. */
static inline bool eddystone_open(struct rd *body, enum eddystone_type type)
{
    return rd_le16(body) == EDDYSTONE_UUID && rd_u8(body) == (uint8_t)type && !body->bad;
}

#endif
