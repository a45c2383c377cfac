/* Renewal of the certificate; see renew.h. */
#include "io/renew.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/control.h"
#include "io/file.h"
#include "io/log.h"
#include "io/norend.h"
#include "io/pki.h"
#include "noren/topic.h"

#define ASK_US        (3600 * NOREN_US_PER_S) /* again, if there was no answer */
#define ANSWER_US     (2 * NOREN_US_PER_S)
#define ALERT_KIND    "certificate_expires"
#define ALERT_PERCENT 80
#define PEM_MAX       8192
#define CLAIM_SIZE    24576

static struct pki_files files_of(const struct norend *d)
{
    return (struct pki_files){.key = d->config.mqtt.key,
                              .cert = d->config.mqtt.cert,
                              .ca = d->config.mqtt.ca,
                              .name = d->config.gateway};
}

void renew_begin(struct norend *d)
{
    struct pki_files files = files_of(d);

    pki_settle(&files);
}

/* --- alert -------------------------------------------------------------------------------------- */

static void raise_alert(struct norend *d, const struct pki_info *info, int64_t now_us)
{
    struct renew *r = &d->uplink.renew;

    if (r->alerted)
        return;
    r->alerted = true;
    snprintf(r->alert_id, sizeof(r->alert_id), "cert-%lld", (long long)info->until_s);
    engine_raise_alert(&d->engine, r->alert_id, ALERT_KIND, d->config.gateway, now_us);
    log_line(LOG_LEVEL_ERROR,
             "%s has less than a fifth of its life left and there is no new one: have %s.csr "
             "approved, then norenctl enroll --install FILE",
             d->config.mqtt.cert, d->config.mqtt.cert);
}

static void clear_alert(struct norend *d, int64_t now_us)
{
    struct renew *r = &d->uplink.renew;

    if (!r->alerted)
        return;
    r->alerted = false;
    engine_clear_alert(&d->engine, r->alert_id, ALERT_KIND, now_us);
}

/* --- asking ------------------------------------------------------------------------------------- */

/* Says once what is in the way. */
static void complain(struct norend *d, const char *error)
{
    struct renew *r = &d->uplink.renew;
    char problem[sizeof(r->problem)];

    snprintf(problem, sizeof(problem),
             "the certificate cannot be renewed: %.250s; norend must be able to write beside it: "
             "keep cert and key in data_dir",
             error);
    if (strcmp(problem, r->problem) != 0)
        log_line(LOG_LEVEL_ERROR, "%s", problem);
    memcpy(r->problem, problem, sizeof(problem));
}

/* The next key (one that is there is used again: its certificate may be on its way) and its request. */
static int make_request(struct norend *d, char path[PKI_PATH_SIZE])
{
    char next[PKI_PATH_SIZE], error[PKI_ERROR_SIZE];
    struct pki_info info;
    int rc;

    snprintf(next, sizeof(next), "%.310s.next", d->config.mqtt.key);
    snprintf(path, PKI_PATH_SIZE, "%.310s.csr", d->config.mqtt.cert);
    rc = pki_create_key(next, error);
    if (rc == 0 || rc == -EEXIST)
        rc = pki_write_request(next, d->config.gateway, path, &info, error);
    if (rc != 0)
        complain(d, error);
    return rc;
}

/* The claim as JSON; 0 when something cannot be read. */
static int print_claim(struct norend *d, const char *request_path, char *buf, size_t size)
{
    char proof[PKI_PROOF_SIZE], *request = NULL, *cert = NULL;
    struct json j = json_init(buf, size);
    size_t n;
    int printed = 0;

    if (file_read(request_path, PEM_MAX, &request, &n) == 0 &&
        file_read(d->config.mqtt.cert, PEM_MAX, &cert, &n) == 0 &&
        pki_prove(d->config.mqtt.key, request, proof) == 0) {
        json_open(&j, '{');
        json_key_str(&j, "certificate", cert);
        json_key_str(&j, "request", request);
        json_key_str(&j, "proof", proof);
        json_close(&j, '}');
        printed = json_end(&j);
    }
    free(request);
    free(cert);
    return printed;
}

static void ask(struct norend *d, int64_t now_us)
{
    struct renew *r = &d->uplink.renew;
    char path[PKI_PATH_SIZE], *claim;
    int n;

    r->next_ask_us = now_us + ASK_US;
    if (make_request(d, path) != 0)
        return;
    claim = malloc(CLAIM_SIZE);
    n = claim != NULL ? print_claim(d, path, claim, CLAIM_SIZE) : 0;
    if (n <= 0) {
        complain(d, "the key or the certificate in use cannot be read");
    } else if (deliver_state(d->deliver, NOREN_TOPIC_CERT, claim, (size_t)n) == 0) {
        r->problem[0] = '\0';
        if (!r->asking)
            log_line(LOG_LEVEL_INFO, "%s is past 60 %% of its life: asked for a new one, %s",
                     d->config.mqtt.cert, path);
        r->asking = true;
    }
    free(claim);
}

static void stop_asking(struct norend *d)
{
    struct renew *r = &d->uplink.renew;

    if (r->asking)
        (void)deliver_state(d->deliver, NOREN_TOPIC_CERT, "", 0); /* takes back what is retained */
    r->asking = false;
    r->next_ask_us = 0;
    r->problem[0] = '\0';
}

void renew_look(struct norend *d, int64_t now_us)
{
    char error[PKI_ERROR_SIZE];
    enum clock_quality quality;
    int64_t utc_s = clock_utc_us(&quality) / NOREN_US_PER_S;
    struct pki_info info;

    if (quality == CLOCK_FLOOR || pki_read_cert(d->config.mqtt.cert, &info, error) != 0)
        return; /* what time it is nobody knows; or the connection says what is wrong */
    if (utc_s < pki_renew_at_s(&info)) {
        stop_asking(d);
        clear_alert(d, now_us);
        return;
    }
    if (utc_s > info.from_s + (info.until_s - info.from_s) * ALERT_PERCENT / 100)
        raise_alert(d, &info, now_us);
    if (now_us >= d->uplink.renew.next_ask_us)
        ask(d, now_us);
}

void renew_print(const struct norend *d, struct json *j)
{
    const struct renew *r = &d->uplink.renew;

    json_key_str(j, "cert_renewal",
                 r->problem[0] != '\0' ? r->problem
                 : r->asking           ? "asked for"
                                       : "not due");
}

/* --- the answer --------------------------------------------------------------------------------- */

bool control_certificate(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "certificate", NULL};
    struct pki_files files = files_of(c->d);
    char offer[PKI_PATH_SIZE], error[PKI_ERROR_SIZE];
    enum clock_quality quality;
    const char *pem;
    struct pki_info info;
    int rc;

    if (!doc_object(c->doc, keys) || !doc_string(c->doc, "certificate", &pem))
        return false;
    snprintf(offer, sizeof(offer), "%.310s.offer", files.cert);
    rc = file_write(offer, pem, strlen(pem));
    if (rc != 0)
        return doc_refuse(c->doc, "%s: %s", offer, strerror(-rc));
    rc = pki_install(&files, offer, clock_utc_us(&quality) / NOREN_US_PER_S, &info, error);
    (void)unlink(offer);
    if (rc != 0)
        return doc_refuse(c->doc, "%s", error);
    json_key_i64(c->j, "until_s", info.until_s);
    /* the answer goes by the old connection, then there is a new one */
    c->d->uplink.next_look_us = clock_boot_us() + ANSWER_US;
    return true;
}
