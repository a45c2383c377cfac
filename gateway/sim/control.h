/* The hand in the simulated shop: one-line commands over a unix datagram socket, answered in one line. */
#ifndef NOREN_SIM_CONTROL_H
#define NOREN_SIM_CONTROL_H

#include "sim/output.h"
#include "sim/world.h"

/** What can be asked; shown by --help. */
#define CONTROL_HELP                                                               \
    "  pick PLATE [N] [FACING]   take N (default 1) off a plate\n"                 \
    "  put PLATE [N] [FACING]    put N back\n"                                     \
    "  walk MEMBER ZONE          the member comes in, or walks there, and stays\n" \
    "  leave MEMBER              the member walks out\n"                           \
    "  fault CELL KIND           none, absent, stuck, saturated or stall\n"        \
    "  auto on|off               shoppers and staff act by themselves, or not\n"

/** Binds the control socket. The descriptor or -errno. */
int control_open(const char *path);
/** Answers all waiting commands. */
void control_step(int fd, struct world *w, struct output *out);
/** The other end: sends one command (words of argv) to a running noren-sim and prints its answer. Exit
 * status: 0 done, 1 refused or nobody there. */
int control_send(const char *path, int argc, char *const argv[]);

#endif
