/* Picks with a time stamp, for the latency bench: one pack off the next plate at a steady pace.
 *
 * usage: picks SOCKET CELLS PICKS INTERVAL_MS
 * Fills every cell with enough packs, waits until they have settled, then takes one at a time; prints "cell
 * unix_us" right before each datagram. A cell's turn comes round after CELLS * INTERVAL_MS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ZERO_COUNTS 10000
#define PACK_COUNTS 100000

static void tell(int fd, const struct sockaddr_un *to, long cell, long packs)
{
    char line[64];
    int n =
        snprintf(line, sizeof(line), "load c%ld %ld", cell + 1, ZERO_COUNTS + packs * PACK_COUNTS);

    if (sendto(fd, line, (size_t)n, 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
        perror("picks");
}

int main(int argc, char **argv)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    long cells, picks, interval_ms, each;

    if (argc != 5 || fd < 0 || strlen(argv[1]) >= sizeof(to.sun_path)) {
        fputs("usage: picks SOCKET CELLS PICKS INTERVAL_MS\n", stderr);
        return 2;
    }
    memcpy(to.sun_path, argv[1], strlen(argv[1]) + 1);
    cells = strtol(argv[2], NULL, 10);
    picks = strtol(argv[3], NULL, 10);
    interval_ms = strtol(argv[4], NULL, 10);
    if (cells < 1 || picks < 1 || interval_ms < 1)
        return 2;
    each = picks / cells + 1;
    for (long i = 0; i < cells; i++)
        tell(fd, &to, i, each);
    sleep(5);
    for (long i = 0; i < picks; i++) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        printf("c%ld %lld\n", i % cells + 1, (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
        tell(fd, &to, i % cells, each - 1 - i / cells);
        usleep((useconds_t)interval_ms * 1000);
    }
    fflush(stdout);
    sleep(5);
    close(fd);
    return 0;
}
