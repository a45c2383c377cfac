/* Retained state of gateways: fixtures, occupancy, birth and will. Latest wins; not part of the stream. */
#ifndef NOREN_HQ_STATE_H
#define NOREN_HQ_STATE_H

#include <stdint.h>

#include "hq/message.h"
#include "hq/project.h"
#include "hq/store.h"

/** Takes one state message. `json` is NULL when the payload was empty (the state was cleared). Returns the
 * bits of what changed (enum topicality), -EINVAL when its shape is wrong, or another -errno. */
int state_take(struct store *s, const struct topic *topic, int64_t gateway_id, const json_t *json,
               int64_t utc_us);

#endif
