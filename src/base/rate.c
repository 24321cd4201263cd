/* SPDX-License-Identifier: MIT */
#include "base/rate.h"

#define IN_VIEW_MIN_MS 250 /* what has just begun is not held to be so fast for ever */

void rate_roll(struct rate *r, int64_t now_ms)
{
    int64_t passed = now_ms - r->began_ms;
    bool follows = passed >= RATE_WINDOW_MS && passed < 2 * RATE_WINDOW_MS;

    r->before = follows ? r->now : 0;
    r->now = 0;
    r->began_ms = follows ? r->began_ms + RATE_WINDOW_MS : now_ms;
    if (!follows)
        r->since_ms = now_ms;
}

double rate_per_second(const struct rate *given, int64_t now_ms)
{
    struct rate r = *given;
    int64_t in_view;
    double seen;

    if (now_ms - r.began_ms >= RATE_WINDOW_MS || now_ms < r.began_ms)
        rate_roll(&r, now_ms);
    in_view = now_ms - r.since_ms;
    if (in_view > RATE_WINDOW_MS)
        in_view = RATE_WINDOW_MS;
    if (in_view < IN_VIEW_MIN_MS)
        in_view = IN_VIEW_MIN_MS;
    seen = (double)r.now + (double)r.before * (1 - (double)(now_ms - r.began_ms) / RATE_WINDOW_MS);
    return seen * 1000 / (double)in_view;
}
