/* SPDX-License-Identifier: MIT */
/* The account feed: what is stored is told once, in order, under numbers that never come back. */
#include "base/str.h"
#include "store/check.h"
#include "store/forge.h"
#include "store/sqlite/repair.h"
#include "store/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

static int end_checked(void **state)
{
    driver_free(*state);
    *state = NULL;
    check_place(&place);
    return place_end(state);
}

static void reopen_with(void **state, uint64_t feed_facts)
{
    struct sqlite_options o = {.data_dir = place.dir, .feed_facts = feed_facts};
    struct store *st;
    struct err err;

    driver_free(*state);
    *state = NULL;
    assert_int_equal(sqlite_store_open(&o, &st, &err), 0);
    *state = driver_new(st);
}

/* ---- what is told ---- */

static const char *name_of(enum feed_event event)
{
    static const char *const names[] = {
#define X(event, kind, part, when) [FEED_##event] = #event,
        FEED_EVENTS(X)
#undef X
            [FEED_SESSION_DELETED] = "DELETED",
        [FEED_UNREADABLE] = "UNREADABLE",
    };

    return names[event];
}

static struct answer *read_page(struct driver *d, uint64_t after, uint32_t limit, uint32_t bytes)
{
    struct query q = {.kind = QUERY_FEED, .after = after, .limit = limit, .bytes = bytes};
    struct answer *a = driver_query(d, &q);

    if (a->rc < 0)
        fail_msg("%s", a->err.text);
    return a;
}

/* All pages from there on, as "1:a:SESSION_CREATED 5:a:MESSAGE_POSTED "; numbers rise, and pages end where they say. */
static const char *told(struct driver *d, uint64_t after, uint32_t limit, uint32_t bytes)
{
    static char text[8192];
    uint64_t last = after;
    bool more = true;
    size_t n = 0;

    text[0] = '\0';
    while (more) {
        struct answer *a = read_page(d, after, limit, bytes);

        for (size_t i = 0; i < a->n; i++) {
            const struct feed_row *row = &a->feed[i];

            assert_true(row->seq > last && row->seq <= a->upto && row->at > 0);
            assert_int_equal(row->fact == NULL, row->event >= FEED_SESSION_DELETED);
            last = row->seq;
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%" PRIu64 ":" STR_FMT ":%s ", row->seq,
                                  STR_ARG(row->session_id), name_of(row->event));
        }
        assert_true(a->upto >= last && a->upto <= a->last_seq && (!a->more || a->upto > after));
        after = a->upto;
        more = a->more;
        assert_true(more || after == a->last_seq);
        answer_free(a);
    }
    return text;
}

static void erase(struct story *t, struct driver *d)
{
    struct append a = story_step(t);

    a.erase = true;
    assert_int_equal(driver_append(d, &a, NULL), 0);
}

#define TURN_OF_A                                                                                                      \
    "1:a:SESSION_CREATED 5:a:MESSAGE_POSTED 9:a:RUN_STARTED 17:a:ASSISTANT 21:a:RUN_ENDED 22:a:HISTORY_COMMITTED "

static void everything_is_told_in_the_order_in_which_it_was_stored(void **state)
{
    struct driver *d = *state;
    struct story a, b;

    story_open(&a, d, STR("a"));
    story_open(&b, d, STR("b"));
    assert_string_equal(told(d, 0, 0, 0), "");
    story_turn(&a, d, STR("hello"), STR("hi"));
    assert_string_equal(told(d, 0, 0, 0), TURN_OF_A);
    story_create(&b, STR("B"), STR_NULL);
    assert_int_equal(story_commit(&b, d), 0);
    story_post(&a, STR("m2"), STR("again"));
    assert_int_equal(story_commit(&a, d), 0);
    assert_string_equal(told(d, 0, 0, 0), TURN_OF_A "25:b:SESSION_CREATED 29:a:MESSAGE_POSTED ");
    assert_string_equal(told(d, 21, 0, 0), "22:a:HISTORY_COMMITTED 25:b:SESSION_CREATED 29:a:MESSAGE_POSTED ");
    assert_string_equal(told(d, 24, 0, 0), "25:b:SESSION_CREATED 29:a:MESSAGE_POSTED ");
    assert_string_equal(told(d, 32, 0, 0), "");
}

static void pages_end_anywhere(void **state)
{
    struct driver *d = *state;
    static char whole[8192];
    struct story t;

    story_open(&t, d, STR("a"));
    for (int i = 0; i < 8; i++)
        story_turn(&t, d, STR("hello"), STR("hi"));
    snprintf(whole, sizeof(whole), "%s", told(d, 0, 0, 0));
    for (uint32_t limit = 1; limit < 12; limit++)
        assert_string_equal(told(d, 0, limit, 0), whole);
    for (uint32_t bytes = 1; bytes < 20000; bytes += 1711)
        assert_string_equal(told(d, 0, 0, bytes), whole);
}

/* Facts that are not told may be many between two that are. */
static void a_long_way_without_an_event_is_gone_in_pages(void **state)
{
    struct driver *d = *state;
    struct answer *page;
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("A"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    story_run(&t, STR("r"));
    for (int i = 0; i < 100; i++) {
        for (int k = 0; k < 50; k++)
            story_add(&t, (struct fact){.kind = FACT_BUDGET, .run = 1});
        story_send(&t, d);
    }
    driver_wait_appends(d);
    page = read_page(d, 8, 0, 0);
    assert_int_equal(page->n, 0);
    assert_true(page->more && page->upto > 8);
    answer_free(page);
    story_end(&t, END_COMPLETED);
    assert_int_equal(story_commit(&t, d), 0);
    assert_string_equal(told(d, 8, 0, 0), "20009:a:RUN_ENDED 20010:a:HISTORY_COMMITTED ");
}

static void one_change_of_a_session_may_be_several_events(void **state)
{
    struct driver *d = *state;
    struct answer *page;
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("A"), STR_NULL);
    story_add(&t, (struct fact){.kind = FACT_SESSION_UPDATED,
                                .set_title = true,
                                .title = STR("First"),
                                .set_pinned = true,
                                .pinned = true,
                                .set_model = true,
                                .model = STR("m")});
    story_add(&t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_effort = true, .effort = STR("low")});
    story_add(&t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_title = true, .title = STR("Second")});
    assert_int_equal(story_commit(&t, d), 0);
    assert_string_equal(told(d, 1, 0, 0), "5:a:TITLE_UPDATED 6:a:PINNED_UPDATED 7:a:MODEL_UPDATED "
                                          "11:a:MODEL_UPDATED 13:a:TITLE_UPDATED ");
    assert_string_equal(told(d, 5, 1, 0), "6:a:PINNED_UPDATED 7:a:MODEL_UPDATED 11:a:MODEL_UPDATED "
                                          "13:a:TITLE_UPDATED ");
    page = read_page(d, 1, 0, 0);
    assert_int_equal(page->feed[0].title_version, 0); /* it is not the title any more */
    assert_int_equal(page->feed[4].title_version, 3);
    answer_free(page);
}

/* ---- what is gone ---- */

static void of_an_erased_session_only_its_end_is_told(void **state)
{
    struct driver *d = *state;
    struct story a, b;

    story_open(&a, d, STR("a"));
    story_open(&b, d, STR("b"));
    story_turn(&a, d, STR("hello"), STR("hi"));
    story_create(&b, STR("B"), STR_NULL);
    assert_int_equal(story_commit(&b, d), 0);
    erase(&a, d);
    assert_string_equal(told(d, 0, 0, 0), "25:b:SESSION_CREATED 29:a:DELETED ");
    assert_string_equal(told(d, 9, 0, 0), "25:b:SESSION_CREATED 29:a:DELETED ");
    assert_int_equal(driver_fed(d), 32);
    erase(&a, d); /* of what is gone: done, and not told again */
    assert_string_equal(told(d, 28, 0, 0), "29:a:DELETED ");
    story_open(&a, d, STR("a"));
    story_create(&a, STR("Anew"), STR_NULL);
    assert_int_equal(story_commit(&a, d), 0);
    assert_string_equal(told(d, 28, 0, 0), "29:a:DELETED 33:a:SESSION_CREATED ");
}

static void numbers_never_come_back(void **state)
{
    struct story t;

    story_open(&t, *state, STR("a"));
    story_turn(&t, *state, STR("hello"), STR("hi"));
    reopen_with(state, 0);
    assert_string_equal(told(*state, 0, 0, 0), TURN_OF_A);
    story_open(&t, *state, STR("a"));
    erase(&t, *state);
    reopen_with(state, 0);
    story_open(&t, *state, STR("b"));
    story_create(&t, STR("B"), STR_NULL);
    assert_int_equal(story_commit(&t, *state), 0);
    assert_string_equal(told(*state, 0, 0, 0), "25:a:DELETED 29:b:SESSION_CREATED ");
}

/* ---- how far back ---- */

static void it_reaches_back_so_many_facts(void **state)
{
    struct answer *page;
    struct story t;

    story_open(&t, *state, STR("a"));
    story_turn(&t, *state, STR("hello"), STR("hi")); /* six facts */
    reopen_with(state, 4);
    page = read_page(*state, 24, 0, 0);
    assert_int_equal(page->first_seq, 9);
    assert_int_equal(page->last_seq, 24);
    answer_free(page);
    assert_string_equal(told(*state, 0, 0, 0), "9:a:RUN_STARTED 17:a:ASSISTANT 21:a:RUN_ENDED 22:a:HISTORY_COMMITTED ");
    story_open(&t, *state, STR("a"));
    story_post(&t, STR("m2"), STR("x"));
    assert_int_equal(story_commit(&t, *state), 0);
    assert_string_equal(told(*state, 0, 0, 0),
                        "17:a:ASSISTANT 21:a:RUN_ENDED 22:a:HISTORY_COMMITTED 25:a:MESSAGE_POSTED ");
}

/* ---- who is told ---- */

static void the_newest_number_is_told_before_the_completions(void **state)
{
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    assert_int_equal(driver_fed(d), 0);
    story_turn(&t, d, STR("hello"), STR("hi"));
    assert_int_equal(driver_fed(d), 24);
    story_run(&t, STR("r"));
    story_add(&t, (struct fact){.kind = FACT_BUDGET, .run = 2});
    assert_int_equal(story_commit(&t, d), 0);
    assert_int_equal(driver_fed(d), 28); /* of the run; the budget is not told */
    story_add(&t, (struct fact){.kind = FACT_BUDGET, .run = 2});
    assert_int_equal(story_commit(&t, d), 0);
    assert_int_equal(driver_fed(d), 28);
}

static void an_append_that_comes_twice_is_told_once(void **state)
{
    struct driver *d = *state;
    struct append a;
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("A"), STR_NULL);
    a = story_step(&t);
    assert_int_equal(driver_append(d, &a, NULL), 0);
    assert_int_equal(driver_append(d, &a, NULL), 0);
    facts_unref(a.facts);
    assert_string_equal(told(d, 0, 0, 0), "1:a:SESSION_CREATED ");
    assert_int_equal(driver_fed(d), 4);
}

static void the_list_of_sessions_tells_where_the_feed_goes_on(void **state)
{
    struct query q = {.kind = QUERY_SESSIONS};
    struct answer *list;
    struct story t;

    story_open(&t, *state, STR("a"));
    story_turn(&t, *state, STR("hello"), STR("hi"));
    list = driver_query(*state, &q);
    assert_int_equal(list->n, 1);
    assert_int_equal(list->last_seq, 24);
    answer_free(list);
}

/* ---- older files, damage ---- */

static void a_file_of_the_first_version_tells_its_past(void **state)
{
    struct story t;

    story_open(&t, *state, STR("a"));
    story_turn(&t, *state, STR("hello"), STR("hi"));
    driver_free(*state);
    *state = NULL;
    place_make_version_1(&place);
    *state = driver_new(place_open(&place));
    assert_string_equal(told(*state, 0, 0, 0), TURN_OF_A);
    story_open(&t, *state, STR("a"));
    erase(&t, *state);
    assert_string_equal(told(*state, 0, 0, 0), "25:a:DELETED ");
}

static void a_damaged_fact_does_not_hold_up_the_others(void **state)
{
    struct story t;

    story_open(&t, *state, STR("a"));
    story_turn(&t, *state, STR("hello"), STR("hi"));
    place_sql(&place, "UPDATE fact SET crc = crc + 1 WHERE seq = 2");
    assert_string_equal(told(*state, 0, 0, 0), "1:a:SESSION_CREATED 5:a:UNREADABLE 9:a:RUN_STARTED 17:a:ASSISTANT "
                                               "21:a:RUN_ENDED 22:a:HISTORY_COMMITTED ");
    place_sql(&place, "UPDATE fact SET crc = crc - 1 WHERE seq = 2");
}

static void expect_finding(const char *sql, const char *undo, const char *what)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT;
    struct err err;

    place_sql(&place, sql);
    assert_int_equal(check_findings(place.database, &lines, &err), 0);
    if (lines.n == 0 || strstr(lines.p, what) == NULL)
        fail_msg("\"%s\" is not in:\n%s", what, lines.n > 0 ? lines.p : "");
    place_sql(&place, undo);
}

static void what_is_wrong_with_it_is_found(void **state)
{
    struct story t;

    story_open(&t, *state, STR("a"));
    story_turn(&t, *state, STR("hello"), STR("hi"));
    driver_free(*state);
    *state = NULL;
    expect_finding("INSERT INTO feed VALUES(3, 1, 'b')", "DELETE FROM feed", "at place 3 an erased session where");
    expect_finding("INSERT INTO feed VALUES(-3, 1, 'b')", "DELETE FROM feed", "at place -3 what cannot have one");
    expect_finding("INSERT INTO feed VALUES(13, 1, ''), (14, 1, '')", "DELETE FROM feed",
                   "at place 14 its beginning a second time");
    expect_finding("UPDATE fact SET pos = 50 WHERE seq = 2", "UPDATE fact SET pos = 2 WHERE seq = 2",
                   "session a: fact 3 stands at place 3, before the one that it follows");
}

static struct facts *no_end(const struct session *s, struct facts *answer, int64_t now)
{
    (void)s, (void)answer, (void)now;
    fail_msg("nothing is cut");
    return NULL;
}

static void nobody_is_damaged(void *arg, const struct repair_session *s)
{
    (void)arg, (void)s;
    fail_msg("nothing is damaged");
}

static void after_a_repair_it_begins_anew_above_every_number_it_has_had(void **state)
{
    const struct repair_options o = {.rest = no_end, .damaged = nobody_is_damaged};
    struct repair_report report;
    struct answer *page;
    struct place other;
    struct driver *d;
    struct story a, b;
    struct err err;

    story_open(&a, *state, STR("a"));
    story_open(&b, *state, STR("b"));
    story_turn(&a, *state, STR("hello"), STR("hi"));
    story_turn(&b, *state, STR("hello"), STR("hi"));
    erase(&b, *state);
    driver_free(*state);
    *state = NULL;
    place_make(&other);
    assert_int_equal(store_repair(place.dir, other.database, &o, &report, &err), 0);
    check_place(&other);
    d = driver_new(place_open(&other));
    assert_string_equal(told(d, 0, 0, 0), "");
    page = read_page(d, 0, 0, 0);
    assert_int_equal(page->first_seq, 57); /* there were thirteen places */
    assert_int_equal(page->last_seq, 56);
    answer_free(page);
    story_open(&b, d, STR("b"));
    story_create(&b, STR("B"), STR_NULL);
    assert_int_equal(story_commit(&b, d), 0);
    assert_string_equal(told(d, 0, 0, 0), "57:b:SESSION_CREATED ");
    driver_free(d);
    check_place(&other);
    place_remove(&other);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, place_begin_open, end_checked)
    const struct CMUnitTest cases[] = {
        CASE(everything_is_told_in_the_order_in_which_it_was_stored),
        CASE(pages_end_anywhere),
        CASE(a_long_way_without_an_event_is_gone_in_pages),
        CASE(one_change_of_a_session_may_be_several_events),
        CASE(of_an_erased_session_only_its_end_is_told),
        CASE(numbers_never_come_back),
        CASE(it_reaches_back_so_many_facts),
        CASE(the_newest_number_is_told_before_the_completions),
        CASE(an_append_that_comes_twice_is_told_once),
        CASE(the_list_of_sessions_tells_where_the_feed_goes_on),
        CASE(a_file_of_the_first_version_tells_its_past),
        CASE(a_damaged_fact_does_not_hold_up_the_others),
        CASE(what_is_wrong_with_it_is_found),
        CASE(after_a_repair_it_begins_anew_above_every_number_it_has_had),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
