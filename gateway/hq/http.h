/* The HTTP server: pages, JSON API, server-sent events; libmicrohttpd inside our loop.
 *
 * MHD runs with its own epoll descriptor and no thread (external polling): the loop wakes for the descriptor
 * or for http_timeout_us() and then calls http_run(). So handlers run in the one thread that owns the
 * database. There is no TLS here: a reverse proxy does that where the pages leave the machine.
 */
#ifndef NOREN_HQ_HTTP_H
#define NOREN_HQ_HTTP_H

#include <stdint.h>

#include "hq/api.h"
#include "hq/config.h"

struct http;

/** Binds and listens. `config` and `api` are borrowed. 0 or -errno (-EADDRINUSE, -EADDRNOTAVAIL, -EACCES). */
int http_open(struct http **ret_http, const struct hq_config *config, const struct api *api);

/** Becomes readable when http_run() has work. */
int http_fd(const struct http *h);
/** The port that is listened on. */
uint16_t http_port(const struct http *h);
/** How long the loop may sleep, or UINT64_MAX. */
uint64_t http_timeout_us(const struct http *h);
/** Serves whatever is ready. */
void http_run(struct http *h);

/** Tells open event streams what changed (enum topicality bits). */
void http_notify(struct http *h, int changed);
/** Call every 15 s or so: keeps idle streams alive and finds those whose reader is gone. */
void http_tick(struct http *h);

/** Ends the streams, then everything; NULL is allowed. */
void http_close(struct http *h);

#endif
