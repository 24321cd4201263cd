/* SPDX-License-Identifier: MIT */
/* Model calls: their text, their ends, the tries after a failure, and budgets with the one closing round. */
#include "base/str.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void begin(struct rig *r, struct run_limits limits)
{
    const struct input in = EXECUTE("m1", .limits = limits);

    rig_init(r);
    rig_feed(r, &in);
}
#define NO_LIMITS ((struct run_limits){0})

#define USED(p, c) .usage = {.prompt_tokens = (p), .completion_tokens = (c), .reported = true}
#define THINK(r, k, g, piece) {.kind = INPUT_DELTA, AT(r, k, g), .text = STR(piece), .channel = DELTA_REASONING}

/* ---- text ---- */

static void text_is_shown_with_its_place_and_becomes_the_answer(void **state UNUSED)
{
    const struct line story[] = {
        {THINK(1, 1, 0, "hm"), "| delta(1.1.0 reasoning 0 'hm') > model"},
        {DELTA(1, 1, 0, "Hel"), "| delta(1.1.0 0 'Hel') > model"},
        {THINK(1, 1, 0, "m"), "| delta(1.1.0 reasoning 2 'm') > model"},
        {DELTA(1, 1, 0, ""), "> model"},
        {DELTA(1, 1, 0, "l\xc3\xb6"), "| delta(1.1.0 3 'l\xc3\xb6') > model"},
        {DELTA(1, 1, 0, "!"), "| delta(1.1.0 6 '!') > model"},
        {DONE(1, 1, 0), "assistant(1.1.0 @1 'Hell\xc3\xb6!') budget run_ended(1 completed) > idle"},
    };
    const struct fact *f;
    char id[ID_TEXT];
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    f = rig_fact(&r, FACT_ASSISTANT);
    session_message_id(&r.m.s, 1, 1, 0, id);
    assert_true(str_is(f->id, id) && str_is(f->reasoning, "hmm") && !f->interrupted && f->stop == STOP_END);
    assert_int_equal(r.m.text.n, 0); /* nothing of it is left for the next call */
    assert_int_equal(r.m.reasoning.n, 0);
    rig_done(&r);
}

static void an_answer_that_was_cut_for_length_is_kept_and_ends_the_run(void **state UNUSED)
{
    const struct line story[] = {
        {DELTA(1, 1, 0, "Once"), NULL},
        {DONE(1, 1, 0, .stop = STOP_LENGTH),
         "assistant(1.1.0 @1 'Once') budget run_ended(1 error length_limit) > idle"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    assert_int_equal(rig_fact(&r, FACT_ASSISTANT)->stop, STOP_LENGTH);
    rig_done(&r);
}

/* Another try would be cut as well, and cost as much. */
static void an_answer_that_was_cut_before_its_first_word_is_not_asked_for_again(void **state UNUSED)
{
    const struct line story[] = {
        {THINK(1, 1, 0, "hm"), NULL},
        {DONE(1, 1, 0, .stop = STOP_LENGTH, USED(9, 100)),
         "assistant(1.1.0 @1 interrupted) run_ended(1 error length_limit) > ready"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->usage.completion_tokens, 100);
    rig_done(&r);
}

/* What was cut for want of tokens met the budget of the run: no better limit could be asked for. */
static void an_answer_that_is_cut_for_the_budget_ends_the_run_as_that(void **state UNUSED)
{
    static const struct {
        struct run_limits limits;
        const char *said;
    } rows[] = {
        {{.max_tokens = 1000}, "budget_exceeded(max_total_tokens 998/1000) run_ended(1 budget) > idle"},
        {{.max_tokens = LIMIT_OUTPUT_TOKENS + 1000}, "budget run_ended(1 error length_limit) > idle"},
        {{0}, "budget run_ended(1 error length_limit) > idle"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct line story[] = {{DELTA(1, 1, 0, "Once"), NULL}};
        const struct input cut = DONE(1, 1, 0, .stop = STOP_LENGTH, USED(9, 989));
        const char *said;
        struct rig r;

        begin(&r, rows[i].limits);
        TELL(&r, story);
        said = rig_feed(&r, &cut);
        if (strstr(said, rows[i].said) == NULL)
            fail_msg("row %zu: %s", i, said);
        rig_done(&r);
    }
}

static void the_last_round_of_a_budget_may_be_cut(void **state UNUSED)
{
    const struct line begun[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ), USED(9, 1)), NULL},
        {RESULT(1), "call_ended(1 ok @2) budget_exceeded(max_rounds 1/1) round_started(1.2 +0 closing) budget | "
                    "model_start(1.2.0 closing) > model"},
    };
    const struct line with_text[] = {
        {DELTA(1, 2, 0, "In sh"), NULL},
        {DONE(1, 2, 0, .stop = STOP_LENGTH), "assistant(1.2.0 @3 'In sh') budget run_ended(1 budget) > idle"},
    };
    const struct line without[] = {{DONE(1, 2, 0, .stop = STOP_LENGTH), "run_ended(1 budget) > ready"}};
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 1});
    TELL(&r, begun);
    TELL(&r, with_text);
    rig_done(&r);
    begin(&r, (struct run_limits){.max_rounds = 1});
    TELL(&r, begun);
    TELL(&r, without);
    rig_done(&r);
}

static void an_empty_answer_is_a_failure_that_is_tried_again(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0), "model_failed(1.1.0 empty_answer) | timer(retry 1.1.1) > model"},
        {RETRY(1, 1, 1), "| model_start(1.1.1) > model"},
        {THINK(1, 1, 1, "only a thought"), NULL},
        {DONE(1, 1, 1), "model_failed(1.1.1 empty_answer void) | timer(retry 1.1.2) > model"},
        {RETRY(1, 1, 2), NULL},
        {DELTA(1, 1, 2, "Hi"), "| delta(1.1.2 0 'Hi') > model"},
        {DONE(1, 1, 2), "assistant(1.1.2 @1 'Hi') budget run_ended(1 completed) > idle"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    assert_int_equal(rig_fact(&r, FACT_ASSISTANT)->reasoning.n, 0); /* of another try */
    rig_done(&r);
}

static void a_filter_ends_the_run_unless_there_was_text(void **state UNUSED)
{
    const struct line without[] = {
        {DONE(1, 1, 0, .stop = STOP_FILTER), "run_ended(1 error content_filter) > ready"},
    };
    const struct line with[] = {
        {DELTA(1, 1, 0, "I can"), NULL},
        {DONE(1, 1, 0, .stop = STOP_FILTER), "assistant(1.1.0 @1 'I can') budget run_ended(1 completed) > idle"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, without);
    assert_true(rig_fact(&r, FACT_RUN_ENDED)->text.n > 0);
    rig_done(&r);
    begin(&r, NO_LIMITS);
    TELL(&r, with);
    rig_done(&r);
}

static void what_the_provider_counted_is_told_and_summed(void **state UNUSED)
{
    const struct line story[] = {
        {DELTA(1, 1, 0, "Hi"), NULL},
        {DONE(1, 1, 0,
              .usage = {.prompt_tokens = 100,
                        .completion_tokens = 20,
                        .reasoning_tokens = 5,
                        .cached_tokens = 64,
                        .reported = true}),
         NULL},
    };
    const struct fact *f;
    struct rig r;

    begin(&r, NO_LIMITS);
    f = rig_fact(&r, FACT_BUDGET);
    assert_true(f->budget.provider_input_tokens == 0 && f->budget.total_tokens > 0);
    assert_true(f->budget.max_context_tokens == LIMIT_CONTEXT_TOKENS);
    assert_true(f->budget.budget_limit == LIMIT_CONTEXT_TOKENS - LIMIT_OUTPUT_TOKENS);
    assert_true(f->budget.used_tokens == rig_fact(&r, FACT_ROUND_STARTED)->tokens); /* in flight, but counted */
    TELL(&r, story);
    f = rig_fact(&r, FACT_BUDGET);
    assert_true(f->budget.provider_input_tokens == 100 && f->budget.cache_read_input_tokens == 64);
    assert_true(f->budget.thinking_tokens == 5 && f->budget.used_tokens == 120);
    f = rig_fact(&r, FACT_RUN_ENDED);
    assert_true(f->usage.prompt_tokens == 100 && f->usage.completion_tokens == 20 && f->usage.reported);
    assert_int_equal(f->rounds, 1);
    rig_done(&r);
}

static void what_nobody_counted_is_estimated(void **state UNUSED)
{
    const struct line story[] = {{DELTA(1, 1, 0, "0123456789012345678901234567890123456789"), NULL},
                                 {DONE(1, 1, 0), NULL}};
    const struct fact *f;
    int64_t reserved;
    struct rig r;

    begin(&r, NO_LIMITS);
    reserved = rig_fact(&r, FACT_ROUND_STARTED)->tokens;
    TELL(&r, story);
    f = rig_fact(&r, FACT_ASSISTANT);
    assert_true(!f->usage.reported && f->usage.prompt_tokens == reserved && f->usage.completion_tokens == 11);
    assert_true(rig_fact(&r, FACT_BUDGET)->budget.used_tokens == reserved + 11);
    rig_done(&r);
}

static void the_estimate_grows_with_the_system_text_and_the_inbox(void **state UNUSED)
{
    const struct line story[] = {{CREATE(.system = STR("0123456789012345678901234567890123456789")), NULL},
                                 {POST("m1"), NULL},
                                 {RESUME(), NULL}};
    const struct budget *b;
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    b = &rig_fact(&r, FACT_BUDGET)->budget;
    assert_true(b->system_tokens == 11);
    assert_true(b->total_tokens == b->system_tokens + b->window_tokens);
    assert_true(b->total_tokens == session_estimate_tokens(45) + 2 * 4);
    rig_done(&r);
}

static void a_message_posted_during_the_call_is_read_in_the_next_round(void **state UNUSED)
{
    const struct line story[] = {
        {DELTA(1, 1, 0, "Hi"), NULL},
        {POST("m2"), NULL},
        {EXECUTE("m3"), NULL},
        {DONE(1, 1, 0), "assistant(1.1.0 @1 'Hi') budget round_started(1.2 +2) budget | model_start(1.2.0) > model"},
        {DELTA(1, 1, 0, "late"), "> model"},
        {DELTA(1, 2, 0, "Ho"), "| delta(1.2.0 0 'Ho') > model"},
        {DONE(1, 2, 0), "assistant(1.2.0 @4 'Ho') budget run_ended(1 completed) > idle"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

/* ---- failures ---- */

static void each_kind_of_failure_is_tried_again_or_not(void **state UNUSED)
{
    static const bool again[] = {
        [FAILURE_NETWORK] = true, [FAILURE_TIMEOUT] = true, [FAILURE_RATE_LIMIT] = true, [FAILURE_SERVER] = true,
        [FAILURE_CUT] = true,     [FAILURE_EMPTY] = true,   [FAILURE_PROTOCOL] = true,   [FAILURE_INTERNAL] = false,
    };

    assert_null(failure_names[ARRAY_LEN(again)]);
    for (int failure = FAILURE_NETWORK; failure_names[failure] != NULL; failure++) {
        const struct input in = {.kind = INPUT_MODEL_FAILED, AT(1, 1, 0), .failure = failure, .text = STR("no")};
        CLEANUP(buf_done) struct buf expected = BUF_INIT;
        struct rig r;

        buf_addf(&expected,
                 again[failure] ? "model_failed(1.1.0 %s) | timer(retry 1.1.1) > model"
                                : "run_ended(1 error %s) > ready",
                 failure_names[failure]);
        begin(&r, NO_LIMITS);
        assert_string_equal(rig_feed(&r, &in), expected.p);
        assert_true(str_is(rig_fact(&r, again[failure] ? FACT_MODEL_FAILED : FACT_RUN_ENDED)->text, "no"));
        rig_done(&r);
    }
}

static void a_call_is_tried_six_times(void **state UNUSED)
{
    const struct line story[] = {
        {FAILED(1, 1, 0, SERVER), "model_failed(1.1.0 provider_error) | timer(retry 1.1.1) > model"},
        {FAILED(1, 1, 0, SERVER), "> model"}, /* twice the same */
        {RETRY(1, 1, 1), "| model_start(1.1.1) > model"},
        {FAILED(1, 1, 1, CUT), "model_failed(1.1.1 stream_cut) | timer(retry 1.1.2) > model"},
        {RETRY(1, 1, 1), "> model"},
        {RETRY(1, 1, 2), "| model_start(1.1.2) > model"},
        {FAILED(1, 1, 2, SERVER), NULL},
        {FAILED(1, 1, 3, SERVER), NULL},
        {FAILED(1, 1, 4, SERVER), "model_failed(1.1.4 provider_error) | timer(retry 1.1.5) > model"},
        {RETRY(1, 1, 5), "| model_start(1.1.5) > model"},
        {DELTA(1, 1, 5, "Half"), NULL},
        {FAILED(1, 1, 5, SERVER), "assistant(1.1.5 @1 'Half' interrupted) run_ended(1 error provider_error) > idle"},
    };
    struct rig r;

    assert_int_equal(LIMIT_MODEL_TRIES, 6);
    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

static void a_round_that_answers_begins_the_count_of_tries_anew(void **state UNUSED)
{
    const struct line story[] = {
        {FAILED(1, 1, 0, SERVER), NULL},
        {FAILED(1, 1, 1, SERVER), NULL},
        {FAILED(1, 1, 2, SERVER), NULL},
        {FAILED(1, 1, 3, SERVER), NULL},
        {FAILED(1, 1, 4, SERVER), NULL},
        {DONE(1, 1, 5, CALLS(EFFECT_READ)), NULL},
        {RESULT(1), NULL},
        {FAILED(1, 2, 0, SERVER), "model_failed(1.2.0 provider_error) | timer(retry 1.2.1) > model"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

static void text_that_was_shown_is_discarded_by_the_name_it_had(void **state UNUSED)
{
    const struct input piece = DELTA(1, 1, 0, "Hel"), failed = FAILED(1, 1, 0, CUT), more = DELTA(1, 1, 1, "H");
    char id[ID_TEXT];
    struct rig r;

    begin(&r, NO_LIMITS);
    session_message_id(&r.m.s, 1, 1, 0, id);
    rig_feed(&r, &piece);
    rig_feed(&r, &failed);
    assert_true(str_is(rig_fact(&r, FACT_MODEL_FAILED)->discarded, id));
    assert_string_equal(rig_feed(&r, &more), "| delta(1.1.1 0 'H') > model");
    rig_done(&r);
}

/* Nobody has an answer then: what was asked is work for the next run. */
static void thoughts_alone_are_kept_however_the_run_ends(void **state UNUSED)
{
    const struct {
        struct input end;
        const char *said;
    } rows[] = {
        {CANCEL(), "cancel_requested(1 by ann) assistant(1.1.0 @1 interrupted) run_ended(1 cancelled by ann) | "
                   "model_abort reply(stopped run 1) > ready"},
        {FAILED(1, 1, 0, AUTH), "assistant(1.1.0 @1 interrupted) run_ended(1 error authentication) > ready"},
        {DONE(1, 1, 0, .stop = STOP_FILTER),
         "assistant(1.1.0 @1 interrupted) run_ended(1 error content_filter) > ready"},
    };
    const struct line again[] = {
        {RESUME(), "run_started(2) round_started(2.1 +0) budget | model_start(2.1.0) reply(started run 2) > model"},
        {DELTA(2, 1, 0, "Hi"), NULL},
        {DONE(2, 1, 0), "assistant(2.1.0 @2 'Hi') budget run_ended(2 completed) > idle"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct input thought = THINK(1, 1, 0, "hm");
        struct rig r;
        char id[ID_TEXT];

        begin(&r, NO_LIMITS);
        session_message_id(&r.m.s, 1, 1, 0, id);
        rig_feed(&r, &thought);
        assert_string_equal(rig_feed(&r, &rows[i].end), rows[i].said);
        assert_true(str_is(rig_fact(&r, FACT_ASSISTANT)->reasoning, "hm"));
        assert_true(str_is(rig_fact(&r, FACT_ASSISTANT)->id, id));
        TELL(&r, again);
        rig_done(&r);
    }
}

/* Half is fixed, half drawn; the draw comes from the name of the try, so that it is the same each time. */
static void pauses_double_and_a_longer_retry_after_wins(void **state UNUSED)
{
    static const struct {
        int64_t asked, least, most;
    } tries[] = {
        {0, 250, 500},
        {400, 500, 1000},
        {60000, 60000, 60000},
        {0, 2000, 4000},
        {LIMIT_MODEL_RETRY_AFTER_MAX_MS, LIMIT_MODEL_RETRY_AFTER_MAX_MS, LIMIT_MODEL_RETRY_AFTER_MAX_MS},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    for (uint32_t gen = 0; gen < ARRAY_LEN(tries); gen++) {
        const struct input in = FAILED(1, 1, gen, RATE_LIMIT, .wait_ms = tries[gen].asked);
        int64_t pause;

        rig_feed(&r, &in);
        pause = rig_fact(&r, FACT_MODEL_FAILED)->due - r.now;
        assert_true(pause >= tries[gen].least && pause <= tries[gen].most);
        assert_true(rig_effect(&r, EFFECT_TIMER)->in_ms == pause);
        assert_true(r.m.s.run.retry_due == r.now + pause);
        r.now += pause;
    }
    rig_done(&r);
}

static void runs_that_failed_together_come_back_apart(void **state UNUSED)
{
    const struct input failed = FAILED(1, 1, 0, SERVER);
    int64_t first = -1;
    bool apart = false;

    for (uint64_t nonce = 1; nonce <= 20; nonce++) {
        const struct input in = {.kind = INPUT_POST,
                                 .session_id = STR("s"),
                                 .nonce = nonce,
                                 .execute = true,
                                 .message_id = STR("m1"),
                                 .text = STR("hello")};
        struct rig r;

        rig_init(&r);
        rig_feed(&r, &in);
        rig_feed(&r, &failed);
        apart = apart || (first >= 0 && rig_fact(&r, FACT_MODEL_FAILED)->due != first);
        first = rig_fact(&r, FACT_MODEL_FAILED)->due;
        rig_done(&r);
    }
    assert_true(apart);
}

static void a_provider_that_wants_to_be_left_alone_too_long_ends_the_run(void **state UNUSED)
{
    const struct line story[] = {
        {DELTA(1, 1, 0, "Hel"), NULL},
        {FAILED(1, 1, 0, RATE_LIMIT, .wait_ms = LIMIT_MODEL_RETRY_AFTER_MAX_MS + 1),
         "assistant(1.1.0 @1 'Hel' interrupted) run_ended(1 error rate_limit) > idle"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    assert_true(str_is(rig_fact(&r, FACT_RUN_ENDED)->text, "it failed"));
    rig_done(&r);
}

/* A run that failed before the model said anything has its message still to be read: it may be started again. */
static void a_message_that_got_no_answer_is_work_for_the_next_run(void **state UNUSED)
{
    const struct line story[] = {
        {FAILED(1, 1, 0, AUTH), "run_ended(1 error authentication) > ready"},
        {RESUME(), "run_started(2) round_started(2.1 +0) budget | model_start(2.1.0) reply(started run 2) > model"},
    };
    struct rig r;

    begin(&r, NO_LIMITS);
    TELL(&r, story);
    rig_done(&r);
}

/* ---- budgets ---- */

static void after_the_last_round_comes_one_that_only_closes(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ)), NULL},
        {RESULT(1), "call_ended(1 ok @2) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
        {DONE(1, 2, 0, CALLS(EFFECT_READ)), NULL},
        {RESULT(2), "call_ended(2 ok @4) budget_exceeded(max_rounds 2/2) round_started(1.3 +0 closing) budget | "
                    "model_start(1.3.0 closing) > model"},
        {DELTA(1, 3, 0, "In short"), NULL},
        {DONE(1, 3, 0), "assistant(1.3.0 @5 'In short') budget run_ended(1 budget) > idle"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 2});
    TELL(&r, story);
    assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->rounds, 3);
    rig_done(&r);
}

static void calls_of_the_closing_round_are_denied(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ)), NULL},
        {RESULT(1), NULL},
        {DONE(1, 2, 0, CALLS(EFFECT_READ, EFFECT_UNSAFE)),
         "assistant(1.2.0 @3 2 calls) budget call_ended(2 denied @4) call_ended(3 denied @5) run_ended(1 budget) "
         "> ready"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 1});
    TELL(&r, story);
    rig_done(&r);
}

static void a_final_answer_in_the_last_round_is_no_excess(void **state UNUSED)
{
    const struct line story[] = {
        {DELTA(1, 1, 0, "Hi"), NULL},
        {DONE(1, 1, 0, USED(1000, 1000)), "assistant(1.1.0 @1 'Hi') budget run_ended(1 completed) > idle"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 1, .max_tokens = 100});
    TELL(&r, story);
    rig_done(&r);
}

static void tokens_are_a_budget_too_and_are_named_first(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ), USED(90, 10)), NULL},
        {RESULT(1), "call_ended(1 ok @2) budget_exceeded(max_total_tokens 100/100) round_started(1.2 +0 closing) "
                    "budget | model_start(1.2.0 closing) > model"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 1, .max_tokens = 100});
    TELL(&r, story);
    rig_done(&r);
}

static void a_budget_is_used_up_by_its_last_token(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ), USED(90, 10)), NULL},
        {RESULT(1), "call_ended(1 ok @2) budget_exceeded(max_total_tokens 100/100) round_started(1.2 +0 closing) "
                    "budget | model_start(1.2.0 closing) > model"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_tokens = 100});
    TELL(&r, story);
    rig_done(&r);
}

static void below_the_budget_the_run_goes_on(void **state UNUSED)
{
    const struct line story[] = {
        {DONE(1, 1, 0, CALLS(EFFECT_READ), USED(90, 9)), NULL},
        {RESULT(1), "call_ended(1 ok @2) round_started(1.2 +0) budget | model_start(1.2.0) > model"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 2, .max_tokens = 100});
    TELL(&r, story);
    rig_done(&r);
}

static void a_message_that_comes_during_the_closing_round_gets_a_run_of_its_own(void **state UNUSED)
{
    const struct line story[] = {
        {POST("m2"), NULL},
        {DELTA(1, 1, 0, "Hi"), NULL},
        {DONE(1, 1, 0), "assistant(1.1.0 @1 'Hi') budget budget_exceeded(max_rounds 1/1) round_started(1.2 +1 closing) "
                        "budget | model_start(1.2.0 closing) > model"},
        {POST("m3"), NULL},
        {DELTA(1, 2, 0, "Ho"), NULL},
        {DONE(1, 2, 0),
         "assistant(1.2.0 @3 'Ho') budget run_ended(1 budget) run_started(2) round_started(2.1 +1) budget "
         "| model_start(2.1.0) > model"},
        {RESUME(), "| reply(running run 2) > model"},
    };
    struct rig r;

    begin(&r, (struct run_limits){.max_rounds = 1});
    TELL(&r, story);
    rig_done(&r);
}

static void rounds_have_a_limit_also_where_nobody_names_one(void **state UNUSED)
{
    static const uint32_t named[] = {0, 3, LIMIT_ROUNDS, LIMIT_ROUNDS + 1};

    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        uint32_t most = named[i] == 0 ? LIMIT_ROUNDS : named[i];
        struct rig r;

        begin(&r, (struct run_limits){.max_rounds = named[i]});
        for (uint32_t round = 1; round <= most; round++) {
            const struct input done = DONE(1, round, 0, CALLS(EFFECT_READ));
            struct input result = RESULT(round);
            char text[16];

            assert_false(r.m.s.run.closing);
            snprintf(text, sizeof(text), "result %u", round); /* a run that gets nowhere would end before */
            result.text = str_of(text);
            rig_feed(&r, &done);
            rig_feed(&r, &result);
        }
        assert_true(r.m.s.run.closing && r.m.s.run.round == most + 1);
        assert_true(rig_fact(&r, FACT_BUDGET_EXCEEDED)->limit == most);
        rig_done(&r);
    }
}

/* The lost call is charged: so much is used up that the failure is the end, whatever tries are left. */
static void a_failure_is_not_tried_again_when_the_tokens_are_used_up(void **state UNUSED)
{
    int64_t reserved;
    struct rig r;

    begin(&r, NO_LIMITS);
    reserved = rig_fact(&r, FACT_ROUND_STARTED)->tokens;
    rig_done(&r);
    for (int64_t tries = 1; tries <= 3; tries++) {
        begin(&r, (struct run_limits){.max_tokens = reserved * tries});
        for (uint32_t gen = 0; gen < tries; gen++) {
            const struct input failed = FAILED(1, 1, gen, SERVER);

            assert_true(r.m.s.run.active);
            rig_feed(&r, &failed);
        }
        assert_false(r.m.s.run.active);
        assert_int_equal(rig_fact(&r, FACT_RUN_ENDED)->end, END_BUDGET);
        assert_true(rig_fact(&r, FACT_BUDGET_EXCEEDED)->actual >= reserved * tries);
        rig_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_shown_with_its_place_and_becomes_the_answer),
        cmocka_unit_test(an_answer_that_was_cut_for_length_is_kept_and_ends_the_run),
        cmocka_unit_test(an_answer_that_was_cut_before_its_first_word_is_not_asked_for_again),
        cmocka_unit_test(an_answer_that_is_cut_for_the_budget_ends_the_run_as_that),
        cmocka_unit_test(the_last_round_of_a_budget_may_be_cut),
        cmocka_unit_test(an_empty_answer_is_a_failure_that_is_tried_again),
        cmocka_unit_test(a_filter_ends_the_run_unless_there_was_text),
        cmocka_unit_test(what_the_provider_counted_is_told_and_summed),
        cmocka_unit_test(what_nobody_counted_is_estimated),
        cmocka_unit_test(the_estimate_grows_with_the_system_text_and_the_inbox),
        cmocka_unit_test(a_message_posted_during_the_call_is_read_in_the_next_round),
        cmocka_unit_test(each_kind_of_failure_is_tried_again_or_not),
        cmocka_unit_test(a_call_is_tried_six_times),
        cmocka_unit_test(a_round_that_answers_begins_the_count_of_tries_anew),
        cmocka_unit_test(text_that_was_shown_is_discarded_by_the_name_it_had),
        cmocka_unit_test(thoughts_alone_are_kept_however_the_run_ends),
        cmocka_unit_test(pauses_double_and_a_longer_retry_after_wins),
        cmocka_unit_test(runs_that_failed_together_come_back_apart),
        cmocka_unit_test(a_provider_that_wants_to_be_left_alone_too_long_ends_the_run),
        cmocka_unit_test(a_message_that_got_no_answer_is_work_for_the_next_run),
        cmocka_unit_test(after_the_last_round_comes_one_that_only_closes),
        cmocka_unit_test(calls_of_the_closing_round_are_denied),
        cmocka_unit_test(a_final_answer_in_the_last_round_is_no_excess),
        cmocka_unit_test(tokens_are_a_budget_too_and_are_named_first),
        cmocka_unit_test(a_budget_is_used_up_by_its_last_token),
        cmocka_unit_test(below_the_budget_the_run_goes_on),
        cmocka_unit_test(a_message_that_comes_during_the_closing_round_gets_a_run_of_its_own),
        cmocka_unit_test(rounds_have_a_limit_also_where_nobody_names_one),
        cmocka_unit_test(a_failure_is_not_tried_again_when_the_tokens_are_used_up),
    };

    return cmocka_run_group_tests_name("round", tests, NULL, NULL);
}
