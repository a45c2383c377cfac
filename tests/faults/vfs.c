/* The crash VFS; see vfs.h. */
#include "vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR    512
#define FILES_MAX 4
#define FILE_MAX  (1 << 18)
#define SECTORS   (FILE_MAX / SECTOR)

/* One content with its length. */
struct content {
    bool exists;
    int64_t n;
    uint8_t bytes[FILE_MAX];
};

struct disk_file {
    char name[64];
    struct content seen, safe;
    bool dirty[SECTORS]; /* the next sync writes it */
    bool other_inode; /* made anew since the last sync: `safe` is the content of the file before */
};

static struct {
    struct disk_file files[FILES_MAX];
    enum vfs_fault fault;
    int64_t at, ops, bytes;
    bool hit;
    uint64_t random;
} disk;

struct handle {
    sqlite3_file base;
    struct disk_file *f;
};

static uint32_t random_below(uint32_t n)
{
    disk.random ^= disk.random >> 12;
    disk.random ^= disk.random << 25;
    disk.random ^= disk.random >> 27;
    return (uint32_t)((disk.random * 2685821657736338717u) >> 33) % n;
}

/* --- faults ------------------------------------------------------------------------------------- */

/* Counts an operation that changes the medium. Returns what it answers; SQLITE_OK for go on. */
static int count(bool needs_space)
{
    int64_t op = ++disk.ops;
    bool stays = disk.fault == VFS_EIO_STAYS || disk.fault == VFS_FULL_STAYS;
    bool full = disk.fault == VFS_FULL || disk.fault == VFS_FULL_STAYS;

    if (disk.fault == VFS_NONE)
        return SQLITE_OK;
    if (disk.fault == VFS_CUT) {
        disk.hit |= op >= disk.at;
        return op > disk.at ? SQLITE_IOERR : SQLITE_OK;
    }
    if (op < disk.at || (op > disk.at && !stays) || (full && !needs_space))
        return SQLITE_OK;
    disk.hit = true;
    return full ? SQLITE_FULL : SQLITE_IOERR;
}

static bool is_off(void)
{
    return disk.fault == VFS_CUT && disk.ops > disk.at;
}

/* --- files -------------------------------------------------------------------------------------- */

static struct disk_file *of(sqlite3_file *h)
{
    return ((struct handle *)h)->f;
}

static int vfs_close(sqlite3_file *h)
{
    (void)h;
    return SQLITE_OK;
}

static int vfs_read(sqlite3_file *h, void *buf, int n, sqlite3_int64 at)
{
    const struct content *c = &of(h)->seen;
    int64_t have = at < c->n ? c->n - at : 0;

    if (is_off())
        return SQLITE_IOERR_READ;
    if (have >= n) {
        memcpy(buf, c->bytes + at, (size_t)n);
        return SQLITE_OK;
    }
    memset(buf, 0, (size_t)n);
    memcpy(buf, c->bytes + at, (size_t)have);
    return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *h, const void *buf, int n, sqlite3_int64 at)
{
    struct disk_file *f = of(h);
    int rc = count(true);

    if (rc != SQLITE_OK) {
        /* as Linux does: what there was room for is written */
        n = rc == SQLITE_FULL ? (n / SECTOR / 2) * SECTOR : 0;
    }
    assert(at + n <= FILE_MAX);
    memcpy(f->seen.bytes + at, buf, (size_t)n);
    if (n > 0 && at + n > f->seen.n)
        f->seen.n = at + n;
    for (int64_t s = at / SECTOR; n > 0 && s <= (at + n - 1) / SECTOR; s++)
        f->dirty[s] = true;
    disk.bytes += n;
    return rc == SQLITE_IOERR ? SQLITE_IOERR_WRITE : rc;
}

static int vfs_truncate(sqlite3_file *h, sqlite3_int64 n)
{
    struct content *c = &of(h)->seen;
    int rc = count(true);

    if (rc != SQLITE_OK)
        return rc == SQLITE_IOERR ? SQLITE_IOERR_TRUNCATE : rc;
    if (n < c->n)
        memset(c->bytes + n, 0, (size_t)(c->n - n));
    c->n = n;
    return SQLITE_OK;
}

static int vfs_sync(sqlite3_file *h, int flags)
{
    struct disk_file *f = of(h);
    int rc = count(false);

    (void)flags;
    if (f->other_inode && rc == SQLITE_OK) {
        memset(&f->safe, 0, sizeof(f->safe));
        f->other_inode = false;
        /* SQLite's unix VFS syncs the folder with the first sync of a new journal or WAL */
        for (int i = 0; i < FILES_MAX; i++)
            if (!disk.files[i].seen.exists)
                disk.files[i].safe.exists = false;
    }
    for (int64_t s = 0; s < SECTORS; s++) {
        if (!f->dirty[s] || (rc != SQLITE_OK && random_below(2) != 0))
            continue;
        f->dirty[s] = false;
        if (rc == SQLITE_OK)
            memcpy(f->safe.bytes + s * SECTOR, f->seen.bytes + s * SECTOR, SECTOR);
    }
    if (rc != SQLITE_OK)
        return SQLITE_IOERR_FSYNC;
    f->safe.exists = true;
    if (f->seen.n < f->safe.n)
        memset(f->safe.bytes + f->seen.n, 0, (size_t)(f->safe.n - f->seen.n));
    f->safe.n = f->seen.n;
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *h, sqlite3_int64 *ret)
{
    *ret = of(h)->seen.n;
    return is_off() ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

/* One process, exclusive locking mode: there is nobody to lock out. */
static int vfs_lock(sqlite3_file *h, int kind)
{
    (void)h, (void)kind;
    return SQLITE_OK;
}

static int vfs_check_lock(sqlite3_file *h, int *ret)
{
    (void)h;
    *ret = 0;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *h, int op, void *arg)
{
    (void)h, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *h)
{
    (void)h;
    return 4096; /* as SQLite's unix VFS says of every disk; sectors here are smaller, which is harder */
}

static int vfs_characteristics(sqlite3_file *h)
{
    (void)h;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 1,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_lock,
    .xCheckReservedLock = vfs_check_lock,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_characteristics,
};

static struct disk_file *find(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++)
        if (strcmp(disk.files[i].name, name) == 0)
            return &disk.files[i];
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.files[i].name[0] == '\0') {
            snprintf(disk.files[i].name, sizeof(disk.files[i].name), "%s", name);
            return &disk.files[i];
        }
    }
    abort(); /* the database opens two */
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *h, int flags, int *ret_flags)
{
    struct disk_file *f;

    (void)vfs;
    h->pMethods = NULL;
    if (name == NULL || is_off())
        return SQLITE_CANTOPEN; /* no temporary files: the product keeps them in memory or has none */
    f = find(name);
    if (!f->seen.exists) {
        int rc = (flags & SQLITE_OPEN_CREATE) == 0 ? SQLITE_CANTOPEN : count(true);

        if (rc != SQLITE_OK)
            return rc;
        memset(&f->seen, 0, sizeof(f->seen));
        memset(f->dirty, 0, sizeof(f->dirty));
        f->seen.exists = true;
        f->other_inode = true;
    }
    ((struct handle *)h)->f = f;
    h->pMethods = &METHODS;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    struct disk_file *f = find(name);
    int rc = count(false);

    (void)vfs;
    if (rc != SQLITE_OK)
        return SQLITE_IOERR_DELETE;
    f->seen.exists = false;
    if (sync_dir != 0)
        f->safe.exists = false;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs, (void)flags;
    *ret = find(name)->seen.exists;
    return is_off() ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int n, char *ret)
{
    (void)vfs;
    snprintf(ret, (size_t)n, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *ret)
{
    (void)vfs;
    for (int i = 0; i < n; i++)
        ret[i] = (char)random_below(256);
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret)
{
    (void)vfs;
    *ret = 2461366.0; /* a Julian day; nothing depends on it */
    return SQLITE_OK;
}

void vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof(struct handle),
        .mxPathname = 63,
        .zName = "crash",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
    };

    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
    vfs_format();
}

void vfs_format(void)
{
    for (int i = 0; i < FILES_MAX; i++) {
        struct disk_file *f = &disk.files[i];

        f->name[0] = '\0';
        f->other_inode = false;
        memset(f->dirty, 0, sizeof(f->dirty));
        f->seen.exists = f->safe.exists = false;
        memset(f->seen.bytes, 0, (size_t)f->seen.n);
        memset(f->safe.bytes, 0, (size_t)f->safe.n);
        f->seen.n = f->safe.n = 0;
    }
    disk.random = 0x9e3779b97f4a7c15u;
    vfs_arm(VFS_NONE, 0);
}

void vfs_arm(enum vfs_fault fault, int64_t at)
{
    disk.fault = fault;
    disk.at = at;
    disk.ops = disk.bytes = 0;
    disk.hit = false;
}

int64_t vfs_ops(void)
{
    return disk.ops;
}

int64_t vfs_bytes(void)
{
    return disk.bytes;
}

bool vfs_hit(void)
{
    return disk.hit;
}

/* --- the power comes back ------------------------------------------------------------------------ */

static bool toss(enum vfs_loss loss)
{
    return loss == VFS_KEEP || (loss != VFS_DROP && random_below(2) == 0);
}

static void settle_sector(struct disk_file *f, int64_t s, enum vfs_loss loss)
{
    uint8_t *old = f->safe.bytes + s * SECTOR, *new = f->seen.bytes + s *SECTOR;

    if (f->dirty[s] && loss == VFS_TEAR && random_below(3) == 0)
        memcpy(old, new, 1 + random_below(SECTOR - 1));
    else if (f->dirty[s] && toss(loss))
        memcpy(old, new, SECTOR);
}

static void settle(struct disk_file *f, enum vfs_loss loss)
{
    int64_t end;

    if (f->other_inode && f->seen.exists && toss(loss)) {
        memset(f->safe.bytes, 0, sizeof(f->safe.bytes)); /* the new file is there, the old is not */
        f->safe.n = 0;
        f->safe.exists = true;
        f->other_inode = false;
    }
    if (!f->seen.exists && f->safe.exists && toss(loss))
        f->safe.exists = false;
    if (!f->other_inode && f->seen.exists && f->safe.exists) {
        for (int64_t s = 0; s < SECTORS; s++)
            settle_sector(f, s, loss);
        if (toss(loss))
            f->safe.n = f->seen.n;
        end = f->safe.n;
        memset(f->safe.bytes + end, 0, (size_t)(FILE_MAX - end));
    }
    if (!f->safe.exists)
        memset(&f->safe, 0, sizeof(f->safe));
    f->seen = f->safe;
    memset(f->dirty, 0, sizeof(f->dirty));
    f->other_inode = false;
}

void vfs_power_on(enum vfs_loss loss, uint64_t seed)
{
    disk.random = 0x9e3779b97f4a7c15u ^ (seed * 0x2545f4914f6cdd1du);
    for (int i = 0; i < FILES_MAX; i++)
        settle(&disk.files[i], loss);
    vfs_arm(VFS_NONE, 0);
}

/* --- memory -------------------------------------------------------------------------------------- */

static sqlite3_mem_methods real;
static int64_t allocations, fail_at;
static bool fail_stays;

static bool no_memory(void)
{
    allocations++;
    return fail_at != 0 && (allocations == fail_at || (fail_stays && allocations > fail_at));
}

static void *memory_get(int n)
{
    return no_memory() ? NULL : real.xMalloc(n);
}

static void *memory_resize(void *old, int n)
{
    return no_memory() ? NULL : real.xRealloc(old, n);
}

void vfs_memory_register(void)
{
    sqlite3_mem_methods ours;

    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
        abort();
    ours = real;
    ours.xMalloc = memory_get;
    ours.xRealloc = memory_resize;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        abort();
}

void vfs_memory_arm(int64_t at, bool stays)
{
    allocations = 0;
    fail_at = at;
    fail_stays = stays;
}

int64_t vfs_memory_count(void)
{
    return allocations;
}
