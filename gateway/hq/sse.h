/* Server-sent events: one stream a reader, fed from the database.
 *
 * A stream holds a cursor, not a queue: when its reader is ready for more, the next events are read from the
 * table. So a slow reader costs no memory and misses nothing, and Last-Event-ID after a reconnect is the same
 * thing as being slow. A stream with nothing to say is suspended (MHD) and costs no wake-ups.
 *   id: 12 / data: {...}                   an event, in the order of ids
 *   event: changed / data: ["fixtures"]    resources to fetch again
 */
#ifndef NOREN_HQ_SSE_H
#define NOREN_HQ_SSE_H

#include <microhttpd.h>
#include <stdint.h>

#include "hq/api.h"

#define SSE_STREAMS_MAX 64

struct sse_stream;

/** All open streams. */
struct sse {
    const struct api *api; /**< borrowed */
    struct sse_stream *first;
    int n;
    int closing;
};

/** Makes a stream for a connection; `after` < 0: from now on. Returns the response to queue, or NULL when
 * there are too many streams (answer 503) or no memory. */
struct MHD_Response *sse_open(struct sse *s, struct MHD_Connection *connection, int64_t after);

/** Marks resources as changed in every stream and wakes them. */
void sse_notify(struct sse *s, int changed);
/** Sends a comment down every stream. */
void sse_ping(struct sse *s);
/** Makes every stream end as soon as it is run again. */
void sse_end_all(struct sse *s);

#endif
