/* The command "backup": a copy of the database while everything goes on. It begins one, or says how far it is:
 * the copy takes as long as the disk needs, an answer must not. */
#include "io/control.h"
#include "io/copies.h"

#include <string.h>

bool control_backup(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "file", NULL};
    char error[DB_ERROR_SIZE];
    char file[401] = "";
    const char *path;
    struct db_backup_state state;

    if (!doc_object(c->doc, keys) || !doc_opt_text(c->doc, "file", file, sizeof(file)))
        return false;
    if (file[0] != '\0' && file[0] != '/')
        return doc_refuse(c->doc, "file: wants an absolute path");
    if (file[0] != '\0' && db_backup_start(c->d->db, file, error) != 0)
        return doc_refuse(c->doc, "%s", error);
    if (file[0] != '\0')
        (void)copies_note(c->d->config.data_dir, "backup",
                          file); /* a backup without is better than none */
    state = db_backup_state(c->d->db, &path);
    json_key(c->j, "backup");
    json_open(c->j, '{');
    json_key_str(c->j, "file", path);
    json_key_str(c->j, "state",
                 state.running      ? "running"
                 : state.error != 0 ? "failed"
                 : path[0] == '\0'  ? "none"
                                    : "done");
    if (state.error != 0)
        json_key_str(c->j, "reason", strerror(-state.error));
    json_key_i64(c->j, "pages", state.pages);
    json_key_i64(c->j, "remaining", state.remaining);
    json_close(c->j, '}');
    return true;
}
