/* Inputs of a replay: recordings, captures and tables, each read item by item from memory.
 *
 * A format is one read_x.c and one row in the table of source.c; a file's format is recognised by its
 * content, because names lie. Readers hand out slices of the file, which stays mapped: a store's day is
 * some gigabytes of rows, and copying them would cost more than stepping the brain.
 */
#ifndef NOREN_IO_SOURCE_H
#define NOREN_IO_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "noren/units.h"

/** What one item of an input is. */
enum item_kind {
    ITEM_SIGHTING, /**< place = receiver, who = identity, value = RSSI in dBm */
    ITEM_MASS,     /**< place = plate, value in milligrams */
    ITEM_CELL,     /**< place = cell, value in counts */
    ITEM_PACKET,   /**< bytes = an HCI event without H4 type byte, heard by `adapter` */
    ITEM_TEXT,     /**< bytes = a line that obs_parse() reads */
    ITEM_PLAN,     /**< a plan enters; its documents are the ITEM_DOCUMENTs before it */
    ITEM_DOCUMENT, /**< bytes = {"map":...}, {"planogram":...} or {"campaigns":...} */
    ITEM_RESTORE,  /**< bytes = {"restore":kind,"key":...,"value":...} */
};

/** A piece of the file; not terminated. */
struct slice {
    const char *p;
    size_t n;
};

struct item {
    enum item_kind kind;
    int64_t t_us;  /**< from the start of the recording, or UTC when source.absolute */
    uint32_t line; /**< line, or record number in a binary file; for messages */
    struct slice place, who;
    int64_t value;
    const uint8_t *bytes;
    size_t n;
    uint16_t adapter;
};

/* The last moment of the year 9999 since 1970. A later stamp is damage, and sums of times below it cannot
 * overflow. */
#define SOURCE_TIME_MAX_US INT64_C(253402300799999999)

#define REFUSALS_MAX 32

/** What was refused, by reason. The first few are also said aloud, with their place. */
struct refusals {
    struct {
        const char *reason; /**< static string */
        int64_t n;
    } by[REFUSALS_MAX];
    size_t n;
    int said;
    void (*say)(void *arg, const char *sentence);
    void *arg;
};

/** Counts one; `where` is a file name and `line` may be 0, `remedy` may be "". Nothing when `f` is NULL. */
void refusals_add(struct refusals *f, const char *where, uint32_t line, const char *reason,
                  const char *remedy);

#define CSV_COLUMNS_MAX  64
#define PACKET_BYTES_MAX 257

/** One open input. */
struct source {
    const char *name; /**< for messages; borrowed */
    const struct reader *reader;
    const uint8_t *p; /**< the whole file */
    size_t n, at;     /**< its size; where the next item begins */
    uint32_t line;
    bool absolute;             /**< stamps are UTC, not counted from the start */
    bool mapped;               /**< by mmap(), else malloc() */
    struct refusals *refusals; /**< where malformed items are counted; NULL: skipped silently */
    union {
        struct {
            enum item_kind kind;
            uint8_t column[4]; /**< places of t_us and the others in a row */
            uint8_t columns_n, last;
            char unquoted[2][NOREN_ID_SIZE];
        } csv;
        struct {
            uint32_t datalink;
        } btsnoop;
        struct {
            bool swapped; /**< other byte order than ours */
            bool ng;      /**< pcapng */
            uint32_t linktype;
            int64_t per_s; /**< ticks of a stamp in a second */
        } pcap;
    } u;
    uint8_t packet[PACKET_BYTES_MAX]; /**< for readers that must build or decode a packet */
};

/** A format. */
struct reader {
    const char *name;
    bool (*recognise)(const uint8_t *p, size_t n);
    /** Reads the head and puts `at` on the first item; may be called again to rewind. False with a sentence
     * in `error`. */
    bool (*open)(struct source *s, char *error, size_t size);
    /** The next good item; malformed ones are counted and skipped. False at the end. */
    bool (*next)(struct source *s, struct item *ret);
};

extern const struct reader reader_recording, reader_btsnoop, reader_pcap, reader_pcapng, reader_hex,
    reader_csv;

/** Opens a file, or standard input for "-", and recognises it. 0, -errno, or -EINVAL with a sentence. */
int source_open(struct source *ret, const char *path, char *error, size_t size);
void source_close(struct source *s);

/** The middle of source_open(), for bytes that are in memory already (s->p, s->n): finds the reader and
 * opens it. 0, or -EINVAL with a sentence. */
int source_recognise(struct source *s, char *error, size_t size);

/** The next line of a text file without its end (LF or CRLF); false at the end. Counts lines. */
bool source_line(struct source *s, struct slice *ret);

/** True for an LE advertising report event (3e xx 02 or 0d), the only packets a replay looks at. */
bool source_is_report(const uint8_t *packet, size_t n);

#endif
