/* A plate fails, comes back, weighs for the first time, is tared or counted by a person. Private to shelf*.c. */
#ifndef NOREN_CORE_SHELF_SENSOR_H
#define NOREN_CORE_SHELF_SENSOR_H

#include "core/shelf_rows.h"

/** First quiet value since the start, or since the sensor came back. */
void shelf_first_value(const struct shelf_at *at);
/** The plate cannot be weighed: `cell` (NO_INDEX: none in particular) is at fault. Said once for each cell, with
 * one alert for the plate, until it weighs again. */
void shelf_begin_fault(const struct shelf_at *at, uint16_t cell, enum cell_trouble trouble);

/** What rests on the plate now is zero, and the count is 0. */
void shelf_tare(const struct shelf_at *at);
/** A person counted `quantity` >= 0 units on a facing. */
void shelf_recount(const struct shelf_at *at, uint8_t facing, int64_t quantity);

#endif
