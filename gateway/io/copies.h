/* Files beside the database that have what it has: recordings that norend wrote, and backups.
 *
 * A list of them is kept in data_dir, because who wants to be forgotten is in them too, also in those of starts
 * long ago. Recordings are text of ours and are written anew without the name. A backup is not touched: it must
 * open as what it was, and what is in it matters when it is restored, which is when HQ's list of members takes
 * out again whoever is not on it. It is named in the answer instead, for a person to remove. Copies that
 * people made of either are not known to us.
 */
#ifndef NOREN_IO_COPIES_H
#define NOREN_IO_COPIES_H

#include <stddef.h>

#define COPIES_PATH_SIZE 512
#define COPIES_LEFT_MAX  8

/** What still has the name. */
struct copies_left {
    size_t n; /**< how many; the first COPIES_LEFT_MAX are in `path` */
    char path[COPIES_LEFT_MAX][COPIES_PATH_SIZE];
};

/** Notes a file that exists, or an absolute path of one that will; `kind` is "recording" or "backup". One that is
 * noted already is not noted again. 0 or -errno. */
int copies_note(const char *data_dir, const char *kind, const char *path);

/** Takes a member out of all recordings on the list but `open` (the one that goes on, which its recorder
 * writes; or NULL). Files that are gone leave the list. 0 or -errno of the list itself; a file that cannot be
 * written, and each backup that has the name, is in *ret_left. */
int copies_forget(const char *data_dir, const char *member_ref, const char *open,
                  struct copies_left *ret_left);

#endif
