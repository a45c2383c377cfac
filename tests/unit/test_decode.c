/* The formats: every vector through norenctl as users call it, and every vector against every decoder.
 *
 * A vectors file (tests/vectors/FORMAT.txt) has lines `HEX => ok [FRAMES]` or `HEX => refused REASON`, comments
 * and at most one `key HEX` for the lines behind it. A new format is a new file: nothing here to change.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/decode.h"
#include "core/hci.h"

#define VECTORS  NOREN_SOURCE_DIR "/tests/vectors"
#define NORENCTL NOREN_BIN_DIR "/norenctl"
#define MAX      512

/* One file of vectors, or what norenctl said to it. */
struct vectors {
    char *hex[MAX], *expected[MAX];
    char key[64];
    size_t n;
};

static struct vectors read_vectors(const char *name)
{
    struct vectors v = {.n = 0};
    char path[512], line[2048];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
    f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        char *arrow = strstr(line, " => ");

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (sscanf(line, "key %63s", v.key) == 1)
            continue;
        if (arrow == NULL || v.n == MAX) {
            fail_msg("%s: no vector: %s", name, line);
            break;
        }
        *arrow = '\0';
        v.hex[v.n] = strdup(line);
        v.expected[v.n++] = strdup(arrow + 4);
    }
    fclose(f);
    return v;
}

static void free_vectors(struct vectors *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->hex[i]);
        free(v->expected[i]);
    }
}

/* Calls `visit` with every file of vectors. */
static void each_file(void (*visit)(const char *name, const struct vectors *v))
{
    DIR *d = opendir(VECTORS);
    const struct dirent *e;
    size_t files = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe): one thread
        struct vectors v;

        if (strstr(e->d_name, ".txt") == NULL)
            continue;
        v = read_vectors(e->d_name);
        assert_true(v.n > 0);
        visit(e->d_name, &v);
        free_vectors(&v);
        files++;
    }
    closedir(d);
    assert_true(files >= FRAME_KINDS);
}

/* Runs `norenctl decode ARGUMENTS` over the lines; the caller closes the pipe. */
static FILE *norenctl(const char *arguments, const struct vectors *v, char ret_input[64])
{
    char command[1024];
    FILE *f;
    int fd;

    snprintf(ret_input, 64, "/tmp/noren-test-XXXXXX");
    fd = mkstemp(ret_input);
    assert_true(fd >= 0);
    f = fdopen(fd, "w");
    assert_non_null(f);
    for (size_t i = 0; i < v->n; i++)
        fprintf(f, "%s\n", v->hex[i]);
    fclose(f);
    snprintf(command, sizeof(command), "'%s' decode %s '%s'", NORENCTL, arguments, ret_input);
    f = popen(command, "re");
    assert_non_null(f);
    return f;
}

static void run_file(const char *name, const struct vectors *v)
{
    char arguments[96] = "", input[64], got[4096], want[4096];
    FILE *f;

    if (v->key[0] != '\0')
        snprintf(arguments, sizeof(arguments), "--key %s", v->key);
    f = norenctl(arguments, v, input);
    for (size_t i = 0; i < v->n; i++) {
        bool ok = strncmp(v->expected[i], "ok ", 3) == 0;

        if (ok)
            snprintf(want, sizeof(want), "{\"n\":%zu,\"result\":\"ok\",\"frames\":%s}\n", i + 1,
                     v->expected[i] + 3);
        else
            snprintf(want, sizeof(want), "{\"n\":%zu,\"result\":\"refused\",\"reason\":\"%s\"}\n",
                     i + 1, v->expected[i] + strlen("refused "));
        if (fgets(got, sizeof(got), f) == NULL)
            fail_msg("%s: norenctl stopped before %s", name, v->hex[i]);
        if (strcmp(got, want) != 0)
            fail_msg("%s: %s\n got  %s want %s", name, v->hex[i], got, want);
    }
    assert_null(fgets(got, sizeof(got), f));
    assert_int_equal(pclose(f), 0);
    unlink(input);
}

static void test_vectors(void **state)
{
    (void)state;
    each_file(run_file);
}

static size_t unhex(const char *hex, uint8_t *ret, size_t size)
{
    size_t n = 0;

    for (; n < size && strlen(hex) >= 2; hex += 2) {
        char pair[3] = {hex[0], hex[1], '\0'}, *end;

        ret[n++] = (uint8_t)strtoul(pair, &end, 16);
        if (*end != '\0')
            return 0; /* one of the vectors with white space or worse */
    }
    return n;
}

/* Of each AD structure: who claims it, by accepting or by a reason other than "not mine". */
static void claim_advert(const char *name, const char *hex, struct rd data)
{
    struct frame frames[DECODE_FRAMES_MAX];
    struct adv_walk walk = adv_open(data);
    struct adv_structure s;

    while (adv_next(&walk, &s)) {
        const char *by = NULL;

        for (size_t i = 0; i < FRAME_KINDS; i++) {
            size_t n = 0;

            if (decode_structure(&decoders[i], &s, frames, &n) == REFUSAL_NOT_MINE)
                continue;
            if (by != NULL)
                fail_msg("%s: both %s and %s claim %s", name, by, decoders[i].name, hex);
            by = decoders[i].name;
        }
    }
}

static void claim_file(const char *name, const struct vectors *v)
{
    uint8_t bytes[300];

    for (size_t i = 0; i < v->n; i++) {
        size_t n = unhex(v->hex[i], bytes, sizeof(bytes));
        struct hci_report report;
        struct hci_walk walk;

        if (n > 1 && bytes[0] == 4 && hci_open(bytes + 1, n - 1, &walk) == REFUSAL_NONE)
            while (hci_next(&walk, &report))
                claim_advert(name, v->hex[i], report.data);
        else
            claim_advert(name, v->hex[i], rd_init(bytes, n));
    }
}

static void test_one_decoder_claims(void **state)
{
    (void)state;
    each_file(claim_file);
}

/* Every row of the table stands in its place, has vectors that it accepts and vectors that it refuses. */
static void test_every_decoder_has_vectors(void **state)
{
    (void)state;
    for (int i = 0; i < FRAME_KINDS; i++) {
        size_t accepted = 0, refused = 0;
        char name[64], frame[64], reason[64];
        struct vectors v;

        assert_int_equal(decoders[i].kind, i);
        snprintf(name, sizeof(name), "%s.txt", decoders[i].name);
        snprintf(frame, sizeof(frame), "ok [{\"format\":\"%s\"", decoders[i].name);
        snprintf(reason, sizeof(reason), "refused %s:", decoders[i].name);
        v = read_vectors(name);
        for (size_t k = 0; k < v.n; k++) {
            accepted += strncmp(v.expected[k], frame, strlen(frame)) == 0;
            refused += strncmp(v.expected[k], reason, strlen(reason)) == 0;
        }
        free_vectors(&v);
        assert_true(accepted > 0);
        assert_true(refused > 0);
    }
}

/* 511 events of real air (ttu/ruuvitag-sensor, MIT): Ruuvi, Microsoft, Samsung, Apple and others. None is
 * refused, none is claimed: looked at by hand, there is no format of ours among them. */
static void test_recorded_air(void **state)
{
    char line[4096];
    size_t n = 0;
    FILE *f =
        popen("'" NORENCTL "' decode - < '" NOREN_SOURCE_DIR "/tests/data/air-hci.txt'", "re");

    (void)state;
    assert_non_null(f);
    for (; fgets(line, sizeof(line), f) != NULL; n++)
        if (strstr(line, "\"result\":\"ok\",\"frames\":[]") == NULL)
            fail_msg("%s", line);
    assert_int_equal(pclose(f), 0);
    assert_int_equal(n, 511);
}

static void test_structures(void **state)
{
    struct vectors v = {.hex = {"0201061107" NOREN_VECTOR_ON_AIR "0000", "0201060b09", "", "01ff"},
                        .n = 4};
    char line[1024], input[64];
    FILE *f = norenctl("--structures", &v, input);

    (void)state;
    assert_non_null(fgets(line, sizeof(line), f));
    assert_string_equal(line, "{\"n\":1,\"result\":\"ok\",\"frames\":[{\"format\":\"noren_member\","
                              "\"report\":0,\"step_low\":228,\"mac\":\"279c20fd04ad625ae168\"}],"
                              "\"structures\":[{\"type\":1,\"data\":\"06\"},{\"type\":7,\"data\":"
                              "\"" NOREN_VECTOR_ON_AIR "\"}]}\n");
    assert_non_null(fgets(line, sizeof(line), f));
    assert_non_null(strstr(line, "\"refused\""));
    assert_non_null(fgets(line, sizeof(line), f)); /* the empty line is no advertisement */
    assert_string_equal(line,
                        "{\"n\":4,\"result\":\"ok\",\"frames\":[],\"structures\":[{\"type\":255,"
                        "\"data\":\"\"}]}\n");
    assert_int_equal(pclose(f), 0);
    unlink(input);
}

static void test_wrong_use(void **state)
{
    const char *const wrong[] = {"decode --key 00", "decode --key", "decode --strukturen",
                                 "decode a b",      "nothing",      ""};
    char command[512];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(command, sizeof(command), "'%s' %s </dev/null >/dev/null 2>&1", NORENCTL,
                 wrong[i]);
        assert_int_equal(WEXITSTATUS(system(command)), 2);
    }
    snprintf(command, sizeof(command), "'%s' decode /no/such/file 2>/dev/null", NORENCTL);
    assert_int_equal(WEXITSTATUS(system(command)), 1);
    snprintf(command, sizeof(command), "echo 020106 | '%s' decode --json >/dev/full 2>/dev/null",
             NORENCTL);
    assert_int_equal(WEXITSTATUS(system(command)), 1);
    snprintf(command, sizeof(command), "'%s' decode --help | grep -q structures", NORENCTL);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_one_decoder_claims),
        cmocka_unit_test(test_every_decoder_has_vectors),
        cmocka_unit_test(test_recorded_air),
        cmocka_unit_test(test_structures),
        cmocka_unit_test(test_wrong_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
