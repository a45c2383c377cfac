/* Live gateway or recordings; see output.h. */
#include "sim/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_US   (1 * NOREN_US_PER_S)
#define REFRESH_US (1 * NOREN_US_PER_S) /* a norend that was started again learns all loads */
/* btsnoop counts microseconds from the year 0 (RFC 1761 with Bluetooth's epoch). */
#define SNOOP_EPOCH_US INT64_C(0x00dcddb30f2f8000)
#define SNOOP_H4       1002
#define SNOOP_EVENT    3 /* received, event */

void output_open_live(struct output *o, const struct world *w, const char *socket_path)
{
    *o = (struct output){.socket_path = socket_path, .fd = -1, .world = w};
}

static FILE *create(const char *folder, const char *name, const char *suffix)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return fopen(path, "we");
}

static void write_be(FILE *f, uint64_t v, size_t n)
{
    uint8_t b[8];
    struct wr w = wr_init(b, sizeof(b));

    wr_be(&w, v, n);
    fwrite(b, 1, n, f);
}

int output_open_folder(struct output *o, const struct world *w, const char *folder)
{
    *o = (struct output){.fd = -1, .world = w};
    o->cells = create(folder, "cells", ".csv");
    o->sightings = create(folder, "sightings", ".csv");
    o->truth = create(folder, "truth", ".jsonl");
    if (o->cells == NULL || o->sightings == NULL || o->truth == NULL)
        return -errno;
    fputs("t_us,cell,counts\n", o->cells);
    fputs("t_us,receiver,identity,rssi_dbm\n", o->sightings);
    for (int i = 0; i < w->plan.receivers_n; i++) {
        o->air[i] = create(folder, w->plan.receivers[i].id, ".btsnoop");
        if (o->air[i] == NULL)
            return -errno;
        fwrite("btsnoop", 1, 8, o->air[i]);
        write_be(o->air[i], 1, 4);
        write_be(o->air[i], SNOOP_H4, 4);
    }
    return 0;
}

int output_open_truth(struct output *o, const char *path)
{
    o->truth = fopen(path, "we");
    return o->truth != NULL ? 0 : -errno;
}

static void close_file(FILE *f)
{
    if (f != NULL)
        fclose(f);
}

void output_close(struct output *o)
{
    close_file(o->cells);
    close_file(o->sightings);
    close_file(o->truth);
    for (int i = 0; i < RECEIVERS_MAX; i++)
        close_file(o->air[i]);
    if (o->fd >= 0)
        close(o->fd);
}

/* --- live --------------------------------------------------------------------------------------- */

static void connect_live(struct output *o, int64_t now_us)
{
    const struct sockaddr_un any = {.sun_family = AF_UNIX};
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (o->fd >= 0 || now_us < o->retry_us)
        return;
    o->retry_us = now_us + RETRY_US;
    if (strlen(o->socket_path) >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, o->socket_path, strlen(o->socket_path) + 1);
    o->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (o->fd >= 0 && connect(o->fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
        close(o->fd);
        o->fd = -1;
    }
    /* with an address of its own, so that norend can tell which lights blink */
    if (o->fd >= 0)
        (void)bind(o->fd, (const struct sockaddr *)&any, sizeof(any.sun_family));
    o->refresh_us = 0;
}

/* A full queue loses the datagram, as the air does; loads are told again. */
static bool send_line(struct output *o, const char *line, size_t n)
{
    if (o->fd < 0)
        return false;
    if (send(o->fd, line, n, MSG_NOSIGNAL) >= 0)
        return true;
    o->dropped++;
    if (errno != EAGAIN && errno != ENOBUFS) {
        close(o->fd);
        o->fd = -1;
    }
    return false;
}

/* "led NAME on|off", for whoever watches the shop on the terminal. */
static void read_lights(const struct output *o)
{
    char line[64 + NOREN_ID_SIZE];
    ssize_t n;

    while (o->fd >= 0 && (n = recv(o->fd, line, sizeof(line) - 1, MSG_DONTWAIT)) > 0) {
        line[n] = '\0';
        puts(line);
        (void)fflush(stdout);
    }
}

static void send_loads(struct output *o, const struct world *w)
{
    bool refresh = w->now_us >= o->refresh_us;
    char line[64 + NOREN_ID_SIZE];

    connect_live(o, w->now_us);
    if (refresh) {
        o->refresh_us = w->now_us + REFRESH_US;
        (void)send_line(o, "watch", strlen("watch"));
    }
    read_lights(o);
    for (uint16_t i = 0; i < w->plan.cells_n && o->fd >= 0; i++) {
        const char *id = w->plan.cells[i].id;
        int32_t counts = cell_counts(w, i);

        if (refresh)
            (void)send_line(
                o, line,
                (size_t)snprintf(line, sizeof(line), "noise %s %" PRId32, id, cell_noise(w, i)));
        if ((refresh || counts != o->sent[i]) &&
            send_line(o, line,
                      (size_t)snprintf(line, sizeof(line), "load %s %" PRId32, id, counts)))
            o->sent[i] = counts;
    }
}

void output_command(struct output *o, const char *line)
{
    (void)send_line(o, line, strlen(line));
}

/* --- recordings --------------------------------------------------------------------------------- */

static void write_samples(struct output *o, const struct world *w)
{
    if (w->now_us < o->sample_us)
        return;
    o->sample_us += OUTPUT_SAMPLE_US;
    for (uint16_t i = 0; i < w->plan.cells_n; i++)
        fprintf(o->cells, "%" PRId64 ",%s,%ld\n", w->now_us, w->plan.cells[i].id,
                (long)cell_counts(w, i) +
                    lround(cell_noise(w, i) * world_normal((struct world *)(uintptr_t)w)));
}

static void write_packet(struct output *o, uint16_t receiver, const uint8_t *packet, size_t n)
{
    FILE *f = o->air[receiver];

    write_be(f, n + 1, 4);
    write_be(f, n + 1, 4);
    write_be(f, SNOOP_EVENT, 4);
    write_be(f, 0, 4);
    write_be(f, (uint64_t)(o->world->now_us + o->world->utc_offset_us + SNOOP_EPOCH_US), 8);
    fputc(0x04, f);
    fwrite(packet, 1, n, f);
}

/* --- both --------------------------------------------------------------------------------------- */

void output_step(struct output *o, const struct world *w)
{
    if (o->socket_path != NULL)
        send_loads(o, w);
    else
        write_samples(o, w);
}

void output_advert(struct output *o, uint16_t receiver, const uint8_t *packet, size_t n,
                   const char *identity, int rssi_dbm)
{
    const char *id = o->world->plan.receivers[receiver].id;
    char line[16 + NOREN_ID_SIZE + 2 * 64];
    int at;

    if (o->socket_path == NULL) {
        write_packet(o, receiver, packet, n);
        if (identity != NULL)
            fprintf(o->sightings, "%" PRId64 ",%s,%s,%d\n", o->world->now_us, id, identity,
                    rssi_dbm);
        return;
    }
    at = snprintf(line, sizeof(line), "adv %s ", id);
    for (size_t i = 0; i < n && at < (int)sizeof(line) - 2; i++)
        at += snprintf(line + at, sizeof(line) - (size_t)at, "%02x", packet[i]);
    (void)send_line(o, line, (size_t)at);
}

void output_truth_goods(struct output *o, uint16_t plate, int facing, const char *kind,
                        int64_t quantity)
{
    const struct world *w = o->world;
    const struct plan_plate *p = &w->plan.plates[plate];

    if (o->truth == NULL)
        return;
    fprintf(o->truth,
            "{\"t_us\":%" PRId64
            ",\"kind\":\"%s\",\"plate\":\"%s\",\"gtin\":\"%s\",\"quantity\":%" PRId64
            ",\"on_shelf\":%" PRId64 "}\n",
            w->now_us, kind, p->id, w->plan.products[p->facings[facing].product].gtin, quantity,
            w->plates[plate].count[facing]);
    fflush(o->truth);
}

void output_truth_person(struct output *o, const struct person *p, const char *kind)
{
    const struct world *w = o->world;
    const char *zone = p->zone == NO_INDEX ? NULL : w->plan.zones[p->zone].id;

    if (o->truth == NULL || p->kind != PERSON_MEMBER)
        return;
    fprintf(o->truth,
            "{\"t_us\":%" PRId64 ",\"kind\":\"%s\",\"member_ref\":\"%s\",\"zone\":%s%s%s}\n",
            w->now_us, kind, p->ref, zone != NULL ? "\"" : "", zone != NULL ? zone : "null",
            zone != NULL ? "\"" : "");
    fflush(o->truth);
}
