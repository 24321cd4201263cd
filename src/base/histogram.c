/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"

const int64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    50,     100,    200,    500,     1000,    2000,    5000,     10000,    20000,    50000,
    100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000,
};

/* One thread adds: reading and writing back is enough, and no bus is locked. */
static void increase(_Atomic uint64_t *n, uint64_t by)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by, memory_order_relaxed);
}

void histogram_add(struct histogram *h, int64_t us)
{
    size_t at = 0;

    if (us < 0)
        us = 0;
    while (at < HISTOGRAM_BOUNDS && us > histogram_bounds_us[at])
        at++;
    increase(&h->buckets[at], 1);
    increase(&h->sum_us, (uint64_t)us);
}

void histogram_read(const struct histogram *h, struct histogram_reading *out)
{
    *out = (struct histogram_reading){.sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed)};
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        out->buckets[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        out->count += out->buckets[i];
    }
}

uint64_t histogram_quantile_us(const struct histogram_reading *r, double q)
{
    double wanted = q * (double)r->count, before = 0;

    if (r->count == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        double here = (double)r->buckets[i];
        double low = i == 0 ? 0 : (double)histogram_bounds_us[i - 1], high = (double)histogram_bounds_us[i];

        if (here > 0 && before + here >= wanted)
            return (uint64_t)(low + (high - low) * (wanted - before) / here);
        before += here;
    }
    return (uint64_t)histogram_bounds_us[HISTOGRAM_BOUNDS - 1]; /* or more: nothing better is known */
}
