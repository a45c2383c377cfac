/* The brain's wiring; see shop.h. */
#include "core/shop.h"

#include <string.h>

void shop_init(struct shop *s)
{
    memset(s, 0, sizeof(*s));
}
