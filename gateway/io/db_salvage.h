/* What headquarters does not have yet, out of a file that was set aside. Private to db*.c.
 *
 * A corrupt file is rarely corrupt everywhere: most often a page or two. Rows that SQLite can still read go to
 * headquarters under the numbers that they have, because some of them may be there already; numbers without a readable row
 * are a gap. So the new file begins as a copy of the old one does (db.h, copy_head): in the old epoch, until
 * headquarters has everything up to the old head, and then in a new one.
 *
 * Records are not taken over: a row that reads well is not therefore the last one that was written, and state that
 * is silently older than the events is worse than state that comes back from sensors.
 */
#ifndef NOREN_IO_DB_SALVAGE_H
#define NOREN_IO_DB_SALVAGE_H

#include "io/db_file.h"

/** Reads `f->aside` and fills the new, empty file `f`; `id` becomes the old identity. Says in `note` what became of how
 * many. When the old identity cannot be read, or everything had been acknowledged, nothing is done. 0, or -errno: then
 * the new file is as it was. */
int db_salvage(struct db_file *f, const char *gateway, const char *bootid, struct db_identity *id,
               char note[DB_ERROR_SIZE]);

#endif
