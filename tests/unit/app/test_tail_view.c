/* SPDX-License-Identifier: MIT */
#include "app/tail_view.h"
#include "paper.h"

#include <time.h>

struct fixture {
    struct paper paper;
    struct tail_view view;
};

static const struct terminal pipe_end = {0}, narrow = {.is_terminal = true, .width = 40},
                             coloured = {.is_terminal = true, .has_colour = true, .width = 80};

static void begin(struct fixture *f, const struct terminal *terminal, bool is_json)
{
    setenv("TZ", "UTC", 1);
    tzset();
    paper_begin(&f->paper);
    tail_view_init(&f->view, f->paper.output, terminal, is_json);
}

static void feed(struct fixture *f, const char *event)
{
    struct arena arena;

    arena_init(&arena);
    tail_view_event(&f->view, paper_event(event, &arena), str_of(event));
    arena_done(&arena);
}

static void text(struct fixture *f, const char *type, const char *id, int offset, const char *content)
{
    char event[200];

    snprintf(event, sizeof(event), "{\"type\":\"%s\",\"message_id\":\"%s\",\"offset\":%d,\"content\":\"%s\"}", type, id,
             offset, content);
    feed(f, event);
}

/* Ends the view; what was printed must be this. */
static void printed(struct fixture *f, const char *wanted)
{
    tail_view_finish(&f->view);
    tail_view_done(&f->view);
    paper_end(&f->paper, wanted);
}

#define SAID(id, content)                                                                                              \
    "{\"type\":\"message_appended\",\"message_id\":\"" id "\",\"role\":\"assistant\",\"content\":\"" content           \
    "\",\"seq\":8,\"at\":1700000000123}"
#define FAILED "{\"type\":\"error\",\"message\":\"bad \\u001b[31mkey\\nhere\",\"seq\":9,\"at\":1700000000123}"

static void in_a_pipe_an_event_is_a_line_with_tabs(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &pipe_end, false);
    assert_false(tail_view_wants_text(&f.view));
    feed(&f, "{\"type\":\"stream_opened\",\"last_seq\":9}");
    feed(&f, SAID("m", "one\\ntwo\\tthree"));
    feed(&f, FAILED);
    assert_int_equal(f.view.seq, 9);
    printed(&f, "8\t2023-11-14T22:13:20.123Z\tassistant\tone two three\n"
                "9\t2023-11-14T22:13:20.123Z\terror\tbad \\x1b[31mkey here\n");
}

static void a_budget_says_what_is_missing(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &pipe_end, false);
    feed(&f, "{\"type\":\"budget_exceeded\",\"kind\":\"max_rounds\",\"limit\":3,\"actual\":3,\"seq\":3,"
             "\"at\":1700000000123}");
    feed(&f, "{\"type\":\"budget_exceeded\",\"kind\":\"max_cost_micros\",\"limit\":50,\"actual\":20,\"needed\":40,"
             "\"seq\":4,\"at\":1700000000123}");
    printed(&f, "3\t2023-11-14T22:13:20.123Z\tbudget\tmax_rounds spent: 3 of 3\n"
                "4\t2023-11-14T22:13:20.123Z\tbudget\tmax_cost_micros spent: 20 of 50, 40 needed\n");
}

static void unknown_events_are_shown_as_they_are(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &pipe_end, false);
    feed(&f, "{\"type\":\"later\",\"x\":[1],\"seq\":3,\"at\":1700000000123}");
    printed(&f, "3\t2023-11-14T22:13:20.123Z\tlater\t{\"type\":\"later\",\"x\":[1],\"seq\":3,\"at\":1700000000123}\n");
}

static void text_is_joined_and_its_message_not_repeated(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &narrow, false);
    assert_true(tail_view_wants_text(&f.view));
    text(&f, "token", "m", 0, "one ");
    text(&f, "token", "m", 4, "two");
    feed(&f, SAID("m", "one two"));
    feed(&f, SAID("n", "not shown before, and longer than the line"));
    printed(&f, "one two\n"
                "     8  22:13:20  assistant (above)\n"
                "     8  22:13:20  assistant not shown b…\n");
}

static void what_came_before_a_break_is_not_printed_again(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &narrow, false);
    text(&f, "reasoning_token", "m", 0, "hm ");
    text(&f, "token", "m", 0, "one ");
    text(&f, "reasoning_token", "m", 0, "hm ");
    text(&f, "token", "m", 0, "one ");
    text(&f, "token", "m", 2, "e two");
    assert_int_equal(f.view.offset, 7);
    printed(&f, "hm \none two\n");
}

/* A server that says other text at the same place: there is no half of a character. */
static void a_character_is_shown_whole(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &narrow, false);
    text(&f, "token", "m", 0, "ab");
    text(&f, "token", "m", 0,
         "a\xc3\xa4"
         "b");
    printed(&f, "ab\xc3\xa4"
                "b\n");
}

static void reasoning_is_dim_and_errors_are_red(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &coloured, false);
    text(&f, "reasoning_token", "m", 0, "hm");
    text(&f, "token", "m", 0, "so \\u001b[2J");
    feed(&f, FAILED);
    printed(&f, "\033[2mhm\033[0m\nso \\x1b[2J\n"
                "\033[31m     9  22:13:20  error     bad \\x1b[31mkey here\033[0m\n");
}

static void as_json_it_is_the_stream_and_the_position_is_kept(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &pipe_end, true);
    assert_true(tail_view_wants_text(&f.view));
    text(&f, "token", "m", 0, "one");
    feed(&f, SAID("m", "one"));
    assert_int_equal(f.view.seq, 8);
    assert_int_equal(f.view.offset, 3);
    printed(&f, "{\"type\":\"token\",\"message_id\":\"m\",\"offset\":0,\"content\":\"one\"}\n" SAID("m", "one") "\n");
}

static void events_of_another_shape_do_no_harm(void **state UNUSED)
{
    static const char *const odd[] = {"{}",
                                      "{\"type\":7}",
                                      "{\"type\":\"token\"}",
                                      "{\"type\":\"tool_complete\"}",
                                      "{\"type\":\"token\",\"offset\":-3,\"content\":\"x\",\"message_id\":\"m\"}",
                                      "{\"type\":\"complete\",\"usage\":3,\"seq\":-1}"};
    struct fixture f;

    begin(&f, &narrow, false);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        feed(&f, odd[i]);
    assert_int_equal(f.view.seq, 0);
    tail_view_finish(&f.view);
    tail_view_done(&f.view);
    paper_end(&f.paper, NULL);
}

static void questions_are_told_with_their_options_and_how_they_closed(void **state UNUSED)
{
    struct fixture f;

    begin(&f, &pipe_end, false);
    feed(&f, "{\"type\":\"need_clarification\",\"question\":\"Which?\",\"options\":[\"a\",\"b\"],\"seq\":1,\"at\":0}");
    feed(&f, "{\"type\":\"need_clarification\",\"question\":\"How?\",\"options\":null,\"seq\":2,\"at\":0}");
    feed(&f, "{\"type\":\"run_suspended\",\"end\":\"suspended\",\"usage\":{\"total_tokens\":7},\"seq\":3,\"at\":0}");
    feed(&f, "{\"type\":\"question_closed\",\"how\":\"answered\",\"answer\":\"a\",\"seq\":4,\"at\":0}");
    feed(&f, "{\"type\":\"question_closed\",\"how\":\"dismissed\",\"seq\":5,\"at\":0}");
    printed(&f, "1\t1970-01-01T00:00:00.000Z\tasks\tWhich? [a | b]\n"
                "2\t1970-01-01T00:00:00.000Z\tasks\tHow?\n"
                "3\t1970-01-01T00:00:00.000Z\tsuspended\tsuspended, tokens: 7\n"
                "4\t1970-01-01T00:00:00.000Z\tanswer\tanswered: a\n"
                "5\t1970-01-01T00:00:00.000Z\tanswer\tdismissed\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_pipe_an_event_is_a_line_with_tabs),
        cmocka_unit_test(a_budget_says_what_is_missing),
        cmocka_unit_test(unknown_events_are_shown_as_they_are),
        cmocka_unit_test(text_is_joined_and_its_message_not_repeated),
        cmocka_unit_test(what_came_before_a_break_is_not_printed_again),
        cmocka_unit_test(a_character_is_shown_whole),
        cmocka_unit_test(reasoning_is_dim_and_errors_are_red),
        cmocka_unit_test(as_json_it_is_the_stream_and_the_position_is_kept),
        cmocka_unit_test(events_of_another_shape_do_no_harm),
        cmocka_unit_test(questions_are_told_with_their_options_and_how_they_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
