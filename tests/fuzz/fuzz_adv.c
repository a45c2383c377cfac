/* Fuzz target: advertising data through the AD walk, every decoder and its printer.
 *
 * Beyond not crashing: never two decoders may claim one AD structure, refused advertisements have no
 * frames, and what is printed fits the room that norenctl gives it.
 */
#include <stdlib.h>

#include "core/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void claim_once(struct rd data)
{
    struct frame frames[DECODE_FRAMES_MAX];
    struct adv_walk walk = adv_open(data);
    struct adv_structure s;

    while (adv_next(&walk, &s)) {
        int claims = 0;

        for (size_t i = 0; i < FRAME_KINDS; i++) {
            size_t frames_n = 0;

            claims += decode_structure(&decoders[i], &s, frames, &frames_n) != REFUSAL_NOT_MINE;
            must(frames_n <= DECODE_FRAMES_MAX);
        }
        must(claims <= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint8_t key[16];
    uint8_t plain[DECODE_BTHOME_PLAIN];
    struct frame frames[DECODE_FRAMES_MAX];
    struct decode_result d = decode_advert(rd_init(data, n), frames);
    size_t size = 4096 + 128 * n;
    char *text = malloc(size);
    struct json j = json_init(text, size);

    must(text != NULL && d.n <= DECODE_FRAMES_MAX && (d.refused == REFUSAL_NONE || d.n == 0));
    must(d.refused != REFUSAL_NOT_MINE);
    for (size_t i = 0; i < d.n; i++) {
        if (frames[i].kind == FRAME_SHELF)
            (void)decode_shelf_open(&frames[i].u.shelf, key);
        else if (frames[i].kind == FRAME_BTHOME && frames[i].u.bthome.encrypted)
            (void)decode_bthome_open(&frames[i].u.bthome, key, key, plain);
        json_open(&j, '{');
        decoders[frames[i].kind].print(&frames[i], &j);
        json_close(&j, '}');
    }
    must(json_end(&j) >= 0);
    free(text);
    claim_once(rd_init(data, n));
    return 0;
}
