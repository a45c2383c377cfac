/* The simulated board: a unix datagram socket through which noren-sim (or a test) is radio and shelf.
 *
 * One command a datagram, text, so that a person with socat can be a shopper too:
 *   adv RECEIVER HEX       an HCI event packet (3e...) heard by that simulated receiver
 *   load CELL COUNTS       the true signal of a simulated chip from now on, in ADC counts
 *   noise CELL COUNTS      standard deviation of its noise
 *   fault CELL none|absent|stuck|saturated|stall   what is wrong with the chip; stall: the reader
 *                          is preempted for 60..5000 us again and again while PD_SCK is high
 *   watch                  the sender's socket, which must have an address, is told from now on of every
 *                          light that goes "led NAME on" or "led NAME off"; one watcher, the last
 * A chip of which no load was ever told is not connected, so that a store does not start with a wrong weight.
 * Unknown ids and malformed lines are counted and otherwise ignored.
 */
#ifndef NOREN_IO_SIM_H
#define NOREN_IO_SIM_H

#include <stddef.h>
#include <stdint.h>

#include "io/bank.h"
#include "io/ble.h"
#include "io/board.h"

struct sim;

/** Binds the socket (mode 0660), replacing a dead one. Returns 0 or -errno (-EADDRINUSE: another process
 * listens there). */
int sim_open(struct sim **ret_sim, const char *path, const struct board *board);
int sim_fd(const struct sim *s);

/** Handles waiting datagrams: loads go to the simulated chips, adverts to `ret`. Returns the number of
 * packets written, or -errno. */
int sim_read(struct sim *s, struct ble_packet *ret, size_t cap);

/** Lines of the simulated chips of a BANK_SIM, read by one other thread. The sim owns what it points to and
 * must outlive its use. The bank must be one of the board that the sim was opened with. */
struct bank_bus sim_bus(struct sim *s, const struct board_bank *bank);

/** A simulated LED goes on or off: told to the watcher, if there is one. */
void sim_led(struct sim *s, const char *led, bool on);

/** Datagrams that named nothing or were malformed. */
int64_t sim_refused(const struct sim *s);

/** Closes and unlinks the socket; NULL is allowed. */
void sim_close(struct sim *s);

#endif
