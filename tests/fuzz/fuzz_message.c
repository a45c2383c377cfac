/* Fuzz target: what headquarters is sent. The first line is the topic, the rest the payload.
 *
 * Beyond not crashing: an event that is taken has an epoch, a number and data; one that is refused late has
 * the number that it is accounted under.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "hq/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void read_event(const json_t *json, const struct topic *topic)
{
    struct message_event e = {0};
    enum refusal r = message_read_event(json, topic, &e);

    must(r == REFUSAL_NONE || (r < REFUSALS && refusal_text(r)[0] != '\0'));
    if (r == REFUSAL_NONE)
        must(e.seq >= 1 && message_is_epoch(e.epoch) && json_is_object(e.data) && e.type != NULL);
    must((e.epoch == NULL) == (e.seq == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = memchr(data, '\n', n);
    struct topic topic;
    char text[512];
    json_t *json, *one;
    size_t i, len = end != NULL ? (size_t)(end - data) : n;

    if (len >= sizeof(text))
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    if (topic_parse(text, &topic) != 0 || end == NULL)
        return 0;
    json = json_loadb((const char *)end + 1, n - len - 1, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_array(json)) {
        json_array_foreach(json, i, one) read_event(one, &topic);
    } else if (json != NULL) {
        read_event(json, &topic);
    }
    json_decref(json);
    return 0;
}
