/* A list between two threads; see mailbox.h. */
#include "io/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *b)
{
    b->first = NULL;
    b->last = &b->first;
    b->n = 0;
    pthread_mutex_init(&b->lock, NULL);
    b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return b->fd < 0 ? -errno : 0;
}

void mailbox_destroy(struct mailbox *b)
{
    struct mail *m;

    while ((m = mailbox_take(b)) != NULL)
        free(m);
    pthread_mutex_destroy(&b->lock);
    if (b->fd >= 0)
        close(b->fd);
}

void mailbox_wake(struct mailbox *b)
{
    uint64_t one = 1;

    if (write(b->fd, &one, sizeof(one)) < 0) {
        /* the counter is at its limit: it is readable anyway */
    }
}

int mailbox_put(struct mailbox *b, struct mail *m, size_t max)
{
    int rc = 0;

    m->next = NULL;
    pthread_mutex_lock(&b->lock);
    if (b->n >= max) {
        rc = -ENOBUFS;
    } else {
        *b->last = m;
        b->last = &m->next;
        b->n++;
    }
    pthread_mutex_unlock(&b->lock);
    if (rc == 0)
        mailbox_wake(b);
    return rc;
}

struct mail *mailbox_take(struct mailbox *b)
{
    struct mail *m;
    uint64_t n;

    pthread_mutex_lock(&b->lock);
    m = b->first;
    if (m != NULL) {
        b->first = m->next;
        if (b->first == NULL)
            b->last = &b->first;
        b->n--;
        m->next = NULL;
    } else if (read(b->fd, &n, sizeof(n)) < 0) {
        /* nobody had called: EAGAIN */
    }
    pthread_mutex_unlock(&b->lock);
    return m;
}

size_t mailbox_count(struct mailbox *b)
{
    size_t n;

    pthread_mutex_lock(&b->lock);
    n = b->n;
    pthread_mutex_unlock(&b->lock);
    return n;
}
