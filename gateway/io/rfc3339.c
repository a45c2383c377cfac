/* RFC 3339 times; see rfc3339.h. Written by hand: strptime() knows neither fractions nor offsets with a
 * colon in glibc's C locale, and timegm() accepts the 31st of June. */
#include "io/rfc3339.h"

#include <stddef.h>

#include "noren/units.h"

/* `n` digits at *p, which moves on; -1 when one is missing. */
static int digits(const char **p, int n)
{
    int v = 0;

    for (; n > 0; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        v = v * 10 + (**p - '0');
    }
    return v;
}

/* Takes one of the characters of `set`; 0 when it is another. */
static char take(const char **p, const char *set)
{
    for (; *set != 0; set++)
        if (**p == *set) {
            (*p)++;
            return *set;
        }
    return 0;
}

static int days_in_month(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return days[m - 1] + (m == 2 ? leap : 0);
}

/* Days from 1970-01-01 to a proleptic Gregorian date, by 400-year eras. */
static int64_t days_from_civil(int y, int m, int d)
{
    int64_t yy = m <= 2 ? y - 1 : y;
    int64_t era = (yy >= 0 ? yy : yy - 399) / 400;
    int64_t yoe = yy - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool parse_offset(const char **p, int64_t *ret_s)
{
    char sign = take(p, "Zz+-");
    int h, m;

    *ret_s = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    if (sign == 0)
        return false;
    h = digits(p, 2);
    if (h < 0 || h > 23 || take(p, ":") == 0)
        return false;
    m = digits(p, 2);
    if (m < 0 || m > 59)
        return false;
    *ret_s = (h * 60 + m) * (sign == '-' ? -60 : 60);
    return true;
}

static bool parse_fraction(const char **p, int64_t *ret_us)
{
    int64_t unit = NOREN_US_PER_S / 10;
    const char *start;

    *ret_us = 0;
    if (take(p, ".") == 0)
        return true;
    for (start = *p; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
        *ret_us += (**p - '0') * unit;
    return *p != start;
}

bool rfc3339_parse(const char *text, int64_t *ret_utc_us)
{
    const char *p = text;
    int64_t us, offset_s;
    int y, mo, d, h, mi, s;

    if ((y = digits(&p, 4)) < 0 || take(&p, "-") == 0 || (mo = digits(&p, 2)) < 1 || mo > 12 ||
        take(&p, "-") == 0 || (d = digits(&p, 2)) < 1 || d > days_in_month(y, mo))
        return false;
    if (take(&p, "Tt ") == 0 || (h = digits(&p, 2)) < 0 || h > 23 || take(&p, ":") == 0 ||
        (mi = digits(&p, 2)) < 0 || mi > 59 || take(&p, ":") == 0 || (s = digits(&p, 2)) < 0 ||
        s > 60)
        return false;
    if (!parse_fraction(&p, &us) || !parse_offset(&p, &offset_s) || *p != 0)
        return false;
    *ret_utc_us =
        (days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + s - offset_s) * NOREN_US_PER_S +
        us;
    return true;
}
