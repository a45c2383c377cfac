/* Clocks of Linux; see clock.h. NOREN_BUILD_UNIX_S comes from the build (the day it was configured). */
#include "io/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "noren/units.h"

static int64_t read_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NOREN_US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

/* The kernel knows, whichever NTP client there is. A sandbox that protects the clock forbids even to read
 * that; then the flag that systemd-timesyncd sets in this boot has to do. */
static bool is_synced(void)
{
    struct timex state = {0};
    int verdict = adjtimex(&state);

    if (verdict < 0)
        return access("/run/systemd/timesync/synchronized", F_OK) == 0;
    return verdict != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

int64_t clock_utc_us(enum clock_quality *ret_quality)
{
    const int64_t built_us = (int64_t)NOREN_BUILD_UNIX_S * NOREN_US_PER_S;
    int64_t utc_us = read_us(CLOCK_REALTIME);

    if (utc_us < built_us) {
        *ret_quality = CLOCK_FLOOR;
        return built_us;
    }
    *ret_quality = is_synced() ? CLOCK_SYNCED : CLOCK_HELD;
    return utc_us;
}

int clock_set_zone(const char *zone)
{
    static char variable[128];
    static bool known;
    char path[128];

    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone[0] != '\0' ? zone : "UTC");
    if (strlen(zone) > sizeof(variable) - 8 || strstr(zone, "..") != NULL ||
        (zone[0] != '\0' && access(path, R_OK) != 0))
        return -ENOENT;
    snprintf(variable, sizeof(variable), "TZ=%s", zone[0] != '\0' ? zone : "UTC0");
    if (!known) /* the list of variables stays as it is from now on: other threads may look into it */
        known = putenv(variable) == 0;
    tzset();
    return 0;
}

int64_t clock_local_us(int64_t utc_us)
{
    time_t t = (time_t)(utc_us / NOREN_US_PER_S);
    struct tm tm;

    return localtime_r(&t, &tm) != NULL ? tm.tm_gmtoff * NOREN_US_PER_S : 0;
}

int clock_bootid(char ret[CLOCK_BOOTID_SIZE])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    char line[64];
    int rc = 0;

    if (f == NULL)
        return -errno;
    if (fgets(line, sizeof(line), f) == NULL || strcspn(line, "\n") != CLOCK_BOOTID_SIZE - 1)
        rc = -EIO;
    fclose(f);
    if (rc == 0)
        snprintf(ret, CLOCK_BOOTID_SIZE, "%.36s", line);
    return rc;
}
