/* Members' phones on the simulated air, for tests/bench/gateway: all that a store may follow at one time.
 *
 * Member i has the key that tests/bench/gateway writes into its members document: eight numbers of 32 bits, big
 * endian, from i and i + 1. Each phone says its token of the moment in turn, eight to a packet, as a controller
 * under load reports them.
 *
 * usage: phones SOCKET RECEIVER N PER_S      until it is ended
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "noren/wire.h"

#define PHONES_MAX     20000
#define PACKET_REPORTS 8
#define TURN_MS        50

static uint8_t ads[PHONES_MAX][18]; /* what each says in `step` */
static uint64_t step;

static void put_half_key(struct wr *w, uint32_t i)
{
    wr_be(w, i * 7919 + 1, 4);
    wr_be(w, i * 104729 + 7, 4);
    wr_be(w, i, 4);
    wr_be(w, 4000000000U - i, 4);
}

static void work_out(uint32_t phones, int64_t now_s)
{
    for (uint32_t i = 0; i < phones; i++) {
        uint8_t key[32], day[NOREN_DAY_KEY_SIZE], token[NOREN_TOKEN_SIZE];
        struct wr w = wr_init(key, sizeof(key));

        put_half_key(&w, i);
        put_half_key(&w, i + 1);
        noren_day_key(key, noren_utc_date(now_s), day);
        noren_token(day, noren_step(now_s), token);
        noren_token_ad(token, ads[i]);
    }
    step = noren_step(now_s);
}

/* A legacy report (Core 5.4, Vol 4 Part E, 7.7.65.2), from a random static address of its own. */
static void put_report(struct wr *w, uint32_t i)
{
    wr_copy(w, (const uint8_t[]){3, 1}, 2);
    wr_le(w, i, 4);
    wr_copy(w, (const uint8_t[]){0, 0xc0}, 2);
    wr_u8(w, sizeof(ads[i]));
    wr_copy(w, ads[i], sizeof(ads[i]));
    wr_u8(w, (uint8_t)-60);
}

static void tell(int fd, const struct sockaddr_un *to, const char *receiver, uint32_t first,
                 uint32_t phones)
{
    uint8_t packet[260];
    struct wr w = wr_init(packet, sizeof(packet));
    char line[600];
    size_t n = (size_t)snprintf(line, sizeof(line), "adv %.40s ", receiver);

    wr_copy(&w, (const uint8_t[]){0x3e, 0, 2, PACKET_REPORTS}, 4);
    for (uint32_t i = 0; i < PACKET_REPORTS; i++)
        put_report(&w, (first + i) % phones);
    packet[1] = (uint8_t)(w.n - 2);
    for (size_t i = 0; i < w.n; i++)
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%02x", packet[i]);
    (void)sendto(fd, line, n, 0, (const struct sockaddr *)to, sizeof(*to));
}

int main(int argc, char **argv)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    uint32_t phones = argc == 5 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0, first = 0;
    long per_s = argc == 5 ? strtol(argv[4], NULL, 10) : 0, owed = 0;

    if (fd < 0 || phones == 0 || phones > PHONES_MAX || per_s <= 0 ||
        strlen(argv[1]) >= sizeof(to.sun_path)) {
        fprintf(stderr, "usage: phones SOCKET RECEIVER N PER_S\n");
        return 2;
    }
    memcpy(to.sun_path, argv[1], strlen(argv[1]) + 1);
    for (;;) {
        const struct timespec turn = {.tv_nsec = TURN_MS * 1000000L};
        int64_t now_s = time(NULL);

        if (noren_step(now_s) != step)
            work_out(phones, now_s);
        for (owed += per_s * TURN_MS; owed >= 1000 * PACKET_REPORTS;
             owed -= 1000 * PACKET_REPORTS) {
            tell(fd, &to, argv[2], first, phones);
            first = (first + PACKET_REPORTS) % phones;
        }
        nanosleep(&turn, NULL);
    }
}
