/* A list between two threads: nothing lost, nothing twice, order kept, bound kept, the descriptor tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <poll.h>
#include <cmocka.h>

#include "io/mailbox.h"

#define LETTERS 20000
#define BOUND   50

struct letter {
    struct mail link;
    int number;
};

static int readable(const struct mailbox *b, int timeout_ms)
{
    struct pollfd p = {.fd = b->fd, .events = POLLIN};

    return poll(&p, 1, timeout_ms);
}

static int put(struct mailbox *b, int number)
{
    struct letter *l = malloc(sizeof(*l));
    int rc;

    assert_non_null(l);
    l->number = number;
    rc = mailbox_put(b, &l->link, BOUND);
    if (rc != 0)
        free(l);
    return rc;
}

static void test_bound_and_descriptor(void **state)
{
    struct mailbox b;
    struct mail *m;

    (void)state;
    assert_int_equal(mailbox_init(&b), 0);
    assert_int_equal(readable(&b, 0), 0);
    for (int i = 0; i < BOUND; i++)
        assert_int_equal(put(&b, i), 0);
    assert_int_equal(put(&b, BOUND), -ENOBUFS);
    assert_int_equal(mailbox_count(&b), BOUND);
    assert_int_equal(readable(&b, 0), 1);
    for (int i = 0; i < BOUND; i++) {
        m = mailbox_take(&b);
        assert_int_equal(((struct letter *)m)->number, i);
        free(m);
        assert_int_equal(readable(&b, 0), 1); /* until somebody found it empty */
    }
    assert_null(mailbox_take(&b));
    assert_int_equal(readable(&b, 0), 0);
    mailbox_wake(&b);
    assert_int_equal(readable(&b, 0), 1);
    assert_int_equal(put(&b, 1), 0);
    mailbox_destroy(&b); /* frees what is left: the leak checker looks */
}

static void *write_letters(void *user)
{
    for (int i = 0; i < LETTERS;)
        i += put(user, i) == 0;
    return NULL;
}

static void test_two_threads(void **state)
{
    struct mailbox b;
    pthread_t writer;
    int next = 0;

    (void)state;
    assert_int_equal(mailbox_init(&b), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_letters, &b), 0);
    while (next < LETTERS) {
        struct mail *m = mailbox_take(&b);

        if (m == NULL) {
            assert_int_equal(readable(&b, 60000), 1); /* a lost wake-up would wait for ever */
            continue;
        }
        assert_int_equal(((struct letter *)m)->number, next);
        next++;
        free(m);
    }
    pthread_join(writer, NULL);
    assert_int_equal(mailbox_count(&b), 0);
    mailbox_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_and_descriptor),
        cmocka_unit_test(test_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
