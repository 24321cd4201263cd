/* SPDX-License-Identifier: MIT */
/* Tool calls: which begin together, one result for each whatever happens, deadlines, stops, the budget of calls. */
#include "base/str.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define R EFFECT_READ
#define K EFFECT_KEYED
#define U EFFECT_UNSAFE
#define X EFFECT_UNKNOWN_TOOL

static void begin(struct rig *r, struct run_limits limits)
{
    const struct input in = EXECUTE("m1", .limits = limits);

    rig_init(r);
    rig_feed(r, &in);
}
#define NO_LIMITS ((struct run_limits){0})

static void neighbours_that_only_read_begin_together_and_all_else_alone(void **state UNUSED)
{
    const struct line rows[] = {
        {DONE(1, 1, 0, CALLS(R, R, U)),
         "assistant(1.1.0 @1 3 calls) budget call_started(1) call_started(2) | tool_start(1 t1) timer(call 1 +600s) "
         "tool_start(2 t2) timer(call 2 +600s) > tools"},
        {DONE(1, 1, 0, CALLS(U, R)),
         "assistant(1.1.0 @1 2 calls) budget call_started(1) | tool_start(1 t1) timer(call 1 +600s) > tools"},
        {DONE(1, 1, 0, CALLS(K, K)),
         "assistant(1.1.0 @1 2 calls) budget call_started(1) | tool_start(1 t1) timer(call 1 +600s) > tools"},
        {DONE(1, 1, 0, CALLS(R, U, R)),
         "assistant(1.1.0 @1 3 calls) budget call_started(1) | tool_start(1 t1) timer(call 1 +600s) > tools"},
        {DONE(1, 1, 0, CALLS(R, X, R)),
         "assistant(1.1.0 @1 3 calls) budget call_started(1) call_started(2) call_ended(2 no_such_tool @3) "
         "call_started(3) | tool_start(1 t1) timer(call 1 +600s) tool_start(3 t3) timer(call 3 +600s) > tools"},
        {DONE(1, 1, 0, CALLS(X, X)),
         "assistant(1.1.0 @1 2 calls) budget call_started(1) call_ended(1 no_such_tool @2) call_started(2) "
         "call_ended(2 no_such_tool @3) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;

        begin(&r, NO_LIMITS);
        rig_tell(&r, &rows[i], 1);
        rig_done(&r);
    }
}

static void calls_go_on_in_the_order_of_the_answer(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R, R, U, R, K)), NULL},
        {RESULT(1), "call_ended(1 ok @2) > tools"},
        {RESULT(2), "call_ended(2 ok @3) call_started(3) | tool_start(3 t3) timer(call 3 +600s) > tools"},
        {RESULT(3), "call_ended(3 ok @4) call_started(4) | tool_start(4 t4) timer(call 4 +600s) > tools"},
        {RESULT(4), "call_ended(4 ok @5) call_started(5) | tool_start(5 t5) timer(call 5 +600s) > tools"},
        {RESULT(5), "call_ended(5 ok @6) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
        {DONE(1, 2, 0, CALLS(U)), "assistant(1.2.0 @7 1 calls) budget call_started(6) | tool_start(6 t1) "
                                  "timer(call 6 +600s) > tools"},
        {RESULT(1), "> tools"}, /* of the round before */
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

static void results_come_in_any_order_and_each_counts_once(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R, R, R)), NULL},
        {RESULT(3), "call_ended(3 ok @4) > tools"},
        {RESULT(3), "> tools"},
        {DEADLINE(3), "> tools"},
        {RESULT(1, .outcome = OUTCOME_ERROR), "call_ended(1 error @2) > tools"},
        {RESULT(2), "call_ended(2 ok @3) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
        {RESULT(2), "> model"},
        {RESULT(4), "> model"}, /* of nothing */
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    assert_string_not_equal(r.m.s.last_message, "m1");
    rig_done(&r);
}

static void a_message_posted_while_tools_run_is_read_with_the_results(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(U)), NULL},
        {EXECUTE("m2"), "message_posted(m2) | reply(posted m2 joined run 1) > tools"},
        {RESULT(1), "call_ended(1 ok @2) round_started(1.2 +1) budget | model_start(1.2.0) > model"},
        {DELTA(1, 2, 0, "Hi"), NULL},
        {DONE(1, 2, 0), "assistant(1.2.0 @4 'Hi') budget run_ended(1 completed) > idle"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

static void at_most_eight_tools_work_at_once(void **state UNUSED)
{
    const struct input done = DONE(1, 1, 0, CALLS(R, R, R, R, R, R, R, R, R, R));
    const struct line then[] = {
        {RESULT(5), "call_ended(5 ok @6) call_started(9) | tool_start(9 t9) timer(call 9 +600s) > tools"},
        {RESULT(1), "call_ended(1 ok @2) call_started(10) | tool_start(10 t10) timer(call 10 +600s) > tools"},
        {RESULT(2), "call_ended(2 ok @3) > tools"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    rig_feed(&r, &done);
    assert_int_equal(session_open_calls(&r.m.s, CALL_RUNNING), LIMIT_PARALLEL_TOOLS);
    TELL(&r, then);
    rig_done(&r);
}

static void eighty_calls_are_carried_through(void **state UNUSED)
{
    int effects[LIMIT_CALLS_PER_ROUND];
    struct input done = DONE(1, 1, 0);
    struct rig r;

    for (size_t i = 0; i < ARRAY_LEN(effects); i++)
        effects[i] = i % 3 == 0 ? U : R;
    done.calls = rig_calls(effects, ARRAY_LEN(effects));
    begin(&r, NO_LIMITS);
    rig_feed(&r, &done);
    for (uint32_t call = 1; call <= LIMIT_CALLS_PER_ROUND; call++) {
        const struct input result = RESULT(call);

        rig_feed(&r, &result);
    }
    assert_true(r.m.s.run.round_open && r.m.s.run.round == 2 && r.m.s.messages == 2 + LIMIT_CALLS_PER_ROUND);
    rig_done(&r);
}

/* What the tool is started with, and what the log says of it, is the model's own text. */
static void a_call_carries_what_the_model_wrote(void **state UNUSED)
{
    struct call call = {.id = STR("call_abc"), .name = STR("write"), .args = STR("{\"path\":\"a\"} "), .effect = U};
    const struct input done = DONE(1, 1, 0, .calls = {&call, 1}), result = RESULT(1);
    const struct effect *start;
    const struct fact *f;
    char id[ID_TEXT];
    struct rig r;

    begin(&r, NO_LIMITS);
    rig_feed(&r, &done);
    start = rig_effect(&r, EFFECT_TOOL_START);
    assert_true(str_is(start->call_id, "call_abc") && str_is(start->tool, "write"));
    assert_true(str_is(start->args, "{\"path\":\"a\"} "));
    f = rig_fact(&r, FACT_CALL_STARTED);
    assert_true(str_is(f->call_id, "call_abc") && str_is(f->tool, "write") && str_is(f->args, "{\"path\":\"a\"} "));
    rig_feed(&r, &result);
    f = rig_fact(&r, FACT_CALL_ENDED);
    session_result_id(&r.m.s, 1, id);
    assert_true(str_is(f->id, id) && str_is(f->call_id, "call_abc") && str_is(f->tool, "write"));
    assert_true(str_is(f->text, "result") && f->run == 1 && f->round == 1);
    rig_done(&r);
}

static void an_unknown_tool_is_named_in_its_result(void **state UNUSED)
{
    const struct input done = DONE(1, 1, 0, CALLS(X, U));
    const struct fact *f;
    struct rig r;

    begin(&r, NO_LIMITS);
    rig_feed(&r, &done);
    f = rig_fact(&r, FACT_CALL_ENDED);
    assert_true(f->outcome == OUTCOME_NO_TOOL && str_find(f->text, STR("\"t1\"")) >= 0);
    assert_true(str_is(rig_effect(&r, EFFECT_TOOL_START)->tool, "t2")); /* it holds up nobody */
    rig_done(&r);
}

static void a_result_may_end_the_run_by_its_answer(void **state UNUSED)
{
    const struct line story[] = {
        {DELTA(1, 1, 0, "Let me see"), NULL},
        {DONE(1, 1, 0, CALLS(R)), "assistant(1.1.0 @1 'Let me see' 1 calls) budget call_started(1) | tool_start(1 t1) "
                                  "timer(call 1 +600s) > tools"},
        {RESULT(1), "call_ended(1 ok @2) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
        {DELTA(1, 2, 0, "Done"), NULL},
        {DONE(1, 2, 0), "assistant(1.2.0 @3 'Done') budget run_ended(1 completed) > idle"},
        {EXECUTE("m2"), NULL},
        {RESULT(1), "> model"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

/* ---- budget of calls ---- */

static void calls_over_the_budget_are_denied_and_the_model_is_told(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R, R, R, U)),
         "assistant(1.1.0 @1 4 calls) budget call_started(1) call_started(2) budget_exceeded(max_tool_calls 2/2) "
         "call_ended(3 denied @4) "
         "call_ended(4 denied @5) | tool_start(1 t1) timer(call 1 +600s) tool_start(2 t2) timer(call 2 +600s) > tools"},
        {RESULT(1), "call_ended(1 ok @2) > tools"},
        {RESULT(2), "call_ended(2 ok @3) round_started(1.2 +0 closing) budget | model_start(1.2.0 closing) > model"},
        {DONE(1, 2, 0, CALLS(R)),
         "assistant(1.2.0 @6 1 calls) budget call_ended(5 denied @7) run_ended(1 budget) > ready"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_calls = 2});
    TELL(&r, story);
    rig_done(&r);
}

static void a_serial_call_is_counted_before_its_neighbour(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(U, U)), NULL},
        {RESULT(1), "call_ended(1 ok @2) budget_exceeded(max_tool_calls 1/1) call_ended(2 denied @3) round_started(1.2 "
                    "+0 closing) budget | model_start(1.2.0 closing) > model"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_calls = 1});
    TELL(&r, story);
    rig_done(&r);
}

/* ---- deadlines ---- */

static void a_tool_that_is_late_is_given_up_and_its_result_dropped(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(U, R)), NULL},
        {DEADLINE(1), "call_ended(1 timeout @2) call_started(2) | tool_cancel(1) tool_start(2 t2) timer(call 2 +600s) "
                      "> tools"},
        {RESULT(1), "> tools"},
        {DEADLINE(1), "> tools"},
        {RESULT(2), "call_ended(2 ok @3) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
        {DEADLINE(2), "> model"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

/* ---- stops ---- */

static void a_stop_waits_for_the_tools_and_begins_nothing_more(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R, R, U)), NULL},
        {CANCEL(), "cancel_requested(1 by ann) call_ended(3 cancelled @4) | tool_cancel(1) tool_cancel(2) "
                   "timer(cancel 1 +2s) reply(stopped run 1) > stopping"},
        {RESULT(2, .outcome = OUTCOME_CANCELLED), "call_ended(2 cancelled @3) > stopping"},
        {CANCEL(), "| reply(stopped run 1) > stopping"},
        {POST("m2"), "message_posted(m2) | reply(posted m2 run 1) > stopping"},
        {RESULT(1), "call_ended(1 ok @2) run_ended(1 cancelled by ann) > ready"}, /* who stopped wants no other run */
        {BOUND(1), "> ready"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

static void a_tool_that_does_not_obey_is_given_up_as_unknown(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R, R)), NULL},
        {CANCEL(), NULL},
        {RESULT(1), "call_ended(1 ok @2) > stopping"},
        {BOUND(1), "call_ended(2 unknown @3) run_ended(1 cancelled by ann) > ready"},
        {RESULT(2), "> ready"},
        {RESUME(), "run_started(2) round_started(2.1 +0) budget | model_start(2.1.0) reply(started run 2) > model"},
        {BOUND(1), "> model"},
        {DONE(2, 1, 0, CALLS(U)), NULL},
        {CANCEL(), NULL},
        {BOUND(1), "> stopping"}, /* of the run before */
        {BOUND(2), "call_ended(3 unknown @5) run_ended(2 cancelled by ann) > ready"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

static void a_deadline_may_end_a_stop(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(U, U)), NULL},
        {CANCEL(), NULL},
        {DEADLINE(1), "call_ended(1 timeout @2) run_ended(1 cancelled by ann) | tool_cancel(1) > ready"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

/* Calls of an answer that came together with the stop: nothing has begun, so nothing is waited for. */
static void a_stop_of_a_model_call_knows_no_calls(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(U)), NULL},
        {RESULT(1), NULL},
        {DELTA(1, 2, 0, "So"), NULL},
        {CANCEL(), "cancel_requested(1 by ann) assistant(1.2.0 @3 'So' interrupted) run_ended(1 cancelled by ann) | "
                   "model_abort reply(stopped run 1) > idle"},
        {DONE(1, 2, 0, CALLS(U)), "> idle"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_that_only_read_begin_together_and_all_else_alone),
        cmocka_unit_test(calls_go_on_in_the_order_of_the_answer),
        cmocka_unit_test(results_come_in_any_order_and_each_counts_once),
        cmocka_unit_test(a_message_posted_while_tools_run_is_read_with_the_results),
        cmocka_unit_test(at_most_eight_tools_work_at_once),
        cmocka_unit_test(eighty_calls_are_carried_through),
        cmocka_unit_test(a_call_carries_what_the_model_wrote),
        cmocka_unit_test(an_unknown_tool_is_named_in_its_result),
        cmocka_unit_test(a_result_may_end_the_run_by_its_answer),
        cmocka_unit_test(calls_over_the_budget_are_denied_and_the_model_is_told),
        cmocka_unit_test(a_serial_call_is_counted_before_its_neighbour),
        cmocka_unit_test(a_tool_that_is_late_is_given_up_and_its_result_dropped),
        cmocka_unit_test(a_stop_waits_for_the_tools_and_begins_nothing_more),
        cmocka_unit_test(a_tool_that_does_not_obey_is_given_up_as_unknown),
        cmocka_unit_test(a_deadline_may_end_a_stop),
        cmocka_unit_test(a_stop_of_a_model_call_knows_no_calls),
    };

    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
