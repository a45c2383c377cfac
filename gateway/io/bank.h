/* Reading a bank of HX711-class chips: when to look, when to clock, what to make of silence.
 *
 * The one reading code path of real lines and simulated chips. It knows lines only through a bus of four
 * calls and never sleeps for long itself: bank_poll() does what is due and says when it wants to be called
 * next, so the sampling thread and a test in virtual time drive the same code.
 *
 * A bank is one group of chips on a shared PD_SCK, or several groups of one chip each. A group is clocked when
 * every chip that is alive has signalled ready. A chip is alive while its ready edges come in time; one that
 * stays away for 1.5 conversions is not waited for, so a dead chip never stalls its bank; nor does one that
 * runs at another rate, a RATE pin that is wired wrong say.
 *
 * Each refused frame is a reading without a value, so that whoever judges the cell knows the share. Frames of a
 * chip that settles, and of one that was clocked late because it waited for the others, are nobody's fault.
 *
 * On a busy machine the caller comes late. What happened on the lines meanwhile was not seen, so it is no
 * evidence against a chip: the time does not count as silence, the edges in it do not count as its rate, and
 * a frame that nobody could confirm is not its fault. All of them stay refused; they are only not charged.
 *
 * Readiness is polled. Edge events were rejected: with libgpiod 1.6 each line is a descriptor of its own and
 * a bulk read becomes one call a line, and the bits we clock out ourselves make some 24 edges a frame. The
 * conversion time is learnt, so the poll begins just before the edge and takes one or two looks.
 */
#ifndef NOREN_IO_BANK_H
#define NOREN_IO_BANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adc/hx711.h"
#include "core/obs.h"
#include "io/board.h"

/** Lines of a bank. Every slot is mandatory; calls that touch lines return 0 or -errno. */
struct bank_bus {
    void *ctx;
    /** Sets PD_SCK number `line`, counted in the order of board_bank.sck. */
    int (*set_sck)(void *ctx, unsigned line, bool high);
    /** Levels of all DOUT lines, bit i = board_bank.dout[i]. */
    int (*get_dout)(void *ctx, uint32_t *ret_levels);
    /** CLOCK_BOOTTIME, or virtual time. */
    int64_t (*now_us)(void *ctx);
    /** Lets a short time pass (a power cycle holds PD_SCK high). */
    void (*wait_us)(void *ctx, int32_t us);
};

/** What came out of a bank: a value, or why a cell has none. */
struct bank_reading {
    int64_t t_us; /**< ready edge of the conversion, or the moment of the fault report */
    uint8_t cell; /**< place in board_bank.cells */
    enum cell_fault fault;
    int32_t counts;
};

struct bank_cell {
    struct hx711_stream stream;
    bool low;                  /**< DOUT as last seen */
    bool pending;              /**< a ready edge was seen and its frame is not clocked yet */
    uint8_t highs;             /**< looks in a row that found DOUT high again while pending */
    int64_t seen_high_us;      /**< last time high before the edge */
    int64_t low_us;            /**< first time low after it */
    int32_t lead_us;           /**< how long before the next edge to begin to look; adapts */
    int64_t expected_until_us; /**< after a reset: wait for it until then, it is settling */
    int64_t heard_us;          /**< last frame clocked */
    int64_t good_us;           /**< last value given out */
    int64_t report_us;         /**< earliest time of the next fault report */
    int64_t rate_us;           /**< since when ready edges are counted */
    int64_t edge_us;           /**< the last one; 0: not known */
    int64_t watched_us;        /**< sum of the intervals between those that are counted */
    uint16_t edges;
    bool unwatched; /**< nobody was looking for a while since edge_us */
    bool excused;   /**< nobody was looking since the last good frame: a gap says nothing */
    bool
        off_rate; /**< they come at another rate than the chip is wired for: it is not waited for */
};

struct bank_group {
    uint8_t line;
    uint8_t first, n; /**< its cells */
};

/** One bank; no allocation inside, copyable before the first poll. */
struct bank {
    struct bank_bus bus;
    struct bank_cell cells[BOARD_BANK_CELLS_MAX];
    struct bank_group groups[BOARD_BANK_CELLS_MAX];
    uint8_t cells_n, groups_n, pulses;
    int32_t nominal_us; /**< time of a conversion as configured */
    int64_t due_us;     /**< when the next poll was asked for; 0: none yet */
    int bus_error;      /**< last error of the bus (-errno), 0 = none in the last poll */
};

/** Most readings that one poll can give. */
#define BANK_READINGS_MAX (BOARD_BANK_CELLS_MAX * 4)

/** Sets a bank up; no line is touched. `config` must have sck_n = 1 or sck_n = cells_n;
 * 0 is one each (simulated chips have no line numbers). */
void bank_init(struct bank *b, const struct board_bank *config, const struct bank_bus *bus);

/** Does what is due. Returns the number of readings written to `ret`, and in ret_next_us when to call again.
 * A bus that fails shows as cells that are absent, and in `bus_error`. */
size_t bank_poll(struct bank *b, struct bank_reading ret[BANK_READINGS_MAX], int64_t *ret_next_us);

/** Frames so far by reason, HX711_GOOD first, summed over the cells. */
void bank_counts(const struct bank *b, int64_t ret[HX711_REASONS]);

#endif
