/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How often per second something happened lately, with no timer: two windows of time, of which the
 * older one counts as far as it is still in view. Zeroed memory is a rate of nothing. Adding costs
 * one comparison and one addition.
 */
#include "base/base.h"

#define RATE_WINDOW_MS 2000

struct rate {
    int64_t since_ms; /* it goes on since then, without a pause of two windows */
    int64_t began_ms; /* the window that is being filled */
    uint32_t now, before;
};

void rate_roll(struct rate *r, int64_t now_ms); /* the window is over */

/* Milliseconds of any clock, but always of the same; one that jumps back begins anew. */
static inline void rate_add(struct rate *r, int64_t now_ms)
{
    if (now_ms - r->began_ms >= RATE_WINDOW_MS || now_ms < r->began_ms)
        rate_roll(r, now_ms);
    r->now++;
}

double rate_per_second(const struct rate *r, int64_t now_ms);
