/* SPDX-License-Identifier: MIT */
/* Which facts stand on the account feed, and the numbers they have there. */
#include "session/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct fact all[] = {
    {.kind = FACT_SESSION_UPDATED, .set_title = true, .set_pinned = true, .set_model = true, .set_effort = true}};

static void a_kind_is_on_the_feed_when_some_fact_of_it_is(void **state)
{
    struct feed_part parts[FEED_PARTS];

    (void)state;
    assert_false(feed_has(FACT_UNKNOWN));
    for (int kind = 0; kind < FACT_KIND_COUNT; kind++) {
        struct fact f = all[0];

        f.kind = (enum fact_kind)kind;
        assert_int_equal(feed_parts(&f, parts) > 0, feed_has(f.kind));
    }
}

static void the_parts_of_a_fact_have_different_numbers_in_order(void **state)
{
    struct feed_part parts[FEED_PARTS];

    (void)state;
    for (int kind = 0; kind < FACT_KIND_COUNT; kind++) {
        struct fact f = all[0];
        unsigned n;

        f.kind = (enum fact_kind)kind;
        n = feed_parts(&f, parts);
        for (unsigned i = 1; i < n; i++)
            assert_true(parts[i].part > parts[i - 1].part && parts[i].part < FEED_PARTS);
    }
}

static void only_what_changed_is_told(void **state)
{
    struct fact f = {.kind = FACT_SESSION_UPDATED};
    struct feed_part parts[FEED_PARTS];

    (void)state;
    assert_int_equal(feed_parts(&f, parts), 0);
    f.set_pinned = true;
    assert_int_equal(feed_parts(&f, parts), 1);
    assert_int_equal(parts[0].event, FEED_PINNED_UPDATED);
    assert_int_equal(parts[0].part, 1); /* also alone: its number does not depend on the others */
}

static void a_cleared_session_is_told_beside_what_was_removed(void **state)
{
    struct fact f = {.kind = FACT_MESSAGES_REMOVED, .how = REMOVAL_RESTORE};
    struct feed_part parts[FEED_PARTS];

    (void)state;
    assert_int_equal(feed_parts(&f, parts), 1);
    f.how = REMOVAL_CLEAR;
    assert_int_equal(feed_parts(&f, parts), 2);
    assert_int_equal(parts[0].event, FEED_MESSAGES_REMOVED);
    assert_int_equal(parts[1].event, FEED_SESSION_CLEARED);
}

static void numbers_begin_at_one_and_no_two_places_share_one(void **state)
{
    (void)state;
    assert_int_equal(feed_number(1, 0), 1);
    for (uint64_t place = 1; place < 100; place++) {
        assert_int_equal(feed_last(place), feed_number(place, FEED_PARTS - 1));
        assert_int_equal(feed_number(place + 1, 0), feed_last(place) + 1);
        assert_int_equal(feed_passed(feed_last(place)), place);
        assert_int_equal(feed_passed(feed_last(place) - 1), place - 1);
    }
    assert_int_equal(feed_passed(0), 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_kind_is_on_the_feed_when_some_fact_of_it_is),
        cmocka_unit_test(the_parts_of_a_fact_have_different_numbers_in_order),
        cmocka_unit_test(only_what_changed_is_told),
        cmocka_unit_test(a_cleared_session_is_told_beside_what_was_removed),
        cmocka_unit_test(numbers_begin_at_one_and_no_two_places_share_one),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
