/* SPDX-License-Identifier: MIT */
/* Money, time, what a whole session may use, and runs that get nowhere. */
#include "base/str.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define R EFFECT_READ

/* A million tokens of either kind cost a million micros: a micro a token. */
static struct price a_micro_a_token(void *arg UNUSED, struct str provider UNUSED, struct str model)
{
    return (struct price){.input = 1000000, .output = 1000000, .cached = 1000000, .known = !str_is(model, "free")};
}

static void begin(struct rig *r, struct run_limits limits)
{
    const struct input turn = EXECUTE("m1", .limits = limits);

    rig_init(r);
    r->m.price = a_micro_a_token;
    rig_feed(r, &turn);
}

static void money_is_reserved_for_the_worst_and_settled_for_what_it_was(void **state UNUSED)
{
    const struct input done =
        DONE(1, 1, 0, CALLS(R), .usage = {.prompt_tokens = 70, .completion_tokens = 5, .reported = true});
    const struct input result = RESULT(1);
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = 100000});
    assert_true(r.m.s.run.reserved_cost > LIMIT_OUTPUT_TOKENS && r.m.s.run.used_cost == r.m.s.run.reserved_cost);
    assert_int_equal(rig_effect(&r, EFFECT_MODEL_START)->max_output, LIMIT_OUTPUT_TOKENS);
    assert_true(rig_fact(&r, FACT_BUDGET)->budget.reserved_micros == r.m.s.run.reserved_cost);
    assert_true(rig_fact(&r, FACT_BUDGET)->budget.limit_micros == 100000);
    rig_feed(&r, &done);
    assert_int_equal(rig_fact(&r, FACT_ASSISTANT)->cost, 75);
    assert_true(r.m.s.run.used_cost == 75 && r.m.s.run.reserved_cost == 0);
    rig_feed(&r, &result);
    assert_true(rig_fact(&r, FACT_BUDGET)->budget.cost_micros == 75);
    rig_done(&r);
}

static int64_t cost_of_failure(struct input failed)
{
    struct rig r;
    int64_t cost;

    begin(&r, (struct run_limits){.max_cost = 100000});
    rig_feed(&r, &failed);
    cost = rig_fact(&r, FACT_RUN_ENDED)->cost;
    assert_int_equal(r.m.s.spent.cost, cost);
    rig_done(&r);
    return cost;
}

static void a_call_that_failed_is_not_charged_for_an_answer(void **state UNUSED)
{
    const struct usage counted = {.prompt_tokens = 70, .completion_tokens = 5, .reported = true};
    int64_t prompt = cost_of_failure((struct input)FAILED(1, 1, 0, AUTH));

    assert_true(prompt > 0 && prompt < 70);
    assert_int_equal(cost_of_failure((struct input)FAILED(1, 1, 0, FILTER, .usage = counted)), 75);
}

/* What was told when the call began is not the last word on it. */
static void nothing_is_reserved_when_the_run_is_over(void **state UNUSED)
{
    static const char thought[] = "assistant(1.1.0 @1 'Hi' interrupted)";
    const struct input hello = {.kind = INPUT_DELTA, AT(1, 1, 0), .text = STR("Hi")};
    const struct {
        struct input end;
        bool begins;
        const char *said;
    } rows[] = {
        {FAILED(1, 1, 0, AUTH), false, "budget run_ended(1 error authentication) > ready"},
        {FAILED(1, 1, 0, AUTH), true, "budget run_ended(1 error authentication) > idle"},
        {{.kind = INPUT_CANCEL}, false, "cancel_requested(1 by ) budget run_ended(1 cancelled) | model_abort"},
        {{.kind = INPUT_CANCEL}, true, "budget run_ended(1 cancelled) | model_abort"},
        {DONE(1, 1, 0, .usage = {.prompt_tokens = 9, .reported = true}), true,
         "assistant(1.1.0 @1 'Hi') budget run_ended(1 completed) > idle"}, /* as ever, and once */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct budget *b;
        const char *said;
        struct rig r;

        begin(&r, (struct run_limits){.max_cost = 100000});
        assert_true(rig_fact(&r, FACT_BUDGET)->budget.reserved_micros > 0);
        if (rows[i].begins)
            rig_feed(&r, &hello);
        said = rig_feed(&r, &rows[i].end);
        if (strstr(said, rows[i].said) == NULL)
            fail_msg("row %zu: %s", i, said);
        assert_int_equal(strstr(said, thought) != NULL, rows[i].begins && i < 4);
        b = &rig_fact(&r, FACT_BUDGET)->budget;
        assert_int_equal(b->reserved_micros, 0);
        assert_true(b->cost_micros == rig_fact(&r, FACT_RUN_ENDED)->cost && b->cost_micros > 0);
        rig_done(&r);
    }
}

/* A crash leaves the call open and nothing reserved for another. */
static void nothing_is_reserved_when_a_crash_was_the_end(void **state UNUSED)
{
    const struct input again = RECOVERED(true);
    const struct budget *b;
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = 3 * (int64_t)LIMIT_OUTPUT_TOKENS - 1000});
    for (int crashes = 0; crashes < 2; crashes++) {
        rig_crash(&r);
        r.m.price = a_micro_a_token;
        rig_feed(&r, &again);
    }
    assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->end, END_BUDGET);
    b = &rig_fact(&r, FACT_BUDGET)->budget;
    assert_int_equal(b->reserved_micros, 0);
    assert_true(b->cost_micros == rig_fact(&r, FACT_RUN_ENDED)->cost && b->cost_micros > 0);
    rig_done(&r);
}

#define EMPTY(g) DONE(1, 1, g, .usage = {.prompt_tokens = 100, .completion_tokens = 5, .reported = true})

/* Whatever became of the answers: the provider has counted each, and wants to be paid. */
static void each_empty_answer_is_paid_and_summed(void **state UNUSED)
{
    const struct line good[] = {
        {EMPTY(0), NULL},
        {RETRY(1, 1, 1), NULL},
        {{.kind = INPUT_DELTA, AT(1, 1, 1), .text = STR("Hi")}, NULL},
        {DONE(1, 1, 1, .usage = {.prompt_tokens = 90, .completion_tokens = 1, .reported = true}), NULL},
    };
    const struct line filtered[] = {
        {EMPTY(0), NULL},
        {RETRY(1, 1, 1), NULL},
        {DONE(1, 1, 1, .stop = STOP_FILTER, .usage = {.prompt_tokens = 90, .completion_tokens = 1, .reported = true}),
         NULL},
    };
    const struct line thoughts[] = {
        filtered[0],
        filtered[1],
        {{.kind = INPUT_DELTA, AT(1, 1, 1), .text = STR("hm"), .channel = DELTA_REASONING}, NULL},
        filtered[2],
    };
    const struct {
        const struct line *story;
        size_t n;
    } rows[] = {{good, ARRAY_LEN(good)}, {filtered, ARRAY_LEN(filtered)}, {thoughts, ARRAY_LEN(thoughts)}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct fact *end;
        struct rig r;

        begin(&r, (struct run_limits){.max_cost = 100000});
        rig_tell(&r, rows[i].story, rows[i].n);
        end = rig_fact(&r, FACT_RUN_ENDED);
        assert_true(end->usage.prompt_tokens == 190 && end->usage.completion_tokens == 6 && end->cost == 196);
        assert_true(r.m.s.spent.tokens == 196 && r.m.s.spent.cost == 196);
        rig_done(&r);
    }
}

static void what_was_counted_of_an_empty_answer_is_looked_at_before_the_next_try(void **state UNUSED)
{
    const struct line story[] = {
        {EMPTY(0), "budget_exceeded(max_total_tokens 105/105) budget run_ended(1 budget) > ready"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_tokens = 105});
    TELL(&r, story);
    rig_done(&r);
    begin(&r, (struct run_limits){.max_tokens = 106});
    rig_tell(&r, &(const struct line){EMPTY(0), "model_failed(1.1.0 empty_answer) | timer(retry 1.1.1) > model"}, 1);
    rig_done(&r);
}

static void a_call_that_was_not_made_costs_nothing(void **state UNUSED)
{
    const struct input failed = FAILED(1, 1, 0, SERVER), stop = {.kind = INPUT_CANCEL};
    int64_t before;
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = 100000});
    rig_feed(&r, &failed);
    before = r.m.s.run.used_cost - r.m.s.run.reserved_cost;
    rig_feed(&r, &stop);
    assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->cost, before);
    assert_int_equal(r.m.s.spent.cost, before);
    rig_done(&r);
}

/* The clock may have been set meanwhile, back or forth. */
static void whether_a_call_is_made_is_not_asked_of_the_clock(void **state UNUSED)
{
    const struct input failed = FAILED(1, 1, 0, SERVER), again = RETRY(1, 1, 1), stop = {.kind = INPUT_CANCEL};
    int64_t before, with_call;
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = 100000});
    rig_feed(&r, &failed);
    before = r.m.s.run.used_cost - r.m.s.run.reserved_cost;
    r.now += LIMIT_TIMER_MS;
    rig_feed(&r, &stop);
    assert_int_equal(r.m.s.spent.cost, before);
    rig_done(&r);

    begin(&r, (struct run_limits){.max_cost = 100000});
    rig_feed(&r, &failed);
    with_call = r.m.s.run.used_cost;
    rig_feed(&r, &again);
    r.now -= LIMIT_TIMER_MS;
    rig_feed(&r, &stop);
    assert_true(with_call > before);
    assert_int_equal(r.m.s.spent.cost, with_call);
    rig_done(&r);
}

/* There is money for one call only, and the one that failed has given it back. */
static void a_call_that_failed_leaves_its_money_to_the_next_try(void **state UNUSED)
{
    const struct input failed = FAILED(1, 1, 0, SERVER);
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = LIMIT_OUTPUT_TOKENS + 1000});
    assert_true(r.m.s.run.closing);
    rig_feed(&r, &failed);
    assert_true(r.m.s.run.active && rig_fact(&r, FACT_MODEL_FAILED)->retry);
    assert_true(r.m.s.run.used_cost <= LIMIT_OUTPUT_TOKENS + 1000);
    rig_done(&r);
}

/* Two worst cases must fit before a round that is not the last: it and the one that ends the run. */
static void a_run_ends_before_its_money_does(void **state UNUSED)
{
    const struct input done =
        DONE(1, 1, 0, CALLS(R), .usage = {.prompt_tokens = 9000, .completion_tokens = 0, .reported = true});
    const struct line rest[] = {
        {RESULT(1), "call_ended(1 ok @2) budget_exceeded(max_cost_micros 9000/20000) round_started(1.2 +0 closing) "
                    "budget | model_start(1.2.0 closing) > model"},
        {DELTA(1, 2, 0, "end"), NULL},
        {DONE(1, 2, 0), NULL},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = 20000});
    rig_feed(&r, &done);
    TELL(&r, rest);
    assert_int_equal(r.m.s.last_end, END_BUDGET);
    assert_true(r.m.s.spent.cost <= 20000 && r.m.s.spent.cost > 9000);
    rig_done(&r);
}

/* Spent is less than the limit then: what is missing is what the next calls may come to. */
static void a_run_that_ends_before_its_money_does_says_what_it_lacks(void **state UNUSED)
{
    const struct fact *f;
    int64_t one;
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = LIMIT_OUTPUT_TOKENS + 1000});
    f = rig_fact(&r, FACT_BUDGET_EXCEEDED);
    one = rig_fact(&r, FACT_ROUND_STARTED)->cost;
    assert_true(f->actual == 0 && f->cost > LIMIT_OUTPUT_TOKENS + 1000 && f->cost <= 2 * one);
    assert_true(f->actual + f->cost > f->limit);
    rig_done(&r);
}

static void a_try_that_cannot_be_paid_says_what_it_lacks(void **state UNUSED)
{
    const struct input failed = FAILED(1, 1, 0, EMPTY, .usage = {.prompt_tokens = 9000, .reported = true});
    const struct fact *f;
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = 2 * LIMIT_OUTPUT_TOKENS + 100});
    assert_false(r.m.s.run.over);
    rig_feed(&r, &failed);
    f = rig_fact(&r, FACT_BUDGET_EXCEEDED);
    assert_true(f->actual == 9000 && f->cost > LIMIT_OUTPUT_TOKENS && f->cost < LIMIT_OUTPUT_TOKENS + 100);
    assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->cost, 9000);
    rig_done(&r);
}

static void what_is_used_up_lacks_nothing_else(void **state UNUSED)
{
    const struct line story[] = {{DONE(1, 1, 0, CALLS(R)), NULL}, {RESULT(1), NULL}};
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 1, .max_cost = 1000000});
    TELL(&r, story);
    assert_int_equal(rig_fact(&r, FACT_BUDGET_EXCEEDED)->cost, 0);
    rig_done(&r);
}

static void where_not_even_the_last_round_can_be_paid_there_is_none(void **state UNUSED)
{
    struct rig r;

    begin(&r, (struct run_limits){.max_cost = 100});
    assert_int_equal(r.m.s.last_end, END_BUDGET);
    assert_null(rig_effect(&r, EFFECT_MODEL_START));
    rig_done(&r);
}

static void a_model_without_a_price_is_refused_where_money_is_limited(void **state UNUSED)
{
    const struct input post = EXECUTE("m1", .model = STR("free"), .provider = STR("p"), .limits = {.max_cost = 5});
    const struct input plain = POST("m1"), allow = RESUME(.limits = {.max_cost = 5, .unpriced = true});
    const struct input resume = RESUME(.limits = {.max_cost = 5}, .model = STR("free"), .provider = STR("p"));
    struct rig r;

    rig_init(&r);
    assert_string_equal(rig_feed(&r, &post), "| reply(unpriced) > absent");
    rig_feed(&r, &plain);
    assert_string_equal(rig_feed(&r, &resume), "| reply(unpriced) > ready");
    assert_non_null(strstr(rig_feed(&r, &allow), "model_start"));
    rig_done(&r);
}

static void a_failed_try_is_charged_what_was_sent(void **state UNUSED)
{
    const struct input failed = FAILED(1, 1, 0, NETWORK);
    struct rig r;
    int64_t one;

    begin(&r, (struct run_limits){.max_cost = 100000});
    one = r.m.s.run.reserved_cost;
    rig_feed(&r, &failed);
    assert_true(r.m.s.run.used_cost < one + one && r.m.s.run.used_cost > one);
    assert_true(r.m.s.run.reserved_cost == one);
    rig_done(&r);
}

/* ---- time ---- */

#define TIME_IS_UP {.kind = INPUT_TIMER_RUN, .run = 1}

static void when_time_is_up_one_round_is_left_and_as_much_time_again(void **state UNUSED)
{
    const struct line story[] = {
        {TIME_IS_UP, "budget_exceeded(max_wall_ms 5000/5000) | timer(run 1 +5s) > model"},
        {DONE(1, 1, 0, CALLS(R)), "assistant(1.1.0 @1 1 calls) budget call_ended(1 denied @2) round_started(1.2 +0 "
                                  "closing) budget | model_start(1.2.0 closing) > model"},
        {DELTA(1, 2, 0, "so far"), NULL},
        {TIME_IS_UP, "assistant(1.2.0 @3 'so far' interrupted) budget run_ended(1 budget) | model_abort > idle"},
        {TIME_IS_UP, "> idle"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_ms = 5000});
    assert_int_equal(rig_effect(&r, EFFECT_TIMER)->in_ms, 5000);
    r.now += 5000;
    TELL(&r, story);
    rig_done(&r);
}

static void tools_that_are_at_work_when_that_is_over_too_are_left(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R, EFFECT_UNSAFE)), NULL},
        {TIME_IS_UP, NULL},
        {TIME_IS_UP,
         "call_ended(1 unknown @2) call_ended(2 cancelled @3) run_ended(1 budget) | tool_cancel(1) > ready"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_ms = 5000});
    r.now += 5001;
    TELL(&r, story);
    rig_done(&r);
}

static void a_long_time_is_measured_in_parts(void **state UNUSED)
{
    const struct line story[] = {
        {TIME_IS_UP, "| timer(run 1 +7s) > model"},
        {{.kind = INPUT_TIMER_RUN, .run = 2}, "> model"},
    };
    const struct line up = {TIME_IS_UP, "budget_exceeded(max_wall_ms 90000000/90000000) | timer(run 1 +60s) > model"};
    struct rig r;

    begin(&r, (struct run_limits){.max_ms = 90000000});
    r.now += 89993000;
    TELL(&r, story);
    r.now += 7000;
    rig_tell(&r, &up, 1);
    rig_done(&r);
}

/* A client may name any number. */
static void the_longest_time_there_is_survives_a_crash(void **state UNUSED)
{
    const struct input again = RECOVERED(true);

    for (int64_t passed = -1000; passed <= 1000; passed += 1000) {
        struct rig r;

        begin(&r, (struct run_limits){.max_ms = INT64_MAX});
        rig_crash(&r);
        r.now += passed;
        rig_feed(&r, &again);
        assert_true(rig_effect(&r, EFFECT_TIMER)->in_ms == INT64_MAX - (passed > 0 ? passed : 0));
        rig_done(&r);
    }
}

static void the_clock_goes_on_after_a_crash(void **state UNUSED)
{
    static const struct {
        int64_t passed, left;
    } rows[] = {{2000, 3000}, {9000, 0}, {-99000, 5000}};
    const struct input again = RECOVERED(true), up = TIME_IS_UP;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;

        begin(&r, (struct run_limits){.max_ms = 5000});
        rig_crash(&r);
        r.now += rows[i].passed;
        rig_feed(&r, &again);
        assert_int_equal(rig_effect(&r, EFFECT_TIMER)->in_ms, rows[i].left);
        r.now += rows[i].left;
        rig_feed(&r, &up);
        rig_crash(&r);
        rig_feed(&r, &again);
        assert_int_equal(rig_effect(&r, EFFECT_TIMER)->in_ms, 5000); /* to end with */
        rig_done(&r);
    }
}

/* ---- the session ---- */

static void what_a_session_may_use_is_counted_over_all_its_runs(void **state UNUSED)
{
    const struct line story[] = {
        {UPDATE(.set_limits = true, .session_limits = {.max_rounds = 2}), NULL},
        {EXECUTE("m1"), NULL},
        {DELTA(1, 1, 0, "one"), NULL},
        {DONE(1, 1, 0), NULL},
        {EXECUTE("m2"), NULL},
        {DONE(2, 1, 0, CALLS(R)), NULL},
        {{.kind = INPUT_TOOL_DONE, .run = 2, .call = 1, .text = STR("result")}, NULL},
        {DELTA(2, 2, 0, "two"), NULL},
        {DONE(2, 2, 0), NULL},
        {EXECUTE("m3"),
         "message_posted(m3) run_started(3) budget_exceeded(session_max_rounds 3/2) run_ended(3 budget) | "
         "reply(posted m3 started run 3) > ready"},
    };
    const struct input create = CREATE();
    struct rig r;

    rig_init(&r);
    rig_feed(&r, &create);
    rig_tell(&r, story, 7);
    assert_string_equal(r.said.p, "call_ended(1 ok @4) budget_exceeded(session_max_rounds 2/2) round_started(2.2 +0 "
                                  "closing) budget | model_start(2.2.0 closing) > model");
    rig_tell(&r, story + 7, 3);
    rig_done(&r);
}

/* Two seconds of a session's five are gone. */
static void begin_second_run(struct rig *r, int64_t own_ms)
{
    const struct input limit = UPDATE(.set_limits = true, .session_limits = {.max_ms = 5000}), create = CREATE();
    const struct input first = EXECUTE("m1"), second = EXECUTE("m2", .limits = {.max_ms = own_ms});
    const struct input says = DELTA(1, 1, 0, "so"), done = DONE(1, 1, 0);

    rig_init(r);
    rig_feed(r, &create);
    rig_feed(r, &limit);
    rig_feed(r, &first);
    assert_int_equal(rig_effect(r, EFFECT_TIMER)->in_ms, 5000);
    r->now += 2000;
    rig_feed(r, &says);
    rig_feed(r, &done);
    r->now += 100000; /* between runs no time is used */
    rig_feed(r, &second);
}

static void the_time_of_a_session_is_that_of_all_its_runs(void **state UNUSED)
{
    const struct line story[] = {
        {{.kind = INPUT_TIMER_RUN, .run = 2},
         "budget_exceeded(session_max_wall_ms 6000/5000) | timer(run 2 +3s) > model"},
        {DELTA(2, 1, 0, "and so"), NULL},
        {DONE(2, 1, 0), NULL},
        {EXECUTE("m3"), "message_posted(m3) run_started(3) budget_exceeded(session_max_wall_ms 6000/5000) "
                        "run_ended(3 budget) | timer(run 3 +0s) reply(posted m3 started run 3) > ready"},
    };
    struct rig r;

    begin_second_run(&r, 4000);
    assert_int_equal(rig_effect(&r, EFFECT_TIMER)->in_ms, 3000);
    r.now += 4000;
    TELL(&r, story);
    rig_done(&r);
}

static void a_run_may_have_less_time_than_its_session(void **state UNUSED)
{
    const struct line story[] = {
        {{.kind = INPUT_TIMER_RUN, .run = 2}, "budget_exceeded(max_wall_ms 1000/1000) | timer(run 2 +1s) > model"}};
    struct rig r;

    begin_second_run(&r, 1000);
    assert_int_equal(rig_effect(&r, EFFECT_TIMER)->in_ms, 1000);
    r.now += 1000;
    TELL(&r, story);
    rig_done(&r);
}

static void a_session_may_get_more_time_while_it_runs(void **state UNUSED)
{
    static const struct {
        int64_t limit;
        const char *said;
    } rows[] = {
        {5000, "budget_exceeded(session_max_wall_ms 5000/5000) | timer(run 2 +3s) > model"},
        {9000, "| timer(run 2 +4s) > model"},
        {1000, "budget_exceeded(session_max_wall_ms 5000/1000) | timer(run 2 +0s) > model"},
        {0, "> model"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct input more = UPDATE(.set_limits = true, .session_limits = {.max_ms = rows[i].limit});
        const struct line up = {{.kind = INPUT_TIMER_RUN, .run = 2}, rows[i].said};
        struct rig r;

        begin_second_run(&r, 0);
        rig_feed(&r, &more);
        r.now += 3000;
        rig_tell(&r, &up, 1);
        rig_done(&r);
    }
}

/* ---- runs that get nowhere ---- */

static void the_same_calls_with_the_same_results_end_the_run(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R, R)), NULL},
        {RESULT(1), NULL},
        {RESULT(2), NULL},
        {DONE(1, 2, 0, CALLS(R, R)), NULL},
        {RESULT(4), NULL},
        {RESULT(3), NULL},
        {DONE(1, 3, 0, CALLS(R, R)), NULL},
        {RESULT(5), NULL},
        {RESULT(6), "call_ended(6 ok @9) run_ended(1 error no_progress) > ready"},
    };
    struct rig r;

    begin(&r, (struct run_limits){0});
    TELL(&r, story);
    rig_done(&r);
}

static void another_result_or_a_word_of_the_person_is_progress(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(R)), NULL},
        {RESULT(1), NULL},
        {DONE(1, 2, 0, CALLS(R)), NULL},
        {RESULT(2), NULL},
        {DONE(1, 3, 0, CALLS(R)), NULL},
        {{.kind = INPUT_TOOL_DONE, .run = 1, .call = 3, .text = STR("another")}, NULL},
        {DONE(1, 4, 0, CALLS(R)), NULL},
        {RESULT(4), NULL},
        {DONE(1, 5, 0, CALLS(R)), NULL},
        {RESULT(5), NULL},
        {DONE(1, 6, 0, CALLS(R)), NULL},
        {POST("m2"), NULL},
        {RESULT(6), "call_ended(6 ok @12) round_started(1.7 +1) budget | model_start(1.7.0) > model"},
    };
    struct rig r;

    begin(&r, (struct run_limits){0});
    TELL(&r, story);
    rig_done(&r);
}

static void rounds_in_which_nothing_goes_well_have_a_limit(void **state UNUSED)
{
    struct rig r;

    begin(&r, (struct run_limits){0});
    for (uint32_t round = 1; round <= LIMIT_FRUITLESS; round++) {
        const struct input done = DONE(1, round, 0, CALLS(R));
        struct input result = RESULT(round, .outcome = OUTCOME_ERROR);
        char text[16];

        assert_true(r.m.s.run.active);
        snprintf(text, sizeof(text), "error %u", round);
        result.text = str_of(text);
        rig_feed(&r, &done);
        rig_feed(&r, &result);
    }
    assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->failure, FAILURE_NO_PROGRESS);
    rig_done(&r);
}

static void calls_of_an_answer_that_was_cut_are_not_run(void **state UNUSED)
{
    static const int reads[] = {R};
    const struct line story[] = {
        {{.kind = INPUT_MODEL_DONE, AT(1, 1, 0), .calls = rig_calls(reads, 1), .stop = STOP_LENGTH},
         "assistant(1.1.0 @1 1 calls) budget call_ended(1 error @2) "
         "round_started(1.2 +0) budget | model_start(1.2.0) > model"},
    };
    struct rig r;

    begin(&r, (struct run_limits){0});
    TELL(&r, story);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_reserved_for_the_worst_and_settled_for_what_it_was),
        cmocka_unit_test(a_call_that_failed_is_not_charged_for_an_answer),
        cmocka_unit_test(nothing_is_reserved_when_a_crash_was_the_end),
        cmocka_unit_test(nothing_is_reserved_when_the_run_is_over),
        cmocka_unit_test(each_empty_answer_is_paid_and_summed),
        cmocka_unit_test(what_was_counted_of_an_empty_answer_is_looked_at_before_the_next_try),
        cmocka_unit_test(a_call_that_was_not_made_costs_nothing),
        cmocka_unit_test(whether_a_call_is_made_is_not_asked_of_the_clock),
        cmocka_unit_test(a_call_that_failed_leaves_its_money_to_the_next_try),
        cmocka_unit_test(a_run_ends_before_its_money_does),
        cmocka_unit_test(a_run_that_ends_before_its_money_does_says_what_it_lacks),
        cmocka_unit_test(a_try_that_cannot_be_paid_says_what_it_lacks),
        cmocka_unit_test(what_is_used_up_lacks_nothing_else),
        cmocka_unit_test(where_not_even_the_last_round_can_be_paid_there_is_none),
        cmocka_unit_test(a_model_without_a_price_is_refused_where_money_is_limited),
        cmocka_unit_test(a_failed_try_is_charged_what_was_sent),
        cmocka_unit_test(when_time_is_up_one_round_is_left_and_as_much_time_again),
        cmocka_unit_test(tools_that_are_at_work_when_that_is_over_too_are_left),
        cmocka_unit_test(a_long_time_is_measured_in_parts),
        cmocka_unit_test(the_longest_time_there_is_survives_a_crash),
        cmocka_unit_test(the_clock_goes_on_after_a_crash),
        cmocka_unit_test(what_a_session_may_use_is_counted_over_all_its_runs),
        cmocka_unit_test(the_time_of_a_session_is_that_of_all_its_runs),
        cmocka_unit_test(a_run_may_have_less_time_than_its_session),
        cmocka_unit_test(a_session_may_get_more_time_while_it_runs),
        cmocka_unit_test(the_same_calls_with_the_same_results_end_the_run),
        cmocka_unit_test(another_result_or_a_word_of_the_person_is_progress),
        cmocka_unit_test(rounds_in_which_nothing_goes_well_have_a_limit),
        cmocka_unit_test(calls_of_an_answer_that_was_cut_are_not_run),
    };

    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
