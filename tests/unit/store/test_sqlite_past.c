/* SPDX-License-Identifier: MIT */
/* Looking back, where it fails and where it takes long. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/place.h"
#include "store/story.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- failures ---- */

static void assert_is_then(const struct answer *a, const struct query *q)
{
    assert_int_equal(a->rc, 0);
    assert_int_equal(a->n, q->kind == QUERY_SESSION ? 1 : 2);
    if (q->kind == QUERY_SESSION)
        assert_true(a->sessions[0].last_seq == q->at_seq && str_is(a->sessions[0].state, "done"));
    else
        assert_true(str_is(a->messages[0].text, "one") && str_is(a->messages[1].text, "two"));
}

static void fail_each(struct driver *d, const struct query *q, const char *kind, int sys)
{
    bool met = true;

    for (uint64_t k = 0; met; k++) {
        struct answer *a;

        fault_arm(kind, k, sys, false);
        a = driver_query(d, q);
        met = fault_disarm();
        if (a->rc < 0)
            assert_true(met && a->err.code == ERR_STORAGE && a->err.text[0] != '\0');
        else
            assert_is_then(a, q);
        answer_free(a);
        a = driver_query(d, q);
        assert_is_then(a, q);
        answer_free(a);
    }
}

static void whatever_fails_the_past_is_told_right_or_not_at_all(void **state)
{
    static const enum query_kind kinds[] = {QUERY_SESSION, QUERY_MESSAGES};
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("one"), STR("two"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct query q = {.kind = kinds[i], .session_id = STR("a"), .at_seq = t.s.seq};

        fail_each(d, &q, "sql", EIO);
        fail_each(d, &q, "sql", ENOMEM);
        fail_each(d, &q, "sql-late", EIO);
    }
}

/* ---- others ---- */

static void on_answer(void *arg, struct answer *a)
{
    unsigned *count = arg;

    assert_int_equal(a->rc, 0);
    *count += 1;
    answer_free(a);
}

static void who_looks_back_leaves_a_reader_to_the_others(void **state)
{
    enum { STEPS = 120, EACH = 50 };
    struct driver *d = *state;
    struct query past = {.kind = QUERY_SESSION, .session_id = STR("a"), .at_seq = STEPS * EACH};
    struct query now = {.kind = QUERY_SESSION, .session_id = STR("a")};
    unsigned before = 0, after = 0;
    struct answer *a;
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    for (int i = 0; i < STEPS * EACH; i++) {
        story_add(&t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = i % 2 == 0});
        if (i % EACH == EACH - 1)
            assert_int_equal(story_commit(&t, d), 0);
    }
    for (int i = 0; i < 4; i++)
        store_query(driver_store(d), &past, on_answer, &after);
    a = driver_query(d, &now);
    before = after;
    assert_int_equal(a->rc, 0);
    answer_free(a);
    assert_true(before < 3); /* with both readers in the past it would have waited for three of them */
    while (after < 4) {      /* all of them are answered in the end */
        a = driver_query(d, &now);
        answer_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_fails_the_past_is_told_right_or_not_at_all, place_begin_open,
                                        place_end),
        cmocka_unit_test_setup_teardown(who_looks_back_leaves_a_reader_to_the_others, place_begin_open, place_end),
    };

    return cmocka_run_group_tests_name("past", tests, NULL, NULL);
}
