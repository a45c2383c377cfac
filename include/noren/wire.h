/* Noren's own frames on the air, and the keys behind them (design section 6).
 *
 * One definition for whoever sends (app stand-in, simulator, firmware) and whoever hears (gateway): the
 * builders here are what the decoders are tested against. All keys and MACs are bytes, integers inside a
 * MAC are big-endian, label strings carry no NUL. The vectors at the end are part of the contract.
 */
#ifndef NOREN_WIRE_H
#define NOREN_WIRE_H

#include <stdint.h>
#include <string.h>

#include "noren/crypto.h"
#include "noren/cursor.h"
#include "noren/units.h"

#define NOREN_TOKEN_SIZE     16
#define NOREN_TOKEN_MAC_SIZE 10
#define NOREN_TOKEN_VERSION  0x10
#define NOREN_DAY_KEY_SIZE   16

/** First four bytes of a member token ("NRN1") and of a shelf node's UUID ("NRN3"). */
static const uint8_t NOREN_TOKEN_MAGIC[4] = {0x4e, 0x52, 0x4e, 0x31};
static const uint8_t NOREN_NODE_MAGIC[4] = {0x4e, 0x52, 0x4e, 0x33};

/** The rotation step of a moment: whole quarters of an hour since 1970, UTC. */
static inline uint64_t noren_step(int64_t unix_s)
{
    return (uint64_t)(unix_s / NOREN_STEP_S);
}

/** The UTC date of a moment as the number YYYYMMDD (proleptic Gregorian; days-to-civil by eras). */
static inline uint32_t noren_utc_date(int64_t unix_s)
{
    int64_t z = unix_s / 86400 + 719468;
    int64_t era = z / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);

    return (uint32_t)(year * 10000 + month * 100 + day);
}

/** The key a gateway holds for one member and one UTC date; `member_key` (32 bytes) stays with the app
 * and HQ. `date` is YYYYMMDD of step x 900. */
static inline void noren_day_key(const uint8_t member_key[32], uint32_t date,
                                 uint8_t ret_key[NOREN_DAY_KEY_SIZE])
{
    uint8_t msg[9 + 8] = "noren-day";
    uint8_t mac[32];

    for (int i = 7; i >= 0; i--) {
        msg[9 + i] = (uint8_t)('0' + date % 10);
        date /= 10;
    }
    noren_hmac_sha256(member_key, 32, msg, sizeof(msg), mac);
    memcpy(ret_key, mac, NOREN_DAY_KEY_SIZE);
}

/** The 10 MAC bytes of the token for `step`. */
static inline void noren_token_mac(const uint8_t day_key[NOREN_DAY_KEY_SIZE], uint64_t step,
                                   uint8_t ret_mac[NOREN_TOKEN_MAC_SIZE])
{
    uint8_t msg[11 + 8] = "noren-token";
    struct wr w = wr_init(msg + 11, 8);
    uint8_t mac[32];

    wr_be(&w, step, 8);
    noren_hmac_sha256(day_key, NOREN_DAY_KEY_SIZE, msg, sizeof(msg), mac);
    memcpy(ret_mac, mac, NOREN_TOKEN_MAC_SIZE);
}

/** The token T in the order it is written as a UUID; on air (AD types 06/07) its bytes are reversed. */
static inline void noren_token(const uint8_t day_key[NOREN_DAY_KEY_SIZE], uint64_t step,
                               uint8_t ret_token[NOREN_TOKEN_SIZE])
{
    memcpy(ret_token, NOREN_TOKEN_MAGIC, 4);
    ret_token[4] = NOREN_TOKEN_VERSION;
    ret_token[5] = (uint8_t)step;
    noren_token_mac(day_key, step, ret_token + 6);
}

/** Builds the advertisement that carries a token: AD 07 (complete list of 128-bit UUIDs), 18 bytes. */
static inline void noren_token_ad(const uint8_t token[NOREN_TOKEN_SIZE], uint8_t ret_ad[18])
{
    struct wr w = wr_init(ret_ad, 18);

    wr_u8(&w, 17);
    wr_u8(&w, 0x07);
    wr_reversed(&w, token, NOREN_TOKEN_SIZE);
}

#define NOREN_DEVICE_TAG_SIZE 16

/** The device tag of a transmitter whose address does not change (a staff phone, a fixed tag): the first bytes
 * of HMAC-SHA256(store key, address). `address` is written most significant byte first, as people do. It is
 * known by this everywhere, its address is on no disk. */
static inline void noren_device_tag(const uint8_t store_key[16], const uint8_t address[6],
                                    uint8_t ret[NOREN_DEVICE_TAG_SIZE])
{
    uint8_t mac[32];

    noren_hmac_sha256(store_key, 16, address, 6, mac);
    for (int i = 0; i < NOREN_DEVICE_TAG_SIZE; i++)
        ret[i] = mac[i];
}

/** The rotating minor of a store beacon; `beacon_key` is 16 bytes, one per beacon. */
static inline uint16_t noren_beacon_minor(const uint8_t beacon_key[16], uint64_t step)
{
    uint8_t msg[11 + 8] = "noren-store";
    struct wr w = wr_init(msg + 11, 8);
    uint8_t mac[32];

    wr_be(&w, step, 8);
    noren_hmac_sha256(beacon_key, 16, msg, sizeof(msg), mac);
    return (uint16_t)(mac[0] << 8 | mac[1]);
}

/** Builds a store beacon: an iBeacon (AD ff, company 004c, type 02, length 15), 27 bytes without flags. */
static inline void noren_beacon_ad(const uint8_t uuid[16], uint16_t major, uint16_t minor,
                                   int8_t power_1m_dbm, uint8_t ret_ad[27])
{
    struct wr w = wr_init(ret_ad, 27);

    wr_u8(&w, 26);
    wr_u8(&w, 0xff);
    wr_le(&w, 0x004c, 2);
    wr_u8(&w, 0x02);
    wr_u8(&w, 0x15);
    wr_copy(&w, uuid, 16);
    wr_be(&w, major, 2);
    wr_be(&w, minor, 2);
    wr_u8(&w, (uint8_t)power_1m_dbm);
}

/** What noren.member.forgotten names a member by, so that only who knows the name knows whom: 32 hex digits
 * of HMAC-SHA256(receipt as text, "noren-forget" ‖ member_ref), and a NUL. */
static inline void noren_forget_digest(const char *receipt, const char *member_ref,
                                       char ret_digest[33])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t msg[12 + NOREN_ID_SIZE] = "noren-forget", mac[32];
    size_t n = strlen(member_ref);

    n = n < NOREN_ID_SIZE ? n : NOREN_ID_SIZE;
    for (size_t i = 0; i < n; i++)
        msg[12 + i] = (uint8_t)member_ref[i];
    noren_hmac_sha256((const uint8_t *)receipt, strlen(receipt), msg, 12 + n, mac);
    for (int i = 0; i < 16; i++) {
        ret_digest[2 * i] = digits[mac[i] >> 4];
        ret_digest[2 * i + 1] = digits[mac[i] & 15];
    }
    ret_digest[32] = '\0';
}

#define NOREN_NODE_AD_SIZE 31
#define NOREN_NODE_VERSION 1

/** status bits of a shelf node's frame */
enum noren_node_status {
    NOREN_NODE_STABLE = 1 << 0, /**< the load did not move in the last window */
    NOREN_NODE_FAULT = 1 << 1,  /**< the ADC gave no good frame: mass is meaningless */
    NOREN_NODE_LOW_BATTERY = 1 << 2,
};

/** One reading of a shelf node. */
struct noren_node {
    uint16_t node;    /**< node number, the last two bytes of the UUID */
    uint8_t cell;     /**< 0..15 */
    uint32_t counter; /**< never restarts under one key */
    int32_t mass_dg;  /**< tenths of a gram, s24 on the wire: -8388608..8388607 */
    uint8_t status;   /**< enum noren_node_status */
};

/** Nonce (13 bytes) of a shelf node's frame: node number ‖ counter ‖ zeros, big-endian integers. */
static inline void noren_node_nonce(uint16_t node, uint32_t counter, uint8_t ret_nonce[13])
{
    struct wr w = wr_init(ret_nonce, 13);

    memset(ret_nonce, 0, 13);
    wr_be(&w, node, 2);
    wr_be(&w, counter, 4);
}

/* Layout of AD 21, 31 bytes, no flags (legacy limit):
 *   0 len=1e | 1 type=21 | 2..17 UUID reversed | 18 version<<4|cell | 19..22 counter LE |
 *   23..25 mass s24 LE, encrypted | 26 status, encrypted | 27..30 CCM tag
 * The header that is authenticated is everything before the encrypted bytes, from the type on. */
#define NOREN_NODE_HEADER 23
#define NOREN_NODE_BODY   4

/** Builds a shelf node's advertisement. */
static inline void noren_node_ad(const uint8_t key[16], const struct noren_node *n,
                                 uint8_t ret_ad[NOREN_NODE_AD_SIZE])
{
    uint8_t uuid[16] = {0x4e, 0x52, 0x4e, 0x33, 0x00, 0x00, 0x40, 0x00, 0x80};
    uint8_t body[NOREN_NODE_BODY], nonce[13];
    struct wr w = wr_init(ret_ad, NOREN_NODE_AD_SIZE), b = wr_init(body, sizeof(body));

    uuid[14] = (uint8_t)(n->node >> 8);
    uuid[15] = (uint8_t)n->node;
    wr_u8(&w, NOREN_NODE_AD_SIZE - 1);
    wr_u8(&w, 0x21);
    wr_reversed(&w, uuid, sizeof(uuid));
    wr_u8(&w, (uint8_t)(NOREN_NODE_VERSION << 4 | (n->cell & 15)));
    wr_le(&w, n->counter, 4);
    wr_le(&b, (uint32_t)n->mass_dg, 3);
    wr_u8(&b, n->status);
    noren_node_nonce(n->node, n->counter, nonce);
    noren_aes_ccm_seal(key, nonce, ret_ad + 1, NOREN_NODE_HEADER - 1, body, sizeof(body),
                       ret_ad + NOREN_NODE_HEADER, ret_ad + NOREN_NODE_HEADER + NOREN_NODE_BODY);
}

/* Vectors: member_key 00 01 .. 1f, 2026-11-21T09:00:00Z. */
#define NOREN_VECTOR_UNIX_S  1795251600
#define NOREN_VECTOR_STEP    1994724
#define NOREN_VECTOR_DATE    20261121
#define NOREN_VECTOR_DAY_KEY "d2d63054582a28ae0f43b76ecbe5a111"
#define NOREN_VECTOR_TOKEN   "4e524e3110e4279c20fd04ad625ae168"
#define NOREN_VECTOR_ON_AIR  "68e15a62ad04fd209c27e410314e524e"
/* beacon_key 00 01 .. 0f, same step */
#define NOREN_VECTOR_MINOR 0xd994

#endif
