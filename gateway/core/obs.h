/* Observations: everything that can enter the brain. If it can change behaviour, it is one of these.
 *
 * That is what makes a recorded day replay to the same events, byte for byte. Members and their keys are
 * resolved before (core/radio.h), so no hardware address and no key can be in an observation, nor in a
 * recording, by construction. Places are indices into the plan that is in force; the text form writes ids.
 */
#ifndef NOREN_CORE_OBS_H
#define NOREN_CORE_OBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/calibration.h"
#include "core/plan.h"
#include "noren/event.h"
#include "noren/units.h"

enum obs_kind {
    OBS_TICK,     /**< time passed; fed at the deadline that the last step asked for */
    OBS_PLAN,     /**< a new plan is in force; the pointer stays valid until the next OBS_PLAN */
    OBS_CLOCK,    /**< what time it is, and how sure we are */
    OBS_SIGHTING, /**< an identity was heard by a receiver */
    OBS_CELL,     /**< a raw reading of one load cell, or why there is none */
    OBS_MASS,     /**< a reading of a whole plate in milligrams (shelf nodes' sums, recordings) */
    OBS_NODE,     /**< a shelf node's reading of one cell in milligrams */
    OBS_COMMAND,  /**< somebody with the right to do so asked for something */
    OBS_SALE,     /**< one line of a sale of the point of sale */
    OBS_TEMPERATURE, /**< a sensor of the store told how warm it is */
    OBS_CALIBRATION, /**< a person calibrates a load cell */
    OBS_CHECKIN,     /**< verified evidence that a member is here, other than by our radios */
    OBS_FORGET,      /**< everything about a member goes */
    OBS_SKEW,        /**< what another board heard was refused: its clock is not ours */
    OBS_CROWD,       /**< how many unknown devices a receiver had in five minutes */
};

/** Quality of wall-clock time (design section 10). */
enum clock_quality { CLOCK_FLOOR, CLOCK_HELD, CLOCK_SYNCED };

/** Consent bits, as the member record carries them; a missing bit is a no. */
enum consent {
    CONSENT_PRESENCE = 1 << 0,
    CONSENT_OFFERS = 1 << 1,
    CONSENT_INTERACTION = 1 << 2,
    CONSENT_ANALYTICS = 1 << 3,
    CONSENT_ALL = 15,
};

/** How an identity was established: a row of the table in design section 6. */
enum id_path { PATH_TOKEN, PATH_CHECKIN, PATH_TAG, PATH_DOOR, PATH_LINE };

/** Why a load cell has no value. */
enum cell_fault {
    CELL_OK,
    CELL_ABSENT,    /**< no answer for a second */
    CELL_SATURATED, /**< a full-scale code */
    CELL_CORRUPT,   /**< a refused frame */
    CELL_RATE,      /**< the converter runs at another rate than it is wired for */
};

enum command_kind {
    COMMAND_TARE,    /**< target = plate: what lies on it now is zero, the count is 0 */
    COMMAND_RECOUNT, /**< target = plate or GTIN, quantity = what a person counted */
    /* Of the backroom; target = GTIN, document = the paper that it is about. */
    COMMAND_COUNT,        /**< quantity = what a person counted there */
    COMMAND_TRANSFER_IN,  /**< quantity came from a supplier or another store */
    COMMAND_TRANSFER_OUT, /**< quantity left for another store; never more than there is */
    COMMAND_RETURN,       /**< quantity was given back by customers */
    COMMAND_CLAIM,        /**< target = a task's id: `actor` does it */
};

/** Begin and end concern the cell's whole plate. */
enum calibration_stage { CALIBRATION_BEGIN, CALIBRATION_SET, CALIBRATION_END };

struct obs {
    int64_t t_us;
    enum obs_kind kind;
    union {
        const struct plan *plan;
        struct {
            int64_t utc_us;
            enum clock_quality quality;
            int64_t local_us; /**< the store's own time - UTC */
        } clock;
        struct {
            uint16_t receiver;
            struct who who;
            uint8_t consent; /**< enum consent bits */
            uint16_t bucket; /**< 0..9999, assigned centrally for hold-outs */
            enum id_path path;
            int16_t rssi_dbm; /**< -127..20 */
            bool
                twin; /**< the token came from another address meanwhile, and now again from this */
        } sighting;
        struct {
            uint16_t cell;
            int32_t counts; /**< 24-bit signed; meaningless unless fault is CELL_OK */
            enum cell_fault fault;
        } cell;
        struct {
            uint16_t plate;
            int64_t mass_mg;
        } mass;
        struct {
            uint16_t node;
            uint8_t cell;
            int64_t mass_mg;
            uint8_t status; /**< enum noren_node_status */
        } node;
        struct {
            enum command_kind kind;
            char id[NOREN_ID_SIZE]; /**< command id: a repeated one does nothing */
            char target[NOREN_ID_SIZE];
            int64_t quantity;
            char actor[NOREN_ID_SIZE];
            char document[NOREN_ID_SIZE]; /**< "" = none */
        } command;
        /* The lines of one sale follow each other, line 0 first; a sale whose id is remembered does
         * nothing, whatever its lines say. */
        struct {
            char id[NOREN_ID_SIZE];
            uint16_t line, product;
            int64_t quantity; /**< > 0 */
            int64_t sold_us;  /**< boot time of the sale, may be before the boot */
        } sale;
        struct {
            char sensor[NOREN_ID_SIZE]; /**< id of a BTHome sensor or a tag */
            int32_t temperature_mc;     /**< thousandths of a degree Celsius */
        } temperature;
        struct {
            uint16_t cell;
            enum calibration_stage stage;
            struct calibration values; /**< CALIBRATION_SET; the brain gives the number */
        } calibration;
        struct {
            char member_ref[NOREN_ID_SIZE];
            uint8_t consent; /**< enum consent bits */
            uint16_t bucket;
            enum id_path path; /**< PATH_CHECKIN, PATH_DOOR or PATH_LINE */
            int64_t at_us;     /**< boot time of the evidence, not after t_us */
        } checkin;
        char forget[NOREN_ID_SIZE]; /**< a member_ref */
        struct {
            uint16_t receiver;
        } skew;
        struct {
            uint16_t receiver;
            uint32_t devices; /**< not yet cut at five: core/tally.h does that, by zone */
            bool other;       /**< counted by another board, which may have heard the same phones */
        } crowd;
    } u;
};

/** Enough for any observation's text but OBS_PLAN's. */
#define OBS_TEXT_SIZE 360

/** Writes one line without newline: `t_us TAB kind TAB fields...`, ids by `plan`. A tab, because an id may
 * contain a space but no control character; so nothing needs escaping:
 *   T tick                                    T clock UTC_US floor|held|synced [LOCAL_US]
 *   T sighting RECEIVER member|tag REF CONSENT BUCKET token|checkin|tag|door|line RSSI_DBM [twin]
 *   T cell CELL COUNTS ok|absent|saturated|corrupt|rate
 *   T mass PLATE MASS_MG                      T node NODE CELL MASS_MG STATUS
 *   T command tare|recount|... ID TARGET QUANTITY ACTOR [DOCUMENT]
 *   T sale ID LINE GTIN QUANTITY SOLD_US      T temperature SENSOR MILLIDEGREES
 *   T calibration CELL begin|set|end ZERO PG_PER_COUNT MASS_MG ERROR_MG TEMPERATURE_MC UTC_S OPERATOR
 *   T checkin REF CONSENT BUCKET checkin|door|line AT_US      T forget REF
 *   T crowd RECEIVER DEVICES own|other        T skew RECEIVER
 * OBS_PLAN has no text (the shell writes the plan's JSON). Returns the length, or -1 when it does not fit,
 * has no text, or names what the plan does not have. */
int obs_print(const struct obs *o, const struct plan *plan, char *buf, size_t size);

/** Reads such a line (`n` bytes, no newline). Returns NULL and fills `ret`, or a static string that says
 * what is wrong; `ret` is then untouched. */
const char *obs_parse(const char *line, size_t n, const struct plan *plan, struct obs *ret);

#endif
