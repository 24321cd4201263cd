/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long things took, counted by length: steps of 1-2-5 from 50 µs to 100 s, one scale for
 * whatever is measured. One thread adds, any thread reads; a reading may miss what is being added
 * at that moment. Adding costs a handful of comparisons, no lock and no memory.
 */
#include "base/base.h"

#include <stdatomic.h>

#define HISTOGRAM_BOUNDS 20
extern const int64_t histogram_bounds_us[HISTOGRAM_BOUNDS]; /* upper ends, inclusive, rising */

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BOUNDS + 1]; /* the last is for what is above all bounds */
    _Atomic uint64_t sum_us;
};

struct histogram_reading {
    uint64_t buckets[HISTOGRAM_BOUNDS + 1];
    uint64_t count, sum_us;
};

void histogram_add(struct histogram *h, int64_t us); /* below zero counts as zero */
void histogram_read(const struct histogram *h, struct histogram_reading *out);
/* The length that a part `q` (0 to 1) stayed below, estimated within its bucket; 0: nothing was measured. */
uint64_t histogram_quantile_us(const struct histogram_reading *r, double q);
