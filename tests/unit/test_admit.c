/* What another board resolved is judged by this board's own members document: consent, staff, who is listed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/engine.h"

static struct engine e;

static void document(uint8_t consent, bool staff)
{
    struct member m = {.consent = consent, .bucket = 42, .staff = staff};

    free(e.radio.members.memory);
    members_init(&e.radio.members, calloc(1, members_size(4)), 4);
    snprintf(m.ref, sizeof(m.ref), "m-1");
    assert_null(members_add(&e.radio.members, &m));
    e.rosters++;
}

static struct obs sighting(enum who_kind kind, const char *ref)
{
    struct obs o = {.kind = OBS_SIGHTING};

    o.u.sighting.who.kind = kind;
    snprintf(o.u.sighting.who.ref, NOREN_ID_SIZE, "%s", ref);
    o.u.sighting.consent = CONSENT_ALL; /* what the receiver's older document says */
    o.u.sighting.bucket = 7;
    return o;
}

static void test_admit(void **state)
{
    struct obs o = sighting(WHO_MEMBER, "m-1"), tag = sighting(WHO_TAG, "m-1"),
               other = sighting(WHO_MEMBER, "m-2");

    (void)state;
    e.rosters = 1;
    assert_false(engine_admit(&e, &o)); /* nobody is known yet: no consent can be checked */
    for (int twice = 0; twice < 2; twice++) {
        o = sighting(WHO_MEMBER, "m-1");
        document(CONSENT_PRESENCE, false);
        for (int again = 0; again < 2; again++) { /* also from memory */
            assert_true(engine_admit(&e, &o));
            assert_int_equal(o.u.sighting.consent, CONSENT_PRESENCE);
            assert_int_equal(o.u.sighting.bucket, 42);
        }
        document(CONSENT_OFFERS, false); /* taken back: the brain sees it and ends the visit */
        o = sighting(WHO_MEMBER, "m-1");
        assert_true(engine_admit(&e, &o));
        assert_int_equal(o.u.sighting.consent, CONSENT_OFFERS);
        document(CONSENT_ALL, true);
        assert_false(engine_admit(&e, &o));
        assert_false(engine_admit(&e, &other));
        assert_true(engine_admit(&e, &tag));
    }
    free(e.radio.members.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_admit)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
