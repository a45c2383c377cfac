/* The section [local] of noren.conf: the broker of the store, and what a receiver needs of it. Private to
 * config*.c. */
#ifndef NOREN_IO_CONFIG_LOCAL_H
#define NOREN_IO_CONFIG_LOCAL_H

#include "io/config.h"

extern const struct ini_row CONFIG_LOCAL_ROWS[];

/** The section is complete: what must stand together does, and nothing secret goes in the clear. */
const char *config_end_local(void *user, void *base);

/** The file `path` is complete: reads the password, and sees that a receiver has somebody to tell. 0 or -errno
 * with a sentence. */
int config_finish_local(struct config *c, const char *path, char ret_error[INI_ERROR_SIZE]);

#endif
