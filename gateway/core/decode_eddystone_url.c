/* Eddystone-URL (google/eddystone, eddystone-url): a web address, abbreviated.
 *
 *   aa fe | 10 | power s8, dBm at 0 m | scheme prefix | encoded URL x0..17
 *
 * In the encoded part 00 to 0d stand for the ends of common host names, graphic US-ASCII for itself, and
 * everything else is reserved. A reserved byte is refused and not passed on: it would end up in somebody's
 * browser.
 */
#include "core/decode.h"
#include "core/eddystone.h"

#include <stdio.h>
#include <string.h>

#define ENCODED_MAX 17

static const char *const prefixes[] = {"http://www.", "https://www.", "http://", "https://"};
static const char *const expansions[] = {".com/", ".org/", ".edu/", ".net/", ".info/",
                                         ".biz/", ".gov/", ".com",  ".org",  ".edu",
                                         ".net",  ".info", ".biz",  ".gov"};

#define PREFIXES   (sizeof(prefixes) / sizeof(prefixes[0]))
#define EXPANSIONS (sizeof(expansions) / sizeof(expansions[0]))
/* the longest prefix, the longest expansion for every byte, NUL */
#define URL_SIZE (12 + ENCODED_MAX * 6 + 1)

enum refusal decode_eddystone_url(struct rd body, struct frame *ret)
{
    struct frame_eddystone_url b;

    if (!eddystone_open(&body, EDDYSTONE_URL))
        return REFUSAL_NOT_MINE;
    b.power_0m_dbm = (int8_t)rd_u8(&body);
    b.scheme = rd_u8(&body);
    b.encoded = body;
    if (body.bad || body.n > ENCODED_MAX)
        return REFUSAL_LENGTH;
    if (b.scheme >= PREFIXES)
        return REFUSAL_VALUE;
    while (body.n > 0) {
        uint8_t c = rd_u8(&body);

        if ((c >= EXPANSIONS && c <= 0x20) || c >= 0x7f)
            return REFUSAL_VALUE;
    }
    ret->u.eddystone_url = b;
    return REFUSAL_NONE;
}

void print_eddystone_url(const struct frame *f, struct json *j)
{
    struct rd r = f->u.eddystone_url.encoded;
    char url[URL_SIZE];
    size_t n = (size_t)snprintf(url, sizeof(url), "%s", prefixes[f->u.eddystone_url.scheme]);

    while (r.n > 0) {
        uint8_t c = rd_u8(&r);

        if (c < EXPANSIONS)
            n += (size_t)snprintf(url + n, sizeof(url) - n, "%s", expansions[c]);
        else
            n += (size_t)snprintf(url + n, sizeof(url) - n, "%c", c);
    }
    json_key_str(j, "url", url);
    json_key_i64(j, "power_0m_dbm", f->u.eddystone_url.power_0m_dbm);
}
