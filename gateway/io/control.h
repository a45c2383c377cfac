/* Commands: the table is control.c, what needs more than a line has files of its own. Private to control*.c and
 * command.c, which stands around it: who may, when, how often, and what is remembered of it.
 *
 * A command reads its arguments (a wrong one: doc_refuse() and false), feeds observations, and adds what it
 * found out to the answer, whose object is open. The commit is command.c's: the effect, the journal's row and the
 * audit event become durable together.
 */
#ifndef NOREN_IO_CONTROL_H
#define NOREN_IO_CONTROL_H

#include "core/json.h"
#include "io/doc.h"
#include "io/norend.h"

/** Where a command came from, and what it is: bits of a row of the table. */
enum control_rights {
    CONTROL_LOCAL = 1 << 0, /**< who may open the control socket may give it */
    CONTROL_HQ = 1 << 1,    /**< headquarters may, signed, as cmd/{name} */
    CONTROL_ASKS = 1 << 2,  /**< changes nothing: may be repeated, is not in the journal */
    CONTROL_STORE = 1 << 3, /**< tills and clerks' devices may, by the broker of the store */
    CONTROL_ALL = CONTROL_LOCAL | CONTROL_HQ,
};

struct control_call {
    struct norend *d;
    const struct doc *doc; /**< one flat object: id, name, and the arguments */
    const char *name, *id;
    enum control_rights source; /**< CONTROL_LOCAL or CONTROL_HQ */
    const char *actor;          /**< who gave it, as far as the source knows; at most an id long */
    struct json *j;
};

/** One command: a row of the table. */
struct control_row {
    const char *name;
    bool (*run)(struct control_call *c);
    unsigned rights; /**< enum control_rights */
};

/** The row of a name, or NULL after a sentence that lists the names. */
const struct control_row *control_find(const struct doc *doc, const char *name);

/** A command to the brain, whose kind, target, quantity and document are filled in: fed, unless its id was used
 * before; then the answer says "repeated": true. */
bool control_feed(struct control_call *c, struct obs *o);

bool control_adjust(struct control_call *c);
bool control_sale(struct control_call *c);
bool control_stock(struct control_call *c);
bool control_tasks(struct control_call *c);
bool control_claim(struct control_call *c);
/** Begins a backup ("file"), or says how far the last one is. */
bool control_backup(struct control_call *c);
/** What is wrong with load cells, as sentences into an open array. */
void control_print_cell_problems(const struct norend *d, struct json *j);
bool control_cells(struct control_call *c);
bool control_calibrate(struct control_call *c);
bool control_calibrations(struct control_call *c);
bool control_locate(struct control_call *c);
/** The certificate that was asked for (io/renew.h). */
bool control_certificate(struct control_call *c);
bool control_checkin(struct control_call *c);
bool control_forget(struct control_call *c);

/** "lights": what blinks, and what waits for its turn. */
void control_print_lights(const struct norend *d, struct json *j);

#endif
