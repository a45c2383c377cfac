/* A request to the gateway in the one form that its handlers read: a flat JSON object of id, name and arguments.
 *
 * Two texts lead there. The control socket takes the flat object itself, because a person types it:
 *   {"id":"17","name":"recount","target":"p1","quantity":3}
 * Headquarters signs an envelope, because a signature is worth only what it is bound to: to whom, by whom, and from
 * when to when. Without "to", a command for one gateway could be replayed at another by whoever runs the broker:
 *   {"id":"17","name":"recount","to":"acme/s1/gw1","actor":"yuki","issued_at":"2026-11-21T09:00:00Z",
 *    "expires_at":"2026-11-21T09:05:00Z","args":{"target":"p1","quantity":3}}
 * Reading decides nothing; io/command.c does.
 */
#ifndef NOREN_IO_REQUEST_H
#define NOREN_IO_REQUEST_H

#include "io/doc.h"

#define REQUEST_TO_SIZE     (3 * NOREN_ID_SIZE + 3)
#define REQUEST_DIGEST_SIZE 33
#define REQUEST_ERROR_SIZE  512

/** A request that was read. `flat` is owned: request_free(). */
struct request {
    char id[NOREN_ID_SIZE], name[NOREN_ID_SIZE];
    char actor[NOREN_ID_SIZE];        /**< "" from the control socket: the socket knows who */
    char session[NOREN_ID_SIZE];      /**< the connection it was signed for; "" any */
    char to[REQUEST_TO_SIZE];         /**< {tenant}/{store}/{gateway}; "" from the control socket */
    int64_t issued_us, expires_us;    /**< UTC, 0 from the control socket */
    char digest[REQUEST_DIGEST_SIZE]; /**< of name and arguments: what an id stands for */
    json_t *flat;                     /**< {"id","name",...arguments} */
};

/** Reads the flat form. False with a sentence in `ret_error`; then `ret` has the id if it was readable (for the
 * answer), and nothing to free. */
bool request_read_flat(struct request *ret, const char *json, size_t n,
                       char ret_error[REQUEST_ERROR_SIZE]);

/** Reads the envelope (the payload of a signature that was checked). The same returns. */
bool request_read_envelope(struct request *ret, const char *json, size_t n,
                           char ret_error[REQUEST_ERROR_SIZE]);

void request_free(struct request *r);

#endif
