/* A bounded list between two threads, with an eventfd to wait on: the only way in which threads meet here.
 *
 * One thread puts, another takes. What is put belongs to the taker, who frees it with free().
 */
#ifndef NOREN_IO_MAILBOX_H
#define NOREN_IO_MAILBOX_H

#include <pthread.h>
#include <stddef.h>

/** First member of whatever is sent. */
struct mail {
    struct mail *next;
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **last;
    size_t n;
    int fd; /**< readable while something is in it, and after mailbox_wake() */
};

/** 0 or -errno. */
int mailbox_init(struct mailbox *b);

/** Frees what is left in it. Nobody else may use it any more. */
void mailbox_destroy(struct mailbox *b);

/** 0, or -ENOBUFS when it holds `max` already. */
int mailbox_put(struct mailbox *b, struct mail *m, size_t max);

/** The oldest, or NULL; the descriptor then is no longer readable. */
struct mail *mailbox_take(struct mailbox *b);

size_t mailbox_count(struct mailbox *b);

/** Wakes whoever waits on the descriptor. */
void mailbox_wake(struct mailbox *b);

#endif
