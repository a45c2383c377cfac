/* The control socket; see local.h. */
#include "io/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 8

struct client {
    int fd; /* -1: free */
    unsigned uid;
    size_t n;
    char line[LOCAL_LINE_MAX];
};

struct local {
    int listen_fd, epoll_fd;
    local_answer_fn *answer;
    void *user;
    struct client clients[CLIENTS_MAX];
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static int watch(struct local *l, int fd, uint64_t id)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = id};

    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

/* Binds; a socket file that nobody answers at is what a killed process left behind. */
static int bind_path(int fd, const struct sockaddr_un *address)
{
    int probe, rc;

    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -errno;
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return -errno;
    rc = connect(probe, (const struct sockaddr *)address, sizeof(*address));
    close(probe);
    if (rc == 0)
        return -EADDRINUSE;
    if (unlink(address->sun_path) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return -errno;
    return 0;
}

int local_open(struct local **ret_local, const char *path, local_answer_fn *answer, void *user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct local *l;
    int rc;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return -ENOMEM;
    memcpy(address.sun_path, path, strlen(path) + 1);
    l->answer = answer;
    l->user = user;
    for (int i = 0; i < CLIENTS_MAX; i++)
        l->clients[i].fd = -1;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = l->epoll_fd < 0 || l->listen_fd < 0 ? -errno : bind_path(l->listen_fd, &address);
    if (rc == 0) {
        memcpy(l->path, path, strlen(path) + 1);
        if (chmod(path, 0660) != 0 || listen(l->listen_fd, CLIENTS_MAX) != 0)
            rc = -errno;
    }
    if (rc == 0)
        rc = watch(l, l->listen_fd, CLIENTS_MAX);
    if (rc != 0) {
        local_close(l);
        return rc;
    }
    *ret_local = l;
    return 0;
}

int local_fd(const struct local *l)
{
    return l->epoll_fd;
}

static void hang_up(struct client *c)
{
    close(c->fd); /* also takes it out of the epoll set */
    c->fd = -1;
}

static void accept_client(struct local *l)
{
    int fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer;
    socklen_t peer_n = sizeof(peer);

    if (fd < 0)
        return;
    /* the kernel's word, taken when the client connected */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_n) != 0) {
        close(fd);
        return;
    }
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (l->clients[i].fd < 0 && watch(l, fd, (uint64_t)i) == 0) {
            l->clients[i].fd = fd;
            l->clients[i].uid = peer.uid;
            l->clients[i].n = 0;
            return;
        }
    }
    close(fd); /* eight at once is not a person: the ninth may come back */
}

/* Answers every whole line that has come. An answer is shorter than a socket buffer, so a client that does
 * not read it loses it, and nobody waits. */
static void answer_lines(struct local *l, struct client *c)
{
    char *end;

    while (c->fd >= 0 && (end = memchr(c->line, '\n', c->n)) != NULL) {
        char answer[LOCAL_ANSWER_MAX + 1];
        size_t line_n = (size_t)(end - c->line) + 1;
        size_t n = l->answer(l->user, c->uid, c->line, line_n - 1, answer);

        answer[n++] = '\n';
        c->n -= line_n;
        memmove(c->line, c->line + line_n, c->n);
        if (send(c->fd, answer, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
            hang_up(c);
    }
}

static void read_client(struct local *l, struct client *c)
{
    ssize_t n = recv(c->fd, c->line + c->n, sizeof(c->line) - c->n, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        c->n += (size_t)n;
        answer_lines(l, c);
    }
    if (c->fd >= 0 && (n <= 0 || c->n == sizeof(c->line))) /* gone, or a line without end */
        hang_up(c);
}

void local_serve(struct local *l)
{
    struct epoll_event events[CLIENTS_MAX + 1];
    int n = epoll_wait(l->epoll_fd, events, CLIENTS_MAX + 1, 0);

    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == CLIENTS_MAX)
            accept_client(l);
        else if (l->clients[events[i].data.u64].fd >= 0)
            read_client(l, &l->clients[events[i].data.u64]);
    }
}

void local_close(struct local *l)
{
    if (l == NULL)
        return;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (l->clients[i].fd >= 0)
            close(l->clients[i].fd);
    }
    if (l->path[0] != '\0')
        unlink(l->path);
    if (l->listen_fd >= 0)
        close(l->listen_fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l);
}
