/* SPDX-License-Identifier: MIT */
#include "app/question_view.h"
#include "temporary.h"

#define BOTH "{\"question\":\"Which?\",\"options\":[\"a\",\"10\"],\"question_id\":\"q\",\"tool_call_id\":\"c\""

static void begin(struct question_view *q, const char *text)
{
    struct json *node = NULL;
    struct arena arena;
    struct err err;

    arena_init(&arena);
    question_view_init(q);
    assert_int_equal(json_parse(&arena, str_of(text), &node, &err), 0);
    assert_int_equal(question_view_take(q, node, &err), 0);
    arena_done(&arena); /* it is a copy */
}

static void chosen(const struct question_view *q, const char *line, enum question_choice choice, const char *answer)
{
    struct str got = STR_NULL;

    assert_int_equal(question_view_choose(q, str_of(line), &got), choice);
    if (!str_is(got, answer) && answer != NULL)
        fail_msg("%s: " STR_FMT, line, STR_ARG(got));
}

static void an_option_is_chosen_by_its_number_or_its_words(void **state UNUSED)
{
    struct question_view q;

    begin(&q, BOTH ",\"allow_custom\":false}");
    chosen(&q, "a", CHOICE_MADE, "a");
    chosen(&q, " 1 ", CHOICE_MADE, "a");
    chosen(&q, "2", CHOICE_MADE, "10");
    chosen(&q, "10", CHOICE_MADE, "10"); /* the words go before the number */
    question_view_done(&q);
}

static void what_is_no_option_is_an_answer_only_where_it_may_be(void **state UNUSED)
{
    static const char *const others[] = {"0", "3", "-1", "b", "A", "99999999999999999999"};
    struct question_view strict, free_text;

    begin(&strict, BOTH ",\"allow_custom\":false}");
    begin(&free_text, BOTH ",\"allow_custom\":true}");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        chosen(&strict, others[i], CHOICE_WRONG, NULL);
        chosen(&free_text, others[i], CHOICE_MADE, others[i]);
    }
    question_view_done(&strict);
    question_view_done(&free_text);
}

static void a_blank_line_chooses_nothing(void **state UNUSED)
{
    struct question_view q;

    begin(&q, "{\"question\":\"How?\",\"options\":null}");
    chosen(&q, "", CHOICE_NONE, NULL);
    chosen(&q, " \t", CHOICE_NONE, NULL);
    chosen(&q, " so ", CHOICE_MADE, "so");
    chosen(&q, "1", CHOICE_MADE, "1");
    question_view_done(&q);
}

static void it_is_shown_with_numbers_and_without_control_characters(void **state UNUSED)
{
    static const struct terminal plain = {.is_terminal = true, .width = 80};
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct question_view q;

    begin(&q, "{\"question\":\"Which\\u001b?\",\"options\":[\"a\\nb\",\"c\"],\"due\":121000}");
    question_view_write(&q, &plain, 1000, &out);
    assert_string_equal(out.p, "Which\\x1b? (wanted in 2 min)\n  1  a b\n  2  c\n");
    question_view_done(&q);
}

static void the_answer_that_is_given_when_nobody_answers_is_shown(void **state UNUSED)
{
    static const struct terminal plain = {.is_terminal = true, .width = 80};
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct question_view q;

    begin(&q, "{\"question\":\"Go?\",\"due\":2500,\"on_expiry\":{\"action\":\"answer\",\"answer\":\"no\\u001b\"}}");
    question_view_write(&q, &plain, 1000, &out);
    assert_string_equal(out.p, "Go? (wanted in 2 s; then the answer is: no\\x1b)\n");
    question_view_done(&q);
}

static void options_and_deadline_fit_a_cell(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf options = BUF_INIT, due = BUF_INIT, past = BUF_INIT;
    struct question_view q;

    begin(&q, BOTH "}");
    question_view_options(q.options, &options);
    assert_string_equal(options.p, "a | 10");
    question_view_due(0, 5000, &due);
    assert_int_equal(due.n, 0);
    question_view_due(65000, 5000, &due);
    assert_string_equal(due.p, "in 1 min");
    buf_clear(&due);
    question_view_due(5001, 5000, &due);
    assert_string_equal(due.p, "in 1 s");
    question_view_due(4000, 5000, &past);
    assert_string_equal(past.p, "now");
    buf_clear(&due);
    question_view_due(INT64_MAX, 1700000000000, &due);
    assert_string_equal(due.p, "in 106751971491 d");
    buf_clear(&past);
    question_view_due(INT64_MIN, 1700000000000, &past);
    assert_string_equal(past.p, "now");
    question_view_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_is_chosen_by_its_number_or_its_words),
        cmocka_unit_test(what_is_no_option_is_an_answer_only_where_it_may_be),
        cmocka_unit_test(a_blank_line_chooses_nothing),
        cmocka_unit_test(it_is_shown_with_numbers_and_without_control_characters),
        cmocka_unit_test(the_answer_that_is_given_when_nobody_answers_is_shown),
        cmocka_unit_test(options_and_deadline_fit_a_cell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
