/* Memory for the tree of one message.
 *
 * A batch of 130 events is some ten thousand small pieces for jansson, all of which live as long as the message. To take
 * them from one block and give that back whole halves what a drain costs headquarters in malloc and free. The block
 * serves jansson only between arena_begin() and arena_end(); everything else, and what does not fit, comes from
 * malloc as ever, so a tree may be used and freed without knowing where it is.
 */
#ifndef NOREN_HQ_ARENA_H
#define NOREN_HQ_ARENA_H

#include <stddef.h>

/** From here on jansson allocates from the block; a tree that is in it must be freed before the next call. `n`: bytes of
 * text that will be read. Without memory for the block it is malloc's. */
void arena_begin(size_t n);

/** From here on it does not; what is in the block stays. */
void arena_end(void);

#endif
