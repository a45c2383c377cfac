/* A member's phone on the simulated air, for the programs that stand in for a shop.
 *
 * The member is the one with key 00..1f; its token of the moment stands in one legacy advertising report (Core 5.4,
 * Vol 4 Part E, 7.7.65.2), written as the line that io/sim.h takes.
 */
#ifndef NOREN_TESTS_FAULTS_PHONE_H
#define NOREN_TESTS_FAULTS_PHONE_H

#include <stdio.h>
#include <time.h>

#include "noren/wire.h"

#define PHONE_LINE_MAX 256

/** Writes "adv RECEIVER HEX": the phone at `address` (last byte first, as on the air), heard with `rssi_dbm`.
 * @return the line's length */
static inline size_t phone_line(char line[PHONE_LINE_MAX], const char *receiver,
                                const uint8_t address[6], int rssi_dbm)
{
    uint8_t key[32], day[NOREN_DAY_KEY_SIZE], token[NOREN_TOKEN_SIZE], packet[64], ad[18];
    struct wr w = wr_init(packet, sizeof(packet));
    int64_t now_s = time(NULL);
    size_t n = (size_t)snprintf(line, PHONE_LINE_MAX, "adv %.40s ", receiver);

    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    noren_day_key(key, noren_utc_date(now_s), day);
    noren_token(day, noren_step(now_s), token);
    noren_token_ad(token, ad);
    wr_u8(&w, 0x3e);
    wr_u8(&w, 12 + sizeof(ad)); /* sub-event to RSSI */
    wr_u8(&w, 0x02);
    wr_u8(&w, 1);
    wr_u8(&w, 0x03); /* ADV_NONCONN_IND */
    wr_u8(&w, 0x01); /* random address */
    wr_copy(&w, address, 6);
    wr_u8(&w, sizeof(ad));
    wr_copy(&w, ad, sizeof(ad));
    wr_u8(&w, (uint8_t)rssi_dbm);
    for (size_t i = 0; i < w.n; i++)
        n += (size_t)snprintf(line + n, PHONE_LINE_MAX - n, "%02x", packet[i]);
    return n;
}

#endif
