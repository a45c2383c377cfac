/* Every bound of the core in one place: nothing in core/ grows after start (design section 4).
 *
 * The sizes are those of a large instrumented store (design section 14); what does not fit is refused with
 * a reason when a plan is read, or evicted and counted while running.
 */
#ifndef NOREN_CORE_LIMITS_H
#define NOREN_CORE_LIMITS_H

#define PLATES_MAX           512
#define CELLS_MAX            2048
#define PLATE_CELLS_MAX      4
#define PLATE_FACINGS_MAX    8
#define PLATE_NEIGHBOURS_MAX 4
#define PRODUCTS_MAX         2048 /* distinct GTINs of one store's plan */
#define FIXTURES_MAX         512  /* a planogram may give every plate its own */
#define ZONES_MAX            64
#define ZONE_CORNERS_MAX     16
#define RECEIVERS_MAX        32
#define CAMPAIGNS_MAX        64
#define BEACONS_MAX          16 /* fixed beacons by which receivers are compared */

#define BATCH_EVENTS_MAX  32
#define BATCH_RECORDS_MAX 32

#endif
