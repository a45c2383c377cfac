/* Commands to a running noren-sim; see control.h. */
#include "sim/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMAND_SIZE   256
#define WORDS_MAX      4
#define ANSWER_WAIT_MS 3000

static int address_of(const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(ret->sun_path))
        return -ENAMETOOLONG;
    memcpy(ret->sun_path, path, strlen(path) + 1);
    return 0;
}

int control_open(const char *path)
{
    struct sockaddr_un address;
    int fd, r = address_of(path, &address);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    unlink(path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

/* --- the shop's end ----------------------------------------------------------------------------- */

static const char *move(struct world *w, char *const word[], int n, int sign)
{
    char *end = NULL;
    long quantity = n > 2 ? strtol(word[2], &end, 10) : 1;
    long facing = n > 3 ? strtol(word[3], NULL, 10) : 0;

    if (n < 2 || quantity < 1 || quantity > 1000 || facing < 0 || facing >= PLATE_FACINGS_MAX ||
        (end != NULL && *end != '\0'))
        return "write: pick|put PLATE [1..1000] [FACING]";
    return plate_move(w, plan_find_plate(&w->plan, word[1]), (int)facing, sign * quantity,
                      sign < 0 ? "pick" : "put_back");
}

/* NULL, or what is wrong. */
static const char *obey(struct world *w, struct output *out, const char *line, char *const word[],
                        int n)
{
    if (n == 0)
        return "empty command";
    if (strcmp(word[0], "pick") == 0)
        return move(w, word, n, -1);
    if (strcmp(word[0], "put") == 0)
        return move(w, word, n, 1);
    if (strcmp(word[0], "walk") == 0)
        return n == 3 ? person_walk(w, word[1], word[2]) : "write: walk MEMBER ZONE";
    if (strcmp(word[0], "leave") == 0)
        return n == 2 ? person_leave(w, word[1]) : "write: leave MEMBER";
    if (strcmp(word[0], "fault") == 0 && n == 3) {
        if (plan_find_cell(&w->plan, word[1]) == NO_INDEX)
            return "no such cell";
        output_command(out, line);
        return NULL;
    }
    if (strcmp(word[0], "auto") == 0 && n == 2) {
        if (strcmp(word[1], "on") != 0 && strcmp(word[1], "off") != 0)
            return "write: auto on|off";
        w->scenario.automatic = strcmp(word[1], "on") == 0;
        return NULL;
    }
    return "unknown command; noren-sim --help lists them";
}

void control_step(int fd, struct world *w, struct output *out)
{
    char line[COMMAND_SIZE] = "", words[COMMAND_SIZE], answer[COMMAND_SIZE];
    struct sockaddr_un from;
    socklen_t from_n = sizeof(from);
    ssize_t got;

    while ((got = recvfrom(fd, line, sizeof(line) - 1, 0, (struct sockaddr *)&from, &from_n)) >=
           0) {
        char *word[WORDS_MAX] = {NULL}, *save = NULL;
        const char *wrong;
        int n = 0;

        line[got] = '\0';
        line[strcspn(line, "\n")] = '\0';
        memcpy(words, line, sizeof(words));
        for (char *p = strtok_r(words, " ", &save); p != NULL && n < WORDS_MAX;
             p = strtok_r(NULL, " ", &save))
            word[n++] = p;
        wrong = obey(w, out, line, word, n);
        snprintf(answer, sizeof(answer), "%s%s",
                 wrong == NULL ? "ok" : "refused: ", wrong == NULL ? "" : wrong);
        (void)sendto(fd, answer, strlen(answer), MSG_NOSIGNAL, (struct sockaddr *)&from, from_n);
        from_n = sizeof(from);
    }
}

/* --- the asking end ----------------------------------------------------------------------------- */

static int complain(const char *path, int error)
{
    fprintf(stderr, "noren-sim: %s: %s; is noren-sim running with --control %s?\n", path,
            strerror(error), path);
    return 1;
}

int control_send(const char *path, int argc, char *const argv[])
{
    const struct sockaddr_un nameless = {.sun_family = AF_UNIX}; /* the kernel picks a name */
    struct sockaddr_un to;
    char line[COMMAND_SIZE] = "", answer[COMMAND_SIZE];
    struct pollfd wait = {.events = POLLIN};
    ssize_t got;

    for (int i = 0; i < argc; i++) {
        size_t used = strlen(line);

        snprintf(line + used, sizeof(line) - used, "%s%s", i > 0 ? " " : "", argv[i]);
    }
    if (address_of(path, &to) < 0)
        return complain(path, ENAMETOOLONG);
    wait.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (wait.fd < 0 ||
        bind(wait.fd, (const struct sockaddr *)&nameless, sizeof(nameless.sun_family)) < 0 ||
        sendto(wait.fd, line, strlen(line), 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
        return complain(path, errno);
    if (poll(&wait, 1, ANSWER_WAIT_MS) <= 0)
        return complain(path, ETIMEDOUT);
    got = recv(wait.fd, answer, sizeof(answer) - 1, 0);
    close(wait.fd);
    if (got < 0)
        return complain(path, errno);
    answer[got] = '\0';
    printf("%s\n", answer);
    return strcmp(answer, "ok") == 0 ? 0 : 1;
}
