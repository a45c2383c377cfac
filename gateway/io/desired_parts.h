/* What desired.c and desired_config.c share; private to them. */
#ifndef NOREN_IO_DESIRED_PARTS_H
#define NOREN_IO_DESIRED_PARTS_H

#include "io/norend.h"

/** DIR/desired/NAME. */
void desired_path(const struct desired *ds, const char *name, char ret[DESIRED_PATH_SIZE + 32]);

/** "tenant/store/gateway". */
const char *desired_us(const struct norend *d, char ret[BUNDLE_TO_SIZE]);

/** Opens a bundle that this gateway keeps in DIR/desired. -ENOENT: there is none. */
int desired_open_kept(const struct norend *d, enum bundle_kind kind, const char *name,
                      struct bundle *ret, char error[BUNDLE_ERROR_SIZE]);

/** Notes, logs, audits and reports. `reason` is a word, `error` a sentence. */
void desired_refuse(struct norend *d, enum bundle_kind kind, int64_t revision, const char *reason,
                    const char *error);
void desired_accept(struct norend *d, enum bundle_kind kind, int64_t revision);
void desired_audit(struct norend *d, enum bundle_kind kind, int64_t revision, const char *outcome,
                   const char *reason);

/** Hands state/desired to the delivery. */
void desired_report(struct norend *d);

/** A config bundle later than the one in force, and its token. */
void desired_take_config(struct norend *d, const struct bundle *b, const char *token, size_t n);

/** The config that is kept, at start. */
void desired_load_config(struct norend *d);

#endif
