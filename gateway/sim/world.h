/* The simulated shop: plates with goods on them, people who walk about, radios on the air.
 *
 * One structure, advanced by world_step() in small steps of time, all chance from one seed. It knows
 * nothing of sockets and files: what happens goes out through struct output (output.h), which is a live
 * gateway or a folder of recordings.
 */
#ifndef NOREN_SIM_WORLD_H
#define NOREN_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan.h"
#include "noren/units.h"
#include "noren/wire.h"

#define WORLD_PEOPLE_MAX  64
#define WORLD_BEACONS_MAX 16
#define WORLD_VISIT_MAX   4 /* plates a shopper looks at in one visit */

struct output;

/** What the scenario file sets; shares are permille. */
struct scenario {
    bool automatic;           /**< shoppers come, pick and leave by themselves */
    int64_t phones;           /**< visitors who are no members */
    double outside_s, look_s; /**< mean time between visits, and in front of a plate */
    int64_t pick_pm;          /**< chance that a look ends in a pick */
    int64_t put_back_pm;      /**< chance that a pick is put back a little later */
    int64_t fill_pm;          /**< of its capacity, on each plate at the start */
    int64_t restock_below_pm; /**< staff come when a facing falls below this */
    double restock_after_s;   /**< and this long after */
    int64_t noise_mg;         /**< standard deviation of a cell's noise */
    struct scenario_beacon {
        enum { BEACON_STORE, BEACON_THERMOMETER } kind;
        double x_m, y_m;
        uint8_t uuid[16], key[16];
        int64_t major;
    } beacons[WORLD_BEACONS_MAX];
    int beacons_n;
};

/** A change on a plate that is going on: a hand comes, then the goods move. */
struct move {
    int64_t start_us; /**< 0 = none */
    int64_t moved_us; /**< when the goods moved; 0 = not yet */
    int facing;
    int64_t quantity; /**< signed */
    int64_t force_mg; /**< the hand's push */
    int64_t mass_mg;  /**< of the goods, signed, once moved */
    const char *kind; /**< "pick" "put_back" "restock" */
};

struct plate {
    int64_t count[PLATE_FACINGS_MAX];
    int64_t facing_mg[PLATE_FACINGS_MAX];
    int64_t mass_mg; /**< of what stands on it */
    struct move move;
    int64_t restock_us; /**< staff will come then; 0 = not called */
};

enum person_kind { PERSON_MEMBER, PERSON_PHONE };
enum person_state { PERSON_OUTSIDE, PERSON_WALKING, PERSON_LOOKING, PERSON_STAYING };

/** A tag or card in somebody's pocket. */
struct person_tag {
    bool carried, irk; /**< irk: a resolvable private address, else Eddystone-EID */
    uint8_t key[16];
    uint8_t k;
    int64_t offset_s;
    uint64_t step; /**< of its address */
    uint8_t address[6];
};

struct person {
    enum person_kind kind;
    char ref[NOREN_ID_SIZE]; /**< members only */
    bool phone;              /**< a member with a card only has none */
    uint8_t key[32];
    struct person_tag tag;
    enum person_state state;
    int64_t until_us; /**< end of the state, where it has one */
    double x_m, y_m, to_x_m, to_y_m;
    uint16_t zone; /**< where the person is, NO_INDEX = in none */
    uint16_t plates[WORLD_VISIT_MAX];
    int plates_n, plate; /**< the visit's plan, and how far it is */
    bool leaving;
    uint16_t holding_plate; /**< a pick that will be put back, NO_INDEX = none */
    int64_t advert_us;      /**< next advertisement */
    uint64_t step;          /**< token step of `token` and `address` */
    uint8_t token[NOREN_TOKEN_SIZE];
    uint8_t address[6];
    double fading_db[RECEIVERS_MAX];
};

struct beacon {
    int64_t advert_us;
    uint8_t address[6];
};

struct world {
    struct plan plan;
    struct scenario scenario;
    uint64_t random;
    int64_t utc_offset_us; /**< UTC - time of the simulation */
    int64_t now_us;
    struct plate plates[PLATES_MAX];
    struct person people[WORLD_PEOPLE_MAX];
    int people_n;
    struct beacon beacons[WORLD_BEACONS_MAX];
};

/** Fills the shelves and leaves everybody outside. plan, scenario, people (kind, ref, key) and random are
 * set. */
void world_init(struct world *w, int64_t now_us);
/** Lets time pass up to `now_us`; call every WORLD_STEP_US or so. */
void world_step(struct world *w, int64_t now_us, struct output *out);
#define WORLD_STEP_US 10000

/** Chance: uniform in 0..1, normal with sd 1, exponential with a mean. */
double world_uniform(struct world *w);
double world_normal(struct world *w);
double world_wait(struct world *w, double mean);

/* plates.c */
void plates_init(struct world *w);
void plates_step(struct world *w, struct output *out);
/** Begins to move `quantity` (negative: off the plate). NULL, or why it cannot be. */
const char *plate_move(struct world *w, uint16_t plate, int facing, int64_t quantity,
                       const char *kind);
/** What the plate's scale would feel now, with hands and swinging. */
int64_t plate_force_mg(const struct world *w, uint16_t plate);
/** The true signal of a cell in ADC counts. */
int32_t cell_counts(const struct world *w, uint16_t cell);
int32_t cell_noise(const struct world *w, uint16_t cell);

/* people.c */
void shoppers_init(struct world *w);
void shoppers_step(struct world *w, struct output *out);
/** By hand: NULL, or why it cannot be. The person stays there until told otherwise. */
const char *person_walk(struct world *w, const char *ref, const char *zone);
const char *person_leave(struct world *w, const char *ref);

/* air.c */
void air_init(struct world *w);
void air_step(struct world *w, struct output *out);

#endif
