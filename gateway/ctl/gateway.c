/* norenctl status, tare, recount: talk to a running gateway through its control socket.
 *
 * The gateway answers in JSON; --json passes it through, else a person gets lines. The three share one way
 * in: where the socket is, one request, one answer, and what to do next when nobody answers.
 */
#include "ctl/ask.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "io/local.h"

#define TIMEOUT_S 10

int ctl_read_options(struct ctl_call *c, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"socket", required_argument, NULL, 's'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"document", required_argument, NULL, 'd'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"all", no_argument, NULL, 'a'},
                                            {0}};
    static struct config config;
    char error[INI_ERROR_SIZE];
    int opt;

    memset(c, 0, sizeof(*c));
    c->command = argv[0];
    strcpy(c->socket, "/run/noren/control.sock");
    opterr = 0;
    optind = 1;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'j') {
            c->json = true;
        } else if (opt == 'a') {
            c->all = true;
        } else if (opt == 'i') {
            c->id = optarg;
        } else if (opt == 'd') {
            c->document = optarg;
        } else if (opt == 't') {
            c->seconds = optarg;
        } else if (opt == 's') {
            snprintf(c->socket, sizeof(c->socket), "%s", optarg);
        } else if (opt == 'c') {
            if (config_load(&config, optarg, error) != 0) {
                fprintf(stderr, "norenctl %s: %s\n", c->command, error);
                return CTL_FAILED;
            }
            snprintf(c->socket, sizeof(c->socket), "%s/control.sock", config.run_dir);
        } else {
            return ctl_usage(c->command, "unknown or incomplete option %s", argv[optind - 1]);
        }
    }
    return CTL_OK;
}

int ctl_begin(struct ctl_call *c, int argc, char **argv, int n, const char *wants)
{
    int rc = ctl_read_options(c, argc, argv);

    return rc == CTL_OK && optind != argc - n ? ctl_usage(c->command, "%s", wants) : rc;
}

static int connect_socket(const struct ctl_call *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int fd;

    if (strlen(c->socket) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, c->socket, strlen(c->socket) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

/* Sends the line and reads the answer's. Returns its length or -errno. */
static long exchange(int fd, const char *line, char *answer, size_t size)
{
    size_t n = 0, line_n = strlen(line);

    if (send(fd, line, line_n, MSG_NOSIGNAL) != (ssize_t)line_n)
        return -EPIPE;
    while (n < size - 1) {
        ssize_t got = recv(fd, answer + n, size - 1 - n, 0);

        if (got <= 0)
            return got < 0 && errno == EAGAIN ? -ETIMEDOUT : -ECONNRESET;
        n += (size_t)got;
        if (answer[n - 1] == '\n') {
            answer[n - 1] = '\0';
            return (long)n - 1;
        }
    }
    return -EMSGSIZE;
}

static const char *remedy(long rc)
{
    return rc == -ENOENT || rc == -ECONNREFUSED ? "norend does not run there; start it (systemctl "
                                                  "start noren), or name the right place "
                                                  "with --socket or --config"
           : rc == -EACCES    ? "you may not: become a member of the group noren, or root"
           : rc == -ETIMEDOUT ? "norend does not answer; see its log (journalctl -u noren)"
                              : "see its log (journalctl -u noren)";
}

/* A command that is sent again, after a timeout say, does nothing when it names the same id; so each gets
 * its own. */
static json_t *command_id(const struct ctl_call *c)
{
    uint64_t number = 0;
    char id[32];

    if (c->id != NULL)
        return json_string(c->id);
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint64_t)time(NULL);
    snprintf(id, sizeof(id), "ctl-%016llx", (unsigned long long)number);
    return json_string(id);
}

json_t *ctl_ask(const struct ctl_call *c, const char *name, json_t *request)
{
    char answer[LOCAL_ANSWER_MAX + 2], line[LOCAL_LINE_MAX + 2];
    int fd = connect_socket(c);
    long n = fd;
    json_t *reply = NULL;
    size_t len;

    json_object_set_new(request, "id", command_id(c));
    json_object_set_new(request, "name", json_string(name));
    len = json_dumpb(request, line, LOCAL_LINE_MAX, JSON_COMPACT);
    json_decref(request);
    if (len >= LOCAL_LINE_MAX) {
        n = -EMSGSIZE;
    } else if (fd >= 0) {
        line[len] = '\n';
        line[len + 1] = '\0';
        n = exchange(fd, line, answer, sizeof(answer));
    }
    if (fd >= 0)
        close(fd);
    if (n >= 0)
        reply = json_loads(answer, 0, NULL);
    if (reply == NULL) {
        fprintf(stderr, "norenctl %s: %s: %s; %s\n", c->command, c->socket,
                n < 0 ? strerror((int)-n) : "not an answer", remedy(n));
        return NULL;
    }
    if (c->json && json_object_get(reply, "status") == NULL &&
        json_object_get(reply, "products") == NULL && json_object_get(reply, "tasks") == NULL)
        puts(answer);
    if (!json_is_true(json_object_get(reply, "ok")) && !c->json)
        fprintf(stderr, "norenctl %s: %s\n", c->command,
                json_string_value(json_object_get(reply, "error")));
    return reply;
}

int ctl_order(const struct ctl_call *c, const char *name, json_t *request, const char *done)
{
    json_t *reply = ctl_ask(c, name, request);
    bool ok = json_is_true(json_object_get(reply, "ok"));

    if (ok && !c->json)
        puts(json_is_true(json_object_get(reply, "repeated"))
                 ? "this command was carried out before; nothing was done"
                 : done);
    json_decref(reply);
    return ok ? CTL_OK : CTL_FAILED;
}

/* "name value" for every plain member of an object; `before` goes in front of each name. */
static void print_members(const char *before, const json_t *object)
{
    int width = 22 - (int)strlen(before);

    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        if (json_is_string(value))
            printf("%s%-*s %s\n", before, width, key, json_string_value(value));
        else if (json_is_integer(value))
            printf("%s%-*s %lld\n", before, width, key, (long long)json_integer_value(value));
        else if (json_is_boolean(value))
            printf("%s%-*s %s\n", before, width, key, json_is_true(value) ? "yes" : "no");
    }
}

/* "desired planogram 1795 in force", and why a later one is not. */
static void print_desired(const json_t *status)
{
    const char *kind;
    json_t *b;

    if (json_integer_value(json_object_get(status, "members_revision")) >= 0)
        printf("desired %-14s revision %lld in force\n", "members",
               (long long)json_integer_value(json_object_get(status, "members_revision")));
    json_object_foreach(json_object_get(status, "desired"), kind, b)
    {
        const json_t *revision = json_object_get(b, "revision");
        const json_t *refused = json_object_get(b, "refused"),
                     *trial = json_object_get(b, "trial_revision");

        if (json_is_integer(revision))
            printf("desired %-14s revision %lld in force\n", kind,
                   (long long)json_integer_value(revision));
        else
            printf("desired %-14s of the configuration folder\n", kind);
        if (trial != NULL)
            printf("desired %-14s revision %lld on trial\n", kind,
                   (long long)json_integer_value(trial));
        if (refused != NULL)
            printf("desired %-14s revision %lld REFUSED: %s\n", kind,
                   (long long)json_integer_value(json_object_get(refused, "revision")),
                   json_string_value(json_object_get(refused, "error")));
    }
}

int cmd_status(int argc, char **argv)
{
    struct ctl_call c;
    json_t *reply, *status, *bank, *problem;
    size_t i;
    int rc = ctl_begin(&c, argc, argv, 0, "takes no argument");

    if (rc != CTL_OK)
        return rc;
    reply = ctl_ask(&c, c.command, json_object());
    status = json_object_get(reply, "status");
    rc = status != NULL ? CTL_OK : CTL_FAILED;
    if (status != NULL && c.json) {
        json_dumpf(status, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (status != NULL) {
        print_members("", status);
        print_members("", json_object_get(status, "counters"));
        print_members("uplink ", json_object_get(status, "uplink"));
        print_members("local ", json_object_get(status, "local"));
        print_desired(status);
        json_array_foreach(json_object_get(status, "banks"), i, bank)
            printf("bank %-17s %s, %lld frames, %lld refused\n",
                   json_string_value(json_object_get(bank, "bank")),
                   json_string_value(json_object_get(bank, "sampling")),
                   (long long)json_integer_value(json_object_get(bank, "frames_good")),
                   (long long)json_integer_value(json_object_get(bank, "frames_refused")));
        ctl_print_lights(status);
        json_array_foreach(json_object_get(status, "problems"), i, problem)
            printf("PROBLEM: %s\n", json_string_value(problem));
    }
    json_decref(reply);
    return rc;
}

int cmd_tare(int argc, char **argv)
{
    struct ctl_call c;
    int rc = ctl_begin(&c, argc, argv, 1, "wants one plate");

    if (rc != CTL_OK)
        return rc;
    return ctl_order(
        &c, c.command, json_pack("{s:s}", "plate", argv[optind]),
        "accepted: the plate is zero from its next quiet moment on; leave it alone until then");
}

int ctl_quantity(const struct ctl_call *c, const char *text, long long *ret)
{
    long long quantity = 0;
    char *end;

    errno = 0;
    quantity = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || quantity < 0)
        return ctl_usage(c->command, "\"%s\" is no number of pieces", text);
    *ret = quantity;
    return CTL_OK;
}

int cmd_recount(int argc, char **argv)
{
    struct ctl_call c;
    long long quantity = 0;
    int rc = ctl_begin(&c, argc, argv, 2, "wants a plate or GTIN, and a number of pieces");

    if (rc != CTL_OK)
        return rc;
    rc = ctl_quantity(&c, argv[optind + 1], &quantity);
    if (rc != CTL_OK)
        return rc;
    return ctl_order(
        &c, c.command,
        json_pack("{s:s,s:I}", "target", argv[optind], "quantity", (json_int_t)quantity),
        "recounted");
}
