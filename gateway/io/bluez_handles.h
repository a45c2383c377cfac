/* Files in run_dir that remember which advertisement monitors, and which advertisement, are ours; see
 * bluez_mgmt.c for why. */
#ifndef NOREN_IO_BLUEZ_HANDLES_H
#define NOREN_IO_BLUEZ_HANDLES_H

#include <stddef.h>
#include <stdint.h>

/** One monitor of ours, or an advertisement. */
struct bluez_handle {
    uint16_t adapter;
    uint16_t handle; /**< as the kernel gave it; never 0 */
};

/** Reads from the file `name` what this boot's earlier process left. Returns how many (at most `cap`), 0 when there is nothing,
 * or when the file is of another boot: its handles may be somebody else's by now. */
size_t bluez_handles_load(const char *run_dir, const char *name, struct bluez_handle *ret,
                          size_t cap);

/** Replaces the file. Best effort: what cannot be written costs one of an adapter's 32 handles if we are
 * killed, nothing else. */
void bluez_handles_save(const char *run_dir, const char *name, const struct bluez_handle *handles,
                        size_t n);

#endif
