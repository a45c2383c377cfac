/* Opening, checking, creating and setting aside the database file. Private to db*.c. */
#ifndef NOREN_IO_DB_FILE_H
#define NOREN_IO_DB_FILE_H

#include <sqlite3.h>

#include "io/db.h"

#define DB_PATH_SIZE 512

/** An open database file. */
struct db_file {
    sqlite3 *sql;
    char path[DB_PATH_SIZE];
    bool set_aside;                /**< a corrupt file was, and this one is new; ... */
    char aside[DB_PATH_SIZE + 32]; /**< ... it is here now */
};

/** SQLite's result code as -errno, 0 for its successes. */
int db_errno(int rc);

/** Runs SQL that gives no rows. */
int db_exec(sqlite3 *sql, const char *text);

/** The first column of the first row. */
int db_read_int(sqlite3 *sql, const char *text, int64_t *ret);

/** A new epoch: 128 random bits. 0 or -EIO. */
int db_random_epoch(char ret[DB_EPOCH_SIZE]);

/** Copies a column's text, cut to `size`. */
void db_copy_column(sqlite3_stmt *st, int i, char *ret, size_t size);

/** Opens DIR/noren.db as db_open() says, and reads the identity. */
int db_file_open(struct db_file *f, const char *dir, const char *gateway,
                 struct db_identity *ret_id, char ret_note[DB_ERROR_SIZE]);

#endif
