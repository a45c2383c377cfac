/* norenctl bundle: makes and checks what headquarters signs for gateways; see io/bundle.h for the formats.
 *
 * Checking runs the readers that a gateway runs, so what is well here is taken there, as far as one file can tell;
 * campaigns are checked against a planogram that is given beside them.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "io/bundle.h"
#include "io/engine.h"
#include "io/file.h"

#define FILE_MAX (16 << 20)

struct bundle_call {
    const char *key, *to, *map;
    long long revision;
    bool json;
};

static int read_options(struct bundle_call *c, int argc, char **argv)
{
    static const struct option options[] = {
        {"key", required_argument, NULL, 'k'}, {"revision", required_argument, NULL, 'r'},
        {"to", required_argument, NULL, 't'},  {"map", required_argument, NULL, 'm'},
        {"json", no_argument, NULL, 'j'},      {0}};
    char *end;
    int opt;

    *c = (struct bundle_call){.revision = 0};
    opterr = 0;
    optind = 1;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'k') {
            c->key = optarg;
        } else if (opt == 't') {
            c->to = optarg;
        } else if (opt == 'm') {
            c->map = optarg;
        } else if (opt == 'j') {
            c->json = true;
        } else if (opt == 'r') {
            c->revision = strtoll(optarg, &end, 10);
            if (*end != '\0' || c->revision < 1)
                return ctl_usage("bundle", "--revision %s is no number from 1 on", optarg);
        } else {
            return ctl_usage("bundle", "unknown or incomplete option %s", argv[optind - 1]);
        }
    }
    return CTL_OK;
}

/* Says what is wrong with a file. */
static int complain(const struct bundle_call *c, const char *file, const char *error)
{
    if (c->json) {
        json_t *o =
            json_pack("{s:s,s:b,s:s}", "file", file != NULL ? file : "", "ok", 0, "error", error);

        json_dumpf(o, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(o);
    }
    fprintf(stderr, "norenctl bundle: %s: %s\n", file, error);
    return CTL_FAILED;
}

static int load_key(const struct bundle_call *c, struct jws_key **ret)
{
    int rc = jws_key_load(ret, c->key);

    if (rc == 0)
        return CTL_OK;
    return complain(c, c->key,
                    rc == -EINVAL ? "not an Ed25519 key; make one with openssl genpkey -algorithm "
                                    "ed25519"
                                  : strerror(-rc));
}

static int load_file(const struct bundle_call *c, const char *path, char **ret_text, size_t *ret_n)
{
    int rc = file_read(path, FILE_MAX, ret_text, ret_n);

    return rc == 0 ? CTL_OK : complain(c, path, strerror(-rc));
}

/* --- sign --------------------------------------------------------------------------------------- */

/* The document of a rotation is the new key, as a PEM file; in the bundle it stands in hexadecimal. */
static int load_document(const struct bundle_call *c, enum bundle_kind kind, const char *path,
                         char **ret_text, size_t *ret_n)
{
    struct bundle_call key = {.key = path, .json = c->json};
    uint8_t bytes[JWS_PUBLIC_SIZE];
    struct jws_key *k;
    char *hex;
    int rc;

    if (kind != BUNDLE_KEYS)
        return load_file(c, path, ret_text, ret_n);
    rc = load_key(&key, &k);
    if (rc != CTL_OK)
        return rc;
    hex = calloc(1, 2 * sizeof(bytes) + 1);
    if (hex == NULL || jws_key_public(k, bytes) != 0) {
        free(hex);
        jws_key_free(k);
        return CTL_FAILED;
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    jws_key_free(k);
    *ret_text = hex;
    *ret_n = strlen(hex);
    return CTL_OK;
}

/* Makes the payload and checks it as a gateway would. */
static int make(const struct bundle_call *c, enum bundle_kind kind, const char *path,
                char **ret_payload)
{
    char *text = NULL, *map = NULL, error[BUNDLE_ERROR_SIZE] = "";
    size_t n = 0, map_n = 0;
    struct bundle b;
    int rc = load_document(c, kind, path, &text, &n), made;

    if (rc == CTL_OK && c->map != NULL)
        rc = load_file(c, c->map, &map, &map_n);
    if (rc == CTL_OK) {
        made = bundle_make(kind, c->to, c->revision, text, n, map, map_n, ret_payload, error);
        if (made == 0)
            made = bundle_read(&b, *ret_payload, strlen(*ret_payload), error);
        if (made == 0) {
            made = bundle_check(&b, error);
            bundle_free(&b);
        }
        if (made != 0)
            rc = complain(c, path, error[0] != '\0' ? error : strerror(-made));
    }
    free(text);
    free(map);
    return rc;
}

static int sign(const struct bundle_call *c, int argc, char **argv)
{
    enum bundle_kind kind = argc == 2 ? bundle_find(argv[0]) : BUNDLES;
    char *payload = NULL, *token = NULL;
    struct jws_key *key = NULL;
    int rc, signed_rc;

    if (kind == BUNDLES)
        return ctl_usage("bundle", "sign wants keys, config, planogram or campaigns, and a file");
    if (c->key == NULL || c->to == NULL || c->revision == 0)
        return ctl_usage("bundle", "sign wants --key, --to and --revision");
    rc = load_key(c, &key);
    if (rc == CTL_OK)
        rc = make(c, kind, argv[1], &payload);
    if (rc == CTL_OK) {
        signed_rc = jws_sign(key, payload, strlen(payload), &token);
        if (signed_rc != 0)
            rc = complain(c, c->key,
                          signed_rc == -ENOKEY ? "is only the public half; signing wants the "
                                                 "private key"
                                               : strerror(-signed_rc));
    }
    if (rc == CTL_OK && c->json)
        printf("{\"ok\":true,\"name\":\"%s\",\"revision\":%lld,\"token\":\"%s\"}\n",
               bundle_name(kind), c->revision, token);
    else if (rc == CTL_OK)
        puts(token);
    jws_key_free(key);
    free(payload);
    free(token);
    return rc;
}

/* --- check -------------------------------------------------------------------------------------- */

/* What several files make together. */
struct together {
    struct engine_plan plan;
    char map_at[300], planogram_at[300], campaigns_at[300];
};

static void place(char ret[300], const char *file, const char *inside)
{
    snprintf(ret, 300, "%.240s: %s", file, inside);
}

/* Takes the documents out of a bundle. */
static void add(struct together *t, const char *file, struct bundle *b)
{
    if (b->kind == BUNDLE_PLANOGRAM && t->plan.text[DOCUMENT_PLANOGRAM] == NULL) {
        t->plan.text[DOCUMENT_PLANOGRAM] = b->document;
        t->plan.n[DOCUMENT_PLANOGRAM] = b->document_n;
        t->plan.text[DOCUMENT_MAP] = b->map;
        t->plan.n[DOCUMENT_MAP] = b->map_n;
        b->document = b->map = NULL;
        place(t->map_at, file, "map.");
        place(t->planogram_at, file, "planogram.");
    }
    if (b->kind == BUNDLE_CAMPAIGNS && t->plan.text[DOCUMENT_CAMPAIGNS] == NULL) {
        t->plan.text[DOCUMENT_CAMPAIGNS] = b->document;
        t->plan.n[DOCUMENT_CAMPAIGNS] = b->document_n;
        b->document = NULL;
        place(t->campaigns_at, file, "");
    }
}

static int print_good(const struct bundle_call *c, const char *file, const struct bundle *b)
{
    bool is_signed = c->key != NULL;

    if (c->json)
        printf("{\"file\":\"%s\",\"ok\":true,\"name\":\"%s\",\"to\":\"%s\",\"revision\":%lld,"
               "\"signed\":%s}\n",
               file, bundle_name(b->kind), b->to, (long long)b->revision,
               is_signed ? "true" : "false");
    else
        printf("%s: ok: %s for %s, revision %lld%s\n", file, bundle_name(b->kind), b->to,
               (long long)b->revision, is_signed ? ", signed by that key" : ", not signed");
    return CTL_OK;
}

/* One file: a signed bundle, or with no key its payload. */
static int check_one(const struct bundle_call *c, const struct jws_key *key, const char *file,
                     struct together *t)
{
    char *text, *payload = NULL, error[BUNDLE_ERROR_SIZE] = "";
    struct bundle b;
    size_t n, payload_n;
    int rc = load_file(c, file, &text, &n);

    if (rc != CTL_OK)
        return rc;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (key == NULL && n > 0 && text[0] != '{')
        rc = complain(c, file, "looks signed; give --key with the key to check it against");
    else if (key != NULL && jws_verify(key, text, n, &payload, &payload_n) != 0)
        rc = complain(c, file, "not signed by that key, or changed since; sign it again");
    else if (bundle_read(&b, key != NULL ? payload : text, key != NULL ? payload_n : n, error) != 0)
        rc = complain(c, file, error);
    free(text);
    free(payload);
    if (rc != CTL_OK)
        return rc;
    if (c->to != NULL && !bundle_is_for(b.to, c->to))
        rc = complain(c, file, "to: is for somebody else");
    else if (bundle_check(&b, error) != 0)
        rc = complain(c, file, error);
    else
        rc = print_good(c, file, &b);
    add(t, file, &b);
    bundle_free(&b);
    return rc;
}

static int check(const struct bundle_call *c, int argc, char **argv)
{
    struct together t = {.plan = {.plan = NULL}};
    const char *const where[DOCUMENTS] = {t.map_at, t.planogram_at, t.campaigns_at};
    struct jws_key *key = NULL;
    char error[ENGINE_ERROR_SIZE] = "";
    int rc = CTL_OK;

    if (argc == 0)
        return ctl_usage("bundle", "check wants a file");
    if (c->key != NULL)
        rc = load_key(c, &key);
    for (int i = 0; i < argc && rc == CTL_OK; i++)
        rc = check_one(c, key, argv[i], &t);
    if (rc == CTL_OK && t.plan.text[DOCUMENT_CAMPAIGNS] != NULL) {
        if (t.plan.text[DOCUMENT_PLANOGRAM] == NULL)
            fputs("norenctl bundle: zones and products of the campaigns were not looked at; give "
                  "the planogram's bundle beside them\n",
                  stderr);
        else if (engine_parse_plan(&t.plan, where, error) != 0)
            rc = complain(c, "together", error);
    }
    engine_plan_free(&t.plan);
    jws_key_free(key);
    return rc;
}

int cmd_bundle(int argc, char **argv)
{
    struct bundle_call c;
    int rc = read_options(&c, argc, argv);

    if (rc != CTL_OK)
        return rc;
    argc -= optind;
    argv += optind;
    if (argc > 0 && strcmp(argv[0], "sign") == 0)
        return sign(&c, argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "check") == 0)
        return check(&c, argc - 1, argv + 1);
    return ctl_usage("bundle", "sign or check?");
}
