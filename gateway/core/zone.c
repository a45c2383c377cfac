/* Likelihood of zones and commitment by a sequential test; see zone.h. */
#include "core/zone.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* Path loss exponent 1.8: a hall in which most receivers are in line of sight; 1.6 to 2.6 all serve. */
#define PATH_EXPONENT 1.8
/* What is left unexplained by it, one sigma, and where a receiver stops to be believed (Huber). Receivers
 * differ from the law by -7 to +6 dB and stay so, on top of fading; a smaller sigma takes that for evidence
 * and flaps along borders. */
#define SIGMA_DB 7
#define HUBER    (15 * 16)
/* A transmitter's power as this track showed it so far, one sigma: bodies turn, the transmitter does not. The
 * mean is over this many looks (20 s at least), and is used after the first few. */
#define POWER_SIGMA_DB 2.5
#define POWER_HUBER    (8 * 16)
#define POWER_LOOKS    100
#define POWER_MIN      4
/* A receiver that should hear somebody at more than this and does not, speaks against the point. It
 * counts a third: it may also be busy, or its radio scheduled elsewhere. */
#define FLOOR_DBM      (-92)
#define SILENCE_WEIGHT 3 /* of 10 */
/* Ageing: a silent receiver keeps its level for a while, then fades. */
#define FADE_AFTER_US 1500000
#define FADE_DB_PER_S 3
/* Lists: 3 dB between two zones' best receivers count as one nat. */
#define LIST_DB_PER_NAT 3
/* Lists: a zone is compared after taking off half the most it was ever ahead, which is between these. The
 * first stands in until the zone was visited; the second is a few metres from a receiver, nearer says no more. */
#define LEAD_MIN_DB 8
#define LEAD_MAX_DB 20
/* Lists: what is "near", about 3 m from a phone of -59 dBm at 1 m. A level beyond this speaks for a zone that is
 * near as much as it is beyond, at most by the second: then a stronger receiver elsewhere is stronger still. */
#define NEAR_DBM    (-68)
#define NEAR_MAX_DB 12
/* A challenger collects its lead in nats, at most LEAD_MAX so that one wild moment does not decide, less
 * DRIFT, over time; it wins with ENOUGH, not before DWELL. So 1 nat (3 dB between lists) takes a second and a
 * half, 2 nats take 0.6 s, and less than a third of a nat is never enough. */
#define LEAD_MAX_NAT16 64
#define DRIFT_NAT16    5
#define ENOUGH_NAT_MS  1000
#define DWELL_MS       500
/* Longer gaps between decisions count as this: one look is one look. */
#define LOOK_MS_MAX 500
/* Fewer receivers than this cannot tell a place on a plane. */
#define PLANE_MIN 3
/* Levels are judged at most this often per track. */
#define DECIDE_EVERY_US 200000

/* Points closer than this tell nothing apart. */
#define STEP_MIN_M 0.25

#define OUTSIDE ZONES_MAX /* index of "in no zone" among the candidates */

/** Levels at the moment of decision, aged, strongest first not required. */
struct levels {
    int level[RECEIVERS_MAX]; /**< 1/16 dB, less the receiver's offset; only where `heard` */
    uint32_t heard, fading;   /**< by receiver index; fading: silent for a while */
    uint16_t strongest;
    int floor;
};

/** Likelihood of each zone, up to a common factor; the last one is "outside all". */
struct verdict {
    uint64_t mass[ZONES_MAX + 1];
    uint64_t total;
};

static bool on_edge(double ax, double ay, double bx, double by, double x, double y)
{
    double cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax);

    return cross == 0 && x >= fmin(ax, bx) && x <= fmax(ax, bx) && y >= fmin(ay, by) &&
           y <= fmax(ay, by);
}

/** Even-odd rule; a point on an edge is inside. */
static bool zone_holds(const struct plan_zone *z, double x, double y)
{
    bool inside = false;

    for (uint8_t i = 0; i < z->corners_n; i++) {
        uint8_t k = (uint8_t)(i == 0 ? z->corners_n - 1 : i - 1);
        double ax = z->corners[k].x_m, ay = z->corners[k].y_m;
        double bx = z->corners[i].x_m, by = z->corners[i].y_m;

        if (on_edge(ax, ay, bx, by, x, y))
            return true;
        if ((ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax)
            inside = !inside;
    }
    return inside;
}

uint16_t zone_at(const struct plan *plan, double x_m, double y_m)
{
    for (uint16_t i = 0; i < plan->zones_n; i++)
        if (zone_holds(&plan->zones[i], x_m, y_m))
            return i;
    return NO_INDEX;
}

uint16_t zone_public(const struct plan *plan, uint16_t zone)
{
    return zone < plan->zones_n && !plan->zones[zone].no_track ? zone : NO_INDEX;
}

struct box {
    double x0, x1, y0, y1;
};

static void box_add(struct box *b, double x, double y)
{
    b->x0 = fmin(b->x0, x);
    b->x1 = fmax(b->x1, x);
    b->y0 = fmin(b->y0, y);
    b->y1 = fmax(b->y1, y);
}

/** The rectangle around all corners and receivers; empty (x0 > x1) without polygons or receivers. */
static struct box bounds(struct zone_map *m, const struct plan *plan)
{
    struct box b = {1e9, -1e9, 1e9, -1e9};
    const struct box none = b;
    bool polygons = false;

    for (uint16_t i = 0; i < plan->zones_n; i++) {
        const struct plan_zone *z = &plan->zones[i];

        m->listed |= z->corners_n == 0 ? z->receivers : 0;
        for (uint8_t j = 0; j < z->corners_n; j++)
            box_add(&b, z->corners[j].x_m, z->corners[j].y_m);
        polygons = polygons || z->corners_n > 0;
    }
    for (uint16_t i = 0; i < plan->receivers_n; i++) {
        if (!plan->receivers[i].placed)
            continue;
        box_add(&b, plan->receivers[i].x_m, plan->receivers[i].y_m);
        m->placed |= UINT32_C(1) << i;
    }
    return polygons && m->placed != 0 ? b : none;
}

int zone_gain(double square_m2)
{
    return (int)lround(-16 * 5 * PATH_EXPONENT * log10(fmax(square_m2, 1)));
}

static void add_point(struct zone_map *m, const struct plan *plan, double x, double y)
{
    m->zone[m->points_n] = zone_at(plan, x, y);
    for (uint16_t r = 0; r < plan->receivers_n; r++) {
        double dx = x - plan->receivers[r].x_m, dy = y - plan->receivers[r].y_m;

        /* Receivers hang about a metre above or below a pocket: that bounds the near field. */
        m->gain[r][m->points_n] = (int16_t)zone_gain(dx * dx + dy * dy + 1);
    }
    m->points_n++;
}

void zone_map_build(struct zone_map *m, const struct plan *plan)
{
    struct box b;
    double step;
    int columns, lines;

    memset(m, 0, sizeof(*m));
    for (int i = 0; i < ZONE_WEIGHTS; i++)
        m->weight[i] = (uint32_t)lround(65536 * exp(-i / 16.0));
    b = bounds(m, plan);
    if (b.x0 > b.x1)
        return;
    step = fmax(sqrt((b.x1 - b.x0) * (b.y1 - b.y0) / ZONE_POINTS), STEP_MIN_M);
    do {
        columns = 1 + (int)fmin((b.x1 - b.x0) / step, ZONE_POINTS);
        lines = 1 + (int)fmin((b.y1 - b.y0) / step, ZONE_POINTS);
        step *= 1.05;
    } while (columns * lines > ZONE_POINTS);
    for (int i = 0; i < columns; i++)
        for (int j = 0; j < lines; j++)
            add_point(m, plan, b.x0 + (b.x1 - b.x0) * (i + 0.5) / columns,
                      b.y0 + (b.y1 - b.y0) * (j + 0.5) / lines);
}

static struct levels levels_at(const struct track *t, const int16_t offset[RECEIVERS_MAX],
                               int64_t t_us)
{
    struct levels v = {.strongest = NO_INDEX, .floor = FLOOR_DBM * 16};
    int weakest = 0;

    for (uint8_t i = 0; i < t->slots_n; i++) {
        int64_t over = track_age_us(t->heard_tick[i], t_us) - FADE_AFTER_US;
        int level = t->level[i];

        if (over > 0)
            level -= (int)(over * (16 * FADE_DB_PER_S) / NOREN_US_PER_S);
        if (level < (FLOOR_DBM - 8) * 16)
            continue;
        v.heard |= UINT32_C(1) << t->receiver[i];
        v.fading |= (uint32_t)(over > 0) << t->receiver[i];
        level -= offset[t->receiver[i]];
        v.level[t->receiver[i]] = level;
        weakest = level < weakest ? level : weakest;
        if (v.strongest == NO_INDEX || level > v.level[v.strongest])
            v.strongest = t->receiver[i];
    }
    /* With all slots taken, a receiver that is not among them may hear as much as the weakest. */
    if (t->slots_n == TRACK_SLOTS && weakest > v.floor)
        v.floor = weakest;
    return v;
}

/** Likelihood, in 2^-16, of something that is `nat16` sixteenths of a nat worse than the best. */
static uint32_t weigh(const struct zone_map *m, int nat16)
{
    return nat16 < ZONE_WEIGHTS ? m->weight[nat16] : 0;
}

/** How much more a zone that is near is to be believed at this level than its receiver's other zones. */
static int nearness(int level)
{
    int over = level - NEAR_DBM * 16;

    if (over > NEAR_MAX_DB * 16)
        return NEAR_MAX_DB * 16;
    return over < -NEAR_MAX_DB * 16 ? -NEAR_MAX_DB * 16 : over;
}

/** A zone that is a list, as one track hears it. */
struct list_zone {
    int level;       /**< of its strongest receiver, 1/16 dB */
    uint8_t slot;    /**< of that receiver; TRACK_SLOTS: not heard */
    uint8_t lead_db; /**< most it was ever ahead, within LEAD_MIN_DB..LEAD_MAX_DB */
};

static struct list_zone hear_list(const struct plan_zone *z, const struct track *t,
                                  const struct levels *v)
{
    struct list_zone ret = {.level = INT16_MIN, .slot = TRACK_SLOTS, .lead_db = LEAD_MIN_DB};

    for (uint8_t i = 0; i < t->slots_n; i++) {
        uint8_t r = t->receiver[i];

        if (z->corners_n > 0 || (z->receivers & v->heard & UINT32_C(1) << r) == 0)
            continue;
        ret.lead_db = t->lead_db[i] > ret.lead_db ? t->lead_db[i] : ret.lead_db;
        if (v->level[r] > ret.level) {
            ret.level = v->level[r];
            ret.slot = i;
        }
    }
    return ret;
}

static bool is_fading(const struct list_zone *z, const struct track *t, const struct levels *v)
{
    return (v->fading >> t->receiver[z->slot] & 1) != 0;
}

/** Remembers by how much the committed zone is ahead of all others, with the receiver that made it so. Not for
 * a challenger: its lead is what it needs to win. Not over silence, which says nothing about the other side. */
static void learn_lead(struct list_zone zones[ZONES_MAX], uint16_t zones_n, struct track *t,
                       const struct levels *v)
{
    const struct list_zone *second = NULL;
    struct list_zone *mine;
    int lead_db;

    if (t->zone >= zones_n)
        return;
    mine = &zones[t->zone];
    if (mine->slot == TRACK_SLOTS || is_fading(mine, t, v))
        return;
    for (uint16_t z = 0; z < zones_n; z++)
        if (z != t->zone && zones[z].slot < TRACK_SLOTS &&
            (second == NULL || zones[z].level > second->level))
            second = &zones[z];
    if (second == NULL || is_fading(second, t, v))
        return;
    lead_db = (mine->level - second->level) / 16;
    lead_db = lead_db < LEAD_MAX_DB ? lead_db : LEAD_MAX_DB;
    if (lead_db > t->lead_db[mine->slot])
        t->lead_db[mine->slot] = (uint8_t)lead_db;
    if (lead_db > mine->lead_db)
        mine->lead_db = (uint8_t)lead_db;
}

/** Compares zones that are near with what is farther from the same receiver: another zone of it, or no zone, which
 * is heard at the receiver's own level. */
static void judge_near(const struct plan *plan, const struct track *t,
                       struct list_zone zones[ZONES_MAX + 1])
{
    uint32_t far = 0;

    zones[OUTSIDE] = (struct list_zone){.slot = TRACK_SLOTS};
    for (uint16_t z = 0; z < plan->zones_n; z++)
        if (plan->zones[z].corners_n == 0 && !plan->zones[z].near)
            far |= plan->zones[z].receivers;
    for (uint16_t z = 0; z < plan->zones_n; z++) {
        if (!plan->zones[z].near || zones[z].slot == TRACK_SLOTS)
            continue;
        if ((far >> t->receiver[zones[z].slot] & 1) == 0 &&
            (zones[OUTSIDE].slot == TRACK_SLOTS || zones[z].level > zones[OUTSIDE].level))
            zones[OUTSIDE] = zones[z];
        zones[z].level += nearness(zones[z].level);
    }
}

static void judge_lists(const struct zone_map *m, const struct plan *plan, const struct levels *v,
                        struct track *t, struct verdict *ret)
{
    struct list_zone zones[ZONES_MAX + 1];
    int best = INT_MIN;

    for (uint16_t z = 0; z < plan->zones_n; z++)
        zones[z] = hear_list(&plan->zones[z], t, v);
    learn_lead(zones, plan->zones_n, t, v);
    for (uint16_t z = plan->zones_n; z < OUTSIDE; z++)
        zones[z].slot = TRACK_SLOTS;
    judge_near(plan, t, zones);
    for (uint16_t z = 0; z <= OUTSIDE; z++) {
        if (zones[z].slot == TRACK_SLOTS)
            continue;
        zones[z].level -= zones[z].lead_db * (16 / 2);
        best = zones[z].level > best ? zones[z].level : best;
    }
    for (uint16_t z = 0; z <= OUTSIDE; z++) {
        if (zones[z].slot < TRACK_SLOTS)
            ret->mass[z] = weigh(m, (best - zones[z].level) / LIST_DB_PER_NAT);
        ret->total += ret->mass[z];
    }
}

static uint16_t candidate(uint16_t zone)
{
    return zone == NO_INDEX ? OUTSIDE : zone;
}

/** Adds to each point's cost what one receiver has against it: the Huber loss of the difference between
 * `level` and what the point predicts. `one_sided`: only a prediction above the level counts. Whole arrays and
 * no branches, so that the compiler uses the vector unit: this is the hottest loop of the radio side. */
static void add_cost(int cost[ZONE_POINTS], const int power[ZONE_POINTS],
                     const int16_t gain[ZONE_POINTS], int level, bool one_sided)
{
    int below = one_sided ? 0 : -1;
    int tenths = one_sided ? SILENCE_WEIGHT : 10;

    for (int p = 0; p < ZONE_POINTS; p++) {
        int e = power[p] + gain[p] - level;
        int h;

        e = e < 0 ? e * below : e;
        h = e < HUBER ? e : HUBER;
        cost[p] += h * (2 * e - h) / 16 * tenths;
    }
}

/** The transmitter's power at each point: what makes the mean of all levels come out right there. False when
 * too few receivers heard anything. */
static bool power_points(const struct zone_map *m, const struct levels *v, int power[ZONE_POINTS])
{
    int heard_n = 0;

    for (int r = 0; r < RECEIVERS_MAX; r++) {
        if ((m->placed & v->heard & UINT32_C(1) << r) == 0)
            continue;
        for (int p = 0; p < ZONE_POINTS; p++)
            power[p] += v->level[r] - m->gain[r][p];
        heard_n++;
    }
    if (heard_n < PLANE_MIN)
        return false;
    for (int p = 0; p < ZONE_POINTS; p++)
        power[p] /= heard_n;
    return true;
}

/** Cost of each point in sixteenths of a nat. */
static void cost_points(const struct zone_map *m, const struct levels *v,
                        const int16_t offset[RECEIVERS_MAX], const struct track *t,
                        const int power[ZONE_POINTS], int cost[ZONE_POINTS])
{
    for (int r = 0; r < RECEIVERS_MAX; r++) {
        bool silent = (v->heard & UINT32_C(1) << r) == 0;

        if ((m->placed & UINT32_C(1) << r) != 0)
            add_cost(cost, power, m->gain[r], silent ? v->floor - offset[r] : v->level[r], silent);
    }
    /* e was in 1/16 dB and weighed by 10 / 16: 16 e^2 / (2 sigma^2 256) */
    for (int p = 0; p < ZONE_POINTS; p++)
        cost[p] /= (int)(20 * SIGMA_DB * SIGMA_DB);
    if (t->power_looks < POWER_MIN)
        return;
    for (int p = 0; p < ZONE_POINTS; p++) {
        int d = power[p] - t->power;
        int e = d < 0 ? -d : d;
        int h = e < POWER_HUBER ? e : POWER_HUBER;

        cost[p] += h * (2 * e - h) / (int)(32 * POWER_SIGMA_DB * POWER_SIGMA_DB);
    }
}

/** Takes what the transmitter seems to be now into what is known of it. */
static void learn_power(struct track *t, int power)
{
    if (t->power_looks < POWER_LOOKS)
        t->power_looks++;
    t->power = (int16_t)(t->power + (power - t->power) / t->power_looks);
}

static void judge_plane(const struct zone_map *m, const struct levels *v,
                        const int16_t offset[RECEIVERS_MAX], struct track *t, struct verdict *ret)
{
    int cost[ZONE_POINTS] = {0}, power[ZONE_POINTS] = {0};
    int64_t mean = 0;
    int best = INT32_MAX;

    if (!power_points(m, v, power))
        return;
    cost_points(m, v, offset, t, power, cost);
    for (uint16_t p = 0; p < m->points_n; p++)
        best = cost[p] < best ? cost[p] : best;
    for (uint16_t p = 0; p < m->points_n; p++) {
        uint32_t w = weigh(m, cost[p] - best);

        ret->mass[candidate(m->zone[p])] += w;
        ret->total += w;
        mean += (int64_t)w * power[p];
    }
    learn_power(t, (int)(mean / (int64_t)ret->total));
}

/** Log likelihood ratio of two zones in sixteenths of a nat, within +-LEAD_MAX_NAT16. */
static int lead_of(const struct zone_map *m, const struct verdict *v, uint16_t zone, uint16_t over)
{
    uint64_t a = v->mass[candidate(zone)];
    uint64_t b = v->mass[candidate(over)];
    uint64_t more = a > b ? a : b;
    uint64_t less = a > b ? b : a;
    int nat16 = 0;

    while (nat16 < LEAD_MAX_NAT16 && less << 16 < more * m->weight[nat16])
        nat16++;
    return a > b ? nat16 : -nat16;
}

/** Adds one look of `look_ms` to the sequential test; true when the challenger won. */
static bool challenge(const struct zone_map *m, const struct verdict *v, struct track *t,
                      uint16_t best, int look_ms, uint32_t now_ms)
{
    int sum;

    if (best != t->zone && best != t->challenger) {
        t->challenger = best;
        t->challenge_ms = now_ms;
        t->lead_nat_ms = 0;
    }
    if (t->challenger == t->zone)
        return false;
    sum = t->lead_nat_ms + (lead_of(m, v, t->challenger, t->zone) - DRIFT_NAT16) * look_ms / 16;
    if (sum <= 0) {
        t->challenger = t->zone;
        return false;
    }
    t->lead_nat_ms = (uint16_t)(sum < ENOUGH_NAT_MS ? sum : ENOUGH_NAT_MS);
    return best == t->challenger && sum >= ENOUGH_NAT_MS && now_ms - t->challenge_ms >= DWELL_MS;
}

/** Does the receiver that decides stand for another zone that is as good? */
static bool is_tied(const struct plan *plan, const struct verdict *v, uint16_t best,
                    uint16_t strongest)
{
    uint32_t bit = UINT32_C(1) << strongest;

    if (best == OUTSIDE || (plan->zones[best].receivers & bit) == 0)
        return false;
    for (uint16_t z = 0; z < plan->zones_n; z++)
        if (z != best && (plan->zones[z].receivers & bit) != 0 && v->mass[z] == v->mass[best])
            return true;
    return false;
}

bool zone_decide(const struct zone_map *m, const struct plan *plan,
                 const int16_t offset[RECEIVERS_MAX], struct track *t, int64_t t_us)
{
    int64_t look_us = track_age_us(t->decided_tick, t_us);
    struct verdict verdict = {.total = 0};
    uint16_t best = OUTSIDE;
    struct levels v;

    if (look_us < DECIDE_EVERY_US)
        return false;
    t->decided_tick = track_tick(t_us);
    v = levels_at(t, offset, t_us);
    if (v.strongest == NO_INDEX)
        return false;
    if ((m->listed >> v.strongest & 1) != 0)
        judge_lists(m, plan, &v, t, &verdict);
    else if (m->points_n > 0)
        judge_plane(m, &v, offset, t, &verdict);
    if (verdict.total == 0)
        return false;
    for (uint16_t z = 0; z < plan->zones_n; z++)
        if (verdict.mass[z] > verdict.mass[best])
            best = z;
    if (is_tied(plan, &verdict, best, v.strongest)) /* one receiver cannot tell its zones apart */
        return false;
    look_us = look_us < LOOK_MS_MAX * NOREN_US_PER_MS ? look_us : LOOK_MS_MAX * NOREN_US_PER_MS;
    if (!challenge(m, &verdict, t, best == OUTSIDE ? NO_INDEX : best,
                   (int)(look_us / NOREN_US_PER_MS), (uint32_t)(t_us / NOREN_US_PER_MS)))
        return false;
    t->zone = t->challenger;
    t->confidence_pm = (uint16_t)(1000 * verdict.mass[best] / verdict.total);
    return true;
}
