/* The mgmt socket, and the commands that set a scan up with their parameters: what bluez_mgmt.c sends, step by step. */
#ifndef NOREN_IO_BLUEZ_COMMANDS_H
#define NOREN_IO_BLUEZ_COMMANDS_H

#include <stdint.h>

#include "noren/cursor.h"

/* In units of 0.625 ms: 100 ms; the window is usually as long. */
#define BLUEZ_SCAN_INTERVAL 0x00a0

/** What an adapter is doing, or about to do on the next tick; below STEP_RUN the number of a command. */
enum step {
    STEP_INFO,
    STEP_LE,
    STEP_FEATURES,
    STEP_REMOVE,
    STEP_CONFIG,
    STEP_ADD,
    STEP_POWER_OFF,
    STEP_POWER_ON,
    STEP_RUN,    /* our monitor is up; only the keeper acts */
    STEP_HELD,   /* somebody needs the scan to be off for a moment */
    STEP_ABSENT, /* no such adapter; an index-added event starts it */
};

struct bluez_command {
    uint16_t opcode;
    const char *name; /**< after "refused", in a sentence */
};

extern const struct bluez_command BLUEZ_COMMANDS[STEP_RUN];

/** Writes the parameters of a step's command. `handle` is our monitor's, `window` the scan's in 0.625 ms. */
void bluez_command_write(struct wr *w, enum step step, uint16_t handle, uint16_t window);

/** Opens the HCI control channel, on which mgmt is spoken: not blocking, closed on exec.
 * @return the file descriptor, or negative errno: -EAFNOSUPPORT when this kernel has no Bluetooth */
int bluez_control_open(void);

#endif
