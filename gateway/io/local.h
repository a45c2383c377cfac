/* Local control: a unix stream socket (0660) that takes one JSON line and answers with one JSON line.
 *
 *   {"id":"17","name":"tare","plate":"p1"}          {"id":"17","ok":true}
 *   {"id":"18","name":"status"}                     {"id":"18","ok":true,"status":{...}}
 *   {"id":"19","name":"tare","plate":"x"}           {"id":"19","ok":false,"error":"no plate x ..."}
 * Who may open the socket may command; the file's owner and group say who that is.
 */
#ifndef NOREN_IO_LOCAL_H
#define NOREN_IO_LOCAL_H

#include <stddef.h>

#define LOCAL_LINE_MAX   16384
#define LOCAL_ANSWER_MAX 16384

struct local;

/** Answers a request of `n` bytes of the user `uid`: writes one JSON object without newline, returns its length. */
typedef size_t local_answer_fn(void *user, unsigned uid, const char *request, size_t n,
                               char ret_answer[LOCAL_ANSWER_MAX]);

/** Binds the socket; a left-over of a process that is gone is replaced. 0 or -errno (-EADDRINUSE: another
 * process answers there). */
int local_open(struct local **ret_local, const char *path, local_answer_fn *answer, void *user);

/** An epoll descriptor: readable when there is something to do. */
int local_fd(const struct local *l);

/** Does what there is to do, without waiting. */
void local_serve(struct local *l);

void local_close(struct local *l);

#endif
