/* SPDX-License-Identifier: MIT */
/* What people are promised at the edges of a run: its last moment, its budget, its stop. */
#include "base/str.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define VIEW(...) .sync = {.present = true, .message_count = __VA_ARGS__}

static void begin(struct rig *r, struct run_limits limits)
{
    const struct input in = EXECUTE("m1", .limits = limits);

    rig_init(r);
    rig_feed(r, &in);
}
#define NO_LIMITS ((struct run_limits){0})

static void what_is_executed_while_a_run_stops_is_run_after_it(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_UNSAFE)), NULL},
        {CANCEL(), NULL},
        {EXECUTE("m2"), NULL},
        {RESULT(1), NULL},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    assert_true(r.m.s.run.active && r.m.s.run.number == 2);
    rig_done(&r);
}

static void what_is_executed_during_the_closing_round_is_run_after_it(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ)), NULL}, {RESULT(1), NULL},     {EXECUTE("m2"), NULL},
        {DELTA(1, 2, 0, "In short"), NULL},        {DONE(1, 2, 0), NULL},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 1});
    TELL(&r, story);
    assert_true(r.m.s.run.active && r.m.s.run.number == 2);
    rig_done(&r);
}

static void post_and_execute_heeds_the_clients_view(void **state UNUSED)
{
    const struct line story[] = {
        {POST("m1"), NULL},
        {EXECUTE("m2", VIEW(99)), NULL},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    assert_non_null(rig_reply(&r)->sync_reason);
    rig_done(&r);
}

static void an_id_of_a_question_that_is_not_open_is_a_mismatch(void **state UNUSED)
{
    const struct line story[] = {
        {POST("m1"), NULL},
        {RESUME(VIEW(0, .pending_tool_call_id = STR("c1"))), NULL},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    assert_non_null(rig_reply(&r)->sync_reason);
    assert_string_equal(rig_reply(&r)->sync_reason, "pending_question_mismatch");
    rig_done(&r);
}

static void a_client_counts_the_message_it_has_posted(void **state UNUSED)
{
    const struct line story[] = {
        {CREATE(.system = STR("Be kind.")), NULL},
        {POST("m1"), NULL},
        {RESUME(VIEW(2, .last_message_id = STR("m1"))), NULL},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    assert_null(rig_reply(&r)->sync_reason);
    rig_done(&r);
}

static void a_failure_that_only_the_budget_keeps_from_another_try_ends_as_budget(void **state UNUSED)
{
    const struct line story[] = {{FAILED(1, 1, 0, SERVER), NULL}};
    struct rig r;

    begin(&r, (struct run_limits){.max_tokens = 1});
    TELL(&r, story);
    assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->end, END_BUDGET);
    rig_done(&r);
}

static void an_unknown_tool_is_denied_too_when_the_budget_is_used_up(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ, EFFECT_UNKNOWN_TOOL, EFFECT_UNKNOWN_TOOL)),
         "assistant(1.1.0 @1 3 calls) budget call_started(1) budget_exceeded(max_tool_calls 1/1) call_ended(2 denied "
         "@3) call_ended(3 denied @4) | "
         "tool_start(1 t1) timer(call 1 +600s) > tools"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_calls = 1});
    TELL(&r, story);
    rig_done(&r);
}

static void who_stopped_a_run_is_said_at_its_end_also_after_waiting_for_tools(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_UNSAFE)), NULL},
        {CANCEL(), NULL},
        {RESULT(1), NULL},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    assert_true(str_is(rig_fact(&r, FACT_RUN_ENDED)->by, "ann"));
    rig_done(&r);
}

static void recovery_reserves_what_the_round_had_reserved(void **state UNUSED)
{
    const struct input in = RECOVERED(true);
    int64_t reserved;
    struct rig r;

    begin(&r, NO_LIMITS);
    reserved = rig_fact(&r, FACT_ROUND_STARTED)->tokens;
    rig_crash(&r);
    rig_feed(&r, &in);
    assert_true(rig_fact(&r, FACT_RUN_RECOVERED)->tokens == reserved);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_executed_while_a_run_stops_is_run_after_it),
        cmocka_unit_test(what_is_executed_during_the_closing_round_is_run_after_it),
        cmocka_unit_test(post_and_execute_heeds_the_clients_view),
        cmocka_unit_test(an_id_of_a_question_that_is_not_open_is_a_mismatch),
        cmocka_unit_test(a_client_counts_the_message_it_has_posted),
        cmocka_unit_test(a_failure_that_only_the_budget_keeps_from_another_try_ends_as_budget),
        cmocka_unit_test(an_unknown_tool_is_denied_too_when_the_budget_is_used_up),
        cmocka_unit_test(who_stopped_a_run_is_said_at_its_end_also_after_waiting_for_tools),
        cmocka_unit_test(recovery_reserves_what_the_round_had_reserved),
    };

    return cmocka_run_group_tests_name("promises", tests, NULL, NULL);
}
