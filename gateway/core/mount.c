/* Powers of fixed beacons and offsets of receivers by alternating means; see mount.h. */
#include "core/mount.h"

#include <math.h>
#include <string.h>

#include "core/zone.h"

/* A mean over the last 64 sightings or so: a person in the way for a moment changes little. */
#define MEMORY 64
/* Offsets are slow; twelve receivers and sixteen beacons cost some thousand additions. */
#define SOLVE_EVERY_US (5 * NOREN_US_PER_S)
#define SOLVE_ROUNDS   10

void mounts_init(struct mounts *m)
{
    memset(m, 0, sizeof(*m));
}

uint16_t mounts_find(const struct plan *plan, const char *ref)
{
    for (uint16_t i = 0; i < plan->beacons_n; i++)
        if (strcmp(plan->beacons[i].id, ref) == 0)
            return i;
    return NO_INDEX;
}

/** What one path has beyond the loss of its length, by pair. */
struct residuals {
    int left[BEACONS_MAX][RECEIVERS_MAX]; /**< 1/16 dB */
    uint32_t pairs[BEACONS_MAX];          /**< receivers that know the beacon */
};

static void find_residuals(const struct mounts *m, const struct plan *plan, struct residuals *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (uint16_t b = 0; b < plan->beacons_n; b++)
        for (uint16_t r = 0; r < plan->receivers_n; r++) {
            double dx = plan->beacons[b].x_m - plan->receivers[r].x_m;
            double dy = plan->beacons[b].y_m - plan->receivers[r].y_m;
            double dz = plan->beacons[b].z_m - plan->receivers[r].z_m;

            if (!plan->receivers[r].placed || m->beacons[b].n[r] < MOUNT_SIGHTINGS_MIN)
                continue;
            ret->left[b][r] = m->beacons[b].level[r] - zone_gain(dx * dx + dy * dy + dz * dz);
            ret->pairs[b] |= UINT32_C(1) << r;
        }
}

static int clamp(int offset)
{
    if (offset > MOUNT_MAX_DB * 16)
        return MOUNT_MAX_DB * 16;
    return offset < -MOUNT_MAX_DB * 16 ? -MOUNT_MAX_DB * 16 : offset;
}

/** One round: powers given the offsets, then offsets given the powers. */
static void improve(const struct residuals *res, uint16_t beacons_n, int offset[RECEIVERS_MAX])
{
    int sum[RECEIVERS_MAX] = {0}, n[RECEIVERS_MAX] = {0}, all = 0, known = 0;

    for (uint16_t b = 0; b < beacons_n; b++) {
        int power = 0, heard = 0;

        for (uint16_t r = 0; r < RECEIVERS_MAX; r++)
            if ((res->pairs[b] >> r & 1) != 0) {
                power += res->left[b][r] - offset[r];
                heard++;
            }
        /* One receiver alone says nothing: its offset and the power cannot be told apart. */
        for (uint16_t r = 0; r < RECEIVERS_MAX && heard > 1; r++)
            if ((res->pairs[b] >> r & 1) != 0) {
                sum[r] += res->left[b][r] - power / heard;
                n[r]++;
            }
    }
    for (uint16_t r = 0; r < RECEIVERS_MAX; r++)
        if (n[r] > 0) {
            offset[r] = sum[r] / (n[r] + 1);
            all += offset[r];
            known++;
        }
    for (uint16_t r = 0; r < RECEIVERS_MAX; r++)
        offset[r] = n[r] > 0 ? clamp(offset[r] - all / known) : 0;
}

static void solve(struct mounts *m, const struct plan *plan)
{
    int offset[RECEIVERS_MAX] = {0};
    struct residuals res;

    find_residuals(m, plan, &res);
    for (int i = 0; i < SOLVE_ROUNDS; i++)
        improve(&res, plan->beacons_n, offset);
    for (uint16_t r = 0; r < RECEIVERS_MAX; r++)
        m->offset[r] = (int16_t)offset[r];
}

void mounts_hear(struct mounts *m, const struct plan *plan, uint16_t beacon, uint16_t receiver,
                 int rssi_dbm, int64_t t_us)
{
    int16_t *level = &m->beacons[beacon].level[receiver];
    uint16_t *n = &m->beacons[beacon].n[receiver];

    m->heard++;
    *n += *n < MEMORY;
    *level = (int16_t)(*level + (rssi_dbm * 16 - *level) / *n);
    if (m->solved_us != 0 && t_us - m->solved_us < SOLVE_EVERY_US)
        return;
    m->solved_us = t_us;
    solve(m, plan);
}
