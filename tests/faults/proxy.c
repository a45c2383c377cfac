/* A network that breaks on command: a TCP proxy between a gateway and its broker.
 *
 * It forwards bytes, and does to them what its mode says; a datagram on its control socket changes the mode at
 * any moment, for connections that are and that come. With a certificate it ends TLS on both sides and can
 * tamper with single MQTT packets (PUBACK withheld, PUBACK with a reason, CONNACK of an old broker), because a
 * real broker does none of that when it is asked to. Everything else leaves TLS alone.
 *
 * usage: proxy LISTEN_PORT BROKER_PORT CONTROL_SOCKET [CERT KEY CA CLIENT_CERT CLIENT_KEY]
 *        proxy CONTROL_SOCKET MODE      says a mode to one that runs
 * Modes, one a datagram:
 *   pass          forward
 *   hole          take bytes and forward none, close nothing: a router that died
 *   half          forward nothing towards the client, everything towards the broker
 *   reset         end all connections by RST, refuse new ones the same way
 *   slow N        N bytes a second each way
 *   delay N       every byte N ms late, each way
 *   noack         PUBACKs are swallowed (needs TLS ends)
 *   reason N [I]  a PUBLISH (whose topic contains I) does not get through, its PUBACK carries reason N
 *   inject 0 HEX  up to 31 bytes, once, to the clients, between two packets: a hostile broker; then pass
 *   moved N REF   a CONNECT with MQTT 5 is refused with reason N, and REF (host:port) is where to go instead
 *   old           a CONNECT with MQTT 5 is answered like a 3.1.1 broker does
 * Prints "ready", and for each connection that ends one line.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINKS_MAX  64
#define BUFFER_MAX (4 << 20)
#define CHUNKS_MAX 4096

enum mode { PASS, HOLE, HALF, RESET, SLOW, DELAY, NOACK, REASON, OLD, INJECT, MOVED };

static struct {
    enum mode mode;
    long n;
    char topic[64];
} how;

/* Bytes on their way in one direction; `due_ms` is when a chunk may leave. */
struct pipe_end {
    uint8_t *bytes;
    size_t n, parsed;
    struct {
        size_t end; /* in bytes, of the chunk */
        int64_t due_ms;
    } chunk[CHUNKS_MAX];
    size_t chunks;
    int64_t slow_ms; /* the time up to which slow has let bytes through */
    bool closed;     /* its source has ended */
};

struct link {
    int fd[2]; /* 0 client, 1 broker */
    SSL *ssl[2];
    bool shaken[2];
    struct pipe_end to[2];
};

static struct link *links[LINKS_MAX];
static SSL_CTX *server_ctx, *client_ctx;

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_mode(int fd)
{
    static const char *const names[] = {"pass",  "hole",   "half", "reset",  "slow", "delay",
                                        "noack", "reason", "old",  "inject", "moved"};
    char line[128], name[16] = "";
    ssize_t n = recv(fd, line, sizeof(line) - 1, 0);

    if (n <= 0)
        return;
    line[n] = '\0';
    how.n = 0;
    how.topic[0] = '\0';
    if (sscanf(line, "%15s %li %63s", name, &how.n, how.topic) < 1)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            how.mode = (enum mode)i;
    printf("mode %s %ld %s\n", name, how.n, how.topic);
}

static void end_link(struct link **at, const char *why)
{
    struct link *l = *at;

    printf("connection ends: %s\n", why);
    for (int i = 0; i < 2; i++) {
        struct linger now = {1, 0};

        SSL_free(l->ssl[i]);
        if (how.mode == RESET && l->fd[i] >= 0)
            setsockopt(l->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        if (l->fd[i] >= 0)
            close(l->fd[i]);
        free(l->to[i].bytes);
    }
    free(l);
    *at = NULL;
}

/* --- MQTT, only as far as tampering needs it ---------------------------------------------------- */

/* Length of the packet at `p`, its header's in `ret_head`; 0: not all there yet. */
static size_t packet_length(const uint8_t *p, size_t n, size_t *ret_head)
{
    size_t value = 0, i = 1;

    for (int shift = 0; i < n && i < 5; shift += 7) {
        value |= (size_t)(p[i] & 127) << shift;
        if ((p[i++] & 128) == 0) {
            *ret_head = i;
            return i + value <= n ? i + value : 0;
        }
    }
    return 0;
}

/* A PUBLISH with QoS 1 that the mode is about; its packet identifier. */
static bool is_target(const uint8_t *p, size_t head, size_t n, uint16_t *ret_mid)
{
    size_t topic_n = n >= head + 2 ? (size_t)p[head] << 8 | p[head + 1] : 0;

    if ((p[0] & 0xf6) != 0x32 || head + 4 + topic_n > n)
        return false;
    *ret_mid = (uint16_t)(p[head + 2 + topic_n] << 8 | p[head + 3 + topic_n]);
    return memmem(p + head + 2, topic_n, how.topic, strlen(how.topic)) != NULL;
}

static void cut(struct pipe_end *p, size_t from, size_t n)
{
    memmove(p->bytes + from, p->bytes + from + n, p->n - from - n);
    p->n -= n;
    if (p->chunks > 0)
        p->chunk[p->chunks - 1].end = p->n;
}

/* Bytes of our own for the client, behind the last whole packet. */
static void inject(struct link *l, const uint8_t *bytes, size_t n)
{
    struct pipe_end *p = &l->to[0];

    if (p->n + n > BUFFER_MAX || p->chunks == CHUNKS_MAX)
        return;
    memmove(p->bytes + p->parsed + n, p->bytes + p->parsed, p->n - p->parsed);
    memcpy(p->bytes + p->parsed, bytes, n);
    p->parsed += n;
    p->n += n;
    p->chunk[p->chunks].end = p->n;
    p->chunk[p->chunks++].due_ms = 0;
}

/* A PUBACK with a reason has the long form (MQTT 5, 3.4). */
static void refuse(struct link *l, uint16_t mid)
{
    const uint8_t bad[5] = {0x40, 3, (uint8_t)(mid >> 8), (uint8_t)mid, (uint8_t)how.n};

    inject(l, bad, sizeof(bad));
}

/* CONNACK with a server reference (MQTT 5, 3.2.2.3.16), and the end. */
static void send_away(struct link *l)
{
    size_t n = strlen(how.topic);
    uint8_t bytes[80] = {0x20, (uint8_t)(6 + n), 0, (uint8_t)how.n, (uint8_t)(3 + n), 0x1c, 0};

    bytes[7] = (uint8_t)n;
    memcpy(bytes + 8, how.topic, n);
    SSL_write(l->ssl[0], bytes, (int)(8 + n));
    l->to[0].closed = true;
    puts("sent away");
}

static void inject_all(void)
{
    uint8_t bytes[32];
    size_t n = 0;
    unsigned byte;

    while (n < sizeof(bytes) && sscanf(how.topic + 2 * n, "%2x", &byte) == 1)
        bytes[n++] = (uint8_t)byte;
    for (int i = 0; i < LINKS_MAX; i++)
        if (links[i] != NULL)
            inject(links[i], bytes, n);
    how.mode = PASS;
}

static void tamper(struct link *l, int to)
{
    struct pipe_end *p = &l->to[to];
    size_t head, n;
    uint16_t mid;

    while (p->parsed < p->n &&
           (n = packet_length(p->bytes + p->parsed, p->n - p->parsed, &head)) > 0) {
        const uint8_t *b = p->bytes + p->parsed;

        if (to == 1 && b[0] == 0x10 && how.mode == OLD && n > head + 6 && b[head + 6] == 5) {
            static const uint8_t refused[] = {0x20, 2, 0, 1}; /* 3.1.1, 3.2.2.3: wrong version */

            SSL_write(l->ssl[0], refused, sizeof(refused));
            l->to[0].closed = true;
            p->n = p->parsed = p->chunks = 0;
            return;
        }
        if (to == 1 && b[0] == 0x10 && how.mode == MOVED) {
            send_away(l);
            p->n = p->parsed = p->chunks = 0;
            return;
        }
        if (to == 1 && how.mode == REASON && is_target(b, head, n, &mid)) {
            refuse(l, mid);
            cut(p, p->parsed, n);
            continue;
        }
        if (to == 0 && b[0] == 0x40 && how.mode == NOACK) {
            cut(p, p->parsed, n);
            continue;
        }
        p->parsed += n;
    }
}

/* --- moving bytes ------------------------------------------------------------------------------- */

static ssize_t take(struct link *l, int from, void *buf, size_t size)
{
    int n;

    if (l->ssl[from] == NULL)
        return recv(l->fd[from], buf, size, MSG_DONTWAIT);
    n = SSL_read(l->ssl[from], buf, (int)size);
    if (n > 0)
        return n;
    errno = EAGAIN;
    n = SSL_get_error(l->ssl[from], n);
    return n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static ssize_t give(struct link *l, int to, const void *buf, size_t size)
{
    int n;

    if (l->ssl[to] == NULL)
        return send(l->fd[to], buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    n = SSL_write(l->ssl[to], buf, (int)size);
    if (n > 0)
        return n;
    errno = EAGAIN;
    n = SSL_get_error(l->ssl[to], n);
    return n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

/* Reads what is there into the direction `to`. False: the source ended. */
static bool fill(struct link *l, int to)
{
    struct pipe_end *p = &l->to[to];

    while (p->n + 65536 < BUFFER_MAX && p->chunks < CHUNKS_MAX) {
        ssize_t n = take(l, 1 - to, p->bytes + p->n, 65536);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0)
            return false;
        if (how.mode == HOLE || (how.mode == HALF && to == 0))
            continue;
        p->n += (size_t)n;
        p->chunk[p->chunks].end = p->n;
        p->chunk[p->chunks++].due_ms = now_ms() + (how.mode == DELAY ? how.n : 0);
        if (server_ctx != NULL)
            tamper(l, to);
    }
    return true;
}

/* How many bytes may leave now. */
static size_t due(struct pipe_end *p)
{
    size_t n = 0;
    int64_t now = now_ms();

    for (size_t i = 0; i < p->chunks && p->chunk[i].due_ms <= now; i++)
        n = p->chunk[i].end;
    if (server_ctx != NULL && p->parsed < n)
        n = p->parsed; /* whole packets only */
    if (how.mode == SLOW && n > 0) {
        int64_t may;

        if (p->slow_ms < now - 1000)
            p->slow_ms = now - 50;
        may = (now - p->slow_ms) * how.n / 1000;
        if (may < (int64_t)n)
            n = may > 0 ? (size_t)may : 0;
        if (n > 0)
            p->slow_ms = now;
    }
    return how.mode == HOLE ? 0 : n;
}

static bool drain(struct link *l, int to)
{
    struct pipe_end *p = &l->to[to];
    size_t n, keep = 0;
    ssize_t sent;

    while ((n = due(p)) > 0) {
        sent = give(l, to, p->bytes, n);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        if (sent == 0)
            return false;
        memmove(p->bytes, p->bytes + sent, p->n - (size_t)sent);
        p->n -= (size_t)sent;
        p->parsed -= p->parsed < (size_t)sent ? p->parsed : (size_t)sent;
        keep = 0;
        for (size_t i = 0; i < p->chunks; i++) {
            if (p->chunk[i].end <= (size_t)sent)
                continue;
            p->chunk[keep] = p->chunk[i];
            p->chunk[keep++].end -= (size_t)sent;
        }
        p->chunks = keep;
        if (how.mode == SLOW)
            break;
    }
    return true;
}

static bool shake(struct link *l, int i)
{
    int rc;

    if (l->ssl[i] == NULL || l->shaken[i])
        return true;
    rc = i == 0 ? SSL_accept(l->ssl[i]) : SSL_connect(l->ssl[i]);
    l->shaken[i] = rc == 1;
    if (rc == 1)
        return true;
    rc = SSL_get_error(l->ssl[i], rc);
    return rc == SSL_ERROR_WANT_READ || rc == SSL_ERROR_WANT_WRITE;
}

/* False: the connection is over. */
static bool turn(struct link *l)
{
    if (how.mode == HOLE && (!l->shaken[0] || !l->shaken[1]) && l->ssl[0] != NULL)
        return true;
    if (!shake(l, 0) || !shake(l, 1))
        return false;
    if (l->ssl[0] != NULL && !(l->shaken[0] && l->shaken[1]))
        return true;
    for (int to = 0; to < 2; to++) {
        if (!l->to[to].closed && !fill(l, to))
            l->to[to].closed = true;
        if (!drain(l, to))
            return false;
        if (l->to[to].closed && (how.mode == HOLE || (how.mode == HALF && to == 0)))
            continue; /* even its end does not come through */
        if (l->to[to].closed && l->to[to].n == 0)
            return false;
    }
    return true;
}

static SSL *start_tls(SSL_CTX *ctx, int fd)
{
    SSL *s = SSL_new(ctx);

    SSL_set_fd(s, fd);
    SSL_set_mode(s, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return s;
}

static void accept_one(int listener, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = accept(listener, NULL, NULL);
    struct link **at = links, *l;

    while (at < links + LINKS_MAX && *at != NULL)
        at++;
    l = fd < 0 || at == links + LINKS_MAX ? NULL : calloc(1, sizeof(*l));
    if (l == NULL) {
        close(fd);
        return;
    }
    *at = l;
    l->fd[0] = fd;
    l->fd[1] = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 2; i++)
        l->to[i].bytes = malloc(BUFFER_MAX);
    if (how.mode == RESET || connect(l->fd[1], (struct sockaddr *)&to, sizeof(to)) != 0) {
        end_link(at, "refused");
        return;
    }
    for (int i = 0; i < 2; i++) {
        setsockopt(l->fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        fcntl(l->fd[i], F_SETFL, O_NONBLOCK);
    }
    if (server_ctx != NULL) {
        l->ssl[0] = start_tls(server_ctx, l->fd[0]);
        l->ssl[1] = start_tls(client_ctx, l->fd[1]);
    }
}

static void set_up_tls(char **argv)
{
    server_ctx = SSL_CTX_new(TLS_server_method());
    client_ctx = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_use_certificate_file(server_ctx, argv[4], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(server_ctx, argv[5], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(server_ctx, argv[6], NULL) != 1 ||
        SSL_CTX_use_certificate_file(client_ctx, argv[7], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(client_ctx, argv[8], SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}

static int say(const char *path, const char *text)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
        die(path);
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un ctl = {.sun_family = AF_UNIX};
    int listener, control, one = 1;

    if (argc == 3)
        return say(argv[1], argv[2]);
    if (argc != 4 && argc != 9) {
        fputs("usage: proxy LISTEN_PORT BROKER_PORT CONTROL_SOCKET [CERT KEY CA CLIENT_CERT "
              "CLIENT_KEY]\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 9)
        set_up_tls(argv);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 64) != 0)
        die("listen");
    control = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(ctl.sun_path, sizeof(ctl.sun_path), "%s", argv[3]);
    unlink(ctl.sun_path);
    if (bind(control, (struct sockaddr *)&ctl, sizeof(ctl)) != 0)
        die(argv[3]);
    puts("ready");
    for (;;) {
        struct pollfd fds[2 + 2 * LINKS_MAX] = {{listener, POLLIN, 0}, {control, POLLIN, 0}};
        nfds_t n = 2;
        bool waits = false;

        for (int i = 0; i < LINKS_MAX; i++) {
            for (int k = 0; links[i] != NULL && k < 2; k++) {
                /* an end that is kept from the other side would wake us for ever */
                fds[n++] =
                    (struct pollfd){links[i]->to[1 - k].closed ? -1 : links[i]->fd[k], POLLIN, 0};
                waits |= links[i]->to[k].n > 0;
            }
        }
        poll(fds, n, waits ? 1 : 200);
        if (fds[1].revents != 0)
            read_mode(control);
        if (how.mode == INJECT)
            inject_all();
        if (fds[0].revents != 0)
            accept_one(listener, (uint16_t)strtoul(argv[2], NULL, 10));
        for (int i = 0; i < LINKS_MAX; i++)
            if (links[i] != NULL && (how.mode == RESET || !turn(links[i])))
                end_link(&links[i], how.mode == RESET ? "reset" : "closed");
    }
}
