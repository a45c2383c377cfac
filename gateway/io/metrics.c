/* The metrics file; see metrics.h. */
#include "io/metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/pki.h"

#define EVERY_US (15 * NOREN_US_PER_S)

/* What goes down as well as up; all else only grows. */
static bool is_gauge(const char *name)
{
    static const char *const gauges[] = {"outbox_rows",      "kept_bytes",
                                         "rss_kb",           "written_bytes_per_event",
                                         "commits_per_hour", "written_bytes_per_day"};

    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        if (strcmp(name, gauges[i]) == 0)
            return true;
    return false;
}

static void print(FILE *f, const char *name, bool gauge, int64_t value)
{
    fprintf(f, "# TYPE noren_%s%s %s\nnoren_%s%s %lld\n", name, gauge ? "" : "_total",
            gauge ? "gauge" : "counter", name, gauge ? "" : "_total", (long long)value);
}

static void print_all(FILE *f, const struct norend *d, int64_t now_us)
{
    struct control_counter rows[CONTROL_COUNTERS_MAX];
    size_t n = control_counters(d, now_us, rows);
    const struct db_identity *id = db_identity(d->db);
    char error[PKI_ERROR_SIZE];
    struct pki_info cert;

    for (size_t i = 0; i < n; i++)
        print(f, rows[i].name, is_gauge(rows[i].name), rows[i].value);
    print(f, "connected", true, deliver_connected(d->deliver));
    print(f, "commit_failing", true, db_problem(d->db)[0] != '\0');
    print(f, "last_seq", true, (int64_t)id->committed);
    print(f, "acked_seq", true, (int64_t)id->acked);
    if (pki_read_cert(d->config.mqtt.cert, &cert, error) == 0) {
        print(f, "certificate_expires_seconds", true, cert.until_s);
        print(f, "certificate_renew_seconds", true, pki_renew_at_s(&cert));
    }
}

void metrics_write(struct norend *d, int64_t now_us)
{
    char path[CONFIG_PATH_SIZE + 16], part[CONFIG_PATH_SIZE + 16];
    FILE *f;

    if (now_us < d->next_metrics_us)
        return;
    d->next_metrics_us = now_us + EVERY_US;
    snprintf(path, sizeof(path), "%s/noren.prom", d->config.run_dir);
    snprintf(part, sizeof(part), "%s/.noren.prom", d->config.run_dir);
    f = fopen(part, "we");
    if (f == NULL)
        return;
    print_all(f, d, now_us);
    fchmod(fileno(f), S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
    if (fclose(f) != 0 || rename(part, path) != 0)
        (void)unlink(part);
}
