/* Who may be recognised: the members document on its way from HQ into the radio; see engine.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/engine.h"

static int compare_refs(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What waits or is kept names nobody whom HQ no longer lists. Events that are already at HQ are HQ's to
 * forget. */
int engine_forget_unlisted(struct engine *e, int64_t now_us)
{
    const struct members *m = &e->radio.members;
    const char **refs = calloc(m->n + 1, sizeof(*refs));
    struct db_members listed = {.refs = refs};
    int rc;

    if (refs == NULL)
        return -ENOMEM;
    for (const char *r = members_next_ref(m, NULL); r != NULL && listed.n < m->n;
         r = members_next_ref(m, r))
        refs[listed.n++] = r;
    qsort(refs, listed.n, sizeof(*refs), compare_refs);
    rc = db_forget_unlisted(e->db, &listed, now_us);
    free(refs);
    return rc;
}

/* Keys of the day before yesterday are of no use; yesterday's only just after midnight. */
static uint32_t first_useful_date(void)
{
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality);

    return quality == CLOCK_SYNCED ? noren_utc_date(utc_us / NOREN_US_PER_S - NOREN_STEP_S) : 0;
}

static void put_in_force(struct engine *e)
{
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality);

    roll_use(&e->roll, &e->radio);
    radio_clock(&e->radio, utc_us, quality);
    e->forget_due = true;
}

int engine_members(struct engine *e, const struct jws_key *hq_key, const char *token, size_t n,
                   char ret_error[ENGINE_ERROR_SIZE])
{
    char why[PLAN_ERROR_SIZE] = "", *json = NULL;
    size_t json_n;
    int rc = jws_verify(hq_key, token, n, &json, &json_n);

    if (rc != 0) {
        snprintf(
            ret_error, ENGINE_ERROR_SIZE,
            "desired/members: not signed by the key in hq.pub; refused, the members before stay");
        return rc;
    }
    e->roll.first_date = first_useful_date();
    rc = roll_read(&e->roll, json, json_n, why);
    explicit_bzero(json, json_n);
    free(json);
    if (rc < 0)
        snprintf(ret_error, ENGINE_ERROR_SIZE,
                 "desired/members: %s; refused, the members before stay", why);
    if (rc > 0)
        put_in_force(e);
    return rc;
}
