/* Metrics for node_exporter's textfile collector: RUN_DIR/noren.prom, the figures of `norenctl status`.
 *
 * A file rather than a port: no network port is open by default, and every monitoring that matters reads it or
 * can be made to. It is replaced as a whole every 15 seconds, on the memory file system that run_dir is.
 */
#ifndef NOREN_IO_METRICS_H
#define NOREN_IO_METRICS_H

#include "io/norend.h"

/** Writes the file when it is due. One that cannot be written is left: the figures are in status, too. */
void metrics_write(struct norend *d, int64_t now_us);

#endif
