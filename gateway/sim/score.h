/* Trials (sim/trial.h) through the real core, scored against the truth.
 *
 * Changes of one plate that follow each other within two seconds are one group: what counts is that the
 * settled events of a group add up to what really happened, product by product. A named event that is wrong
 * costs precision, a group that is missed or only doubted costs recall; any settled event without a group is
 * a false one. At the end the books are compared with what stands there: a wrong count is silent unless somebody was
 * told after it became wrong, by a suggested recount of that product or by doubt about its plate.
 */
#ifndef NOREN_SIM_SCORE_H
#define NOREN_SIM_SCORE_H

#include "core/shop.h"
#include "sim/trial.h"

#define SCORE_TRUTHS_MAX 4
#define SCORE_DELAYS_MAX 65536

/** Changes of one plate that follow each other within two seconds. */
struct score_group {
    int64_t first_us, last_us;
    uint16_t plate, also;
    double swing_s;
    struct sum {
        char gtin[NOREN_GTIN_SIZE];
        int64_t truth, said;
    } sums[SCORE_TRUTHS_MAX];
    int sums_n;
    int64_t provisional_us, settled_us; /**< first one in the right direction, last one; 0: none */
    int named, doubted;
};

struct score {
    long groups, hits, exact, wrong, doubted, missed, stray, stray_doubt;
    double plate_days;
    double provisional[SCORE_DELAYS_MAX], settled[SCORE_DELAYS_MAX];
    int provisional_n, settled_n;
    long facings, off; /**< facings whose books are wrong at the end */
    long silent;       /**< of these, nobody was told since they became wrong */
    long flags;        /**< facings that somebody was told to count */
    long told;         /**< how often */
};

/** One facing's count against the truth. */
struct score_book {
    int64_t wrong_us; /**< since when the books differ from what stands there; 0: they do not */
    int64_t
        right_us; /**< since when they agree: for seconds while a change is open, and then no more */
    int64_t flag_us; /**< when somebody was told last that the count may be wrong; 0: never */
};

struct scorer {
    struct trial trial;
    struct shop shop;
    struct batch batch;
    struct event *events;
    int events_n, events_max;
    struct score_group *groups;
    int groups_n;
    struct score_book books[TRIAL_PLATES_MAX][PLATE_FACINGS_MAX];
    long told;
    int64_t books_us; /**< when they were compared last */
    bool verbose;
};

/** Runs seeds `from` to `to` of a trial and adds up. `r` and `s` are large: not for the stack. */
void score_run(struct scorer *r, struct score *s, const struct trial_kind *kind, uint64_t from,
               uint64_t to, int sps, double minutes);
/** The targets hold where every product can be told by weight; the rest is reported. */
bool score_good(const struct trial_kind *kind, int sps, struct score *s);
/** The table: its head, a row; or the row as a line of JSON. */
void score_head(void);
void score_row(const struct trial_kind *kind, int sps, struct score *s);
void score_json(const struct trial_kind *kind, int sps, struct score *s);

#endif
