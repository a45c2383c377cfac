/* Files that describe a simulated shop: scenario, members, and the plan of the store. */
#ifndef NOREN_SIM_SCENARIO_H
#define NOREN_SIM_SCENARIO_H

#include <stddef.h>

#include "sim/world.h"

#define SCENARIO_ERROR_SIZE 512

/** What a shop does when there is no scenario file. */
struct scenario scenario_default(void);

/** Each reads one file into `w`. 0, or -EINVAL or -errno with a sentence naming file, place and remedy.
 * Order: map, planogram, then the others. The members file is headquarters' own: member_ref and member_key
 * are used. */
int scenario_read(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE]);
int scenario_read_members(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE]);
int scenario_read_map(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE]);
int scenario_read_planogram(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE]);

#endif
