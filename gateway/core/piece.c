/* Learnt masses; see piece.h. */
#include "core/piece.h"

#include <math.h>
#include <string.h>

/* Tolerable errors of packages are 4.5 % at 100 g and less above (OIML R87), so a mean farther off is another
 * product; and a scale that is 5 % off is broken, not a teacher (reference shelf.md 3.7). */
#define ROOM           0.05
#define PIECES_MAX     3   /* of one product against so many of another */
#define PLAN_WORTH     8.0 /* pieces: a handful of odd ones moves little */
#define SD_LEAST       0.5 /* of the stated variation ... */
#define SD_MOST        2.0
#define SD_APART_SHARE (2.0 / 3) /* ... and a sixth of the distance to the nearest neighbour */

double piece_planned_sd_mg(const struct plan_facing *f, double mass_mg)
{
    return fmax(f->unit_cv_pm / 1000.0, PIECE_CV_MIN) * mass_mg;
}

/* A quarter of the distance to what looks most alike, per piece of this facing. */
static double reach_mg(const struct plan_plate *plate, uint8_t facing)
{
    double mass = (double)plate->facings[facing].unit_mass_mg, least = mass * PIECES_MAX;

    for (uint8_t f = 0; f < plate->facings_n; f++)
        for (int i = 1; i <= PIECES_MAX && f != facing; i++)
            for (int k = 1; k <= PIECES_MAX; k++)
                least =
                    fmin(least, fabs(i * mass - k * (double)plate->facings[f].unit_mass_mg) / i);
    return least / 4;
}

int64_t piece_room_mg(const struct plan_plate *plate, uint8_t facing)
{
    return (int64_t)fmin(ROOM * (double)plate->facings[facing].unit_mass_mg,
                         reach_mg(plate, facing));
}

static double between(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

struct piece_mass piece_mass(const struct piece *p, const struct plan_plate *plate, uint8_t facing)
{
    const struct plan_facing *f = &plate->facings[facing];
    double sd = piece_planned_sd_mg(f, (double)f->unit_mass_mg), room, n = p->n;
    struct piece_mass ret = {.mass_mg = f->unit_mass_mg, .sd_mg = sd};

    if (p->n == 0 || p->planned_mg != f->unit_mass_mg)
        return ret;
    room = (double)piece_room_mg(plate, facing);
    ret.mass_mg +=
        llround(between(n * (p->mean_mg - (double)p->planned_mg) / (n + PLAN_WORTH), -room, room));
    ret.sd_mg =
        between(sqrt((PLAN_WORTH * sd * sd + n * p->variance) / (n + PLAN_WORTH)), SD_LEAST * sd,
                fmin(SD_MOST * sd, fmax(sd, SD_APART_SHARE * reach_mg(plate, facing))));
    return ret;
}

bool piece_learn(struct piece *p, const struct plan_plate *plate, uint8_t facing, double mass_mg,
                 double noise_mg)
{
    int64_t planned_mg = plate->facings[facing].unit_mass_mg;
    double room = (double)piece_room_mg(plate, facing), off;

    if (room < 1 || (p->n > 0 && p->planned_mg != planned_mg))
        return false;
    if (p->n == 0)
        *p = (struct piece){.planned_mg = planned_mg, .mean_mg = mass_mg};
    if (p->n < PIECE_MEMORY)
        p->n++;
    off = mass_mg - p->mean_mg;
    p->variance += (off * off * (p->n - 1) / p->n - noise_mg * noise_mg - p->variance) / p->n;
    p->variance = fmax(p->variance, 0);
    p->mean_mg += off / p->n;
    /* Kept inside here too, so that it comes back as fast as it went. */
    p->mean_mg = between(p->mean_mg, (double)planned_mg - room, (double)planned_mg + room);
    return true;
}
