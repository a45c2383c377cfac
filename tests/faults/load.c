/* Shoppers for the fault tests: drives the simulated board through its socket and knows the truth.
 *
 * Every cell holds a whole number of packs; at random moments a pack is taken or put back. A gateway that
 * is killed and started again finds the shelf as it is then, like a real one: loads are told again and
 * again, whether anybody listens or not. A member's phone advertises its token all the while.
 *
 * With CONTROL a clerk counts the backroom all the while through the control socket: 1, 2, 3, ... pieces of GTIN,
 * the next only when the last was answered. An answer is a promise: each number is an event from then on,
 * however soon the gateway is killed.
 *
 * usage: load SOCKET SEED CELLS TRUTH_FILE [CONTROL GTIN]
 * SIGUSR2: begin shopping, from empty shelves. SIGUSR1: stop shopping and write the truth ("cell count", one a line, and "backroom N") to TRUTH_FILE, go on telling loads.
 * SIGTERM: end.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "faults/phone.h"

#define CELLS        32
#define ZERO_COUNTS  10000
#define PACK_COUNTS  100000
#define PACKS_MAX    15
#define TURN_MS      50 /* half of it for the clerk */
#define TELL_TURNS   4  /* loads are told again every 200 ms */
#define ADVERT_TURNS 10 /* and the phone is heard every 500 ms */

static volatile sig_atomic_t shopping, quiet, ended;

static void on_signal(int n)
{
    if (n == SIGUSR2)
        shopping = 1;
    else if (n == SIGUSR1)
        quiet = 1;
    else
        ended = 1;
}

/* xorshift64*: seeded, so a failing run can be had again. */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 2685821657736338717u) >> 33) % n;
}

static void tell(int fd, const struct sockaddr_un *to, const char *line, size_t n)
{
    /* a gateway that is down right now hears the next one */
    (void)sendto(fd, line, n, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof(*to));
}

static void tell_load(int fd, const struct sockaddr_un *to, int cell, int packs)
{
    char line[64];
    int n =
        snprintf(line, sizeof(line), "load c%d %d", cell + 1, ZERO_COUNTS + packs * PACK_COUNTS);

    tell(fd, to, line, (size_t)n);
}

static void tell_advert(int fd, const struct sockaddr_un *to)
{
    static const uint8_t address[] = {1, 2, 3, 4, 5, 0x46};
    char line[PHONE_LINE_MAX];

    tell(fd, to, line, phone_line(line, "door", address, -60));
}

/* The clerk. `asked` is being counted, `answered` was. */
struct clerk {
    const char *path, *gtin;
    int fd;
    long asked, answered;
};

static int call(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(to.sun_path))
        return -1;
    memcpy(to.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void ask(struct clerk *c)
{
    char line[160];
    int n = snprintf(line, sizeof(line),
                     "{\"id\":\"clerk-%ld\",\"name\":\"count\",\"gtin\":\"%s\",\"quantity\":%ld}\n",
                     c->asked, c->gtin, c->asked);

    if (send(c->fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
        close(c->fd);
        c->fd = -1;
    }
}

/* Waits up to `ms` for the answer to what was asked, and asks again when nobody is there any more. */
static void turn_clerk(struct clerk *c, int ms, bool more)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    char answer[4096];
    ssize_t n;

    if (c->fd < 0) {
        if (c->asked == c->answered && !more)
            return;
        c->fd = call(c->path);
        if (c->fd < 0)
            return;
        c->asked = c->answered + 1;
        ask(c);
        p.fd = c->fd;
    }
    if (c->fd < 0 || poll(&p, 1, ms) != 1)
        return;
    n = recv(c->fd, answer, sizeof(answer) - 1, 0);
    if (n <= 0) {
        close(c->fd);
        c->fd = -1;
        return;
    }
    answer[n] = '\0';
    if (strstr(answer, "\"ok\":true") != NULL)
        c->answered = c->asked;
    if (c->answered == c->asked && more)
        c->asked++;
    else if (c->answered == c->asked)
        return;
    ask(c);
}

static int write_truth(const char *path, const int *packs, int cells, const struct clerk *c)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        return -1;
    for (int i = 0; i < cells; i++)
        fprintf(f, "c%d %d\n", i + 1, packs[i]);
    if (c->path != NULL)
        fprintf(f, "backroom %ld\n", c->answered);
    return fclose(f);
}

int main(int argc, char **argv)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), packs[CELLS], cells;
    struct clerk clerk = {.fd = -1};
    uint64_t state;
    bool written = false;

    if ((argc != 5 && argc != 7) || fd < 0 || strlen(argv[1]) >= sizeof(to.sun_path)) {
        fputs("usage: load SOCKET SEED CELLS TRUTH_FILE [CONTROL GTIN]\n", stderr);
        return 2;
    }
    clerk.path = argc == 7 ? argv[5] : NULL;
    clerk.gtin = argc == 7 ? argv[6] : NULL;
    memcpy(to.sun_path, argv[1], strlen(argv[1]) + 1);
    state = 0x9e3779b97f4a7c15u ^ strtoull(argv[2], NULL, 10);
    cells = (int)strtol(argv[3], NULL, 10);
    if (cells < 1 || cells > CELLS)
        return 2;
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    signal(SIGTERM, on_signal);
    puts("ready"); /* for signals */
    fflush(stdout);
    for (int i = 0; i < cells; i++)
        packs[i] = 0; /* empty shelves, so that they can be tared */
    for (unsigned turn = 0; !ended; turn++) {
        int cell = (int)random_below(&state, (uint32_t)cells);

        if (shopping && !quiet && random_below(&state, 8) == 0) {
            if (packs[cell] > 0 && (packs[cell] == PACKS_MAX || random_below(&state, 2) == 0))
                packs[cell]--;
            else
                packs[cell]++;
            tell_load(fd, &to, cell, packs[cell]);
        }
        for (int i = 0; turn % TELL_TURNS == 0 && i < cells; i++)
            tell_load(fd, &to, i, packs[i]);
        if (turn % ADVERT_TURNS == 0)
            tell_advert(fd, &to);
        if (clerk.path != NULL && shopping)
            turn_clerk(&clerk, TURN_MS / 2, !quiet);
        if (quiet && !written && clerk.asked == clerk.answered)
            written = write_truth(argv[4], packs, cells, &clerk) == 0;
        usleep(TURN_MS * 1000 / 2);
    }
    close(fd);
    return 0;
}
