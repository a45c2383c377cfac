/* One function for each group of event types; see project.h. */
#include "hq/project.h"

#include <string.h>

/* The guard of every upsert: only a later event overwrites. */
#define LATER(table)                                                                 \
    " WHERE excluded.epoch_id = " table ".epoch_id AND excluded.seq > " table ".seq" \
    " OR (SELECT ordinal FROM epoch WHERE id = excluded.epoch_id)"                   \
    " > (SELECT ordinal FROM epoch WHERE id = " table ".epoch_id)"

struct projection {
    struct store *s;
    int64_t gateway_id, epoch_id, at_us;
    const struct message_event *e;
};

static const json_t *field(const struct projection *p, const char *name)
{
    return json_object_get(p->e->data, name);
}

/* The identity an event is about, and whether it is a member. */
static const json_t *who(const struct projection *p, int64_t *ret_member)
{
    const json_t *ref = field(p, "member_ref");

    *ret_member = ref != NULL;
    return ref != NULL ? ref : field(p, "tag");
}

/* A product counted without a plate (null) has the plate "". */
static int stock_changed(const struct projection *p)
{
    const json_t *plate = field(p, "plate");
    const char *plate_id = json_is_string(plate) ? json_string_value(plate) : "";

    return store_run(
        p->s,
        "INSERT INTO stock(gateway_id, gtin, plate, epoch_id, seq, on_shelf, atp, atp_lower_bound,"
        " cause, utc_us) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(gateway_id, gtin, plate) DO UPDATE SET epoch_id = excluded.epoch_id,"
        " seq = excluded.seq, on_shelf = excluded.on_shelf, atp = excluded.atp,"
        " atp_lower_bound = excluded.atp_lower_bound, cause = excluded.cause,"
        " utc_us = excluded.utc_us" LATER("stock"),
        "ijsiijjjji", p->gateway_id, field(p, "gtin"), plate_id, p->epoch_id, p->e->seq,
        field(p, "on_shelf"), field(p, "atp"), field(p, "atp_lower_bound"), field(p, "cause"),
        p->at_us);
}

static int shelf_changed(const struct projection *p)
{
    return store_run(
        p->s,
        "INSERT INTO change(gateway_id, change_id, epoch_id, seq, type, stage, rev, plate, gtin,"
        " quantity, utc_us) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(gateway_id, change_id) DO UPDATE SET epoch_id = excluded.epoch_id,"
        " seq = excluded.seq, type = excluded.type, stage = excluded.stage, rev = excluded.rev,"
        " plate = excluded.plate, gtin = excluded.gtin, quantity = excluded.quantity,"
        " utc_us = excluded.utc_us" LATER("change"),
        "ijiisjjjjji", p->gateway_id, field(p, "change_id"), p->epoch_id, p->e->seq, p->e->type,
        field(p, "stage"), field(p, "rev"), field(p, "plate"), field(p, "gtin"),
        field(p, "quantity"), p->at_us);
}

/* `sql` has the row's key, its number, then the field that the event is about, and its moment. */
static int put_presence(const struct projection *p, const char *about, const char *sql)
{
    int64_t member;
    const json_t *ref = who(p, &member);

    return store_run(p->s, sql, "ijiiiji", p->gateway_id, ref, member, p->epoch_id, p->e->seq,
                     field(p, about), p->at_us);
}

static int visit_opened(const struct projection *p)
{
    return put_presence(p, "visit_id",
                        "INSERT INTO presence(gateway_id, who, member, epoch_id, seq, visit_id,"
                        " opened_us) VALUES(?, ?, ?, ?, ?, ?, ?)"
                        " ON CONFLICT(gateway_id, who) DO UPDATE SET epoch_id = excluded.epoch_id,"
                        " seq = excluded.seq, visit_id = excluded.visit_id, zone = NULL,"
                        " opened_us = excluded.opened_us, zone_since_us = NULL,"
                        " closed_us = NULL" LATER("presence"));
}

static int visit_zone(const struct projection *p)
{
    return put_presence(p, "zone",
                        "INSERT INTO presence(gateway_id, who, member, epoch_id, seq, zone,"
                        " zone_since_us) VALUES(?, ?, ?, ?, ?, ?, ?)"
                        " ON CONFLICT(gateway_id, who) DO UPDATE SET epoch_id = excluded.epoch_id,"
                        " seq = excluded.seq, zone = excluded.zone,"
                        " zone_since_us = excluded.zone_since_us" LATER("presence"));
}

static int visit_closed(const struct projection *p)
{
    return put_presence(p, "visit_id",
                        "INSERT INTO presence(gateway_id, who, member, epoch_id, seq, visit_id,"
                        " closed_us) VALUES(?, ?, ?, ?, ?, ?, ?)"
                        " ON CONFLICT(gateway_id, who) DO UPDATE SET epoch_id = excluded.epoch_id,"
                        " seq = excluded.seq, zone = NULL, zone_since_us = NULL,"
                        " closed_us = excluded.closed_us" LATER("presence"));
}

static int offer_made(const struct projection *p, const char *status)
{
    int64_t member;
    const json_t *ref = who(p, &member);

    return store_run(
        p->s,
        "INSERT INTO offer(gateway_id, offer_id, epoch_id, seq, status, campaign, who, zone, gtin,"
        " template, reason, utc_us) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(gateway_id, offer_id) DO UPDATE SET epoch_id = excluded.epoch_id,"
        " seq = excluded.seq, status = excluded.status, reason = excluded.reason,"
        " utc_us = excluded.utc_us" LATER("offer"),
        "ijiisjjjjjji", p->gateway_id, field(p, "offer_id"), p->epoch_id, p->e->seq, status,
        field(p, "campaign"), ref, field(p, "zone"), field(p, "gtin"), field(p, "template"),
        field(p, "reason"), p->at_us);
}

static int alert_raised(const struct projection *p)
{
    return store_run(
        p->s,
        "INSERT INTO alert(gateway_id, alert_id, epoch_id, seq, kind, severity, subject, raised_us)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(gateway_id, alert_id) DO UPDATE SET epoch_id = excluded.epoch_id,"
        " seq = excluded.seq, severity = excluded.severity, raised_us = excluded.raised_us,"
        " cleared_us = NULL" LATER("alert"),
        "ijiijjji", p->gateway_id, field(p, "alert_id"), p->epoch_id, p->e->seq, field(p, "kind"),
        field(p, "severity"), field(p, "subject"), p->at_us);
}

static int alert_cleared(const struct projection *p)
{
    return store_run(
        p->s,
        "INSERT INTO alert(gateway_id, alert_id, epoch_id, seq, kind, subject, cleared_us)"
        " VALUES(?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(gateway_id, alert_id) DO UPDATE SET epoch_id = excluded.epoch_id,"
        " seq = excluded.seq, cleared_us = excluded.cleared_us" LATER("alert"),
        "ijiijji", p->gateway_id, field(p, "alert_id"), p->epoch_id, p->e->seq, field(p, "kind"),
        field(p, "subject"), p->at_us);
}

/* A late sync: events of that boot that had no good time get one now (design section 10). */
static int clock_corrected(const struct projection *p)
{
    return store_run(p->s,
                     "UPDATE event SET utc_us = tus + ? WHERE tus IS NOT NULL AND bootid = ?"
                     " AND (utc_us IS NULL OR clock = 'floor')"
                     " AND epoch_id IN (SELECT id FROM epoch WHERE gateway_id = ?)",
                     "iji", (int64_t)json_integer_value(field(p, "offset_us")), field(p, "bootid"),
                     p->gateway_id);
}

/* Numbers that were shed will never come: the ack may pass them. */
static int gap_reported(const struct projection *p)
{
    return store_run(p->s,
                     "INSERT INTO covered(epoch_id, first_seq, last_seq, reason)"
                     " VALUES(?, ?, ?, 'gap') ON CONFLICT DO NOTHING",
                     "ijj", p->epoch_id, field(p, "first_seq"), field(p, "last_seq"));
}

/* Somebody wants to be forgotten: noted by digest, found and removed by name when the roster is asked
 * (roster_honour). */
static int member_forgotten(const struct projection *p)
{
    return store_run(p->s,
                     "INSERT INTO forgotten(receipt, digest, utc_us) VALUES(?, ?, ?)"
                     " ON CONFLICT DO NOTHING",
                     "jji", field(p, "receipt"), field(p, "digest"), p->at_us);
}

int project_event(struct store *s, int64_t gateway_id, int64_t epoch_id,
                  const struct message_event *e, int64_t at_us)
{
    const struct projection p = {s, gateway_id, epoch_id, at_us, e};
    int changed = CHANGED_EVENTS, r = 0;
    const char *type = e->type + strlen("noren.");

    if (strcmp(type, "stock.changed") == 0) {
        r = stock_changed(&p);
        changed |= CHANGED_FIXTURES;
    } else if (strncmp(type, "shelf.", 6) == 0 && field(&p, "change_id") != NULL) {
        r = shelf_changed(&p);
    } else if (strncmp(type, "visit.", 6) == 0) {
        changed |= CHANGED_MEMBERS;
        if (strcmp(type, "visit.opened") == 0)
            r = visit_opened(&p);
        else if (strcmp(type, "visit.zone") == 0)
            r = visit_zone(&p);
        else if (strcmp(type, "visit.closed") == 0)
            r = visit_closed(&p);
    } else if (strcmp(type, "offer.decided") == 0 || strcmp(type, "offer.suppressed") == 0) {
        r = offer_made(&p, type + strlen("offer."));
        changed |= CHANGED_OFFERS;
    } else if (strcmp(type, "alert.raised") == 0 || strcmp(type, "alert.cleared") == 0) {
        r = strcmp(type, "alert.raised") == 0 ? alert_raised(&p) : alert_cleared(&p);
        changed |= CHANGED_ALERTS;
    } else if (strcmp(type, "gateway.clock") == 0) {
        r = clock_corrected(&p);
    } else if (strcmp(type, "member.forgotten") == 0) {
        r = member_forgotten(&p);
    } else if (strcmp(type, "gateway.gap") == 0) {
        r = gap_reported(&p);
    }
    return r < 0 ? r : changed;
}
