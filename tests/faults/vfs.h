/* A disk in memory that loses what a real one loses: the crash VFS of the storage faults.
 *
 * It is SQLite's default VFS while it is registered, so the shipped io/db.c runs on it unchanged; no seam in
 * the product. Each file has what the program sees and what is safe on the medium. A sync makes the first
 * the second, sector by sector (512 bytes). After a power cut every unsynced sector is dropped, kept or torn
 * (its head new, its tail old), and file sizes, creations and deletions that no sync has settled may or
 * may not have happened. Torn sectors change nothing outside the range written: what SQLite assumes of any
 * disk on Linux (SQLITE_IOCAP_POWERSAFE_OVERWRITE, its default there), and is told here, too.
 *
 * A sync that fails does what Linux does: the pages it could not write count as clean from then on and are
 * gone at the next cut unless they are written again.
 */
#ifndef NOREN_TESTS_VFS_H
#define NOREN_TESTS_VFS_H

#include <stdbool.h>
#include <stdint.h>

/** What happens to the operation number `at` (writes, syncs, truncates, deletes and creations count). */
enum vfs_fault {
    VFS_NONE,
    VFS_CUT,        /**< the power goes just after it; nothing works any more */
    VFS_EIO,        /**< it fails with an I/O error */
    VFS_FULL,       /**< a write, truncate or creation finds no space */
    VFS_EIO_STAYS,  /**< it and all after it fail */
    VFS_FULL_STAYS, /**< it and all after it find no space */
};

/** What becomes of sectors that were not synced when the power goes. */
enum vfs_loss { VFS_KEEP, VFS_DROP, VFS_MIX, VFS_TEAR };

/** Registers the disk as SQLite's default VFS. Call once, before any database is opened. */
void vfs_register(void);

/** An empty disk with the next operation number 1. */
void vfs_format(void);

/** The fault to come, counted from the next operation on. */
void vfs_arm(enum vfs_fault fault, int64_t at);

/** Operations since vfs_arm(). */
int64_t vfs_ops(void);

/** Bytes given to writes since vfs_arm(). */
int64_t vfs_bytes(void);

/** True once the armed fault has happened. */
bool vfs_hit(void);

/** The machine comes back: settles what was not synced (`seed` decides), and clears the fault. All handles
 * must have been closed. */
void vfs_power_on(enum vfs_loss loss, uint64_t seed);

/** SQLite's allocations (sqlite3_config before anything else): number `at` from now on fails, and all after
 * it when `stays`. 0: none. */
void vfs_memory_register(void);
void vfs_memory_arm(int64_t at, bool stays);
int64_t vfs_memory_count(void);

#endif
