/* The HTTP server; see http.h. */
#include "hq/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hq/sse.h"

#define POST_MAX 16384 /* bytes of a body */

struct http {
    struct MHD_Daemon *daemon;
    const struct api *api;
    struct sse sse;
    int pages_fd; /* the folder of the pages */
    bool loopback;
};

/* The pages load nothing from elsewhere and nobody may frame them. */
static const struct {
    const char *name, *value;
} HEADERS[] = {
    {"Content-Security-Policy", "default-src 'self'; img-src 'self' data:; object-src 'none';"
                                " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

static const struct {
    const char *suffix, *type;
} TYPES[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".webmanifest", "application/manifest+json"},
};

/* Queues and drops our reference. */
static enum MHD_Result finish(struct MHD_Connection *c, unsigned status, struct MHD_Response *r)
{
    if (r == NULL)
        return MHD_NO;
    for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++)
        MHD_add_response_header(r, HEADERS[i].name, HEADERS[i].value);
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

/* Takes the reference to `json`. */
static enum MHD_Result finish_json(struct MHD_Connection *c, unsigned status, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;

    json_decref(json);
    if (text == NULL)
        return MHD_NO;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (r == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(r, "Content-Type", "application/json; charset=utf-8");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD, POST");
    return finish(c, status, r);
}

static const char *argument(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
}

/* A number or -1 when absent; false when it is there and none. */
static bool number(const char *text, int64_t *ret)
{
    char *end;

    *ret = -1;
    if (text == NULL)
        return true;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret >= 0 && text[0] >= '0' &&
           text[0] <= '9';
}

static enum MHD_Result answer_stream(struct http *h, struct MHD_Connection *c, int64_t after)
{
    const char *last = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Last-Event-ID");
    int64_t resumed;

    if (number(last, &resumed) && resumed >= 0)
        after = resumed;
    struct MHD_Response *r = sse_open(&h->sse, c, after);
    if (r == NULL)
        return finish_json(c, MHD_HTTP_SERVICE_UNAVAILABLE,
                           api_error("too many event streams", "close some pages"));
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Accel-Buffering", "no");
    return finish(c, MHD_HTTP_OK, r);
}

static enum MHD_Result answer_api(struct http *h, struct MHD_Connection *c, const char *path,
                                  bool head)
{
    struct api_query query = {.store = argument(c, "store"), .ref = argument(c, "ref")};
    int status = 0;

    if (!number(argument(c, "after"), &query.after) || !number(argument(c, "limit"), &query.limit))
        return finish_json(c, MHD_HTTP_BAD_REQUEST,
                           api_error("after and limit must be numbers", "write digits only"));
    if (strcmp(path, "/api/events/stream") == 0 && !head)
        return answer_stream(h, c, query.after);
    json_t *json = api_get(h->api, path, &query, &status);
    return finish_json(c, (unsigned)status, json);
}

/* Names of pages are one level of plain characters, so no path can lead out of the folder. */
static const char *page_type(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || name[0] == '.' ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n)
        return NULL;
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        size_t m = strlen(TYPES[i].suffix);

        if (n > m && strcmp(name + n - m, TYPES[i].suffix) == 0)
            return TYPES[i].type;
    }
    return NULL;
}

static enum MHD_Result answer_page(struct http *h, struct MHD_Connection *c, const char *path)
{
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    const char *type = page_type(name);
    int fd = type != NULL ? openat(h->pages_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    struct stat st;
    char etag[64];

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        return finish_json(c, MHD_HTTP_NOT_FOUND, api_error("no such page", "start at /"));
    }
    snprintf(etag, sizeof(etag), "\"%" PRIx64 "-%" PRIx64 "\"",
             (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec,
             (uint64_t)st.st_size);
    const char *known = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-None-Match");
    bool fresh = known != NULL && strcmp(known, etag) == 0;
    struct MHD_Response *r;
    if (fresh) {
        close(fd);
        r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else {
        r = MHD_create_response_from_fd((size_t)st.st_size, fd);
        if (r == NULL)
            close(fd);
    }
    if (r == NULL)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", "no-cache");
    MHD_add_response_header(r, "ETag", etag);
    return finish(c, fresh ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r);
}

/* While only this machine is served, only this machine's names are: a page elsewhere that points its own
 * name at 127.0.0.1 (DNS rebinding) must not read who is in the store. */
static bool host_allowed(const struct http *h, struct MHD_Connection *c)
{
    static const char *const LOCAL[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");

    if (!h->loopback || host == NULL)
        return true;
    for (size_t i = 0; i < sizeof(LOCAL) / sizeof(LOCAL[0]); i++) {
        size_t n = strlen(LOCAL[i]);

        if (strncmp(host, LOCAL[i], n) == 0 && (host[n] == '\0' || host[n] == ':'))
            return true;
    }
    return false;
}

/* The body of a request while it comes. */
struct body {
    size_t n;
    bool too_long;
    char text[POST_MAX];
};

/* A command may come from whoever is on this machine, but not through a page of somebody else's that a browser here
 * shows: such a page can send no JSON without asking first, and says where it is from. */
static enum MHD_Result answer_post(struct http *h, struct MHD_Connection *c, const char *path,
                                   const struct body *body)
{
    const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
    const char *origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin");
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    json_t *request, *answer;
    int status = 500;

    if (!h->loopback)
        return finish_json(c, MHD_HTTP_FORBIDDEN,
                           api_error("commands are taken on the loopback address only",
                                     "send it from HQ's machine, with http_bind = 127.0.0.1"));
    if (origin != NULL &&
        (host == NULL || strncmp(origin, "http://", 7) != 0 || strcmp(origin + 7, host) != 0))
        return finish_json(c, MHD_HTTP_FORBIDDEN,
                           api_error("not from one of our pages", "open the page of this server"));
    if (type == NULL || strncmp(type, "application/json", 16) != 0)
        return finish_json(c, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                           api_error("not JSON", "send Content-Type: application/json"));
    if (body->too_long)
        return finish_json(c, MHD_HTTP_CONTENT_TOO_LARGE,
                           api_error("longer than any command", "at most 16 KB are taken"));
    request = json_loadb(body->text, body->n, JSON_REJECT_DUPLICATES, NULL);
    if (request == NULL)
        return finish_json(c, MHD_HTTP_BAD_REQUEST, api_error("not valid JSON", "send an object"));
    answer = api_post(h->api, path, request, &status);
    json_decref(request);
    return finish_json(c, (unsigned)status, answer);
}

static enum MHD_Result answer(void *user, struct MHD_Connection *c, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_n, void **state)
{
    struct http *h = user;
    bool head = strcmp(method, "HEAD") == 0, post = strcmp(method, "POST") == 0;
    struct body *body = *state;

    (void)version;
    if (body ==
        NULL) { /* headers only; MHD calls again with the body and when the request is complete */
        body = calloc(1, post ? sizeof(*body) : offsetof(struct body, text));
        *state = body;
        return body != NULL ? MHD_YES : MHD_NO;
    }
    if (*upload_n != 0) {
        body->too_long |= !post || *upload_n > POST_MAX - body->n;
        if (!body->too_long) {
            memcpy(body->text + body->n, upload, *upload_n);
            body->n += *upload_n;
        }
        *upload_n = 0;
        return MHD_YES;
    }
    if (!head && !post && strcmp(method, "GET") != 0)
        return finish_json(c, MHD_HTTP_METHOD_NOT_ALLOWED,
                           api_error("no such method here", "use GET, or POST to /api/commands"));
    if (!host_allowed(h, c))
        return finish_json(c, MHD_HTTP_MISDIRECTED_REQUEST,
                           api_error("not a name of this machine",
                                     "use http://localhost, or set http_bind to serve others"));
    if (post)
        return answer_post(h, c, path, body);
    if (strncmp(path, "/api/", 5) == 0)
        return answer_api(h, c, path, head);
    return answer_page(h, c, path);
}

static void completed(void *user, struct MHD_Connection *c, void **state,
                      enum MHD_RequestTerminationCode why)
{
    (void)user;
    (void)c;
    (void)why;
    free(*state);
    *state = NULL;
}

/* Parses the numeric address to bind. */
static bool make_address(const struct hq_config *config, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, config->http_bind, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)config->http_port);
        return true;
    }
    if (inet_pton(AF_INET6, config->http_bind, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)config->http_port);
        return true;
    }
    return false;
}

int http_open(struct http **ret_http, const struct hq_config *config, const struct api *api)
{
    struct sockaddr_storage address;
    struct http *h;

    if (!make_address(config, &address))
        return -EADDRNOTAVAIL;
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        return -ENOMEM;
    h->api = api;
    h->sse.api = api;
    h->loopback =
        strncmp(config->http_bind, "127.", 4) == 0 || strcmp(config->http_bind, "::1") == 0;
    h->pages_fd = open(config->pages, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = h->pages_fd < 0 ? -errno : 0;
    if (r == 0) {
        unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

        if (address.ss_family == AF_INET6)
            flags |= MHD_USE_IPv6;
        errno = 0;
        h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, h, MHD_OPTION_SOCK_ADDR,
                                     (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, 256u,
                                     MHD_OPTION_CONNECTION_TIMEOUT, 60u,
                                     MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
        if (h->daemon == NULL)
            r = errno != 0 ? -errno : -EIO;
    }
    if (r < 0) {
        http_close(h);
        return r;
    }
    *ret_http = h;
    return 0;
}

int http_fd(const struct http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

uint16_t http_port(const struct http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

uint64_t http_timeout_us(const struct http *h)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    return MHD_get_timeout(h->daemon, &timeout_ms) == MHD_YES ? timeout_ms * 1000 : UINT64_MAX;
}

void http_run(struct http *h)
{
    MHD_run(h->daemon);
}

void http_notify(struct http *h, int changed)
{
    sse_notify(&h->sse, changed);
}

void http_tick(struct http *h)
{
    sse_ping(&h->sse);
}

void http_close(struct http *h)
{
    if (h == NULL)
        return;
    if (h->daemon != NULL) {
        /* MHD must not be stopped while connections are suspended: let each stream end first */
        sse_end_all(&h->sse);
        for (int i = 0; i < 10 && h->sse.n > 0; i++)
            MHD_run(h->daemon);
        MHD_stop_daemon(h->daemon);
    }
    if (h->pages_fd >= 0)
        close(h->pages_fd);
    free(h);
}
