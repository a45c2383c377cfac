/* The plan of a store: everything that is configured and changes rarely, as plain data.
 *
 * Planogram, map and campaigns arrive as JSON, are read by the shell (io/plan_json.c) into this structure
 * and enter the core as one observation (OBS_PLAN). Arrays and indices instead of pointers: a plan can be
 * copied, compared and thrown away whole. `NO_INDEX` marks "none".
 */
#ifndef NOREN_CORE_PLAN_H
#define NOREN_CORE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "noren/units.h"

#define NO_INDEX UINT16_MAX

/** One load cell. */
struct plan_cell {
    char id[NOREN_ID_SIZE];
    uint16_t plate;
    int32_t x_mm;
    int64_t zero_counts; /**< two-point calibration: counts at no load */
    double mg_per_count; /**< 0 = not calibrated; negative = wired the other way round */
    int64_t
        capacity_mg; /**< what it may carry beside the plate itself; 0: unknown, never overloaded */
    int64_t node;    /**< shelf node number << 4 | cell, or -1: read from an ADC bank */
};

/** One product's place on a plate. */
struct plan_facing {
    uint16_t product;
    int64_t unit_mass_mg; /**< > 0 */
    int32_t unit_cv_pm;   /**< variation between units, permille of the mass */
    int32_t min, capacity, safety;
    int32_t x_mm; /**< centre, from the plate's left edge */
};

/** One weighed surface. */
struct plan_plate {
    char id[NOREN_ID_SIZE];
    uint16_t fixture, zone; /**< zone may be NO_INDEX */
    char led[NOREN_ID_SIZE];
    uint16_t cells[PLATE_CELLS_MAX];
    uint8_t cells_n;
    struct plan_facing facings[PLATE_FACINGS_MAX];
    uint8_t facings_n;
    uint16_t neighbours[PLATE_NEIGHBOURS_MAX];
    uint8_t neighbours_n;
};

/** A product that stands in this store: one GTIN (a variant is its own GTIN). */
struct plan_product {
    char gtin[NOREN_GTIN_SIZE]; /**< 14 digits */
    char name[64];
    int32_t backroom; /**< opening balance; the ledger in the database wins once it exists */
    int32_t safety;   /**< sum over its facings */
};

/** A BLE receiver (radio). */
struct plan_receiver {
    char id[NOREN_ID_SIZE];
    double x_m, y_m, z_m;
    bool placed; /**< coordinates known */
};

/** A beacon that hangs at a known place: it teaches how receivers differ, and is nobody. */
struct plan_beacon {
    char id[NOREN_ID_SIZE]; /**< as sightings name it */
    double x_m, y_m, z_m;
};

/** A named area: a polygon, or the receivers that stand for it. */
struct plan_zone {
    char id[NOREN_ID_SIZE];
    struct {
        double x_m, y_m;
    } corners[ZONE_CORNERS_MAX];
    uint8_t corners_n;  /**< 0: by receivers */
    uint32_t receivers; /**< bit set of receiver indices */
    bool
        near; /**< by receivers: only what is within a few metres of them, what is farther belongs to
                    another zone of the same receiver, or to none */
    bool no_track; /**< nobody is ever reported in here */
};

/** A campaign: trigger, the product it is about, and what is shown. */
struct plan_campaign {
    char id[NOREN_ID_SIZE];
    int64_t revision;
    uint16_t zone;    /**< trigger: dwell of a member in this zone ... */
    int64_t dwell_us; /**< ... for this long */
    uint16_t product; /**< must be available, else suppressed */
    char template_id[NOREN_ID_SIZE];
    int64_t valid_from_s, valid_until_s; /**< UTC seconds; 0 = open */
    int32_t holdout_bp;                  /**< basis points of the central bucket that get a ghost */
};

struct plan {
    char store[NOREN_ID_SIZE];
    char time_zone[NOREN_ID_SIZE];
    int16_t open_min, close_min; /**< minutes of the store's day; both 0: always open */
    struct plan_plate plates[PLATES_MAX];
    uint16_t plates_n;
    struct plan_cell cells[CELLS_MAX];
    uint16_t cells_n;
    struct plan_product products[PRODUCTS_MAX];
    uint16_t products_n;
    char fixtures[FIXTURES_MAX][NOREN_ID_SIZE];
    uint16_t fixtures_n;
    struct plan_receiver receivers[RECEIVERS_MAX];
    uint16_t receivers_n;
    struct plan_beacon beacons[BEACONS_MAX];
    uint16_t beacons_n;
    struct plan_zone zones[ZONES_MAX];
    uint16_t zones_n;
    struct plan_campaign campaigns[CAMPAIGNS_MAX];
    uint16_t campaigns_n;
};

/** Index of the entry with this id, or NO_INDEX. Linear: for set-up, never per observation. */
uint16_t plan_find_plate(const struct plan *plan, const char *id);
uint16_t plan_find_cell(const struct plan *plan, const char *id);
uint16_t plan_find_receiver(const struct plan *plan, const char *id);
uint16_t plan_find_zone(const struct plan *plan, const char *id);
uint16_t plan_find_fixture(const struct plan *plan, const char *id);
/** `gtin` is 8, 12, 13 or 14 digits; compared after padding to 14. */
uint16_t plan_find_product(const struct plan *plan, const char *gtin);
/** Index of the cell that a shelf node's reading belongs to, or NO_INDEX. */
uint16_t plan_find_node(const struct plan *plan, uint16_t node, uint8_t cell);

/** Pads a GTIN-8/12/13/14 to 14 digits after checking length and check digit (GS1 General Specifications,
 * 7.9). False when it is none; `ret_gtin14` is then untouched. */
bool plan_parse_gtin(const char *text, char ret_gtin14[NOREN_GTIN_SIZE]);

#endif
