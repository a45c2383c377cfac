/* Fuzz target: what comes down from headquarters and from the control socket, after the signature.
 *
 * The first byte says which: a command's envelope, a flat command, a bundle, a chain of keys, a whole signed token.
 * Beyond not crashing: what is refused has a sentence; what is taken has an id, an addressee and times in order.
 */
#include <stdlib.h>
#include <string.h>

#include "io/bundle.h"
#include "io/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_request(bool envelope, const char *text, size_t n)
{
    char error[REQUEST_ERROR_SIZE] = "";
    struct request r;
    bool good = envelope ? request_read_envelope(&r, text, n, error)
                         : request_read_flat(&r, text, n, error);

    must(good || error[0] != '\0');
    if (!good)
        return;
    must(r.id[0] != '\0' && r.name[0] != '\0' && json_is_object(r.flat));
    must(!envelope ||
         (r.to[0] != '\0' && r.actor[0] != '\0' && r.issued_us > 0 && r.expires_us > r.issued_us));
    request_free(&r);
}

static void try_bundle(const char *text, size_t n)
{
    char error[BUNDLE_ERROR_SIZE] = "";
    struct bundle b;

    if (bundle_read(&b, text, n, error) != 0) {
        must(error[0] != '\0');
        return;
    }
    must(b.revision > 0 && b.to[0] != '\0' && b.kind < BUNDLES);
    must(b.kind != BUNDLE_PLANOGRAM || b.document != NULL);
    must(bundle_check(&b, error) == 0 || error[0] != '\0');
    bundle_free(&b);
}

/* A key that nobody has the private half of. */
static struct jws_key *a_key(void)
{
    static const char pem[] = NOREN_SOURCE_DIR "/tests/data/hq/fuzz.pub";
    static struct jws_key *key;

    if (key == NULL)
        must(jws_key_load(&key, pem) == 0);
    return key;
}

static void try_signed(bool chain, const char *text, size_t n)
{
    char error[BUNDLE_ERROR_SIZE] = "";
    int64_t revision = 0;
    struct bundle b;

    if (chain)
        must(bundle_follow_keys(a_key(), text, n, "acme/s1/gw1", &revision, error) <= 0);
    else
        must(bundle_open(&b, BUNDLE_CONFIG, a_key(), text, n, "acme/s1/gw1", error) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data + 1;

    if (n < 1)
        return 0;
    switch (data[0] % 5) {
    case 0:
    case 1:
        try_request(data[0] % 5 == 0, text, n - 1);
        break;
    case 2:
        try_bundle(text, n - 1);
        break;
    default:
        try_signed(data[0] % 5 == 3, text, n - 1);
    }
    return 0;
}
