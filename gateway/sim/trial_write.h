/* A trial as a recording for `norenctl replay`, with the truth beside it. */
#ifndef NOREN_SIM_TRIAL_WRITE_H
#define NOREN_SIM_TRIAL_WRITE_H

#include "sim/trial.h"

/** Writes planogram.json, cells.csv (t_us,cell,counts), plates.csv (t_us,plate,mass_mg) and truth.jsonl to an
 * existing folder. 0 or -errno. */
int trial_write(struct trial *t, const struct trial_kind *kind, uint64_t seed, int sps,
                double minutes, const char *folder);

#endif
