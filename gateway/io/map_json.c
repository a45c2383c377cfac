/* The map document: receivers, zones, and where nobody is tracked (design section 15). See plan_json.h. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "io/plan_json.h"
#include "io/plan_read.h"

/* A store is not larger than this from corner to corner. */
#define COORDINATE_MAX_M 10000.0

static bool read_receiver(struct plan *p, const struct doc *d)
{
    static const char *const keys[] = {"id", "x_m", "y_m", "z_m", NULL};
    struct plan_receiver r = {.id = ""};
    struct doc id = doc_member(d, "id"), x = doc_member(d, "x_m"), y = doc_member(d, "y_m");

    if (!doc_object(d, keys) || !doc_id(d, "id", r.id) ||
        !doc_opt_real(d, "x_m", -COORDINATE_MAX_M, COORDINATE_MAX_M, &r.x_m) ||
        !doc_opt_real(d, "y_m", -COORDINATE_MAX_M, COORDINATE_MAX_M, &r.y_m) ||
        !doc_opt_real(d, "z_m", -COORDINATE_MAX_M, COORDINATE_MAX_M, &r.z_m))
        return false;
    if ((x.v == NULL) != (y.v == NULL))
        return doc_refuse(d,
                          "has one of x_m and y_m; give both, or none when the place is unknown");
    if (plan_find_receiver(p, r.id) != NO_INDEX)
        return doc_refuse(&id, "\"%s\" is used twice; every receiver has its own id", r.id);
    r.placed = x.v != NULL;
    p->receivers[p->receivers_n++] = r;
    return true;
}

static bool read_beacon(struct plan *p, const struct doc *d)
{
    static const char *const keys[] = {"id", "x_m", "y_m", "z_m", NULL};
    struct plan_beacon b = {.id = ""};
    struct doc id = doc_member(d, "id");

    if (!doc_object(d, keys) || !doc_id(d, "id", b.id) ||
        !doc_opt_real(d, "x_m", -COORDINATE_MAX_M, COORDINATE_MAX_M, &b.x_m) ||
        !doc_opt_real(d, "y_m", -COORDINATE_MAX_M, COORDINATE_MAX_M, &b.y_m) ||
        !doc_opt_real(d, "z_m", -COORDINATE_MAX_M, COORDINATE_MAX_M, &b.z_m))
        return false;
    if (doc_member(d, "x_m").v == NULL || doc_member(d, "y_m").v == NULL)
        return doc_refuse(d, "needs x_m and y_m: a beacon teaches only from a known place");
    for (uint16_t i = 0; i < p->beacons_n; i++)
        if (strcmp(p->beacons[i].id, b.id) == 0)
            return doc_refuse(&id, "\"%s\" is used twice; every beacon has its own id", b.id);
    p->beacons[p->beacons_n++] = b;
    return true;
}

static bool read_polygon(struct plan_zone *z, const struct doc *list)
{
    double area = 0;

    if (doc_size(list) < 3)
        return doc_refuse(list, "has %zu corners, at least 3 are needed", doc_size(list));
    for (size_t i = 0; i < doc_size(list); i++) {
        struct doc corner = doc_item(list, i), x = doc_item(&corner, 0), y = doc_item(&corner, 1);

        if (!json_is_array(corner.v) || doc_size(&corner) != 2)
            return doc_refuse(&corner, "must be a corner [x, y] in metres");
        if (!doc_real_self(&x, -COORDINATE_MAX_M, COORDINATE_MAX_M, &z->corners[i].x_m) ||
            !doc_real_self(&y, -COORDINATE_MAX_M, COORDINATE_MAX_M, &z->corners[i].y_m))
            return false;
        z->corners_n++;
    }
    for (uint8_t i = 0, j = z->corners_n - 1; i < z->corners_n; j = i++)
        area += z->corners[j].x_m * z->corners[i].y_m - z->corners[i].x_m * z->corners[j].y_m;
    if (fabs(area) < 1e-6)
        return doc_refuse(list, "encloses no area; list the corners in order round the zone");
    return true;
}

static bool read_zone_receivers(const struct plan *p, struct plan_zone *z, const struct doc *list)
{
    if (doc_size(list) == 0)
        return doc_refuse(list, "is empty; name at least one receiver or give a polygon");
    for (size_t i = 0; i < doc_size(list); i++) {
        struct doc item = doc_item(list, i);
        char id[NOREN_ID_SIZE];
        uint16_t receiver;

        if (!doc_id_self(&item, id))
            return false;
        receiver = plan_find_receiver(p, id);
        if (receiver == NO_INDEX)
            return doc_refuse(&item, "no receiver has the id \"%s\"; list it in receivers", id);
        z->receivers |= (uint32_t)1 << receiver;
    }
    return true;
}

static bool read_zone(struct plan *p, const struct doc *d)
{
    static const char *const keys[] = {"id", "polygon", "receivers", "near", NULL};
    struct doc near = doc_member(d, "near");
    struct plan_zone *z = &p->zones[p->zones_n];
    struct doc polygon, receivers, id = doc_member(d, "id");

    memset(z, 0, sizeof(*z));
    if (!doc_object(d, keys) || !doc_id(d, "id", z->id) ||
        !doc_array(d, "polygon", ZONE_CORNERS_MAX, &polygon) ||
        !doc_array(d, "receivers", RECEIVERS_MAX, &receivers))
        return false;
    if (plan_find_zone(p, z->id) != NO_INDEX)
        return doc_refuse(&id, "\"%s\" is used twice; every zone has its own id", z->id);
    if ((polygon.v != NULL) == (receivers.v != NULL))
        return doc_refuse(d, "needs either polygon or receivers");
    if (near.v != NULL && (polygon.v != NULL || !json_is_boolean(near.v)))
        return doc_refuse(&near, "must be true or false, and goes with receivers");
    z->near = json_is_true(near.v);
    if (polygon.v != NULL ? !read_polygon(z, &polygon) : !read_zone_receivers(p, z, &receivers))
        return false;
    p->zones_n++;
    return true;
}

static bool read_no_track(struct plan *p, const struct doc *list)
{
    for (size_t i = 0; i < doc_size(list); i++) {
        struct doc item = doc_item(list, i);
        char id[NOREN_ID_SIZE];
        uint16_t zone;

        if (!doc_id_self(&item, id))
            return false;
        zone = plan_find_zone(p, id);
        /* A misspelt name here would track people where they were promised not to be. */
        if (zone == NO_INDEX)
            return doc_refuse(&item,
                              "no zone has the id \"%s\"; correct it, or people are tracked "
                              "where they must not be",
                              id);
        p->zones[zone].no_track = true;
    }
    return true;
}

static bool read_each(struct plan *p, const struct doc *list,
                      bool (*read)(struct plan *, const struct doc *))
{
    for (size_t i = 0; i < doc_size(list); i++) {
        struct doc item = doc_item(list, i);

        if (!read(p, &item))
            return false;
    }
    return true;
}

static bool read_map(struct plan *p, const struct doc *d)
{
    static const char *const keys[] = {"$schema", "revision", "receivers", "beacons",
                                       "zones",   "no_track", NULL};
    struct doc receivers, beacons, zones, no_track;
    int64_t revision;

    if (p->zones_n > 0 || p->receivers_n > 0 || p->plates_n > 0 || p->campaigns_n > 0)
        return doc_refuse(d, "the map must be read first, into an empty plan");
    return doc_object(d, keys) && doc_opt_i64(d, "revision", 0, INT64_MAX, &revision) &&
           doc_array(d, "receivers", RECEIVERS_MAX, &receivers) &&
           doc_array(d, "beacons", BEACONS_MAX, &beacons) &&
           doc_array(d, "zones", ZONES_MAX, &zones) &&
           doc_array(d, "no_track", ZONES_MAX, &no_track) &&
           read_each(p, &receivers, read_receiver) && read_each(p, &beacons, read_beacon) &&
           read_each(p, &zones, read_zone) && read_no_track(p, &no_track);
}

int plan_read_map(struct plan *p, const char *json, size_t n, char ret_error[PLAN_ERROR_SIZE])
{
    return plan_read_with(read_map, p, json, n, ret_error, PLAN_ERROR_SIZE);
}
