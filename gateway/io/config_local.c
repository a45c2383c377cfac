/* The section [local] of noren.conf; see config_local.h. */
#include "io/config_local.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FIELD_OF(s, f) .offset = offsetof(struct s, f), .size = sizeof(((struct s *)NULL)->f)

const struct ini_row CONFIG_LOCAL_ROWS[] = {
    {.key = "host", .parse = ini_parse_text, FIELD_OF(config, local.host), .required = true},
    {.key = "port", .parse = ini_parse_u32, FIELD_OF(config, local.port), .min = 1, .max = 65535},
    {.key = "ca", .parse = ini_parse_text, FIELD_OF(config, local.ca)},
    {.key = "cert", .parse = ini_parse_text, FIELD_OF(config, local.cert)},
    {.key = "key", .parse = ini_parse_text, FIELD_OF(config, local.key)},
    {.key = "user", .parse = ini_parse_text, FIELD_OF(config, local.user)},
    {.key = "password_file", .parse = ini_parse_text, FIELD_OF(config, local.password_file)},
    {0},
};

/* Who is on the store's network is not who may sell: without TLS only on this machine, and what proves who
 * we are goes over TLS or stays on it. */
const char *config_end_local(void *user, void *base)
{
    struct config *c = base;
    bool tls = c->local.ca[0] != '\0';
    bool here = strcmp(c->local.host, "localhost") == 0 || strncmp(c->local.host, "127.", 4) == 0 ||
                strcmp(c->local.host, "::1") == 0;

    (void)user;
    if (!tls && !here)
        return "needs \"ca = FILE\": without TLS only a broker on localhost is talked to";
    if ((c->local.cert[0] != '\0') != (c->local.key[0] != '\0'))
        return "has one of cert and key; give both, or none";
    if (c->local.cert[0] != '\0' && !tls)
        return "has a cert but no ca; name the CA that signed the broker's certificate";
    if ((c->local.user[0] != '\0') != (c->local.password_file[0] != '\0'))
        return "has one of user and password_file; give both, or none";
    if (c->local.port == 0)
        c->local.port = tls ? 8883 : 1883;
    return NULL;
}

/* A password in a file of its own, its first line. */
static int read_password(struct config *c, const char *path, char ret_error[INI_ERROR_SIZE])
{
    FILE *f;

    if (c->local.password_file[0] == '\0')
        return 0;
    f = fopen(c->local.password_file, "re");
    if (f != NULL && fgets(c->local.password, sizeof(c->local.password), f) != NULL)
        c->local.password[strcspn(c->local.password, "\r\n")] = '\0';
    if (f != NULL)
        (void)fclose(f);
    if (c->local.password[0] != '\0')
        return 0;
    snprintf(ret_error, INI_ERROR_SIZE,
             "%.100s: [local] password_file: %.200s %s; write the password there", path,
             c->local.password_file, f == NULL ? "cannot be read" : "has an empty first line");
    return -EINVAL;
}

/* A receiver has nobody but the store board to tell. */
static int check_role(const struct config *c, const char *path, char ret_error[INI_ERROR_SIZE])
{
    if (c->role != ROLE_RECEIVER || c->local.host[0] != '\0')
        return 0;
    snprintf(ret_error, INI_ERROR_SIZE,
             "%s: role = receiver needs a section [local]: the store's broker, through which the "
             "store board hears of it",
             path);
    return -EINVAL;
}

int config_finish_local(struct config *c, const char *path, char ret_error[INI_ERROR_SIZE])
{
    int rc = check_role(c, path, ret_error);

    return rc != 0 ? rc : read_password(c, path, ret_error);
}
