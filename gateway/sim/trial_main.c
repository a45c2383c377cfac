/* The command line of trials; see trial_main.h. */
#include "sim/trial_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/score.h"
#include "sim/trial_write.h"

static const char HELP[] =
    "usage: noren-sim --trial NAME|all|list [--seed A[-B]] [--rate SPS] [--minutes M] [--json]\n"
    "                 [--check] [--verbose] [--write DIR]\n"
    "\n"
    "Shoppers at a rack of plates, by kind of trouble, through the real core; scored against the "
    "truth.\n"
    "\n"
    "  NAME            a kind ('list' names them); all: every one but 'nobody', which is worth a "
    "day\n"
    "  --seed A[-B]    what happens (default 1-4)\n"
    "  --rate SPS      samples a second, 1 to 320 (default: 80, then 10)\n"
    "  --minutes M     length of each seed (default 10)\n"
    "  --json          one JSON object a line instead of the table\n"
    "  --check         exit status 1 when a target is missed\n"
    "  --verbose       every event and group that is not as it should be\n"
    "  --write DIR     write the trial instead of scoring it: planogram.json, cells.csv, "
    "plates.csv for\n"
    "                  norenctl replay, and truth.jsonl; needs one NAME, one seed and --rate\n";

struct args {
    const char *name, *folder;
    unsigned long from, to;
    int sps;
    double minutes;
    bool check, verbose, json;
};

static int list(void)
{
    for (int i = 0; i < TRIAL_KINDS_N; i++)
        printf("%-10s %s\n", TRIAL_KINDS[i].name, TRIAL_KINDS[i].what);
    return 0;
}

static bool parse_value(struct args *a, const char *name, const char *value)
{
    char *end = NULL;

    if (strcmp(name, "--trial") == 0) {
        a->name = value;
        return true;
    }
    if (strcmp(name, "--write") == 0) {
        a->folder = value;
        return true;
    }
    if (strcmp(name, "--seed") == 0) {
        a->from = a->to = strtoul(value, &end, 10);
        if (*end == '-')
            a->to = strtoul(end + 1, &end, 10);
        return end != value && *end == '\0' && a->from <= a->to;
    }
    if (strcmp(name, "--rate") == 0) {
        a->sps = (int)strtol(value, &end, 10);
        return end != value && *end == '\0' && a->sps >= 1 && a->sps <= 320;
    }
    if (strcmp(name, "--minutes") == 0) {
        a->minutes = strtod(value, &end);
        return end != value && *end == '\0' && a->minutes > 0 && a->minutes <= 10080;
    }
    return false;
}

static bool parse(int argc, char **argv, struct args *a)
{
    *a = (struct args){.from = 1, .to = 4, .minutes = 10};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0)
            a->check = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            a->verbose = true;
        else if (strcmp(argv[i], "--json") == 0)
            a->json = true;
        else if (i + 1 == argc || !parse_value(a, argv[i], argv[i + 1])) {
            fprintf(stderr, "noren-sim: bad option or value: %s; see noren-sim --trial --help\n",
                    argv[i]);
            return false;
        } else
            i++;
    }
    if (a->name == NULL) {
        fputs("noren-sim: --trial wants a NAME; noren-sim --trial list names them\n", stderr);
        return false;
    }
    if (strcmp(a->name, "all") != 0 && strcmp(a->name, "list") != 0 &&
        trial_find(a->name) == NULL) {
        fprintf(stderr, "noren-sim: no trial '%s'; noren-sim --trial list names them\n", a->name);
        return false;
    }
    if (a->folder != NULL && (trial_find(a->name) == NULL || a->from != a->to || a->sps == 0)) {
        fprintf(stderr, "noren-sim: --write needs one NAME, one --seed and --rate\n");
        return false;
    }
    return true;
}

/* True: the targets were met. */
static bool run(const struct args *a, const struct trial_kind *kind, int sps)
{
    static struct scorer r;
    static struct score s;

    r.verbose = a->verbose;
    score_run(&r, &s, kind, a->from, a->to, sps, a->minutes);
    if (a->json)
        score_json(kind, sps, &s);
    else
        score_row(kind, sps, &s);
    return score_good(kind, sps, &s);
}

int trial_main(int argc, char **argv)
{
    static const int RATES[] = {80, 10};
    static struct trial t;
    struct args a;
    int status = 0;

    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        fputs(HELP, stdout);
        return 0;
    }
    if (!parse(argc, argv, &a))
        return 2;
    if (strcmp(a.name, "list") == 0)
        return list();
    if (a.folder != NULL) {
        status = trial_write(&t, trial_find(a.name), a.from, a.sps, a.minutes, a.folder);
        if (status < 0)
            fprintf(stderr, "noren-sim: %s: %s\n", a.folder, strerror(-status));
        return status < 0;
    }
    if (!a.json)
        score_head();
    for (int i = 0; i < TRIAL_KINDS_N; i++)
        for (int k = 0; k < (a.sps != 0 ? 1 : 2); k++) {
            const struct trial_kind *kind = &TRIAL_KINDS[i];

            if (strcmp(a.name, "all") == 0 ? kind->visit_s == 0 : strcmp(a.name, kind->name) != 0)
                continue;
            if (!run(&a, kind, a.sps != 0 ? a.sps : RATES[k]) && a.check)
                status = 1;
        }
    return status;
}
