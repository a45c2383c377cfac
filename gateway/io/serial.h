/* Shelf nodes at a serial line: what they advertise, read from their wire instead of the air.
 *
 * A node writes each advertisement as a line "AD <hex>" to its serial port, among lines of trace. The bytes are
 * those of the air, sealed with the node's key and counter, so the wire needs to be trusted as little as the air
 * does, and one parser (core/radio.c) opens both: a report is built around the bytes as a controller would. COBS
 * with a CRC was rejected: the tag is a better check than a CRC, a line end resynchronises as well as a zero, and
 * a person with a terminal reads it. Only a shelf node's frame passes: a wire is no way to bring members in.
 *
 * The line is 115200 baud, raw. A port that goes away (a plug is pulled) is opened again once a second.
 */
#ifndef NOREN_IO_SERIAL_H
#define NOREN_IO_SERIAL_H

#include "io/ble.h"

#define SERIAL_LINE_MAX 160 /* longer lines are nobody's */

/** Lines as they are put together from bytes. Zero memory is empty. */
struct serial_lines {
    char line[SERIAL_LINE_MAX];
    size_t n;
    bool overlong;
    int64_t good, refused, other; /**< advertisements; bad ones; lines of trace */
};

/** One byte. True when it ends a line that holds a shelf node's advertisement; then `ret` is a packet for
 * core/radio.c, without time. */
bool serial_byte(struct serial_lines *l, char byte, struct ble_packet *ret);

struct serial;

/** Opens a port; one that is not there (yet) is no error. 0 or -errno. `path` is borrowed. */
int serial_open(struct serial **ret, const char *path);
/** The descriptor to wait on, -1: not open now. It changes with serial_tick(). */
int serial_fd(const struct serial *s);
/** Takes up to `cap` packets. Returns how many; closes the port when it is gone. */
int serial_read(struct serial *s, struct ble_packet *ret, size_t cap);
/** About once a second. True: the port was opened (again), wait on serial_fd() now. */
bool serial_tick(struct serial *s);
/** NULL, or why the port is not open. */
const char *serial_problem(const struct serial *s);
const struct serial_lines *serial_lines(const struct serial *s);
void serial_close(struct serial *s);

#endif
