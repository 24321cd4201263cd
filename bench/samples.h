/* SPDX-License-Identifier: MIT */
#pragma once
/* Measured values of one kind, in nanoseconds or bytes, and what can be said of them all. */
#include "base/base.h"

struct samples {
    int64_t *values;
    size_t n, cap;
};

void samples_done(struct samples *s);
void samples_add(struct samples *s, int64_t value);
/* The value below which `percent` of them lie; 100: the greatest. 0 where there are none. Sorts. */
int64_t samples_at(struct samples *s, double percent);
int64_t samples_median(struct samples *s);
