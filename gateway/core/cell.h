/* One load cell: raw counts become milligrams, or a reason why there are none.
 *
 * Knows nothing of plates, products or events. A cell that cannot be trusted is in *trouble*: its readings
 * are then no masses, because a wrong number is worse than none. What is in force as its calibration is kept
 * here too, so that there is one place where counts turn into mass.
 *
 * The rules are those of the reference (3.8), with what a shop does to them:
 *   absent     the reader says so
 *   silent     no reading for longer than its source needs (core/shelf_cells.c keeps the time)
 *   saturated  three full-scale codes in a row
 *   overload   a tenth more than the planogram's capacity_g for a second, either way: an impact is shorter. What it
 *              then says is wrong, and what it says later may be
 *   stuck      at most two different values in 64 readings, or in 2 s of a slow converter, from a cell that
 *              has shown noise; one that never did is stuck when it has not moved for a minute since the
 *              start, because recordings and coarse scales are that quiet for seconds
 *   noisy      five times the learnt noise for 30 s around a level that stays: a hand, or goods that swing,
 *              move the level too
 *   rate       the reader says that the converter runs at another rate than it is wired for
 *   corrupt    more than a tenth of five minutes' frames refused
 *   deaf       one of several cells under a plate that no longer feels what all used to share
 *   node       its shelf node says that something is wrong
 *   calibration  what the database holds of it is damaged
 * A trouble ends by itself when nothing has spoken for it for some seconds, longer when it keeps coming back.
 */
#ifndef NOREN_CORE_CELL_H
#define NOREN_CORE_CELL_H

#include "core/calibration.h"
#include "core/obs.h"
#include "core/thermal.h"

/** Why a cell is not trusted. Numbers are stored in rows: never renumber. */
enum cell_trouble {
    TROUBLE_NONE = 0,
    TROUBLE_ABSENT = 1,
    TROUBLE_SILENT = 2,
    TROUBLE_SATURATED = 3,
    TROUBLE_NODE = 4,
    TROUBLE_STUCK = 5,
    TROUBLE_NOISY = 6,
    TROUBLE_RATE = 7,
    TROUBLE_CORRUPT = 8,
    TROUBLE_DEAF = 9,
    TROUBLE_CALIBRATION = 10,
    TROUBLE_OVERLOAD = 11,
    TROUBLES
};

#define CELL_BINS    8 /**< half seconds whose means tell whether a reading rests */
#define CELL_MINUTES 5 /**< minutes over which refused frames are counted */

/** One load cell. About 450 bytes. */
struct cell {
    int64_t zero_counts;    /**< counts at no load */
    double mg_per_count;    /**< 0: not calibrated */
    double capacity_mg;     /**< 0: unknown */
    int64_t calibration;    /**< number of the stored one in force; 0: the planogram's values */
    struct thermal thermal; /**< what warmth does to it */
    bool rescaled;          /**< the last cell_plan() brought another calibration */

    enum cell_trouble trouble;
    enum cell_trouble told; /**< what the world was told and not yet taken back */
    int64_t bad_us;         /**< when something spoke for the trouble last */
    int64_t ended_us;       /**< when the last trouble ended */
    uint8_t again;          /**< troubles that came back soon, in a row */

    int64_t seen_us;  /**< last reading with a value; 0: none yet */
    int64_t over_us;  /**< since when it carries too much; 0: it does not */
    uint8_t clipped;  /**< saturated readings in a row */
    bool moved;       /**< it has shown two different values */
    int64_t still_us; /**< when it first spoke */

    /* the noise: readings in blocks */
    int32_t last[2];
    int32_t values[2]; /**< the first two different values of the block */
    uint8_t block_n, values_n;
    int64_t block_us;
    double block_sum, bend_sum; /**< of the readings; of their absolute second differences */
    double noise;               /**< learnt, in counts; 0: not yet */
    double noise_stored;        /**< in its row */
    double noise_now;           /**< of the last block */
    int64_t noisy_us; /**< since when it has been five times the learnt one; 0: it is not */
    double noisy_low, noisy_high;

    /* what rests: means of the newest half seconds */
    double bins[CELL_BINS];
    uint16_t bins_n[CELL_BINS];
    uint8_t bin_head, bins_filled;
    uint16_t bin_n;
    double bin_sum;
    int64_t bin_us;

    /* frames by minute */
    struct {
        uint16_t good, bad;
    } minutes[CELL_MINUTES];
    uint8_t minute;
    int64_t minute_us;

    /* its part of its plate's changes */
    float share;
    uint8_t share_n, deaf_n;
    int32_t deaf_counts; /**< where it stood when it was found deaf */
};

/** "absent", "silent", ...: the reason in events. Static. */
const char *cell_trouble_name(enum cell_trouble t);

/** A cell as the planogram describes it. */
void cell_init(struct cell *c, const struct plan_cell *plan);

/** Another planogram describes it: its state stays. Sets `rescaled`. */
void cell_plan(struct cell *c, const struct plan_cell *plan);

/** A stored calibration is in force from now on, whatever a planogram says. */
void cell_calibrate(struct cell *c, const struct calibration *calibration);
/** Its calibration `number` is damaged: it has none until somebody calibrates it again. */
void cell_lose_calibration(struct cell *c, int64_t number);

bool cell_is_calibrated(const struct cell *c);

/** One raw reading. True with a mass; false when there is none, and then `trouble` says whether that is a
 * fault. The mass of a cell that is not calibrated is 0. */
bool cell_take(struct cell *c, int64_t t_us, const struct obs *o, int64_t *ret_mass_mg);

/** A shelf node has read `mass_mg` on this cell; `fault`: and says that it does not work, so that is no mass. True:
 * take it. */
bool cell_take_node(struct cell *c, int64_t t_us, bool fault, int64_t mass_mg);

/** No reading for too long. */
void cell_fall_silent(struct cell *c, int64_t t_us);

/** A change of `total_mg` (sum of magnitudes over the plate's cells) settled, of which this cell felt `own_mg`.
 * Call for each cell of a plate with several. */
void cell_feel(struct cell *c, int64_t t_us, double own_mg, double total_mg);

/** Refused frames of the last five minutes, in permille. */
int32_t cell_refused_pm(const struct cell *c);

/** What a cell shows while nothing moves; for calibration. */
struct cell_rest {
    double counts; /**< mean of the newest four seconds, or of what there is */
    int32_t samples;
    double spread; /**< between the half seconds' means */
    bool enough;   /**< four seconds are there, with readings to judge by */
    bool steady;   /**< and they agree */
};

struct cell_rest cell_rest(const struct cell *c, int64_t now_us);

/** The sensor that is nearest to the cell tells its temperature; `rank` says how near (more is nearer). */
void cell_warm(struct cell *c, int64_t t_us, uint8_t rank, int32_t mc);
/** What its sensor told in the last minutes, or THERMAL_NONE. */
int32_t cell_temperature_mc(const struct cell *c, int64_t now_us);

#endif
