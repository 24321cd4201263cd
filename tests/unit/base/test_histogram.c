/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"
#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_length_belongs_to_the_first_bound_that_it_does_not_pass(void **state UNUSED)
{
    struct histogram h = {0};
    struct histogram_reading r;

    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        histogram_add(&h, histogram_bounds_us[i]);
        histogram_add(&h, histogram_bounds_us[i] + 1);
    }
    histogram_read(&h, &r);
    assert_int_equal(r.buckets[0], 1);
    for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_int_equal(r.buckets[i], 2);
    assert_int_equal(r.buckets[HISTOGRAM_BOUNDS], 1);
    assert_int_equal(r.count, 2 * HISTOGRAM_BOUNDS);
}

static void the_bounds_rise(void **state UNUSED)
{
    for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_true(histogram_bounds_us[i - 1] < histogram_bounds_us[i]);
}

static void a_clock_that_jumps_back_counts_as_nothing(void **state UNUSED)
{
    struct histogram h = {0};
    struct histogram_reading r;

    histogram_add(&h, -5);
    histogram_read(&h, &r);
    assert_int_equal(r.buckets[0], 1);
    assert_int_equal(r.sum_us, 0);
}

static void quantiles_lie_in_the_bucket_that_holds_them(void **state UNUSED)
{
    struct histogram h = {0};
    struct histogram_reading r;

    histogram_read(&h, &r);
    assert_int_equal(histogram_quantile_us(&r, 0.5), 0);
    for (int i = 0; i < 98; i++)
        histogram_add(&h, 300); /* 200 to 500 */
    histogram_add(&h, 7000);    /* 5000 to 10000 */
    histogram_add(&h, INT64_C(500000000));
    histogram_read(&h, &r);
    assert_in_range(histogram_quantile_us(&r, 0.5), 200, 500);
    assert_in_range(histogram_quantile_us(&r, 0.99), 5000, 10000);
    assert_int_equal(histogram_quantile_us(&r, 1), 100000000);
    assert_int_equal(r.sum_us, 98 * 300 + 7000 + 500000000);
}

/* ---- rates ---- */

static struct rate steady(int64_t from_ms, int64_t to_ms, int64_t every_ms)
{
    struct rate r = {0};

    for (int64_t at = from_ms; at < to_ms; at += every_ms)
        rate_add(&r, at);
    return r;
}

static bool is_near(double value, double wanted)
{
    return value > wanted * 0.95 && value < wanted * 1.05;
}

static void a_steady_pace_is_seen_at_any_time(void **state UNUSED)
{
    for (int64_t end = 1000; end < 9000; end += 130) {
        struct rate r = steady(1000000, 1000000 + end, 10);

        assert_true(is_near(rate_per_second(&r, 1000000 + end), 100));
    }
}

static void what_has_ended_fades_away(void **state UNUSED)
{
    struct rate r = steady(1000000, 1010000, 10);

    assert_true(rate_per_second(&r, 1011000) < 60);
    assert_true(rate_per_second(&r, 1011000) > 0);
    assert_true(rate_per_second(&r, 1014000) == 0);
    assert_true(rate_per_second(&r, 9000000) == 0);
}

static void nothing_has_no_rate(void **state UNUSED)
{
    const struct rate r = {0};

    assert_true(rate_per_second(&r, 1000000) == 0);
}

static void one_piece_is_no_flood(void **state UNUSED)
{
    struct rate r = {0};

    rate_add(&r, 1000000);
    assert_true(rate_per_second(&r, 1000000) <= 4);
}

static void a_rate_survives_a_clock_that_jumps_back(void **state UNUSED)
{
    struct rate r = steady(1000000, 1003000, 10);

    rate_add(&r, 5000);
    assert_int_equal(r.now, 1);
    assert_true(rate_per_second(&r, 5000) <= 4);
    assert_true(rate_per_second(&r, 4000) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_belongs_to_the_first_bound_that_it_does_not_pass),
        cmocka_unit_test(the_bounds_rise),
        cmocka_unit_test(a_clock_that_jumps_back_counts_as_nothing),
        cmocka_unit_test(quantiles_lie_in_the_bucket_that_holds_them),
        cmocka_unit_test(a_steady_pace_is_seen_at_any_time),
        cmocka_unit_test(what_has_ended_fades_away),
        cmocka_unit_test(nothing_has_no_rate),
        cmocka_unit_test(one_piece_is_no_flood),
        cmocka_unit_test(a_rate_survives_a_clock_that_jumps_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
