/* Opening and recognising inputs; see source.h. */
#include "io/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the order of asking: what has a magic number first, the most tolerant last. */
static const struct reader *const readers[] = {
    &reader_recording, &reader_btsnoop, &reader_pcap, &reader_pcapng, &reader_hex, &reader_csv,
};

/* So many refusals are said one by one; the rest is only counted. */
#define SAY_MAX 10

void refusals_add(struct refusals *f, const char *where, uint32_t line, const char *reason,
                  const char *remedy)
{
    char sentence[512], at[24] = "";
    size_t i = 0;

    if (f == NULL)
        return;
    while (i < f->n && strcmp(f->by[i].reason, reason) != 0)
        i++;
    if (i == f->n && f->n < REFUSALS_MAX)
        f->by[f->n++].reason = reason;
    if (i < REFUSALS_MAX)
        f->by[i].n++;
    if (f->say == NULL || f->said == SAY_MAX)
        return;
    f->said++;
    if (line > 0)
        (void)snprintf(at, sizeof(at), ":%u", line);
    (void)snprintf(sentence, sizeof(sentence), "%s%s: %s%s%s%s", where, at, reason,
                   remedy[0] != 0 ? "; " : "", remedy,
                   f->said == SAY_MAX ? " (more are only counted)" : "");
    f->say(f->arg, sentence);
}

/* A pipe cannot be mapped. */
static int read_all(struct source *s, int fd)
{
    size_t cap = 0;
    uint8_t *p = NULL;
    ssize_t got;

    do {
        if (s->n == cap) {
            uint8_t *bigger = realloc(p, cap = cap > 0 ? 2 * cap : 1 << 16);

            if (bigger == NULL) {
                free(p);
                return -ENOMEM;
            }
            p = bigger;
        }
        got = read(fd, p + s->n, cap - s->n);
        if (got > 0)
            s->n += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (got < 0) {
        int r = -errno;

        free(p);
        return r;
    }
    s->p = p;
    return 0;
}

static int load(struct source *s, int fd)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return read_all(s, fd);
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    s->p = p;
    s->n = (size_t)st.st_size;
    s->mapped = true;
    return 0;
}

int source_recognise(struct source *s, char *error, size_t size)
{
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]) && s->reader == NULL; i++)
        if (readers[i]->recognise(s->p, s->n))
            s->reader = readers[i];
    if (s->reader != NULL)
        return s->reader->open(s, error, size) ? 0 : -EINVAL;
    (void)snprintf(error, size,
                   "no format that replay knows: give a recording, btsnoop, pcap, pcapng, lines of "
                   "HCI events in hex, or a CSV with a line of column names");
    return -EINVAL;
}

int source_open(struct source *ret, const char *path, char *error, size_t size)
{
    struct source s = {.name = path};
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    r = load(&s, fd);
    close(fd);
    if (r == 0)
        r = source_recognise(&s, error, size);
    if (r < 0)
        source_close(&s);
    else
        *ret = s;
    return r;
}

void source_close(struct source *s)
{
    if (s->mapped)
        munmap((void *)s->p, s->n);
    else
        free((void *)s->p);
    s->p = NULL;
    s->mapped = false;
}

bool source_line(struct source *s, struct slice *ret)
{
    const char *start = (const char *)s->p + s->at, *end;

    if (s->at >= s->n)
        return false;
    end = memchr(start, '\n', s->n - s->at);
    ret->p = start;
    ret->n = end != NULL ? (size_t)(end - start) : s->n - s->at;
    s->at += ret->n + (end != NULL);
    s->line++;
    if (ret->n > 0 && start[ret->n - 1] == '\r')
        ret->n--;
    return true;
}

bool source_is_report(const uint8_t *packet, size_t n)
{
    return n >= 3 && packet[0] == 0x3e && (packet[2] == 0x02 || packet[2] == 0x0d);
}
