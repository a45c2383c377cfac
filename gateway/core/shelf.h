/* Shelves: cell readings become masses, masses become changes, changes become stock.
 *
 * Every change of load has one change_id and ends in exactly one settled or retracted event. A provisional
 * event and the row that says the change is open are in one batch, so after a power cut the first quiet
 * value finishes what was begun, and finds what was taken in the dark.
 */
#ifndef NOREN_CORE_SHELF_H
#define NOREN_CORE_SHELF_H

#include "core/batch.h"
#include "core/cell.h"
#include "core/obs.h"
#include "core/piece.h"
#include "core/stock.h"
#include "core/weigh.h"

/** Command ids that are remembered, so that a repeated one does nothing. */
#define SHELF_COMMANDS_MAX 64
/** The same for sales: about two hours of a busy store. */
#define SHELF_SALES_MAX 512

/** What can be promised of a product (design section 8). */
struct shelf_atp {
    int64_t units;
    int64_t on_shelf; /**< of `units`, what lies on shelves whose sensors work */
    bool lower_bound; /**< a facing's sensor is down: there may be more; offers treat it as none */
};

/** What a plate's scale is doing; JSON in state/fixture: ok, settling, uncalibrated, fault, none. A plate that
 * somebody calibrates is uncalibrated, whatever else is known of it. */
enum shelf_sensor {
    SENSOR_OK,
    SENSOR_SETTLING,
    SENSOR_UNCALIBRATED,
    SENSOR_FAULT,
    SENSOR_NONE /**< nothing weighs it: the count is what people and tills say */
};

/** One product's place on one plate. */
struct shelf_facing {
    int64_t on_shelf;
    int32_t confidence_pm;
    bool counted; /**< on_shelf was opened, tared or counted once */
    uint16_t
        next; /**< next facing of the same product: plate * PLATE_FACINGS_MAX + facing, or NO_INDEX */
};

/** Numbers are stored in rows: never renumber. */
enum shelf_claim_kind { CLAIM_PICK = 0, CLAIM_PUT_BACK = 1, CLAIM_RESTOCK = 2 };

/** What the newest provisional event of an open change said. */
struct shelf_claim {
    enum shelf_claim_kind kind;
    char gtin[NOREN_GTIN_SIZE];
    int32_t quantity;
};

/** Goods of another plate that lie on this one. Not stored: after a restart their leaving is unknown. */
struct shelf_stray {
    char gtin[NOREN_GTIN_SIZE];
    int32_t quantity; /**< 0: none */
    int64_t mass_mg;
};

/** Many that leave at once. The number names the change (c...) and the alert (a...) alike. */
struct shelf_sweep {
    int64_t number; /**< 0: none, no alert is up */
    int64_t t_us;   /**< when it was raised; not stored: after a restart it is long ago */
    bool open;      /**< said as provisional, neither settled nor retracted yet */
    uint8_t facing; /**< of an open one */
    int32_t rev, quantity;
};

/** A single piece that was taken, until the plate is at rest and tells what it weighed. Not stored. */
struct shelf_lesson {
    int64_t until_us;  /**< 0: none */
    int64_t before_mg; /**< the undisturbed load before */
    uint8_t facing;
};

/** Picks that are remembered, to see many at once. */
#define SHELF_LEFT_MAX 8

struct shelf_plate {
    struct weigh weigh;
    int64_t seen_us;    /**< last complete sample */
    int64_t tare_mg;    /**< subtracted from every sample */
    int64_t stored_mg;  /**< reference in the row that was written last */
    int64_t change;     /**< number of the open change, 0: none */
    int64_t alert;      /**< number of the open sensor alert, 0: none */
    int64_t service_us; /**< somebody works on it until then at most; 0: nobody does */
    int64_t claim_us;
    int64_t bend_force_mg; /**< of the hands that weigh.bend_mg was learnt under */
    bool bend_guessed;     /**< the reference was taken under a bend that nobody had measured */
    int64_t
        still_mg; /**< what lay there undisturbed last; drift makes it differ from the reference */
    bool still_known;
    bool disturbed;    /**< not calm, or bent, since then */
    int64_t agreed_us; /**< when the newest change here was agreed upon; 0: none yet */
    int64_t
        agreed_mg; /**< how much came or went: the plates beside bend by a share of it, for good */
    int32_t bent_pm; /**< the share that this plate was seen to bend by; 0: not at all */
    struct shelf_claim claim;
    int32_t rev;      /**< of the open change's next event */
    uint8_t fresh;    /**< bit i: cell i of the plate has reported since the last complete sample */
    bool watched;     /**< silence is a fault */
    bool calibrated;  /**< samples are masses */
    bool weighed;     /**< the plan gives it cells, or a mass of it has come */
    bool tare_wanted; /**< a tare command waits for a quiet plate */
    bool drift_told;  /**< a recount was suggested because tracking reached its limit */
    struct shelf_stray stray;
    struct shelf_lesson lesson;
    struct {
        int64_t t_us;
        int32_t n;
        uint8_t facing;
    } left[SHELF_LEFT_MAX]; /**< ring of picks */
    uint8_t left_at;
    struct shelf_sweep sweep;
    int64_t cross_us;      /**< since when weight and books disagree; 0: they do not */
    int64_t cross_next_us; /**< when they are compared next */
    bool cross_told;
    struct shelf_facing facings[PLATE_FACINGS_MAX];
};

/** What a cell adds to its plate's mass, and how that moved: evidence of the place of a change. */
struct shelf_cell {
    int64_t mass_mg;
    double level_mg; /**< of the newest tenths of a second */
    double ref_mg;   /**< of the load that the plate's reference was taken from */
    int64_t seen_us; /**< 0: not yet */
    bool placed;     /**< ref_mg is set */
};

/** State is kept by slot, so that a new plan moves indices and no state. About 500 kB. */
struct shelf {
    struct shelf_plate plates[PLATES_MAX];
    uint16_t plate_slots[PLATES_MAX]; /**< by index in the plan */
    struct stock products[PRODUCTS_MAX];
    struct piece pieces[PRODUCTS_MAX]; /**< by slot, as products */
    uint16_t product_slots[PRODUCTS_MAX];
    uint16_t first_facing[PRODUCTS_MAX]; /**< by index in the plan; then shelf_facing.next */
    struct shelf_cell cells[CELLS_MAX];  /**< by index in the plan */
    struct cell meters[CELLS_MAX];       /**< the cells themselves, by slot */
    uint16_t meter_slots[CELLS_MAX];     /**< by index in the plan */
    int64_t next_number;                 /**< of changes and alerts */
    int64_t commands_n;                  /**< carried out so far; the newest are remembered */
    char commands[SHELF_COMMANDS_MAX][NOREN_ID_SIZE];
    int64_t sales_n; /**< taken so far; the ids of the newest are remembered */
    char sales[SHELF_SALES_MAX][NOREN_ID_SIZE];
    int32_t sale_line; /**< which line of the newest sale comes next; -1: of none */
    struct {
        int64_t sales, repeated, units, shortfall; /**< since the start */
    } sale_counters;
    int64_t watch_us; /**< when silence is looked for next */
    int64_t refused;  /**< commands that could not be carried out as asked */
};

void shelf_init(struct shelf *s);
/** A new plan is in force: state of plates, facings and products that are still there (by id) is kept. */
void shelf_plan(struct shelf *s, const struct plan *old_plan, const struct plan *plan);
/** Takes back one RECORD_SHOP/PLATE/FACING/PRODUCT/CELL/CALIBRATION/PIECE row. 0, or -1 when not understood. */
int shelf_restore(struct shelf *s, const struct plan *plan, const struct record *r);
/** One observation (plan, cell, mass, node, command, tick), already checked against the plan. Returns the
 * next deadline; the observation's own time when the batch was full. */
int64_t shelf_step(struct shelf *s, const struct plan *plan, const struct obs *o,
                   struct batch *out);

/** True while the id of a command, or of a sale, is remembered: it would do nothing. */
bool shelf_command_seen(const struct shelf *s, const char *id);
bool shelf_sale_seen(const struct shelf *s, const char *id);

const struct stock *shelf_ledger(const struct shelf *s, uint16_t product);
struct shelf_atp shelf_atp(const struct shelf *s, const struct plan *plan, uint16_t product);
enum shelf_sensor shelf_sensor(const struct shelf *s, uint16_t plate);
/** False while somebody calibrates the plate. */
bool shelf_in_service(const struct shelf *s, uint16_t plate);
const struct shelf_facing *shelf_facing(const struct shelf *s, uint16_t plate, uint8_t facing);
/** What one piece on a facing weighs, and from how many pieces that was learnt (0: the plan says so). */
struct piece_mass shelf_facing_piece(const struct shelf *s, const struct plan *plan, uint16_t plate,
                                     uint8_t facing, int32_t *ret_learnt_from);
/** False: the sensor is down or has not settled, or the facing was never counted; on_shelf means nothing. */
bool shelf_facing_known(const struct shelf *s, uint16_t plate, uint8_t facing);
/** The next number of the shop's changes, alerts and tasks; stored in the same batch. */
int64_t shelf_take_number(struct shelf *s, struct batch *out);
/** How many alerts of shelves are open. */
int32_t shelf_alerts(const struct shelf *s, const struct plan *plan);

#endif
