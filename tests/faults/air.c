/* A member's phone and a shelf between two boards, for the tests with several of them.
 *
 * Reads lines from standard input, each taken at once:
 *   heard SOCKET RECEIVER RSSI_DBM   from now on that simulated receiver hears the phone so loud; 0: no more
 *   load SOCKET CELL COUNTS          from now on that simulated cell has this load
 *   crowd SOCKET RECEIVER PER_S NEW_PER_S   from now on so many reports of strangers a second, and so many
 *                                    addresses that were never there; the last crowd counts, 0 0 ends it
 *   phones SOCKET RECEIVER N         a crowd of N addresses, each once a second, that are all nobody's
 *   says SOCKET RECEIVER RSSI_DBM ADDRESS AD   from now on a tag that is heard so loud says this at that random
 *                                    address (12 and at most 62 hex digits); a strength of 0: no more
 * What is told goes to the boards' sim.sock five times a second, whether anybody listens or not. The phone is
 * that of the member with key 00..1f, at the address c6:ad:be:ef:12:34.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "faults/phone.h"

#define TOLD_MAX 320
#define TURN_MS  200

struct told {
    struct sockaddr_un to;
    char what[64]; /* "heard RECEIVER", "load CELL" or "says RECEIVER" */
    char said[80]; /* of a tag: address and AD in hex, as they stand in a report */
    int value;
};

/* Eight strangers' reports to a packet, as a controller under load gives them. */
#define PACKET_REPORTS 8
#define CROWD_MAX      10000

struct crowd {
    struct told where;
    int per_s, new_per_s;
    bool plain; /* none says a token */
    uint8_t address[CROWD_MAX][6];
    int next, oldest;
    uint64_t random;
};

static struct crowd crowd = {.random = 0x9e3779b97f4a7c15U}; /* the seed */
static struct told told[TOLD_MAX];
static int told_n;

static void tell(int fd, const struct told *t, const char *line)
{
    /* a board that is down right now hears the next one */
    (void)sendto(fd, line, strlen(line), MSG_DONTWAIT, (const struct sockaddr *)&t->to,
                 sizeof(t->to));
}

static uint32_t next_random(void)
{
    crowd.random = crowd.random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(crowd.random >> 33);
}

static void new_stranger(void)
{
    uint8_t *a = crowd.address[crowd.oldest];

    for (int i = 0; i < 6; i++)
        a[i] = (uint8_t)next_random();
    if (next_random() % 2 == 0) /* every other address looks like a resolvable one */
        a[5] = (uint8_t)((a[5] & 0x3f) | 0x40);
    crowd.oldest = (crowd.oldest + 1) % crowd.per_s;
}

/* What strangers say: a phone's short message, or a token that nobody has. */
static void put_report(struct wr *w)
{
    static const uint8_t flags[] = {2, 1, 6};
    const uint8_t *a = crowd.address[crowd.next];
    uint8_t token[NOREN_TOKEN_SIZE] = {0x4e, 0x52, 0x4e, 0x31, 0x10}, ad[18];
    bool is_token = !crowd.plain && a[0] % 8 == 0;

    crowd.next = (crowd.next + 1) % crowd.per_s;
    wr_copy(w, (const uint8_t[]){3, 1}, 2);
    wr_copy(w, a, 6);
    if (is_token) {
        token[5] = (uint8_t)noren_step(time(NULL));
        for (size_t i = 6; i < sizeof(token); i++)
            token[i] = (uint8_t)next_random();
        noren_token_ad(token, ad);
        wr_u8(w, sizeof(ad));
        wr_copy(w, ad, sizeof(ad));
    } else {
        wr_u8(w, 11);
        wr_copy(w, flags, 3);
        wr_copy(w, (const uint8_t[]){7, 0xff, 0x4c, 0, 0x10, 2, a[1], a[2]}, 8);
    }
    wr_u8(w, (uint8_t)(-40 - (int)(next_random() % 55)));
}

/* A turn's worth of strangers; waits for a board that is behind, so that all are told. */
static void tell_crowd(int fd)
{
    static int owed, owed_new;
    uint8_t packet[260];
    char line[600];

    if (crowd.per_s == 0)
        return;
    owed += crowd.per_s * TURN_MS;
    owed_new += crowd.new_per_s * TURN_MS;
    for (; owed_new >= 1000; owed_new -= 1000)
        new_stranger();
    for (; owed >= 1000 * PACKET_REPORTS; owed -= 1000 * PACKET_REPORTS) {
        struct wr w = wr_init(packet, sizeof(packet));
        size_t n = (size_t)snprintf(line, sizeof(line), "adv %s ", crowd.where.what);

        wr_copy(&w, (const uint8_t[]){0x3e, 0, 2, PACKET_REPORTS}, 4);
        for (int i = 0; i < PACKET_REPORTS; i++)
            put_report(&w);
        packet[1] = (uint8_t)(w.n - 2);
        for (size_t i = 0; i < w.n; i++)
            n += (size_t)snprintf(line + n, sizeof(line) - n, "%02x", packet[i]);
        (void)sendto(fd, line, n, 0, (const struct sockaddr *)&crowd.where.to,
                     sizeof(crowd.where.to));
    }
}

/* A legacy report (Core 5.4, Vol 4 Part E, 7.7.65.2) with one advert, which is written as it was given. */
static void tag_line(char line[PHONE_LINE_MAX], const struct told *t)
{
    unsigned ad_n = (unsigned)(strlen(t->said) - 12) / 2;

    snprintf(line, PHONE_LINE_MAX, "adv %s 3e%02x02010301%.12s%02x%s%02x",
             t->what + strlen("says "), 12 + ad_n, t->said, ad_n, t->said + 12,
             (unsigned)t->value & 0xff);
}

/* ADDRESS as it is written becomes what stands in a report: last byte first. */
static int take_tag(struct told *t, const char *address, const char *ad)
{
    size_t n = ad != NULL ? strlen(ad) : 0;

    if (address == NULL || strlen(address) != 12 || n == 0 || n > 62 || n % 2 != 0)
        return -1;
    for (int i = 0; i < 6; i++)
        memcpy(t->said + 2 * i, address + 2 * (5 - i), 2);
    memcpy(t->said + 12, ad, n + 1);
    return 0;
}

static void tell_all(int fd)
{
    static const uint8_t address[] = {0x34, 0x12, 0xef, 0xbe, 0xad, 0xc6};

    for (int i = 0; i < told_n; i++) {
        char line[PHONE_LINE_MAX];

        if (told[i].what[0] == 'l')
            snprintf(line, sizeof(line), "%s %d", told[i].what, told[i].value);
        else if (told[i].value != 0 && told[i].what[0] == 's')
            tag_line(line, &told[i]);
        else if (told[i].value != 0)
            phone_line(line, told[i].what + strlen("heard "), address, told[i].value);
        else
            continue;
        tell(fd, &told[i], line);
    }
}

static int take(char *line)
{
    char *word = strtok(line, " \n"), *path = strtok(NULL, " \n"), *id = strtok(NULL, " \n"),
         *value = strtok(NULL, " \n");
    char *more = strtok(NULL, " \n");
    struct told t = {.to.sun_family = AF_UNIX};
    int i = 0;

    if (value == NULL || strlen(path) >= sizeof(t.to.sun_path))
        return -1;
    memcpy(t.to.sun_path, path, strlen(path) + 1);
    if (strcmp(word, "crowd") == 0 || strcmp(word, "phones") == 0) {
        crowd.plain = word[0] == 'p';
        snprintf(t.what, sizeof(t.what), "%.40s", id);
        crowd.where = t;
        crowd.per_s = (int)strtol(value, NULL, 10) % (CROWD_MAX + 1);
        crowd.new_per_s = more != NULL ? (int)strtol(more, NULL, 10) : 0;
        crowd.next = crowd.oldest = 0;
        for (i = 0; i < crowd.per_s; i++)
            new_stranger();
        return 0;
    }
    snprintf(t.what, sizeof(t.what), "%s %.40s", word, id);
    t.value = (int)strtol(value, NULL, 10);
    if (strcmp(word, "says") == 0 && take_tag(&t, more, strtok(NULL, " \n")) != 0)
        return -1;
    while (i < told_n &&
           (strcmp(told[i].what, t.what) != 0 || strncmp(told[i].said, t.said, 12) != 0 ||
            strcmp(told[i].to.sun_path, t.to.sun_path) != 0))
        i++;
    if (i == TOLD_MAX)
        return -1;
    told[i] = t;
    told_n += i == told_n;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int64_t due_ms = now_ms();
    char line[256];

    setvbuf(stdin, NULL, _IONBF, 0);
    for (;;) {
        int64_t left_ms;

        /* turns come at their times, however long the last one took; nobody owes a missed one */
        due_ms = due_ms + 10 * TURN_MS < now_ms() ? now_ms() : due_ms + TURN_MS;
        while ((left_ms = due_ms - now_ms()) > 0) {
            if (poll(&in, 1, (int)left_ms) <= 0)
                continue;
            if (fgets(line, sizeof(line), stdin) == NULL)
                return 0;
            if (take(line) != 0)
                fprintf(stderr, "air: not understood: %s\n", line);
        }
        tell_all(fd);
        tell_crowd(fd);
    }
}
