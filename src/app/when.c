/* SPDX-License-Identifier: MIT */
#include "app/when.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdio.h>
#include <time.h>

static int64_t fraction_ms(const char *p, const char **end)
{
    int64_t ms = 0;
    int digits = 0;

    for (; *p >= '0' && *p <= '9'; p++, digits++)
        if (digits < 3)
            ms = ms * 10 + (*p - '0');
    for (; digits < 3; digits++)
        ms *= 10;
    *end = p;
    return ms;
}

static int64_t two_digits(const char *p)
{
    return (p[0] - '0') * 10 + (p[1] - '0');
}

/* "Z", or "+hh:mm": how far the clock there is ahead. */
static bool offset_s(const char *p, int64_t *out)
{
    static const char digits[] = "0123456789";

    if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0) {
        *out = 0;
        return true;
    }
    if ((p[0] != '+' && p[0] != '-') || strspn(p + 1, digits) != 2 || p[3] != ':' || strspn(p + 4, digits) != 2 ||
        p[6] != '\0')
        return false;
    *out = (p[0] == '-' ? -1 : 1) * (two_digits(p + 1) * 3600 + two_digits(p + 4) * 60);
    return true;
}

bool when_parse(struct str text, int64_t *out)
{
    struct tm tm = {0};
    char copy[64];
    const char *p;
    int64_t ms = 0, ahead_s;

    if (!str_copy(copy, sizeof(copy), text))
        return false;
    p = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (p == NULL)
        return false;
    if (*p == '.')
        ms = fraction_ms(p + 1, &p);
    if (!offset_s(p, &ahead_s))
        return false;
    *out = ((int64_t)timegm(&tm) - ahead_s) * 1000 + ms;
    return true;
}

void when_age(int64_t wall_ms, int64_t now_ms, char out[WHEN_TEXT])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400 * 1000LL, "d"}, {3600 * 1000LL, "h"}, {60 * 1000LL, "min"}, {1000LL, "s"}};
    int64_t age;

    if (__builtin_sub_overflow(now_ms, wall_ms, &age))
        age = now_ms > wall_ms ? INT64_MAX : INT64_MIN; /* a time that somebody made up */
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (age >= units[i].ms) {
            snprintf(out, WHEN_TEXT, "%" PRId64 " %s", age / units[i].ms, units[i].unit);
            return;
        }
    }
    snprintf(out, WHEN_TEXT, "now");
}

void when_local(int64_t wall_ms, char out[WHEN_TEXT])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (localtime_r(&seconds, &tm) == NULL || strftime(out, WHEN_TEXT, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(out, WHEN_TEXT, "?");
}
