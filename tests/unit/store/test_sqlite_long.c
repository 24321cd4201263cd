/* SPDX-License-Identifier: MIT */
/*
 * At the real size: what the account feed forgets, what stays in the file, looking back over a long log. One store for
 * all cases, in their order.
 */
#include "base/str.h"
#include "store/place.h"
#include "store/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define OLD 300 /* sessions that came and went before; two places of the feed each, of which the second is left */
#define REACH LIMIT_FEED_FACTS

static struct driver *store;

static void erase(struct story *t)
{
    struct append a = story_step(t);

    a.erase = true;
    assert_int_equal(driver_append(store, &a, NULL), 0);
}

static void come_and_go(const char *kind, unsigned number)
{
    struct story t;
    char id[32];

    snprintf(id, sizeof(id), "%s-%u", kind, number);
    story_open(&t, store, str_of(id));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, store), 0);
    erase(&t);
}

/* Many appends are on their way at once, and share their commits. */
static void write_session(const char *id, unsigned facts)
{
    struct story t;

    story_open(&t, store, str_of(id));
    story_create(&t, STR("T"), STR_NULL);
    for (unsigned i = 1; i < facts; i++) {
        if (t.n == STORY_FACTS)
            story_send(&t, store);
        story_add(&t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = i % 2 == 1});
    }
    story_send(&t, store);
    driver_wait_appends(store);
    driver_forget(store);
}

static int begin(void **state)
{
    place_begin_open(state);
    store = *state;
    for (unsigned i = 0; i < OLD; i++)
        come_and_go("old", i);
    write_session("long", REACH);
    return 0;
}

static int end(void **state)
{
    *state = store;
    return place_end(state);
}

/* ---- the account feed ---- */

static struct answer *feed_page(uint64_t after)
{
    struct query q = {.kind = QUERY_FEED, .after = after};
    struct answer *a = driver_query(store, &q);

    assert_int_equal(a->rc, 0);
    return a;
}

static int64_t erased_that_are_told(void)
{
    return place_sql(&place, "SELECT count(*) FROM feed");
}

static void the_feed_reaches_back_200000_facts_and_no_further(void **state UNUSED)
{
    struct answer *a = feed_page(0);

    assert_int_equal(a->first_seq, feed_number(2 * OLD + 1, 0));
    assert_int_equal(a->last_seq, feed_last(2 * OLD + REACH));
    assert_true(str_is(a->feed[0].session_id, "long") && a->feed[0].event == FEED_SESSION_CREATED);
    assert_int_equal(a->feed[0].seq, a->first_seq);
    answer_free(a);
    write_session("more", 10); /* ten are gone for ten that come */
    a = feed_page(0);
    assert_int_equal(a->first_seq, feed_number(2 * OLD + 11, 0));
    assert_true(a->feed[0].event == FEED_PINNED_UPDATED && a->feed[0].seq > a->first_seq);
    answer_free(a);
}

/* Whoever comes with a number below `first_seq` has missed something, and is told so; just before it, nothing. */
static void a_number_that_is_too_old_is_known_by_the_first_one(void **state UNUSED)
{
    uint64_t first = feed_number(2 * OLD + 11, 0);
    struct answer *old = feed_page(feed_last(2 * OLD)), *edge = feed_page(first - 1);

    assert_true(feed_last(2 * OLD) < old->first_seq - 1);
    assert_int_equal(old->first_seq, first);
    assert_int_equal(old->feed[0].seq, edge->feed[0].seq);
    answer_free(old);
    answer_free(edge);
}

static void erased_sessions_that_nobody_is_told_of_any_more_are_forgotten(void **state UNUSED)
{
    assert_int_equal(erased_that_are_told(), OLD); /* no erasure came meanwhile that would have swept */
    for (unsigned i = 0; i < OLD / 50; i++)
        come_and_go("new", i);
    assert_int_equal(erased_that_are_told(), OLD / 50);
}

/* ---- looking back ---- */

static void a_look_back_over_all_of_it_is_right(void **state UNUSED)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = STR("long"), .at_seq = REACH - 1, .within_ms = 60 * 1000};
    struct answer *a = driver_query(store, &q);

    assert_int_equal(a->rc, 0);
    assert_true(a->sessions[0].last_seq == REACH - 1 && !a->sessions[0].pinned);
    answer_free(a);
}

static void one_that_takes_too_long_is_given_up(void **state UNUSED)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = STR("long"), .at_seq = REACH, .within_ms = 1};
    struct query now = {.kind = QUERY_SESSION, .session_id = STR("long")};
    struct answer *a = driver_query(store, &q);

    assert_int_equal(a->rc, -ERR_TIMEOUT);
    assert_non_null(strstr(a->err.text, "looking back at fact 200000 takes too long"));
    answer_free(a);
    a = driver_query(store, &now); /* by either reader */
    assert_true(a->rc == 0 && a->sessions[0].last_seq == REACH);
    answer_free(a);
}

static void drop(void *arg UNUSED, struct answer *a)
{
    answer_free(a);
}

/* All of it would take minutes, which a test does not have. */
static void who_waits_to_look_back_does_not_hold_up_the_end(void **state UNUSED)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = STR("long"), .at_seq = REACH, .within_ms = 3600 * 1000};
    struct query now = {.kind = QUERY_SESSION, .session_id = STR("long")};

    for (int i = 0; i < 100; i++)
        store_query(driver_store(store), &q, drop, NULL);
    answer_free(driver_query(store, &now));
    driver_free(store);
    store = driver_new(place_open(&place));
}

/* ---- the file ---- */

static void the_room_of_what_is_erased_is_used_again(void **state UNUSED)
{
    int64_t before = place_sql(&place, "SELECT page_count FROM pragma_page_count");
    struct story t;

    assert_true(before * 4096 < (int64_t)REACH * 200); /* bytes of a short fact, with all that points at it */
    story_open(&t, store, STR("long"));
    erase(&t);
    for (int i = 0; i < 3; i++) {
        write_session("again", REACH / 10);
        story_open(&t, store, STR("again"));
        erase(&t);
    }
    assert_true(place_sql(&place, "SELECT page_count FROM pragma_page_count") <= before + 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_feed_reaches_back_200000_facts_and_no_further),
        cmocka_unit_test(a_number_that_is_too_old_is_known_by_the_first_one),
        cmocka_unit_test(erased_sessions_that_nobody_is_told_of_any_more_are_forgotten),
        cmocka_unit_test(a_look_back_over_all_of_it_is_right),
        cmocka_unit_test(one_that_takes_too_long_is_given_up),
        cmocka_unit_test(who_waits_to_look_back_does_not_hold_up_the_end),
        cmocka_unit_test(the_room_of_what_is_erased_is_used_again),
    };

    return cmocka_run_group_tests_name("long", tests, begin, end);
}
