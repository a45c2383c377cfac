/* A person's command; see operator.h. */
#include "hq/operator.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "hq/config.h"

enum { EXIT_NOT_DONE = 1, EXIT_USAGE = 2 };

#define ANSWER_MAX (1 << 20)
#define WAIT_S     60 /* unless --valid says otherwise */
#define LOOK_NS    200000000L
#define LATE_S     5 /* an answer may still be on its way when the command expires */

struct order_form {
    struct hq_config config;
    const char *file, *store, *gateway, *actor, *name;
    long valid_s;
    bool json;
};

static int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(int status, const char *format, ...)
{
    va_list args;

    fputs("noren-hq command: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

/* --- the running noren-hq ----------------------------------------------------------------------- */

static int connect_hq(const struct hq_config *c)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    const char *host = strcmp(c->http_bind, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(c->http_bind, "::") == 0    ? "::1"
                                                            : c->http_bind;
    char port[16];
    int fd;

    snprintf(port, sizeof(port), "%u", c->http_port);
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -EINVAL;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        int rc = -errno;

        close(fd);
        fd = rc;
    }
    freeaddrinfo(found);
    return fd;
}

static bool send_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t put = send(fd, text, n, MSG_NOSIGNAL);

        if (put <= 0)
            return false;
        text += put;
        n -= (size_t)put;
    }
    return true;
}

/* One request (HTTP/1.0: the answer ends with the connection); the body as JSON, NULL when there is none. */
static json_t *ask(const struct order_form *o, const char *path, const char *body, int *ret_status)
{
    int fd = connect_hq(&o->config);
    char *answer = malloc(ANSWER_MAX + 1), head[512];
    json_t *json = NULL;
    size_t n = 0;
    ssize_t got;

    *ret_status = 0;
    snprintf(head, sizeof(head),
             "%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n",
             body != NULL ? "POST" : "GET", path, body != NULL ? strlen(body) : 0);
    if (fd >= 0 && answer != NULL && send_all(fd, head, strlen(head)) &&
        (body == NULL || send_all(fd, body, strlen(body)))) {
        while (n < ANSWER_MAX && (got = recv(fd, answer + n, ANSWER_MAX - n, 0)) > 0)
            n += (size_t)got;
        answer[n] = '\0';
        if (strncmp(answer, "HTTP/1.", 7) == 0 && strstr(answer, "\r\n\r\n") != NULL) {
            *ret_status = (int)strtol(answer + strcspn(answer, " "), NULL, 10);
            json = json_loads(strstr(answer, "\r\n\r\n") + 4, 0, NULL);
        }
    }
    if (fd >= 0)
        close(fd);
    free(answer);
    return json;
}

static int no_answer(const struct order_form *o)
{
    return fail(EXIT_NOT_DONE,
                "noren-hq does not answer at %s port %u; is it running with %s? (http_port must be "
                "a number there)",
                o->config.http_bind, o->config.http_port, o->file);
}

/* --- one command -------------------------------------------------------------------------------- */

/* The one gateway of the store, unless one was named. */
static int find_gateway(struct order_form *o, char ret[NOREN_ID_SIZE])
{
    char names[256] = "";
    int status, n = 0;
    size_t i;
    json_t *all, *g;

    if (o->gateway != NULL) {
        snprintf(ret, NOREN_ID_SIZE, "%s", o->gateway);
        return 0;
    }
    all = ask(o, "/api/gateways", NULL, &status);
    if (all == NULL)
        return no_answer(o);
    json_array_foreach(all, i, g)
    {
        const char *store = json_string_value(json_object_get(g, "store"));
        const char *gateway = json_string_value(json_object_get(g, "gateway"));

        if (store == NULL || gateway == NULL || strcmp(store, o->store) != 0)
            continue;
        snprintf(ret, NOREN_ID_SIZE, "%s", gateway);
        snprintf(names + strlen(names), sizeof(names) - strlen(names), " %.39s", gateway);
        n++;
    }
    json_decref(all);
    if (n == 0)
        return fail(EXIT_NOT_DONE, "no gateway of store %s has ever been heard of", o->store);
    if (n > 1)
        return fail(EXIT_USAGE, "store %s has several gateways; name one with --gateway:%s",
                    o->store, names);
    return 0;
}

/* "key=text" or "key:=json". */
static int read_args(int argc, char **argv, json_t *args)
{
    for (int i = 0; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        bool raw = equals != NULL && equals > argv[i] && equals[-1] == ':';
        json_t *value;

        if (equals == NULL || equals == argv[i] + raw)
            return fail(EXIT_USAGE, "%s: write arguments as name=text or name:=number", argv[i]);
        value = raw ? json_loads(equals + 1, JSON_DECODE_ANY, NULL) : json_string(equals + 1);
        if (value == NULL)
            return fail(EXIT_USAGE, "%s: what stands behind := must be JSON", argv[i]);
        equals[raw ? -1 : 0] = '\0';
        json_object_set_new(args, argv[i], value);
    }
    return 0;
}

/* The command's row when it has been answered or has expired; NULL: noren-hq is gone. */
static json_t *wait_for_end(const struct order_form *o, const char *id)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    time_t until = time(NULL) + o->valid_s + LATE_S;
    char path[128];

    snprintf(path, sizeof(path), "/api/commands?ref=%s", id);
    for (;;) {
        int status;
        json_t *rows = ask(o, path, NULL, &status);
        json_t *row = json_incref(json_array_get(rows, 0));
        const char *state = json_string_value(json_object_get(row, "status"));

        json_decref(rows);
        if (state == NULL || strcmp(state, "sent") != 0 || time(NULL) > until)
            return row;
        json_decref(row);
        nanosleep(&pause, NULL);
    }
}

/* What a person reads: every member of the answer but the frame. */
static void print_answer(const json_t *answer)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)answer, key, value)
    {
        char *text;

        if (strcmp(key, "id") == 0 || strcmp(key, "ok") == 0)
            continue;
        text = json_dumps(value, JSON_ENCODE_ANY | (json_is_array(value) ? JSON_INDENT(2) : 0));
        printf("%s: %s\n", key, json_is_string(value) ? json_string_value(value) : text);
        free(text);
    }
}

static int tell(const struct order_form *o, const char *gateway, const char *id, const json_t *row)
{
    const json_t *answer = json_object_get(row, "answer");
    const char *state = json_string_value(json_object_get(row, "status"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    bool done = state != NULL && strcmp(state, "done") == 0;

    if (o->json) {
        json_dumpf(row, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        putchar('\n');
    } else if (done) {
        printf("%s: done by %s\n", o->name, gateway);
        print_answer(answer);
    } else if (answer != NULL && !json_is_null(answer)) {
        (void)fail(0, "%s: refused by %s: %s", o->name, gateway, error != NULL ? error : "");
    } else {
        (void)fail(0,
                   "%s: no answer of %s within %ld s, it has expired and will not be done; see "
                   "whether the gateway is online (id %s)",
                   o->name, gateway, o->valid_s, id);
    }
    return done ? EXIT_SUCCESS : EXIT_NOT_DONE;
}

static int give(struct order_form *o, int argc, char **argv)
{
    char gateway[NOREN_ID_SIZE], id[NOREN_ID_SIZE] = "";
    json_t *args = json_object(), *request, *answer;
    int rc = read_args(argc, argv, args), status;
    char *body;

    if (rc == 0)
        rc = find_gateway(o, gateway);
    if (rc != 0) {
        json_decref(args);
        return rc;
    }
    request = json_pack("{s:s,s:s,s:s,s:s,s:i,s:o}", "gateway", gateway, "store", o->store, "name",
                        o->name, "actor", o->actor, "valid_s", (int)o->valid_s, "args", args);
    body = json_dumps(request, JSON_COMPACT);
    answer = ask(o, "/api/commands", body, &status);
    json_decref(request);
    free(body);
    if (answer == NULL)
        return no_answer(o);
    if (status < 200 || status > 299) {
        rc = fail(EXIT_NOT_DONE, "%s: %s", json_string_value(json_object_get(answer, "error")),
                  json_string_value(json_object_get(answer, "remedy")));
    } else {
        snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(answer, "id")));
        json_decref(answer);
        answer = wait_for_end(o, id);
        rc = answer != NULL ? tell(o, gateway, id, answer) : no_answer(o);
    }
    json_decref(answer);
    return rc;
}

/* --- command line ------------------------------------------------------------------------------- */

static int usage(FILE *to)
{
    fputs(
        "usage: noren-hq command --config FILE [options] STORE NAME [ARGUMENT...]\n\n"
        "Gives a command to the gateway of a store, waits for the answer and says what happened.\n"
        "The noren-hq of FILE must be running. An argument is name=text, or name:=value for a\n"
        "number or other JSON:\n\n"
        "  noren-hq command -c hq.conf kanda stock.query gtin=04901234567894\n"
        "  noren-hq command -c hq.conf kanda count gtin=04901234567894 quantity:=12\n\n"
        "  -g, --gateway NAME  which one, when the store has several\n"
        "      --actor NAME    who gives it (default: your login name); it is on record\n"
        "      --valid S       for how many seconds it is good (default 60, at most 86400)\n"
        "      --json          the whole record as JSON\n"
        "exit: 0 done, 1 refused, expired or not given, 2 wrong usage or configuration\n",
        to);
    return to == stdout ? 0 : EXIT_USAGE;
}

int operator_main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"gateway", required_argument, NULL, 'g'},
                                            {"actor", required_argument, NULL, 'a'},
                                            {"valid", required_argument, NULL, 'v'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct order_form o = {.valid_s = WAIT_S};
    const struct passwd *who = getpwuid(getuid());
    char error[INI_ERROR_SIZE], *end;
    int c;

    o.actor = who != NULL ? who->pw_name : "operator";
    optind = 1;
    while ((c = getopt_long(argc, argv, "c:g:h", options, NULL)) != -1) {
        if (c == 'c')
            o.file = optarg;
        else if (c == 'g')
            o.gateway = optarg;
        else if (c == 'a')
            o.actor = optarg;
        else if (c == 'j')
            o.json = true;
        else if (c == 'h')
            return usage(stdout);
        else if (c != 'v')
            return usage(stderr);
        if (c != 'v')
            continue;
        o.valid_s = strtol(optarg, &end, 10);
        if (*end != '\0' || o.valid_s < 1 || o.valid_s > 86400)
            return fail(EXIT_USAGE, "--valid wants 1 to 86400 seconds");
    }
    if (o.file == NULL || argc - optind < 2)
        return usage(stderr);
    if (hq_config_load(&o.config, o.file, error) != 0)
        return fail(EXIT_USAGE, "%s", error);
    o.store = argv[optind];
    o.name = argv[optind + 1];
    return give(&o, argc - optind - 2, argv + optind + 2);
}
