/* SPDX-License-Identifier: MIT */
/* Runs that ask a person: what is stored, what waits for what, and which answer counts. */
#include "base/str.h"
#include "rig.h"
#include "run/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define WHICH "{\"question\":\"Which?\",\"options\":[\"a\",\"b\"],\"allow_custom\":false}"
#define HOW "{\"question\":\"How?\"}"
#define SOON "{\"question\":\"Soon?\",\"deadline_seconds\":60,\"default\":\"no\"}"
#define EVER "{\"question\":\"Ever?\",\"deadline_seconds\":60}"

static struct call asks[] = {
    {.id = {"c1", 2}, .name = {"ask_user", 8}, .args = {WHICH, sizeof(WHICH) - 1}, .effect = EFFECT_ASK},
    {.id = {"c2", 2}, .name = {"ask_user", 8}, .args = {HOW, sizeof(HOW) - 1}, .effect = EFFECT_ASK},
};
static struct call asks_soon[] = {
    {.id = {"c1", 2}, .name = {"ask_user", 8}, .args = {SOON, sizeof(SOON) - 1}, .effect = EFFECT_ASK},
    {.id = {"c2", 2}, .name = {"ask_user", 8}, .args = {EVER, sizeof(EVER) - 1}, .effect = EFFECT_ASK},
};
static struct call asks_between[] = {
    {.id = {"c1", 2}, .name = {"look", 4}, .effect = EFFECT_READ},
    {.id = {"c2", 2}, .name = {"ask_user", 8}, .args = {HOW, sizeof(HOW) - 1}, .effect = EFFECT_ASK},
    {.id = {"c3", 2}, .name = {"launch", 6}, .effect = EFFECT_UNSAFE},
};
#define ASKS(calls_, n) .calls = {(calls_), (n)}, .stop = STOP_CALLS

#define ANSWER(...) {.kind = INPUT_ANSWER, FROM, .by = STR("ann"), __VA_ARGS__}
#define DUE(n) {.kind = INPUT_TIMER_QUESTION, .call = (n), .nonce = 77}

static void ask_with(struct rig *r, struct call *calls, size_t n)
{
    const struct line turn[] = {{EXECUTE("m1"), NULL}, {DONE(1, 1, 0, ASKS(calls, n)), NULL}};

    rig_init(r);
    TELL(r, turn);
}

static void a_question_suspends_the_run_and_its_answer_begins_another(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1"), NULL},
        {DONE(1, 1, 0, ASKS(asks, 1)), "assistant(1.1.0 @1 1 calls) budget call_started(1) question_asked(1 'Which?') "
                                       "run_ended(1 suspended) > asking"},
        {RESUME(), "| reply(nothing) > asking"},
        {POST("m2"), "message_posted(m2) | reply(posted m2) > asking"},
        {RESUME(), "| reply(nothing) > asking"},
        {ANSWER(.text = STR("c")), "| reply(bad_answer) > asking"},
        {ANSWER(.text = STR("a"), .call_id = STR("c9")), "| reply(other_question) > asking"},
        {ANSWER(.text = STR(" a "), .call_id = STR("c1")),
         "question_closed(1 answered 'a' by ann) call_ended(1 ok @2) run_started(2) round_started(2.1 +1) budget | "
         "model_start(2.1.0) reply(answered started run 2) > model"},
        {ANSWER(.text = STR("a"), .call_id = STR("c1")), "| reply(no_question run 2) > model"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

static void several_are_asked_together_and_the_last_answer_goes_on(void **state UNUSED)
{
    const struct line story[] = {
        {ANSWER(.text = STR("so"), .call_id = STR("c2")),
         "question_closed(2 answered 'so' by ann) call_ended(2 ok @3) | reply(answered) > asking"},
        {ANSWER(.dismiss = true), "question_closed(1 dismissed by ann) call_ended(1 denied @2) run_started(2) "
                                  "round_started(2.1 +0) budget | model_start(2.1.0) reply(answered started run 2) > "
                                  "model"},
    };
    struct rig r;

    ask_with(&r, asks, 2);
    assert_int_equal(r.m.s.n_questions, 2);
    TELL(&r, story);
    rig_done(&r);
}

static void what_is_answered_has_a_round_to_end_with_though_the_budget_is_spent(void **state UNUSED)
{
    static const struct {
        struct run_limits limits;
        const char *told;
    } rows[] = {
        {{.max_rounds = 1},
         "question_closed(1 answered 'a' by ann) call_ended(1 ok @2) run_started(2) budget_exceeded(session_max_rounds "
         "1/1) round_started(2.1 +0 closing) budget | model_start(2.1.0 closing) reply(answered started run 2) > "
         "model"},
        {{.max_ms = 500},
         "question_closed(1 answered 'a' by ann) call_ended(1 ok @2) run_started(2) "
         "budget_exceeded(session_max_wall_ms "
         "1000/500) run_ended(2 budget) | timer(run 2 +0s) reply(answered started run 2) > ready"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct line story[] = {
            {{.kind = INPUT_UPDATE, .set_limits = true, .session_limits = rows[i].limits}, NULL},
            {ANSWER(.text = STR("a")), rows[i].told},
        };
        const struct input begins = EXECUTE("m1"), asked = DONE(1, 1, 0, ASKS(asks, 1));
        struct rig r;

        rig_init(&r);
        rig_feed(&r, &begins);
        r.now += 1000;
        rig_feed(&r, &asked);
        TELL(&r, story);
        rig_done(&r);
    }
}

static void what_runs_beside_a_question_goes_on_and_what_follows_waits(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1"), NULL},
        {DONE(1, 1, 0, ASKS(asks_between, 3)),
         "assistant(1.1.0 @1 3 calls) budget call_started(1) call_started(2) question_asked(2 'How?') | tool_start(1 "
         "look) timer(call 1 +600s) > tools"},
        {RESULT(1), "call_ended(1 ok @2) run_ended(1 suspended) > asking"},
        {ANSWER(.text = STR("so")), "question_closed(2 answered 'so' by ann) call_ended(2 ok @3) run_started(2) "
                                    "call_started(3) | tool_start(3 launch) timer(call 3 +600s) reply(answered started "
                                    "run 2) > tools"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

static void an_answer_that_comes_while_the_run_is_at_work_is_taken_by_it(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1"), NULL},
        {DONE(1, 1, 0, ASKS(asks_between, 2)), NULL},
        {ANSWER(.text = STR("so")),
         "question_closed(2 answered 'so' by ann) call_ended(2 ok @3) | reply(answered joined run 1) > tools"},
        {RESULT(1), "call_ended(1 ok @2) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

static void a_deadline_gives_the_default_answer_or_says_that_nobody_answered(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1"), NULL},
        {DONE(1, 1, 0, ASKS(asks_soon, 2)),
         "assistant(1.1.0 @1 2 calls) budget call_started(1) question_asked(1 'Soon?' due) call_started(2) "
         "question_asked(2 'Ever?' due) run_ended(1 suspended) | timer(question 1 +60s) timer(question 2 +60s) > "
         "asking"},
        {{.kind = INPUT_TIMER_QUESTION, .call = 1, .nonce = 78}, "> asking"}, /* another session of this name */
        {{.kind = INPUT_TIMER_QUESTION, .call = 1, .nonce = 77, .wait_ms = 5000}, "| timer(question 1 +5s) > asking"},
        {DUE(1), "question_closed(1 expired 'no' by deadline) call_ended(1 ok @2) > asking"},
        {DUE(1), "> asking"},
        {ANSWER(.text = STR("yes"), .call_id = STR("c1")), "| reply(other_question) > asking"},
        {DUE(2), "question_closed(2 expired by deadline) call_ended(2 expired @3) run_started(2) round_started(2.1 +0) "
                 "budget | model_start(2.1.0) > model"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

/* Each of the runs begins with a budget of its own: nothing else would ever end them. */
static void a_model_that_asks_again_and_again_while_nobody_is_there_gets_nowhere(void **state UNUSED)
{
    static const struct {
        bool is_same;
        uint32_t runs;
        const char *said;
    } rows[] = {
        {true, LIMIT_REPEATS,
         "question_closed(3 expired 'no' by deadline) call_ended(3 ok @6) run_started(4) run_ended(4 error "
         "no_progress) > "
         "ready"},
        {false, LIMIT_FRUITLESS,
         "question_closed(8 expired 'no' by deadline) call_ended(8 ok @16) run_started(9) run_ended(9 error "
         "no_progress) > "
         "ready"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct input execute = EXECUTE("m1");
        struct rig r;

        rig_init(&r);
        rig_feed(&r, &execute);
        for (uint32_t run = 1; run <= rows[i].runs; run++) {
            char args[128];
            struct call call = {.id = STR("c1"), .name = STR("ask_user"), .effect = EFFECT_ASK};
            const struct input asked = DONE(run, 1, 0, ASKS(&call, 1)), due = DUE(run);

            snprintf(args, sizeof(args), "{\"question\":\"Soon, %u?\",\"deadline_seconds\":60,\"default\":\"no\"}",
                     rows[i].is_same ? 0 : run);
            call.args = str_of(args);
            rig_feed(&r, &asked);
            assert_int_equal(r.m.s.n_questions, 1);
            if (run < rows[i].runs)
                rig_feed(&r, &due);
            else
                assert_string_equal(rig_feed(&r, &due), rows[i].said);
        }
        rig_done(&r);
    }
}

static void what_a_person_answers_is_progress_however_often(void **state UNUSED)
{
    const struct input execute = EXECUTE("m1");
    struct rig r;

    rig_init(&r);
    rig_feed(&r, &execute);
    for (uint32_t run = 1; run <= 2 * LIMIT_FRUITLESS; run++) {
        const struct input asked = DONE(run, 1, 0, ASKS(asks, 1));
        const struct input yes = ANSWER(.text = STR("a")), no = ANSWER(.dismiss = true);

        rig_feed(&r, &asked);
        rig_feed(&r, run % 2 == 0 ? &yes : &no);
        assert_true(r.m.s.run.active && r.m.s.run.number == run + 1);
    }
    rig_done(&r);
}

/* The clock may have been set meanwhile: no more is left than there was. */
static void after_a_restart_what_is_left_is_measured_anew(void **state UNUSED)
{
    const struct line again[] = {{RECOVERED(true), "| timer(question 1 +20s) timer(question 2 +20s) > asking"}};
    const struct line late[] = {{RECOVERED(true), "| timer(question 1 +0s) timer(question 2 +0s) > asking"}};
    const struct line stepped[] = {{RECOVERED(true), "| timer(question 1 +60s) timer(question 2 +60s) > asking"}};
    struct rig r;

    ask_with(&r, asks_soon, 2);
    rig_crash(&r);
    r.now += 40000;
    TELL(&r, again);
    r.now += 40000;
    TELL(&r, late);
    r.now -= 315360000000;
    TELL(&r, stepped);
    rig_done(&r);
}

static void stopping_a_wait_is_a_run_without_rounds(void **state UNUSED)
{
    const struct line story[] = {
        {CANCEL(.run = 7), "| reply(other_question) > asking"},
        {CANCEL(), "run_started(2) cancel_requested(2 by ann) question_closed(1 withdrawn by ann) call_ended(1 "
                   "cancelled @2) question_closed(2 withdrawn by ann) call_ended(2 cancelled @3) run_ended(2 cancelled "
                   "by ann) | reply(stopped run 2) > ready"},
        {CANCEL(), "| reply(no_run) > ready"},
    };
    struct rig r;

    ask_with(&r, asks, 2);
    assert_string_equal(rig_feed(&r, &story[0].in), "| reply(other_run) > asking");
    rig_tell(&r, story + 1, 2);
    rig_done(&r);
}

static void nobody_is_asked_where_nobody_is_there(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1", .unattended = true), NULL},
        {DONE(1, 1, 0, ASKS(asks_soon, 2)), "assistant(1.1.0 @1 2 calls) budget call_started(1) call_ended(1 ok @2) "
                                            "call_started(2) call_ended(2 denied @3) round_started(1.2 +0) budget | "
                                            "model_start(1.2.0) > model"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

static void a_client_that_does_not_know_of_the_question_must_look_again(void **state UNUSED)
{
    static const struct {
        bool has;
        const char *call_id;
        bool fits;
    } views[] = {{false, "", false}, {true, "", true}, {true, "c1", true}, {true, "c2", false}};
    struct rig r;

    ask_with(&r, asks, 2);
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct input in = RESUME(.sync = {.present = true, .message_count = 2});

        in.sync.has_pending_question = views[i].has;
        in.sync.pending_tool_call_id = str_of(views[i].call_id);
        rig_feed(&r, &in);
        assert_int_equal(rig_reply(&r)->kind, views[i].fits ? REPLY_NOTHING : REPLY_NEED_SYNC);
        assert_true(rig_reply(&r)->has_question);
        assert_string_equal(rig_reply(&r)->pending_call_id, "c1");
    }
    rig_done(&r);
}

static void no_half_of_an_option_is_named(void **state UNUSED)
{
    static const struct {
        unsigned sizes[3];
        const char *told;
    } rows[] = {
        {{1, 1, 1}, "Response must be one of: a, b, c"},
        {{100, 100, 1}, ", or one of 2 more"},
        {{10000, 1, 1}, "Response must be one of the options, in full"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf args CLEANUP(buf_done) = BUF_INIT;
        struct call call = {.id = STR("c1"), .name = STR("ask_user"), .effect = EFFECT_ASK};
        const struct input wrong = ANSWER(.text = STR("z"));
        const char *said;
        struct rig r;

        buf_add_str(&args, STR("{\"question\":\"Which?\",\"allow_custom\":false,\"options\":["));
        for (unsigned k = 0; k < 3; k++) {
            buf_add_str(&args, k > 0 ? STR(",\"") : STR("\""));
            for (unsigned n = 0; n < rows[i].sizes[k]; n++)
                buf_addf(&args, "%c", (char)('a' + (int)k));
            buf_add_str(&args, STR("\""));
        }
        buf_add_str(&args, STR("]}"));
        call.args = buf_str(&args);
        ask_with(&r, &call, 1);
        rig_feed(&r, &wrong);
        said = rig_reply(&r)->err.text;
        assert_true(strlen(said) >= strlen(rows[i].told));
        assert_string_equal(said + strlen(said) - strlen(rows[i].told), rows[i].told);
        rig_done(&r);
    }
}

/* ---- what the model writes ---- */

static void arguments_are_judged_in_words_for_the_model(void **state UNUSED)
{
    static const struct {
        const char *args, *wrong; /* NULL: taken */
    } rows[] = {
        {WHICH, NULL},
        {HOW, NULL},
        {SOON, NULL},
        {"{\"question\":\"?\",\"options\":null,\"deadline_seconds\":null,\"default\":null,\"allow_custom\":null}",
         NULL},
        {"{\"question\":\"?\",\"allow_custom\":false}", NULL}, /* there is nothing else to answer with */
        {"[]", "expected an object with \"question\""},
        {"{}", "question: must not be empty"},
        {"{\"question\":\"  \"}", "question: must not be empty"},
        {"{\"question\":7}", "question: expected text"},
        {"{\"question\":\"?\",\"options\":\"a\"}", "options: expected a list of at most 32 texts"},
        {"{\"question\":\"?\",\"options\":[1]}", "options: each must be a text of its own, and not empty"},
        {"{\"question\":\"?\",\"options\":[\"a\",\"a\"]}", "options: each must be a text of its own, and not empty"},
        {"{\"question\":\"?\",\"allow_custom\":1}", "allow_custom: expected true or false"},
        {"{\"question\":\"?\",\"deadline_seconds\":0}", "deadline_seconds: expected a whole number from 1 to 604800"},
        {"{\"question\":\"?\",\"deadline_seconds\":1e9}", "deadline_seconds: expected a whole number from 1 to 604800"},
        {"{\"question\":\"?\",\"options\":[\"a\"],\"allow_custom\":false,\"default\":\"b\"}",
         "default: must be one of the options"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {.code = ERR_OK};
        struct arena a;
        struct ask ask;
        int rc;

        arena_init(&a);
        rc = ask_read(str_of(rows[i].args), &a, &ask, &err);
        if (rows[i].wrong == NULL)
            assert_int_equal(rc, 0);
        else
            assert_string_equal(err.text, rows[i].wrong);
        arena_done(&a);
    }
}

static void a_call_that_cannot_be_asked_says_why_and_holds_up_nobody(void **state UNUSED)
{
    static struct call broken[] = {{.id = {"c1", 2}, .name = {"ask_user", 8}, .args = {"{}", 2}, .effect = EFFECT_ASK}};
    const struct line story[] = {
        {EXECUTE("m1"), NULL},
        {DONE(1, 1, 0, ASKS(broken, 1)), "assistant(1.1.0 @1 1 calls) budget call_started(1) call_ended(1 error @2) "
                                         "round_started(1.2 +0) budget | model_start(1.2.0) > model"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_suspends_the_run_and_its_answer_begins_another),
        cmocka_unit_test(several_are_asked_together_and_the_last_answer_goes_on),
        cmocka_unit_test(what_is_answered_has_a_round_to_end_with_though_the_budget_is_spent),
        cmocka_unit_test(what_runs_beside_a_question_goes_on_and_what_follows_waits),
        cmocka_unit_test(an_answer_that_comes_while_the_run_is_at_work_is_taken_by_it),
        cmocka_unit_test(a_deadline_gives_the_default_answer_or_says_that_nobody_answered),
        cmocka_unit_test(a_model_that_asks_again_and_again_while_nobody_is_there_gets_nowhere),
        cmocka_unit_test(what_a_person_answers_is_progress_however_often),
        cmocka_unit_test(after_a_restart_what_is_left_is_measured_anew),
        cmocka_unit_test(stopping_a_wait_is_a_run_without_rounds),
        cmocka_unit_test(nobody_is_asked_where_nobody_is_there),
        cmocka_unit_test(a_client_that_does_not_know_of_the_question_must_look_again),
        cmocka_unit_test(no_half_of_an_option_is_named),
        cmocka_unit_test(arguments_are_judged_in_words_for_the_model),
        cmocka_unit_test(a_call_that_cannot_be_asked_says_why_and_holds_up_nobody),
    };

    return cmocka_run_group_tests_name("questions", tests, NULL, NULL);
}
