/* The gateway's certificate is renewed without anybody thinking of it.
 *
 * From 60 % of its life on the gateway makes the next key and a request, and publishes the request as
 * `state/certificate`, signed with the key in use. A headquarters that is the CA (`[hq] ca`) answers with the signed
 * command `certificate`; any other CA is given CERT.csr by a person (`norenctl enroll --install` puts its answer in
 * place), whom an alert tells from 80 % on. The pair in use works until the new one is complete (io/pki.h).
 *
 * A timer of systemd beside the service was rejected: it runs as another process that must be allowed to write the
 * same files, and who copies a unit file without its timer loses a store a year later.
 */
#ifndef NOREN_IO_RENEW_H
#define NOREN_IO_RENEW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/json.h"

struct norend;

struct renew {
    int64_t next_ask_us;
    bool asking, alerted;
    char alert_id[40];
    char problem[400]; /**< why it cannot be asked for, with the remedy; "" */
};

/** Before the files are used: finishes an installation that a power cut ended. */
void renew_begin(struct norend *d);

/** Asks for a certificate when it is time to; once a minute. */
void renew_look(struct norend *d, int64_t now_us);

/** Member "cert_renewal" of an open object: not due, asked for, or what is in the way. */
void renew_print(const struct norend *d, struct json *j);

#endif
