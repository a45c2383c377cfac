/* Writing recordings; see record.h. The reader is read_recording.c. */
#include "io/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

struct recorder {
    FILE *f;
    char *path;
    int error; /* the first one, negative errno; sticky */
};

const char *record_kind_name(enum record_kind kind)
{
    switch (kind) {
    case RECORD_SHOP:
        return "shop";
    case RECORD_PLATE:
        return "plate";
    case RECORD_FACING:
        return "facing";
    case RECORD_PRODUCT:
        return "product";
    case RECORD_VISIT:
        return "visit";
    case RECORD_OFFER:
        return "offer";
    case RECORD_SUPPLY:
        return "supply";
    case RECORD_CELL:
        return "cell";
    case RECORD_CALIBRATION:
        return "calibration";
    case RECORD_PIECE:
        return "piece";
    case RECORD_KINDS:
        break;
    }
    return NULL;
}

static int failed(struct recorder *rec)
{
    if (rec->error == 0)
        rec->error = errno != 0 ? -errno : -EIO;
    return rec->error;
}

static int put_line(struct recorder *rec, const char *text)
{
    if (rec->error != 0)
        return rec->error;
    errno = 0;
    if (fputs(text, rec->f) < 0 || fputc('\n', rec->f) < 0)
        return failed(rec);
    return 0;
}

int recorder_open(struct recorder **ret_recorder, const char *path)
{
    struct recorder *rec = calloc(1, sizeof(*rec));
    int fd, r;

    if (rec == NULL)
        return -ENOMEM;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) {
        r = -errno;
        free(rec);
        return r;
    }
    rec->f = fdopen(fd, "w");
    rec->path = strdup(path);
    if (rec->f == NULL || rec->path == NULL) {
        r = -errno;
        if (rec->f != NULL)
            fclose(rec->f);
        else
            close(fd);
        free(rec->path);
        free(rec);
        return r;
    }
    r = put_line(rec, "{\"noren\":\"recording\",\"version\":1}");
    if (r < 0)
        recorder_close(rec);
    else
        *ret_recorder = rec;
    return r;
}

/* {"name":document} on one line. */
static int put_document(struct recorder *rec, const char *name, const char *text, size_t n)
{
    json_t *line, *doc;
    char *dump;
    int r;

    if (text == NULL)
        return 0;
    doc = json_loadb(text, n, 0, NULL);
    if (doc == NULL)
        return -EINVAL;
    line = json_pack("{s:o}", name, doc);
    dump = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (dump == NULL)
        return -ENOMEM;
    r = put_line(rec, dump);
    free(dump);
    return r;
}

int recorder_plan(struct recorder *rec, int64_t t_us, const struct record_documents *docs)
{
    char line[64];
    int r;

    if ((r = put_document(rec, "map", docs->map, docs->map_n)) < 0 ||
        (r = put_document(rec, "planogram", docs->planogram, docs->planogram_n)) < 0 ||
        (r = put_document(rec, "campaigns", docs->campaigns, docs->campaigns_n)) < 0)
        return r;
    (void)snprintf(line, sizeof(line), "{\"plan\":%lld}", (long long)t_us);
    return put_line(rec, line);
}

int recorder_restore(struct recorder *rec, const struct record *row)
{
    json_t *line = json_pack("{s:s,s:s,s:s}", "restore", record_kind_name(row->kind), "key",
                             row->key, "value", row->value);
    char *dump = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    int r;

    json_decref(line);
    if (dump == NULL)
        return -EINVAL;
    r = put_line(rec, dump);
    free(dump);
    return r;
}

int recorder_obs(struct recorder *rec, const struct obs *o, const struct plan *plan)
{
    char line[OBS_TEXT_SIZE];

    if (obs_print(o, plan, line, sizeof(line)) < 0)
        return -EINVAL;
    return put_line(rec, line);
}

/* A line's field, or a JSON string's: the name with what ends it on both sides. */
static bool names(const char *line, const char *ref)
{
    size_t n = strlen(ref);

    for (const char *at = strstr(line, ref); at != NULL; at = strstr(at + 1, ref)) {
        bool begins = at == line || strchr("\t\"", at[-1]) != NULL ||
                      (at - line >= 2 && at[-1] == 't' && at[-2] == '\\');
        bool ends = at[n] == '\0' || strchr("\t\"\n\\", at[n]) != NULL;

        if (begins && ends)
            return true;
    }
    return false;
}

static int copy_without(const char *from, FILE *to, const char *ref)
{
    FILE *f = fopen(from, "re");
    char *line = NULL;
    size_t size = 0;
    int r = f == NULL ? -errno : 0;

    while (r == 0 && getline(&line, &size, f) > 0)
        if (!names(line, ref) && fputs(line, to) < 0)
            r = -EIO;
    if (r == 0 && (ferror(f) || fflush(to) != 0 || fsync(fileno(to)) != 0))
        r = -EIO;
    free(line);
    if (f != NULL)
        fclose(f);
    return r;
}

/* Puts a recording without the name in the place of the one with it; *ret_f stands at its end. */
static int write_without(const char *path, const char *member_ref, FILE **ret_f)
{
    size_t n = strlen(path) + 8;
    char *draft = malloc(n);
    FILE *f = NULL;
    int fd, r = 0;

    if (draft == NULL)
        return -ENOMEM;
    snprintf(draft, n, "%s.draft", path);
    fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 || (f = fdopen(fd, "w")) == NULL)
        r = -errno;
    if (r == 0)
        r = copy_without(path, f, member_ref);
    if (r == 0 && rename(draft, path) != 0)
        r = -errno;
    if (r == 0)
        *ret_f = f;
    else if (f != NULL)
        (void)fclose(f);
    if (r != 0 && fd >= 0)
        (void)unlink(draft);
    free(draft);
    return r;
}

int record_forget(const char *path, const char *member_ref)
{
    FILE *f = NULL;
    int r = write_without(path, member_ref, &f);

    return r == 0 && fclose(f) != 0 ? -EIO : r;
}

int recorder_forget(struct recorder *rec, const char *member_ref)
{
    FILE *f = NULL;
    int r = recorder_flush(rec);

    if (r == 0)
        r = write_without(rec->path, member_ref, &f);
    if (r != 0)
        return r;
    (void)fclose(rec->f);
    rec->f = f; /* goes on at its end */
    return 0;
}

int recorder_flush(struct recorder *rec)
{
    errno = 0;
    if (rec->error == 0 && fflush(rec->f) != 0)
        return failed(rec);
    return rec->error;
}

int recorder_close(struct recorder *rec)
{
    int r;

    if (rec == NULL)
        return 0;
    r = rec->error;
    errno = 0;
    if (fclose(rec->f) != 0 && r == 0)
        r = errno != 0 ? -errno : -EIO;
    free(rec->path);
    free(rec);
    return r;
}
