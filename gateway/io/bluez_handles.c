/* Our handles as text: "boot BOOT_ID", then "hciN HANDLE" a line. Written beside and renamed, so a
 * kill leaves the old file or the new one; not synced, because after a power cut no monitor is left. */
#include "io/bluez_handles.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"

#define LINE_SIZE 64

/* The line that a file of this boot begins with. */
static void boot_line(char ret[LINE_SIZE])
{
    char id[CLOCK_BOOTID_SIZE] = "unknown";

    (void)clock_bootid(id);
    (void)snprintf(ret, LINE_SIZE, "boot %s\n", id);
}

size_t bluez_handles_load(const char *run_dir, const char *name, struct bluez_handle *ret,
                          size_t cap)
{
    char path[PATH_MAX], line[LINE_SIZE], boot[LINE_SIZE];
    size_t n = 0;
    FILE *f;

    if (snprintf(path, sizeof(path), "%s/%s", run_dir, name) >= (int)sizeof(path))
        return 0;
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    boot_line(boot);
    if (fgets(line, sizeof(line), f) != NULL && strcmp(line, boot) == 0) {
        while (n < cap && fgets(line, sizeof(line), f) != NULL && strncmp(line, "hci", 3) == 0) {
            char *end;

            ret[n].adapter = (uint16_t)strtoul(line + 3, &end, 10);
            ret[n].handle = (uint16_t)strtoul(end, NULL, 10);
            n += ret[n].handle != 0 ? 1 : 0;
        }
    }
    fclose(f);
    return n;
}

void bluez_handles_save(const char *run_dir, const char *name, const struct bluez_handle *handles,
                        size_t n)
{
    char path[PATH_MAX], tmp[PATH_MAX], boot[LINE_SIZE];
    FILE *f;

    if (snprintf(path, sizeof(path), "%s/%s", run_dir, name) >= (int)sizeof(path) ||
        snprintf(tmp, sizeof(tmp), "%s/%s.new", run_dir, name) >= (int)sizeof(tmp))
        return;
    f = fopen(tmp, "we");
    if (f == NULL)
        return;
    boot_line(boot);
    fputs(boot, f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "hci%u %u\n", handles[i].adapter, handles[i].handle);
    if (fclose(f) == 0)
        (void)rename(tmp, path);
}
