/* A mall's air for the simulated radio: strangers who come and go, at a rate, through run_dir/sim.sock.
 *
 * usage: crowd SOCKET RECEIVER RATE FRESH SECONDS SEED
 *   RATE reports a second of 2,048 addresses, of which FRESH a second are replaced. Prints what was sent.
 *
 * Sent as a phone sends: an Apple continuity message of random content from a resolvable address.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define CROWD 2048

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % n;
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    static uint64_t addresses[CROWD];
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int64_t start_us = now_us(), rate, fresh, end_us, reports = 0, news = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    if (argc != 7 || strlen(argv[1]) >= sizeof(to.sun_path) || fd < 0) {
        fprintf(stderr, "usage: crowd SOCKET RECEIVER RATE FRESH SECONDS SEED\n");
        return 2;
    }
    strcpy(to.sun_path, argv[1]);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        fprintf(stderr, "crowd: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    rate = strtoll(argv[3], NULL, 10);
    fresh = strtoll(argv[4], NULL, 10);
    end_us = start_us + strtoll(argv[5], NULL, 10) * 1000000;
    state = strtoull(argv[6], NULL, 10) * 2 + 1;
    for (int i = 0; i < CROWD; i++)
        addresses[i] = (uint64_t)below(1u << 31) << 15 ^ below(1u << 15);
    for (int64_t t; (t = now_us()) < end_us;) {
        const struct timespec rest = {.tv_nsec = 5000000};

        for (; news < (t - start_us) * fresh / 1000000; news++)
            addresses[news % CROWD] = (uint64_t)below(1u << 31) << 15 ^ below(1u << 15);
        for (; reports < (t - start_us) * rate / 1000000; reports++) {
            char line[160];
            uint64_t a = addresses[below(CROWD)];
            int n = snprintf(line, sizeof(line),
                             "adv %s 3e1d02010301%010" PRIx64 "4%x1102011a0dff4c001008%08x%08x%02x",
                             argv[2], a & UINT64_C(0xffffffffff), below(16), below(UINT32_MAX),
                             below(UINT32_MAX), 256 - 40 - below(50));

            /* waits while the queue is full (ten datagrams): the rate is kept on average */
            if (send(fd, line, (size_t)n, MSG_NOSIGNAL) < 0) {
                fprintf(stderr, "crowd: %s\n", strerror(errno));
                return 1;
            }
        }
        (void)nanosleep(&rest, NULL);
    }
    printf("%" PRId64 " reports, %" PRId64 " new addresses\n", reports, news);
    return 0;
}
