/* norenctl enroll: the board's key, the request for its certificate, and the certificate put in place.
 *
 * Works without a running gateway: a fresh board has none. It never sends anything; the request is a file
 * that a person or a configuration tool takes to the CA, and the certificate comes back the same way.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "io/config.h"
#include "io/pki.h"

struct enroll {
    struct config config;
    struct pki_files files;
    const char *install;
    bool renew, force, json;
};

static int fail(const char *error)
{
    fprintf(stderr, "norenctl enroll: %s\n", error);
    return CTL_FAILED;
}

static void print_day(const char *what, int64_t t_s)
{
    time_t t = (time_t)t_s;
    char text[32];

    strftime(text, sizeof(text), "%Y-%m-%d", gmtime(&t));
    printf("%s %s", what, text);
}

/* What the certificate says, for people or as JSON. */
static void print_cert(const struct enroll *e, const struct pki_info *info, const char *state)
{
    if (e->json) {
        printf("{\"state\":\"%s\",\"gateway\":\"%s\",\"key\":\"%s\",\"from\":%lld,\"until\":%lld,"
               "\"renew_from\":%lld}\n",
               state, info->name, info->fingerprint, (long long)info->from_s,
               (long long)info->until_s, (long long)pki_renew_at_s(info));
        return;
    }
    printf("%s: %s, gateway %s, ", e->files.cert, state, info->name);
    print_day("valid until", info->until_s);
    print_day(", renew from", pki_renew_at_s(info));
    putchar('\n');
}

static int install(const struct enroll *e)
{
    char error[PKI_ERROR_SIZE];
    struct pki_info info;

    if (pki_install(&e->files, e->install, time(NULL), &info, error) != 0)
        return fail(error);
    print_cert(e, &info, "installed");
    return CTL_OK;
}

/* Root makes the key, and norend, who is somebody else, reads it: it belongs to whom the database's folder
 * belongs to. */
static void give_to_norend(const struct enroll *e, const char *key)
{
    struct stat st;

    if (geteuid() == 0 && stat(e->config.data_dir, &st) == 0 &&
        chown(key, st.st_uid, st.st_gid) != 0)
        fprintf(stderr, "norenctl enroll: %s: %s; norend may not be able to read it\n", key,
                strerror(errno));
}

/* A key, unless there is one, and its request. */
static int request(const struct enroll *e, const char *key)
{
    char csr[PKI_PATH_SIZE], error[PKI_ERROR_SIZE];
    struct pki_info info;
    int rc = pki_create_key(key, error);

    if (rc != 0 && rc != -EEXIST)
        return fail(error);
    give_to_norend(e, key);
    snprintf(csr, sizeof(csr), "%s.csr", e->files.cert);
    if (pki_write_request(key, e->files.name, csr, &info, error) != 0)
        return fail(error);
    if (e->json)
        printf("{\"state\":\"requested\",\"gateway\":\"%s\",\"key\":\"%s\",\"request\":\"%s\"}\n",
               info.name, info.fingerprint, csr);
    else
        printf(
            "request: %s\nkey:     %s\n"
            "Take the request to the certificate authority, compare the key, and come back with\n"
            "the certificate:  norenctl enroll --config %s --install FILE\n"
            "(noren-hq ca approve DIR REQUEST is the authority's command.)\n",
            csr, info.fingerprint, e->config.dir);
    return CTL_OK;
}

static int read_arguments(struct enroll *e, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"install", required_argument, NULL, 'i'},
        {"renew", no_argument, NULL, 'r'},        {"now", no_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},         {0}};
    char error[INI_ERROR_SIZE];
    const char *dir = "/etc/noren";
    int opt;

    opterr = 0;
    optind = 1;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'c')
            dir = optarg;
        else if (opt == 'i')
            e->install = optarg;
        else if (opt == 'r')
            e->renew = true;
        else if (opt == 'n')
            e->force = true;
        else if (opt == 'j')
            e->json = true;
        else
            return ctl_usage(argv[0], "unknown or incomplete option %s", argv[optind - 1]);
    }
    if (optind != argc)
        return ctl_usage(argv[0], "takes no argument");
    if (config_load(&e->config, dir, error) != 0)
        return fail(error);
    e->files = (struct pki_files){.key = e->config.mqtt.key,
                                  .cert = e->config.mqtt.cert,
                                  .ca = e->config.mqtt.ca,
                                  .name = e->config.gateway};
    if (access(e->files.ca, R_OK) != 0) {
        fprintf(stderr, "norenctl enroll: %s: %s; put the CA's certificate there first\n",
                e->files.ca, strerror(errno));
        return CTL_FAILED;
    }
    return CTL_OK;
}

int cmd_enroll(int argc, char **argv)
{
    static struct enroll e;
    char next[PKI_PATH_SIZE], error[PKI_ERROR_SIZE];
    struct pki_info info;
    int rc = read_arguments(&e, argc, argv);

    if (rc != CTL_OK)
        return rc;
    pki_settle(&e.files);
    if (e.install != NULL)
        return install(&e);
    if (pki_read_cert(e.files.cert, &info, error) == -ENOENT)
        return request(&e, e.files.key); /* a fresh board */
    if (pki_check(&e.files, e.files.key, e.files.cert, 0, &info, error) != 0)
        return fail(error);
    if (!e.renew || (!e.force && time(NULL) < pki_renew_at_s(&info))) {
        print_cert(&e, &info, time(NULL) < pki_renew_at_s(&info) ? "good" : "to be renewed");
        return CTL_OK;
    }
    /* the pair in use stays in use until the new one is complete */
    snprintf(next, sizeof(next), "%s.next", e.files.key);
    return request(&e, next);
}
