/* Planogram, readings and truth of a trial as files; see trial_write.h. */
#include "sim/trial_write.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "noren/units.h"

static FILE *open_in(const char *folder, const char *name)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return fopen(path, "we");
}

static void write_facing(const struct trial *t, const struct plan_facing *f, bool last, FILE *out)
{
    fprintf(out,
            "{\"gtin\": \"%s\", \"name\": \"Product %d\", \"unit_mass_mg\": %" PRId64
            ", \"unit_cv\": %.3f, \"capacity\": %d, \"x_mm\": %d}%s",
            t->plan.products[f->product].gtin, f->product, f->unit_mass_mg, f->unit_cv_pm / 1000.0,
            f->capacity, f->x_mm, last ? "" : ",\n    ");
}

static void write_planogram(const struct trial *t, FILE *out)
{
    fprintf(out, "{\"store\": \"trial\", \"time_zone\": \"UTC\", \"plates\": [");
    for (uint16_t i = 0; i < t->plan.plates_n; i++) {
        const struct plan_plate *p = &t->plan.plates[i];

        fprintf(out, "%s\n {\"id\": \"%s\", \"fixture\": \"rack\",\n  \"neighbours\": [",
                i > 0 ? "," : "", p->id);
        for (uint8_t k = 0; k < p->neighbours_n; k++)
            fprintf(out, "%s\"%s\"", k > 0 ? ", " : "", t->plan.plates[p->neighbours[k]].id);
        fprintf(out, "],\n  \"cells\": [");
        for (uint8_t k = 0; k < p->cells_n; k++) {
            const struct plan_cell *c = &t->plan.cells[p->cells[k]];

            fprintf(out,
                    "%s{\"id\": \"%s\", \"x_mm\": %d, \"zero_counts\": %" PRId64
                    ", \"mg_per_count\": %g}",
                    k > 0 ? ", " : "", c->id, c->x_mm, c->zero_counts, c->mg_per_count);
        }
        fprintf(out, "],\n  \"facings\": [");
        for (uint8_t k = 0; k < p->facings_n; k++)
            write_facing(t, &p->facings[k], k + 1 == p->facings_n, out);
        fprintf(out, "]}");
    }
    fprintf(out, "], \"backroom\": []}\n");
}

static void write_truth(const struct trial *t, const struct trial_truth *truth, FILE *out)
{
    const struct plan_plate *owner = &t->plan.plates[truth->owner];

    fprintf(out,
            "{\"t_us\":%" PRId64 ",\"plate\":\"%s\",\"gtin\":\"%s\",\"quantity\":%d,"
            "\"misplaced\":%s}\n",
            truth->t_us, t->plan.plates[truth->plate].id,
            t->plan.products[owner->facings[truth->facing].product].gtin, truth->quantity,
            truth->owner != truth->plate ? "true" : "false");
}

static void write_sample(struct trial *t, int64_t t_us, FILE *cells, FILE *plates)
{
    for (uint16_t i = 0; i < t->plan.plates_n; i++) {
        const struct plan_plate *p = &t->plan.plates[i];
        int32_t counts[PHYSICS_CELLS_MAX];
        double mass_mg = 0;

        trial_counts(t, i, counts);
        for (uint8_t k = 0; k < p->cells_n; k++) {
            const struct plan_cell *c = &t->plan.cells[p->cells[k]];

            fprintf(cells, "%" PRId64 ",%s,%d\n", t_us, c->id, counts[k]);
            mass_mg += (double)(counts[k] - c->zero_counts) * c->mg_per_count;
        }
        fprintf(plates, "%" PRId64 ",%s,%lld\n", t_us, p->id, llround(mass_mg));
    }
}

int trial_write(struct trial *t, const struct trial_kind *kind, uint64_t seed, int sps,
                double minutes, const char *folder)
{
    int64_t length_us = (int64_t)(minutes * 60e6), t_us = 0;
    FILE *plan = open_in(folder, "planogram.json"), *cells = open_in(folder, "cells.csv");
    FILE *plates = open_in(folder, "plates.csv"), *truth = open_in(folder, "truth.jsonl");
    FILE *files[] = {plan, cells, plates, truth};
    int status = 0;

    if (plan != NULL && cells != NULL && plates != NULL && truth != NULL) {
        trial_init(t, kind, seed, sps);
        write_planogram(t, plan);
        fprintf(cells, "t_us,cell,counts\n");
        fprintf(plates, "t_us,plate,mass_mg\n");
        while (t_us < length_us) {
            t_us = trial_next(t, length_us - 60 * NOREN_US_PER_S);
            write_sample(t, t_us, cells, plates);
        }
        for (int i = 0; i < t->truth_n; i++)
            write_truth(t, &t->truth[i], truth);
    } else {
        status = -errno;
    }
    for (int i = 0; i < 4; i++) {
        if (files[i] == NULL)
            continue;
        if (ferror(files[i]) && status == 0)
            status = -EIO;
        if (fclose(files[i]) != 0 && status == 0)
            status = -errno;
    }
    return status;
}
