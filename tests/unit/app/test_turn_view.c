/* SPDX-License-Identifier: MIT */
#include "app/turn_view.h"
#include "paper.h"

struct fixture {
    struct paper paper;
    struct turn_view view;
};

static void begin(struct fixture *f, enum turn_style style)
{
    paper_begin(&f->paper);
    turn_view_init(&f->view, f->paper.output, style);
}

static enum turn_end feed(struct fixture *f, const char *event)
{
    enum turn_end end;
    struct arena arena;

    arena_init(&arena);
    end = turn_view_event(&f->view, paper_event(event, &arena), str_of(event));
    arena_done(&arena);
    return end;
}

static void token(struct fixture *f, const char *id, int offset, const char *text)
{
    char event[200];

    snprintf(event, sizeof(event), "{\"type\":\"token\",\"message_id\":\"%s\",\"offset\":%d,\"content\":\"%s\"}", id,
             offset, text);
    assert_int_equal(feed(f, event), TURN_GOES_ON);
}

/* Ends the view; what was printed must be this. */
static void printed(struct fixture *f, const char *text)
{
    turn_view_finish(&f->view);
    turn_view_done(&f->view);
    paper_end(&f->paper, text);
}

#define COMPLETE "{\"type\":\"complete\",\"end\":\"completed\",\"seq\":9}"
#define SAID(text) "{\"type\":\"message_appended\",\"role\":\"assistant\",\"content\":\"" text "\",\"seq\":8}"

static void text_is_printed_as_it_comes_and_ends_in_a_line_end(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_PLAIN);
    token(&f, "a", 0, "one ");
    token(&f, "a", 4, "two");
    assert_int_equal(feed(&f, SAID("one two")), TURN_GOES_ON);
    assert_int_equal(feed(&f, COMPLETE), TURN_COMPLETED);
    assert_int_equal(f.view.seq, 9);
    printed(&f, "one two\n");
}

#define STARTED "{\"type\":\"execution_started\",\"run_id\":\"r\",\"seq\":3}"
#define ROUND "{\"type\":\"runner_progress\",\"round_count\":1,\"seq\":4}"
#define SPENT "{\"type\":\"complete\",\"end\":\"budget\",\"kind\":\"session_max_rounds\",\"seq\":9}"

static void a_budget_that_was_spent_before_the_first_round_is_a_failure(void **state UNUSED)
{
    static const struct {
        const char *events[3];
        enum turn_end end;
    } rows[] = {
        {{STARTED, SPENT}, TURN_FAILED},
        {{STARTED, ROUND, SPENT}, TURN_COMPLETED},
        {{STARTED, SAID("x"), SPENT}, TURN_COMPLETED}, /* told late: without the round */
        {{SPENT}, TURN_COMPLETED},                     /* it had begun before */
        {{STARTED, COMPLETE}, TURN_COMPLETED},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum turn_end end = TURN_GOES_ON;
        struct fixture f;

        begin(&f, TURN_PLAIN);
        for (size_t k = 0; k < ARRAY_LEN(rows[i].events) && rows[i].events[k] != NULL; k++)
            end = feed(&f, rows[i].events[k]);
        assert_int_equal(end, rows[i].end);
        if (end == TURN_FAILED)
            assert_non_null(strstr(f.view.failure.p, "session_max_rounds"));
        printed(&f, "");
    }
}

static void nothing_is_printed_twice(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_PLAIN);
    token(&f, "a", 0, "one ");
    token(&f, "a", 0, "one ");
    token(&f, "a", 2, "e two\\n");
    token(&f, "a", 8, "");
    assert_int_equal(f.view.offset, 8);
    printed(&f, "one two\n");
}

static void another_message_begins_a_line(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_PLAIN);
    token(&f, "a", 0, "first");
    token(&f, "b", 0, "second");
    printed(&f, "first\nsecond\n");
}

static void a_discarded_answer_begins_anew(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_PLAIN);
    token(&f, "a", 0, "half");
    assert_int_equal(feed(&f, "{\"type\":\"message_discarded\",\"message_id\":\"a\",\"reason\":\"retry\",\"seq\":5}"),
                     TURN_GOES_ON);
    token(&f, "b", 0, "whole");
    printed(&f, "half\nwhole\n");
}

static void quiet_is_the_last_answer_alone(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_QUIET);
    token(&f, "a", 0, "let me look");
    feed(&f, SAID("let me look"));
    feed(&f, "{\"type\":\"message_appended\",\"role\":\"user\",\"content\":\"no\"}");
    feed(&f, SAID("it is 5"));
    assert_int_equal(feed(&f, COMPLETE), TURN_COMPLETED);
    printed(&f, "it is 5\n");
}

static void json_is_one_event_per_line_without_the_connections_own(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_JSON);
    feed(&f, "{\"type\":\"stream_opened\",\"last_seq\":3}");
    feed(&f, "{\"type\":\"new_in_the_future\",\"seq\":4}");
    feed(&f, COMPLETE);
    printed(&f, "{\"type\":\"new_in_the_future\",\"seq\":4}\n" COMPLETE "\n");
}

/* What the stream brings again after a break may be nothing at all. */
static void a_piece_without_text_prints_nothing(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_PLAIN);
    token(&f, "a", 0, "one");
    token(&f, "a", 0, "");
    feed(&f, "{\"type\":\"token\",\"message_id\":\"a\"}");
    token(&f, "a", 3, " two");
    assert_int_equal(f.view.offset, 7);
    printed(&f, "one two\n");
}

static void json_means_the_same_and_no_terminal_obeys_it(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_JSON);
    feed(&f, "{\"type\":\"token\",\r\n\"content\":\"a\x7f \xc2\x9b\x32J \xc2\xa0\"}");
    printed(&f, "{\"type\":\"token\",  \"content\":\"a\\u007f \\u009b2J \xc2\xa0\"}\n");
}

static void the_ends_are_told_apart(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_QUIET);
    assert_int_equal(feed(&f, "{\"type\":\"need_clarification\",\"question\":\"?\"}"), TURN_GOES_ON);
    assert_int_equal(feed(&f, "{\"type\":\"run_suspended\",\"end\":\"suspended\"}"), TURN_SUSPENDED);
    assert_int_equal(feed(&f, "{\"type\":\"cancelled\"}"), TURN_CANCELLED);
    assert_int_equal(feed(&f, "{\"type\":\"error\",\"message\":\"why\"}"), TURN_FAILED);
    assert_string_equal(f.view.failure.p, "why");
    assert_int_equal(feed(&f, "{}"), TURN_GOES_ON);
    assert_int_equal(feed(&f, "[]"), TURN_GOES_ON);
    printed(&f, "");
}

static void a_pause_ends_the_line_once(void **state UNUSED)
{
    struct fixture f;

    begin(&f, TURN_PLAIN);
    f.view.asks = true;
    token(&f, "a", 0, "let me ask");
    assert_int_equal(feed(&f, "{\"type\":\"need_clarification\",\"question\":\"?\"}"), TURN_GOES_ON);
    turn_view_pause(&f.view);
    turn_view_pause(&f.view);
    token(&f, "b", 0, "thanks");
    printed(&f, "let me ask\nthanks\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_printed_as_it_comes_and_ends_in_a_line_end),
        cmocka_unit_test(a_budget_that_was_spent_before_the_first_round_is_a_failure),
        cmocka_unit_test(nothing_is_printed_twice),
        cmocka_unit_test(another_message_begins_a_line),
        cmocka_unit_test(a_discarded_answer_begins_anew),
        cmocka_unit_test(quiet_is_the_last_answer_alone),
        cmocka_unit_test(json_is_one_event_per_line_without_the_connections_own),
        cmocka_unit_test(a_piece_without_text_prints_nothing),
        cmocka_unit_test(json_means_the_same_and_no_terminal_obeys_it),
        cmocka_unit_test(the_ends_are_told_apart),
        cmocka_unit_test(a_pause_ends_the_line_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
