/* SPDX-License-Identifier: MIT */
/*
 * The server died: a machine that knows only the log is told so. What is done again and what is never done twice; who
 * is given up after how many crashes; and that a run ends whole wherever it was cut.
 */
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

static void begin(struct rig *r)
{
    const struct input in = EXECUTE("m1");

    rig_init(r);
    rig_feed(r, &in);
}

static const char *crash(struct rig *r, bool charged)
{
    const struct input in = RECOVERED(charged);

    rig_crash(r);
    return rig_feed(r, &in);
}

static void feed(struct rig *r, struct input in)
{
    rig_feed(r, &in);
}

/* ---- in a model call ---- */

static void a_model_call_is_made_again_under_a_new_name(void **state UNUSED)
{
    const struct line story[] = {
        {DELTA(1, 1, 0, "late"), "> model"},
        {DELTA(1, 1, 1, "Hi"), "| delta(1.1.1 0 'Hi') > model"},
        {DONE(1, 1, 1), "assistant(1.1.1 @1 'Hi') budget run_ended(1 completed) > idle"},
    };
    char id[ID_TEXT];
    struct rig r;

    begin(&r);
    feed(&r, (struct input)DELTA(1, 1, 0, "Hel"));
    session_message_id(&r.m.s, 1, 1, 0, id);
    assert_string_equal(crash(&r, true), "run_recovered(1.1.0 charged void) | model_start(1.1.1) > model");
    assert_true(str_is(rig_fact(&r, FACT_RUN_RECOVERED)->discarded, id));
    assert_true(rig_fact(&r, FACT_RUN_RECOVERED)->tokens > 0); /* it is paid for once more */
    TELL(&r, story);
    rig_done(&r);
}

static void stored_text_is_discarded_when_the_run_goes_on(void **state UNUSED)
{
    const struct line story[] = {
        {RECOVERED(false), "run_recovered(1.1.0 void) | model_start(1.1.1) > model"},
        {DELTA(1, 1, 1, "Hi"), "| delta(1.1.1 0 'Hi') > model"},
    };
    struct rig r;

    begin(&r);
    rig_crash_with_text(&r, STR("stored"));
    TELL(&r, story);
    rig_done(&r);
}

static void a_pause_between_tries_is_over(void **state UNUSED)
{
    const struct line story[] = {
        {RETRY(1, 1, 1), "> model"}, /* the pause that was */
        {FAILED(1, 1, 2, SERVER), "model_failed(1.1.2 provider_error) | timer(retry 1.1.3) > model"},
    };
    struct rig r;

    begin(&r);
    feed(&r, (struct input)FAILED(1, 1, 0, SERVER));
    assert_string_equal(crash(&r, false), "run_recovered(1.1.1 void) | model_start(1.1.2) > model");
    assert_true(r.m.s.run.retry_due == 0);
    TELL(&r, story);
    rig_done(&r);
}

static void crash_in_model(struct rig *r, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++)
        crash(r, true);
}

static void the_twenty_third_crash_in_one_model_call_ends_the_run(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    crash_in_model(&r, LIMIT_SUSPECT_MODEL_CRASHES - 1);
    assert_false(session_is_suspect(&r.m.s));
    crash_in_model(&r, 1);
    assert_true(session_is_suspect(&r.m.s));
    crash_in_model(&r, LIMIT_GIVE_UP_MODEL_CRASHES - LIMIT_SUSPECT_MODEL_CRASHES - 1);
    assert_true(r.m.s.run.active);
    assert_string_equal(crash(&r, true), "run_recovered(1.1.22 charged void) run_ended(1 error crash_loop) > ready");
    assert_true(rig_fact(&r, FACT_RUN_ENDED)->text.n > 0);
    rig_done(&r);
}

/* Watchers have read more than was stored, so what is kept gets a name of its own, after the old one is void. */
static void stored_text_of_a_run_that_is_given_up_is_kept_under_a_new_name(void **state UNUSED)
{
    const struct line story[] = {
        {RECOVERED(true), "run_recovered(1.1.22 charged void) assistant(1.1.23 @1 'stored' interrupted) "
                          "run_ended(1 error crash_loop) > idle"},
    };
    char old[ID_TEXT], new[ID_TEXT];
    struct rig r;

    begin(&r);
    crash_in_model(&r, LIMIT_GIVE_UP_MODEL_CRASHES - 1);
    session_message_id(&r.m.s, 1, 1, 22, old);
    session_message_id(&r.m.s, 1, 1, 23, new);
    rig_crash_with_text(&r, STR("stored"));
    TELL(&r, story);
    assert_true(str_is(rig_fact(&r, FACT_RUN_RECOVERED)->discarded, old));
    assert_true(str_is(rig_fact(&r, FACT_ASSISTANT)->id, new));
    rig_done(&r);
}

static void an_orderly_stop_of_the_server_is_not_charged(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    for (uint32_t i = 0; i < 2 * LIMIT_GIVE_UP_MODEL_CRASHES; i++)
        crash(&r, false);
    assert_true(r.m.s.run.active && r.m.s.run.crashes == 0 && !session_is_suspect(&r.m.s));
    rig_done(&r);
}

static void an_answer_is_progress(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    crash_in_model(&r, LIMIT_GIVE_UP_MODEL_CRASHES - 1);
    feed(&r, (struct input)DONE(1, 1, LIMIT_GIVE_UP_MODEL_CRASHES - 1, CALLS(R)));
    assert_int_equal(r.m.s.run.crashes, 0);
    feed(&r, (struct input)RESULT(1));
    crash_in_model(&r, LIMIT_GIVE_UP_MODEL_CRASHES - 1);
    assert_true(r.m.s.run.active);
    rig_done(&r);
}

/* ---- in tool calls ---- */

static void what_may_happen_twice_is_started_again_and_what_may_not_is_unknown(void **state UNUSED)
{
    static const struct {
        int effect;
        const char *said;
    } rows[] = {
        {R, "run_recovered(1.1.0 charged) | tool_start(1 t1) timer(call 1 +600s) > tools"},
        {K, "run_recovered(1.1.0 charged) | tool_start(1 t1) timer(call 1 +600s) > tools"},
        {U, "run_recovered(1.1.0 charged) call_ended(1 unknown @2) round_started(1.2 +0) budget | model_start(1.2.0) "
            "> model"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;

        begin(&r);
        feed(&r, (struct input)DONE(1, 1, 0, CALLS(rows[i].effect)));
        assert_string_equal(crash(&r, true), rows[i].said);
        rig_done(&r);
    }
}

static void a_tool_is_started_again_with_the_same_id_and_text(void **state UNUSED)
{
    struct call call = {.id = STR("call_abc"), .name = STR("read"), .args = STR("{\"a\":1}"), .effect = R};
    const struct effect *start;
    struct rig r;

    begin(&r);
    feed(&r, (struct input)DONE(1, 1, 0, .calls = {&call, 1}));
    crash(&r, true);
    start = rig_effect(&r, EFFECT_TOOL_START);
    assert_true(start->call == 1 && str_is(start->call_id, "call_abc") && str_is(start->tool, "read"));
    assert_true(str_is(start->args, "{\"a\":1}"));
    rig_done(&r);
}

static void calls_that_had_not_begun_go_on_as_if_nothing_had_been(void **state UNUSED)
{
    const struct line story[] = {
        {RESULT(2), "call_ended(2 ok @3) call_started(3) | tool_start(3 t3) timer(call 3 +600s) > tools"},
        {RESULT(3), "call_ended(3 ok @4) call_started(4) | tool_start(4 t4) timer(call 4 +600s) > tools"},
        {RESULT(4), "call_ended(4 ok @5) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
    };
    struct rig r;

    begin(&r);
    feed(&r, (struct input)DONE(1, 1, 0, CALLS(R, R, U, R)));
    feed(&r, (struct input)RESULT(1));
    assert_string_equal(crash(&r, true), "run_recovered(1.1.0 charged) | tool_start(2 t2) timer(call 2 +600s) > tools");
    TELL(&r, story);
    rig_done(&r);
}

static void a_call_that_crashes_the_server_is_suspect_at_two_and_given_up_at_three(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    feed(&r, (struct input)DONE(1, 1, 0, CALLS(R, R, R)));
    feed(&r, (struct input)RESULT(2));
    crash(&r, true);
    assert_false(session_is_suspect(&r.m.s));
    crash(&r, false);
    assert_false(session_is_suspect(&r.m.s));
    assert_string_equal(crash(&r, true), "run_recovered(1.1.0 charged) | tool_start(1 t1) timer(call 1 +600s) "
                                         "tool_start(3 t3) timer(call 3 +600s) > tools");
    assert_true(session_is_suspect(&r.m.s));
    assert_string_equal(crash(&r, true),
                        "run_recovered(1.1.0 charged) call_ended(1 unknown @2) call_ended(3 unknown @4) "
                        "round_started(1.2 +0) budget | model_start(1.2.0) > model");
    assert_int_equal(r.m.s.run.crashes, 0);
    rig_done(&r);
}

static void a_result_is_progress(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    feed(&r, (struct input)DONE(1, 1, 0, CALLS(R, R)));
    crash(&r, true);
    crash(&r, true);
    feed(&r, (struct input)RESULT(1));
    crash(&r, true);
    crash(&r, true);
    assert_int_equal(session_open_calls(&r.m.s, CALL_RUNNING), 1);
    rig_done(&r);
}

static void crashes_of_the_model_call_do_not_count_against_its_tools(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    crash_in_model(&r, 5);
    feed(&r, (struct input)DONE(1, 1, 5, CALLS(R)));
    assert_string_equal(crash(&r, true), "run_recovered(1.1.5 charged) | tool_start(1 t1) timer(call 1 +600s) > tools");
    rig_done(&r);
}

static void a_stop_is_carried_through(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    feed(&r, (struct input)DONE(1, 1, 0, CALLS(R, R, U)));
    feed(&r, (struct input)CANCEL());
    assert_string_equal(crash(&r, true),
                        "run_recovered(1.1.0 charged) call_ended(1 unknown @2) call_ended(2 unknown @3) "
                        "run_ended(1 cancelled by ann) > ready");
    rig_done(&r);
}

/* ---- nothing to recover ---- */

static void a_session_at_rest_has_nothing_to_recover(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    assert_string_equal(crash(&r, true), "> absent");
    feed(&r, (struct input)POST("m1"));
    assert_string_equal(crash(&r, true), "> ready"); /* a post without execute is not to be run */
    feed(&r, (struct input)RESUME());
    feed(&r, (struct input)DELTA(1, 1, 0, "Hi"));
    feed(&r, (struct input)DONE(1, 1, 0));
    assert_string_equal(crash(&r, true), "> idle");
    rig_done(&r);
}

/* ---- death at every step of a run ---- */

struct world {
    struct rig r;
    uint32_t starts[16], ends[16]; /* of each call */
    uint32_t steps, crash_at;
    uint32_t answers;
};

static void count_step(struct world *w)
{
    const struct step *st = &w->r.st;

    for (uint32_t i = 0; i < st->n_facts; i++)
        w->ends[st->facts[i].call] += st->facts[i].kind == FACT_CALL_ENDED;
    for (uint32_t i = 0; i < st->n_effects; i++)
        w->starts[st->effects[i].call] += st->effects[i].kind == EFFECT_TOOL_START;
}

/* Dies after the step is stored and before anything it wanted was done, or after all of it was. */
static void take_step(struct world *w, struct input in, bool acts)
{
    rig_feed(&w->r, &in);
    if (w->steps == w->crash_at && !acts) {
        for (uint32_t i = 0; i < w->r.st.n_facts; i++)
            w->ends[w->r.st.facts[i].call] += w->r.st.facts[i].kind == FACT_CALL_ENDED;
    } else {
        count_step(w);
    }
    if (w->steps++ == w->crash_at) {
        crash(&w->r, true);
        count_step(w);
    }
}

static void answer_model(struct world *w, bool acts)
{
    const struct run_state *s = &w->r.m.s.run;
    uint32_t run = s->number, round = s->round, gen = s->gen;

    rig_feed(&w->r, &(struct input)DELTA(run, round, gen, "text"));
    if (round == 1)
        take_step(w, (struct input)DONE(run, round, gen, CALLS(R, R, U, K, U)), acts);
    else
        take_step(w, (struct input)DONE(run, round, gen), acts);
}

static void end_a_tool(struct world *w, bool acts)
{
    const struct session *s = &w->r.m.s;

    for (int i = s->n_calls - 1; i >= 0; i--) {
        if (s->calls[i].state == CALL_RUNNING) {
            take_step(w, (struct input)RESULT(s->first_call + (uint32_t)i), acts);
            return;
        }
    }
    fail_msg("a run that waits for nothing");
}

static void check_story(uint32_t crash_at, bool acts, uint32_t *steps)
{
    static const bool once[16] = {[3] = true, [5] = true}; /* the unsafe ones */
    struct world w = {.crash_at = crash_at};

    rig_init(&w.r);
    take_step(&w, (struct input)EXECUTE("m1"), acts);
    while (w.r.m.s.run.active) {
        assert_true(w.steps < 100);
        if (w.r.m.s.run.round_open)
            answer_model(&w, acts);
        else
            end_a_tool(&w, acts);
    }
    assert_int_equal(w.r.m.s.last_end, END_COMPLETED);
    assert_int_equal(w.r.m.s.messages, 1 + 1 + 5 + 1);
    for (uint32_t call = 1; call <= 5; call++) {
        assert_int_equal(w.ends[call], 1);
        assert_true(w.starts[call] <= (once[call] ? 1u : 2u));
    }
    *steps = w.steps;
    rig_done(&w.r);
}

static void a_run_ends_whole_wherever_it_was_cut(void **state UNUSED)
{
    uint32_t steps = 0;

    for (uint32_t at = 0; at <= steps; at++) {
        check_story(at, false, &steps);
        check_story(at, true, &steps);
    }
    assert_true(steps >= 8);
}

/* ---- what came next is lost ---- */

/* The kinds of the facts that end it, and where it stands then. */
static void check_abandoned(struct rig *r, const char *expected)
{
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    uint64_t seq = r->m.s.seq;

    run_abandon(&r->m, 5000, &r->st);
    for (uint32_t i = 0; i < r->st.n_facts; i++) {
        const struct fact *f = &r->st.facts[i];

        assert_int_equal(f->seq, seq + 1 + i);
        assert_int_equal(f->at, 5000);
        buf_addf(&said, "%s(%u%s) ", fact_kind_name(f->kind), f->kind == FACT_CALL_ENDED ? f->call : f->run,
                 f->kind != FACT_CALL_ENDED        ? ""
                 : f->outcome == OUTCOME_UNKNOWN   ? " unknown"
                 : f->outcome == OUTCOME_CANCELLED ? " cancelled"
                                                   : "?");
    }
    buf_add_str(&said, str_of(session_state_word(&r->m.s)));
    assert_string_equal(said.p, expected);
    assert_int_equal(r->st.n_effects, 0);
}

static void a_run_whose_log_was_cut_ends_as_an_error(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    rig_crash(&r);
    check_abandoned(&r, "run_ended(1) error");
    assert_int_equal(r.st.facts[0].end, END_ERROR);
    assert_int_equal(r.st.facts[0].failure, FAILURE_INTERNAL);
    assert_true(r.st.facts[0].text.n > 0 && r.st.facts[0].id.n > 0);
    check_abandoned(&r, "error"); /* it is at rest now */
    rig_done(&r);
}

static void calls_of_a_run_whose_log_was_cut_are_over(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    feed(&r, (struct input)DONE(1, 1, 0, CALLS(U, R, R)));
    rig_crash(&r);
    check_abandoned(&r, "call_ended(1 unknown) call_ended(2 cancelled) call_ended(3 cancelled) run_ended(1) error");
    rig_done(&r);
}

/* Nobody asked this life for it. */
static void no_run_begins_for_what_waited_meanwhile(void **state UNUSED)
{
    struct rig r;

    begin(&r);
    feed(&r, (struct input)POST("m2"));
    rig_crash(&r);
    check_abandoned(&r, "run_ended(1) error");
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_call_is_made_again_under_a_new_name),
        cmocka_unit_test(stored_text_is_discarded_when_the_run_goes_on),
        cmocka_unit_test(a_pause_between_tries_is_over),
        cmocka_unit_test(the_twenty_third_crash_in_one_model_call_ends_the_run),
        cmocka_unit_test(stored_text_of_a_run_that_is_given_up_is_kept_under_a_new_name),
        cmocka_unit_test(an_orderly_stop_of_the_server_is_not_charged),
        cmocka_unit_test(an_answer_is_progress),
        cmocka_unit_test(what_may_happen_twice_is_started_again_and_what_may_not_is_unknown),
        cmocka_unit_test(a_tool_is_started_again_with_the_same_id_and_text),
        cmocka_unit_test(calls_that_had_not_begun_go_on_as_if_nothing_had_been),
        cmocka_unit_test(a_call_that_crashes_the_server_is_suspect_at_two_and_given_up_at_three),
        cmocka_unit_test(a_result_is_progress),
        cmocka_unit_test(crashes_of_the_model_call_do_not_count_against_its_tools),
        cmocka_unit_test(a_stop_is_carried_through),
        cmocka_unit_test(a_session_at_rest_has_nothing_to_recover),
        cmocka_unit_test(a_run_ends_whole_wherever_it_was_cut),
        cmocka_unit_test(a_run_whose_log_was_cut_ends_as_an_error),
        cmocka_unit_test(calls_of_a_run_whose_log_was_cut_are_over),
        cmocka_unit_test(no_run_begins_for_what_waited_meanwhile),
    };

    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
