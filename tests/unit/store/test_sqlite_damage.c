/* SPDX-License-Identifier: MIT */
/* What the store reads from the disk may be anything: it is refused and named, and nothing falls over. */
#include "base/str.h"
#include "store/forge.h"
#include "store/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- facts ---- */

static void assert_damage(struct driver *d, struct str id, const char *what)
{
    struct query q = {.kind = QUERY_FACTS, .session_id = id};
    struct opened *o = driver_open(d, id);
    struct answer *a = driver_query(d, &q);

    assert_int_equal(o->rc, -ERR_CORRUPT);
    if (strstr(o->err.text, what) == NULL)
        fail_msg("\"%s\" does not say %s", o->err.text, what);
    assert_int_equal(a->rc, -ERR_CORRUPT);
    assert_int_equal(o->err.code, ERR_CORRUPT);
    opened_free(o);
    answer_free(a);
}

static void damaged_facts_are_found_and_named(void **state)
{
    static const char *const damages[] = {
        "UPDATE fact SET body = replace(body, 'question', 'questiom') WHERE seq = 2",
        "UPDATE fact SET at = at + 1 WHERE seq = 2",
        "UPDATE fact SET kind = 'budget' WHERE seq = 2",
        "UPDATE fact SET epoch = epoch + 1 WHERE seq = 2",
    };
    struct driver *d = *state;

    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct story good, bad;

        driver_free(d);
        place_clear(&place);
        d = *state = driver_new(place_open(&place));
        story_open(&bad, d, STR("broken"));
        bad.no_head = true;
        story_turn(&bad, d, STR("question"), STR("answer"));
        place_sql(&place, damages[i]);
        story_open(&good, d, STR("whole"));
        story_turn(&good, d, STR("question"), STR("answer"));
        assert_damage(d, bad.id, "session broken: fact 2");
    }
}

static void a_missing_fact_is_found(void **state)
{
    struct driver *d = *state;
    struct opened *o;
    struct story t;

    story_open(&t, d, STR("a"));
    t.no_head = true;
    story_turn(&t, d, STR("q"), STR("a"));
    place_sql(&place, "DELETE FROM fact WHERE seq = 3");
    o = driver_open(d, t.id);
    assert_int_equal(o->rc, -ERR_CORRUPT);
    assert_non_null(strstr(o->err.text, "fact 3 is missing"));
    opened_free(o);
    place_sql(&place, "DELETE FROM fact WHERE seq >= 3");
    o = driver_open(d, t.id);
    assert_int_equal(o->rc, -ERR_CORRUPT);
    opened_free(o);
}

/* Whoever reads the log page by page, as a watcher does, counts on every number. */
static void a_page_does_not_pass_over_a_missing_fact(void **state)
{
    const struct query whole = {.kind = QUERY_FACTS, .session_id = STR("a"), .after = 1},
                       from_there = {.kind = QUERY_FACTS, .session_id = STR("a"), .after = 2},
                       back = {.kind = QUERY_FACTS, .session_id = STR("a"), .newest = true},
                       behind = {.kind = QUERY_FACTS, .session_id = STR("a"), .after = 3},
                       before = {.kind = QUERY_FACTS, .session_id = STR("a"), .before = 3, .newest = true};
    const struct query *const over[] = {&whole, &from_there, &back}, *const beside[] = {&behind, &before};
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("q"), STR("a"));
    place_sql(&place, "DELETE FROM fact WHERE seq = 3");
    for (size_t i = 0; i < ARRAY_LEN(over); i++) {
        struct answer *a = driver_query(d, over[i]);

        assert_int_equal(a->rc, -ERR_CORRUPT);
        assert_non_null(strstr(a->err.text, "fact 3 is missing"));
        answer_free(a);
    }
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        struct answer *a = driver_query(d, beside[i]);

        assert_int_equal(a->rc, 0);
        assert_true(a->n > 0);
        answer_free(a);
    }
}

static void assert_open_says(struct driver *d, struct str id, const char *what)
{
    struct opened *o = driver_open(d, id);

    assert_int_equal(o->rc, -ERR_CORRUPT);
    if (strstr(o->err.text, what) == NULL)
        fail_msg("\"%s\" does not say %s", o->err.text, what);
    opened_free(o);
}

/* Their checksums are right: nothing but the fold can tell. */
static void facts_that_do_not_fit_are_named(void **state)
{
    static const struct {
        uint64_t seq;
        const char *kind, *body, *says;
    } rows[] = {
        {1, "budget", "{}", "session a: fact 1, budget, does not fit what is before it: the session is not created"},
        {2, "session_created", "{\"nonce\":\"0000000000000001\"}", "fact 2, session_created"},
        {3, "run_started", "{\"run\":7}", "its run is not the next one"},
        {4, "round_started", "{\"run\":1,\"round\":1,\"admitted\":9}", "admits more messages than wait"},
        {4, "round_started", "{\"run\":1,\"round\":1,\"tokens\":-9223372036854775808}",
         "its number of tokens or its cost is below zero"},
        {4, "run_started", "{\"run\":2}", "a run is active already"},
        {4, "call_ended", "{\"run\":1,\"call\":3}", "no such call is open"},
        {5, "assistant", "{\"run\":1,\"round\":1,\"place\":4294967295}", "place in the transcript"},
        {5, "run_ended", "{\"run\":1}", "fact 6, run_ended, does not fit what is before it: no run is active"},
        {6, "run_ended", "{\"run\":2}", "it names another run"},
        {6, "run_started", "[]", "session a: fact 6"},
    };
    struct driver *d = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct story t;

        driver_free(d);
        place_clear(&place);
        d = *state = driver_new(place_open(&place));
        story_open(&t, d, STR("a"));
        t.no_head = true;
        story_turn(&t, d, STR("q"), STR("a"));
        forge_fact(&place, t.sid, rows[i].seq, rows[i].kind, rows[i].body);
        assert_open_says(d, t.id, rows[i].says);
    }
}

/* A kind that this culm does not know is not damage. */
static void a_fact_of_a_newer_culm_is_passed_over(void **state)
{
    struct driver *d = *state;
    struct opened *o;
    struct story t;

    story_open(&t, d, STR("a"));
    t.no_head = true;
    story_create(&t, STR("T"), STR_NULL);
    story_post(&t, STR("u"), STR("x"));
    story_post(&t, STR("v"), STR("y"));
    assert_int_equal(story_commit(&t, d), 0);
    forge_fact(&place, t.sid, 2, "weather_changed", "{\"to\":\"rain\"}");
    o = driver_open(d, t.id);
    assert_int_equal(o->rc, 0);
    assert_int_equal(o->session.seq, 3);
    assert_int_equal(o->session.inbox, 1);
    opened_free(o);
}

/* ---- heads ---- */

static void a_damaged_head_costs_time_only(void **state)
{
    static const char *const damages[] = {
        "UPDATE head SET body = substr(body, 1, 100) || x'ff' || substr(body, 102)",
        "UPDATE head SET body = x'00'",
        "DELETE FROM head",
    };
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("q"), STR("a"));
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct opened *o;

        place_sql(&place, damages[i]);
        o = driver_open(d, t.id);
        assert_int_equal(o->rc, 0);
        assert_memory_equal(&o->session, &t.s, sizeof(t.s));
        opened_free(o);
    }
}

/* However long its log: nothing of it is read. */
static void a_session_at_rest_is_opened_from_its_head_alone(void **state)
{
    struct driver *d = *state;
    struct opened *o;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("q"), STR("a"));
    place_sql(&place, "UPDATE fact SET body = 'damaged'");
    o = driver_open(d, t.id);
    assert_int_equal(o->rc, 0);
    assert_memory_equal(&o->session, &t.s, sizeof(t.s));
    opened_free(o);
}

static void too_far(struct session *s)
{
    s->seq = 3;
    s->run.active = true;
    s->run.number = 9;
}
static void too_many_calls(struct session *s)
{
    s->n_calls = 255;
}
static void endless_text(struct session *s)
{
    memset(s->last_message, 'x', sizeof(s->last_message));
}
static void no_such_word(struct session *s)
{
    s->last_end = 77;
}
static void no_truth(struct session *s)
{
    memset(&s->unread, 2, sizeof(s->unread));
}

/* From which the log does not go on, or that is no session at all. */
static void a_head_that_cannot_be_is_left_alone(void **state)
{
    static void (*const changes[])(struct session *) = {too_far, too_many_calls, endless_text, no_such_word, no_truth};
    struct driver *d = *state;

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct opened *o;
        struct story t;

        driver_free(d);
        place_clear(&place);
        d = *state = driver_new(place_open(&place));
        story_open(&t, d, STR("a"));
        story_turn(&t, d, STR("q"), STR("a"));
        forge_head(&place, t.sid, changes[i]);
        o = driver_open(d, t.id);
        assert_int_equal(o->rc, 0);
        assert_null(session_differs(&o->session, &t.s));
        opened_free(o);
    }
}

static void another_answer(struct session *s)
{
    s->n_calls = 1;
    s->calls[0].state = CALL_PROPOSED;
    s->assistant_seq = 2;
}

static void a_head_whose_calls_no_answer_has_is_refused(void **state)
{
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("q"), STR("a"));
    forge_head(&place, t.sid, another_answer);
    assert_open_says(d, t.id, "session a: fact 2 is not the answer whose calls are open");
}

/* ---- receipts ---- */

static void a_damaged_receipt_is_named_and_is_in_the_way_of_its_key_alone(void **state)
{
    static const char *const damages[] = {
        "UPDATE receipt SET reply = replace(reply, 'first', 'fjrst')",
        "UPDATE receipt SET at = at + 1",
        "UPDATE receipt SET fingerprint = 'ff'",
        "UPDATE receipt SET session = 'b', key = 'ka' WHERE session = 'a'",
    };
    const struct receipt first = {.key = STR("k"), .fingerprint = STR("f"), .at = 5, .reply = STR("first")};
    const struct receipt next = {.key = STR("l"), .fingerprint = STR("f"), .at = 5, .reply = STR("next")};
    struct driver *d = *state;

    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct query q = {.kind = QUERY_RECEIPT, .session_id = STR("a"), .key = STR("k")};
        struct answer *a;
        struct story t;

        driver_free(d);
        place_clear(&place);
        d = *state = driver_new(place_open(&place));
        story_open(&t, d, STR("a"));
        story_create(&t, STR("T"), STR_NULL);
        t.receipt = &first;
        assert_int_equal(story_commit(&t, d), 0);
        place_sql(&place, damages[i]);
        if (i == 3) { /* it is found where it does not belong */
            q.session_id = STR("b");
            q.key = STR("ka");
        }
        a = driver_query(d, &q);
        assert_int_equal(a->rc, -ERR_CORRUPT);
        assert_non_null(strstr(a->err.text, i == 3 ? "session b: the reply kept under key ka is damaged"
                                                   : "session a: the reply kept under key k is damaged"));
        answer_free(a);
        t.receipt = &next;
        assert_int_equal(story_commit(&t, d), 0);
        if (i == 3)
            continue;
        t.receipt = &first;
        assert_int_equal(story_commit(&t, d), -ERR_REFUSED);
    }
}

#define CASE(fn) {#fn, fn, place_begin_open, place_end, NULL}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(damaged_facts_are_found_and_named),
        CASE(a_missing_fact_is_found),
        CASE(a_page_does_not_pass_over_a_missing_fact),
        CASE(facts_that_do_not_fit_are_named),
        CASE(a_fact_of_a_newer_culm_is_passed_over),
        CASE(a_damaged_head_costs_time_only),
        CASE(a_head_that_cannot_be_is_left_alone),
        CASE(a_head_whose_calls_no_answer_has_is_refused),
        CASE(a_session_at_rest_is_opened_from_its_head_alone),
        CASE(a_damaged_receipt_is_named_and_is_in_the_way_of_its_key_alone),
    };

    return cmocka_run_group_tests_name("sqlite damage", cases, NULL, NULL);
}
