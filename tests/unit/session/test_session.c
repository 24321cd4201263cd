/* SPDX-License-Identifier: MIT */
/*
 * The fold, told as stories: each line is a fact and what the session is after it, in one line of text. What is zero
 * or empty is not said. Calls are letters: p proposed, r running, o over.
 */
#include "session/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void say_run(const struct run_state *r, struct buf *out)
{
    if (!r->active)
        return;
    buf_addf(out, "run %u.%u.%u ", r->number, r->round, r->gen);
    buf_add_str(out, r->round_open ? STR("open ") : STR(""));
    buf_add_str(out, r->over ? STR("over ") : STR(""));
    buf_add_str(out, r->closing ? STR("closing ") : STR(""));
    buf_add_str(out, r->cancelling ? STR("cancelling ") : STR(""));
    if (r->failures > 0)
        buf_addf(out, "failures %u ", r->failures);
    if (r->crashes > 0)
        buf_addf(out, "crashes %u ", r->crashes);
    if (r->used_tokens != 0 || r->reserved_tokens != 0)
        buf_addf(out, "used %" PRId64 "/%" PRId64 " ", r->used_tokens, r->reserved_tokens);
}

static void say(const struct session *s, struct buf *out)
{
    buf_clear(out);
    buf_addf(out, "%u ", s->messages);
    if (s->inbox > 0)
        buf_addf(out, "inbox %u ", s->inbox);
    buf_add_str(out, s->unread ? STR("unread ") : STR(""));
    say_run(&s->run, out);
    for (int i = 0; i < s->n_calls; i++)
        buf_add_char(out, "prao"[s->calls[i].state]);
    buf_add_str(out, s->n_calls > 0 ? STR(" ") : STR(""));
    if (s->last_message[0] != '\0')
        buf_addf(out, "last %s ", s->last_message);
    buf_addf(out, "[%s]", session_state_word(s));
}

struct line {
    struct fact fact;
    const char *after;
};

static void tell(struct session *s, const struct line *story, size_t n)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        uint64_t seq = s->seq;

        fold(s, story[i].fact);
        say(s, &text);
        if (strcmp(text.p, story[i].after) != 0)
            fail_msg("line %zu, %s:\n  is     %s\n  not    %s", i, fact_kind_name(story[i].fact.kind), text.p,
                     story[i].after);
        assert_true(s->seq == seq + 1);
    }
}
#define TELL(s, story) tell((s), (story), ARRAY_LEN(story))

/* ---- stories ---- */

static void a_turn_without_tools(void **state UNUSED)
{
    const struct line story[] = {
        {CREATED, "1 last s [idle]"},
        {POSTED("m1"), "1 inbox 1 last s [queued]"},
        {STARTED(1), "1 inbox 1 run 1.0.0 last s [running]"},
        {ROUND(1, 1, 10), "2 unread run 1.1.0 open used 10/10 last m1 [running]"},
        {{.kind = FACT_BUDGET, .run = 1}, "2 unread run 1.1.0 open used 10/10 last m1 [running]"},
        {ANSWER(1, 0, 2, COUNTED(8, 4)), "3 run 1.1.0 used 12/0 last a [running]"},
        {ENDED(1, END_COMPLETED), "3 last a [done]"},
        {POSTED("m2"), "3 inbox 1 last a [queued]"},
        {STARTED(2), "3 inbox 1 run 2.0.0 last a [running]"},
    };
    struct session s;

    session_init(&s);
    TELL(&s, story);
    assert_true(s.nonce == 77 && s.created_at == 1001 && s.metadata_version == 1 && s.title_version == 1);
    assert_true(s.context_bytes == 8 + 5 + 2 && s.system_bytes == 8 && s.inbox_bytes == 5);
    assert_true(s.assistant_seq == 6 && s.end_seq == 7 && s.last_end == END_COMPLETED);
}

static void a_session_without_a_system_message_has_no_message(void **state UNUSED)
{
    const struct line story[] = {
        {{.kind = FACT_SESSION_CREATED, .id = STR("s")}, "0 [idle]"},
        {POSTED("m1"), "0 inbox 1 [queued]"},
    };
    struct session s;

    session_init(&s);
    TELL(&s, story);
}

/* Places are given when a round admits: never between calls and their results. */
static void a_message_posted_while_tools_run_comes_after_the_results(void **state UNUSED)
{
    const struct line story[] = {
        {ANSWER(1, 0, 2, TWO_CALLS), "5 run 1.1.0 pp last a [running]"},
        {CALL_STARTED(1), "5 run 1.1.0 rp last a [running]"},
        {POSTED("m2"), "5 inbox 1 run 1.1.0 rp last a [running]"},
        {CALL_ENDED(1, "r1"), "5 inbox 1 unread run 1.1.0 op last r1 [running]"},
        {CALL_STARTED(2), "5 inbox 1 unread run 1.1.0 or last r1 [running]"},
        {POSTED("m3"), "5 inbox 2 unread run 1.1.0 or last r1 [running]"},
        {CALL_ENDED(2, "r2"), "5 inbox 2 unread run 1.1.0 oo last r2 [running]"},
        {ROUND(2, 2, 20), "7 unread run 1.2.0 open used 20/20 oo last m3 [running]"},
        {ANSWER(2, 0, 7, COUNTED(5, 5)), "8 run 1.2.0 used 10/0 last a [running]"},
        {ENDED(1, END_COMPLETED), "8 last a [done]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
    assert_int_equal(s.calls_made, 2);
    assert_int_equal(s.calls_place, 8); /* of the newest answer, which has no calls */
}

static void results_that_come_out_of_order_stand_in_call_order(void **state UNUSED)
{
    const struct line story[] = {
        {ANSWER(1, 0, 2, TWO_CALLS), "5 run 1.1.0 pp last a [running]"},
        {CALL_STARTED(1), "5 run 1.1.0 rp last a [running]"},
        {CALL_STARTED(2), "5 run 1.1.0 rr last a [running]"},
        {CALL_ENDED(2, "r2"), "5 unread run 1.1.0 ro last r2 [running]"},
        {CALL_ENDED(1, "r1"), "5 unread run 1.1.0 oo last r2 [running]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
    assert_int_equal(s.calls_place, 3);
    assert_int_equal(s.run.calls, 2);
    assert_true(s.context_bytes == 8 + 5 + 2 + 5 + 6 + 6);
}

static void a_call_that_is_refused_ends_without_having_begun(void **state UNUSED)
{
    const struct line story[] = {
        {ANSWER(1, 0, 2, TWO_CALLS), "5 run 1.1.0 pp last a [running]"},
        {CALL_ENDED(1, "r1"), "5 unread run 1.1.0 op last r1 [running]"},
        {CALL_ENDED(2, "r2"), "5 unread run 1.1.0 oo last r2 [running]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
    assert_int_equal(s.run.calls, 0);
}

/* What was reserved for a call that failed stays charged: nobody knows what the provider counted. */
static void a_retry_charges_the_call_that_failed(void **state UNUSED)
{
    const struct line story[] = {
        {FAILED(1, 0, 10), "2 unread run 1.1.1 open failures 1 used 20/10 last m1 [running]"},
        {FAILED(1, 1, 10), "2 unread run 1.1.2 open failures 2 used 30/10 last m1 [running]"},
        {ANSWER(1, 2, 2, COUNTED(7, 1), TWO_CALLS), "5 run 1.1.2 failures 2 used 28/0 pp last a [running]"},
        {CALL_ENDED(1, "r1"), "5 unread run 1.1.2 failures 2 used 28/0 op last r1 [running]"},
        {CALL_ENDED(2, "r2"), "5 unread run 1.1.2 failures 2 used 28/0 oo last r2 [running]"},
        {ROUND(2, 0, 5), "5 unread run 1.2.0 open used 33/5 oo last r2 [running]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
}

static void what_was_counted_of_a_call_that_failed_is_of_the_run(void **state UNUSED)
{
    struct fact failed = FAILED(1, 0, 10), end = ENDED(1, END_ERROR);
    struct session s;

    begin(&s);
    s.run.price = (struct price){.input = 1000000, .output = 2000000, .known = true};
    s.run.used_cost = s.run.reserved_cost = 500;
    failed.usage = (struct usage){.prompt_tokens = 100, .completion_tokens = 5, .reported = true};
    failed.cost = 600;
    fold(&s, failed);
    assert_true(s.run.usage.prompt_tokens == 100 && s.run.usage.completion_tokens == 5);
    assert_true(s.run.used_tokens == 105 + 10 && s.run.reserved_tokens == 10);
    assert_true(s.run.used_cost == 110 + 600 && s.run.reserved_cost == 600);
    /* The last one is known from the sum alone. */
    end.usage = (struct usage){.prompt_tokens = 300, .completion_tokens = 5};
    end.cost = 310;
    fold(&s, end);
    assert_true(s.spent.tokens == 305 && s.spent.cost == 310);
}

static void a_failure_without_another_try_changes_no_generation(void **state UNUSED)
{
    const struct line story[] = {
        {{.kind = FACT_MODEL_FAILED, .run = 1, .round = 1},
         "2 unread run 1.1.0 open failures 1 used 10/10 last m1 [running]"},
        {ENDED(1, END_ERROR), "2 unread last m1 [error]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
}

static void recovery_in_a_model_call_is_a_new_generation(void **state UNUSED)
{
    const struct line story[] = {
        {RECOVERED(true, 10), "2 unread run 1.1.1 open crashes 1 used 20/10 last m1 [running]"},
        {RECOVERED(false, 10), "2 unread run 1.1.2 open crashes 1 used 30/10 last m1 [running]"},
        {FAILED(1, 2, 10), "2 unread run 1.1.3 open failures 1 crashes 1 used 40/10 last m1 [running]"},
        {RECOVERED(true, 10), "2 unread run 1.1.4 open failures 1 crashes 2 used 50/10 last m1 [running]"},
        {ANSWER(1, 4, 2, COUNTED(1, 1)), "3 run 1.1.4 failures 1 used 42/0 last a [running]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
    assert_true(s.run.retry_due == 0);
}

static void recovery_in_a_tool_call_counts_until_a_result_comes(void **state UNUSED)
{
    const struct line story[] = {
        {ANSWER(1, 0, 2, TWO_CALLS), "5 run 1.1.0 pp last a [running]"},
        {CALL_STARTED(1), "5 run 1.1.0 rp last a [running]"},
        {RECOVERED(true, 0), "5 run 1.1.0 crashes 1 rp last a [running]"},
        {RECOVERED(true, 0), "5 run 1.1.0 crashes 2 rp last a [running]"},
        {CALL_ENDED(1, "r1"), "5 unread run 1.1.0 op last r1 [running]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
}

/* Our estimate stands in the message; what was reserved stays charged, and it is no progress. */
static void interrupted_text_keeps_what_was_reserved(void **state UNUSED)
{
    const struct line story[] = {
        {RECOVERED(true, 10), "2 unread run 1.1.1 open crashes 1 used 20/10 last m1 [running]"},
        {ANSWER(1, 1, 2, .interrupted = true, .usage = {.prompt_tokens = 10, .completion_tokens = 1}),
         "3 run 1.1.1 crashes 1 used 20/0 last a [running]"},
        {ENDED(1, END_CANCELLED), "3 last a [cancelled]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
}

static void an_answer_without_a_word_leaves_what_was_asked_unread(void **state UNUSED)
{
    const struct fact imported[] = {
        CREATED,
        {.kind = FACT_MESSAGE_IMPORTED, .role = ROLE_USER, .id = STR("m"), .text = STR("hi"), .place = 1},
        {.kind = FACT_MESSAGE_IMPORTED, .role = ROLE_ASSISTANT, .id = STR("t"), .interrupted = true, .place = 2},
        {.kind = FACT_MESSAGE_IMPORTED, .role = ROLE_ASSISTANT, .id = STR("a"), .text = STR("ok"), .place = 3},
    };
    struct fact thoughts = ANSWER(1, 0, 2, .interrupted = true);
    struct session s;

    begin(&s);
    thoughts.text = STR_NULL;
    fold(&s, thoughts);
    assert_true(s.unread && s.messages == 3);
    fold(&s, (struct fact)ENDED(1, END_CANCELLED));
    assert_true(session_has_work(&s));
    session_init(&s);
    for (size_t i = 0; i < ARRAY_LEN(imported); i++) {
        fold(&s, imported[i]);
        assert_int_equal(s.unread, i == 1 || i == 2);
    }
}

static void usage_of_a_run_is_the_sum_of_its_calls(void **state UNUSED)
{
    struct session s;

    begin(&s);
    fold(&s, (struct fact)ANSWER(1, 0, 2, TWO_CALLS,
                                 .usage = {.prompt_tokens = 1,
                                           .completion_tokens = 2,
                                           .reasoning_tokens = 3,
                                           .cached_tokens = 4,
                                           .reported = true}));
    fold(&s, (struct fact)CALL_ENDED(1, "r1"));
    fold(&s, (struct fact)CALL_ENDED(2, "r2"));
    fold(&s, (struct fact)ROUND(2, 0, 5));
    fold(&s, (struct fact)ANSWER(2, 0, 5,
                                 .usage = {.prompt_tokens = 10,
                                           .completion_tokens = 20,
                                           .reasoning_tokens = 30,
                                           .cached_tokens = 40,
                                           .reported = true}));
    assert_true(s.run.usage.prompt_tokens == 11 && s.run.usage.completion_tokens == 22);
    assert_true(s.run.usage.reasoning_tokens == 33 && s.run.usage.cached_tokens == 44 && s.run.usage.reported);
}

static void a_stop_and_a_budget_are_marks_of_the_run(void **state UNUSED)
{
    const struct line story[] = {
        {{.kind = FACT_BUDGET_EXCEEDED, .run = 1}, "2 unread run 1.1.0 open over used 10/10 last m1 [running]"},
        {{.kind = FACT_CANCEL_REQUESTED, .run = 1},
         "2 unread run 1.1.0 open over cancelling used 10/10 last m1 [running]"},
        {ENDED(1, END_CANCELLED), "2 unread last m1 [cancelled]"},
        {STARTED(2), "2 unread run 2.0.0 last m1 [running]"},
    };
    struct session s;

    begin(&s);
    TELL(&s, story);
}

static void a_fact_of_an_unknown_kind_is_counted_and_nothing_else(void **state UNUSED)
{
    const struct line story[] = {
        {{.kind = FACT_UNKNOWN, .run = 9}, "2 unread run 1.1.0 open used 10/10 last m1 [running]"},
        {ANSWER(1, 0, 2, COUNTED(8, 4)), "3 run 1.1.0 used 12/0 last a [running]"},
    };
    struct session s, before;

    begin(&s);
    before = s;
    fold(&s, story[0].fact);
    assert_true(s.seq == before.seq + 1);
    s.seq = before.seq;
    assert_memory_equal(&s, &before, sizeof(s));
    TELL(&s, story);
}

static void versions_rise_with_title_pin_and_model(void **state UNUSED)
{
    const struct fact title = {.kind = FACT_SESSION_UPDATED, .set_title = true, .title = STR("T")};
    const struct fact pin = {.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = true};
    const struct fact model = {
        .kind = FACT_SESSION_UPDATED, .set_model = true, .provider = STR("acme"), .model = STR("m-2")};
    struct session s;

    begin(&s);
    fold(&s, title);
    assert_true(s.metadata_version == 2 && s.title_version == 2 && s.title_seq == 5 && s.pin_seq == 0);
    fold(&s, pin);
    assert_true(s.metadata_version == 3 && s.title_version == 2 && s.title_seq == 5 && s.pin_seq == 6);
    fold(&s, model);
    assert_true(s.metadata_version == 4 && s.title_version == 2);
    assert_string_equal(s.provider, "acme");
    assert_string_equal(s.model, "m-2");
}

static void a_run_freezes_its_model(void **state UNUSED)
{
    struct session s;

    session_init(&s);
    fold(&s, (struct fact){.kind = FACT_SESSION_CREATED, .provider = STR("p0"), .model = STR("m0")});
    assert_string_equal(s.model, "m0");
    fold(&s, (struct fact){.kind = FACT_RUN_STARTED,
                           .run = 1,
                           .provider = STR("p1"),
                           .model = STR("m1"),
                           .effort = STR("low"),
                           .limits = {.max_tokens = 5, .max_rounds = 6, .max_calls = 7}});
    fold(&s, (struct fact){.kind = FACT_SESSION_UPDATED, .set_model = true, .model = STR("m2")});
    assert_string_equal(s.run_provider, "p1");
    assert_string_equal(s.run_model, "m1");
    assert_string_equal(s.run_effort, "low");
    assert_string_equal(s.model, "m2");
    assert_true(s.run.limits.max_tokens == 5 && s.run.limits.max_rounds == 6 && s.run.limits.max_calls == 7);
}

/* ---- what the fold says ---- */

static void work_is_what_a_run_would_find(void **state UNUSED)
{
    static const struct {
        uint32_t inbox;
        bool unread, active;
        int call; /* enum call_state, -1: none */
        bool has_work, unfinished;
    } rows[] = {
        {0, false, false, -1, false, false},
        {1, false, false, -1, true, false},
        {0, true, false, -1, true, false},
        {0, false, false, CALL_PROPOSED, true, false},
        {0, false, false, CALL_RUNNING, false, false},
        {0, false, false, CALL_OVER, false, false},
        {1, true, true, CALL_PROPOSED, false, true},
        {0, false, true, -1, false, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct session s = {.seq = 1, .inbox = rows[i].inbox, .unread = rows[i].unread};

        s.run.active = rows[i].active;
        s.n_calls = rows[i].call >= 0;
        s.calls[0].state = (uint8_t)(rows[i].call >= 0 ? rows[i].call : 0);
        assert_int_equal(session_has_work(&s), rows[i].has_work);
        assert_int_equal(session_is_unfinished(&s), rows[i].unfinished);
    }
}

static void a_run_is_suspect_after_two_crashes_in_tools_or_twenty_in_the_model(void **state UNUSED)
{
    static const struct {
        bool active, in_tools;
        uint32_t crashes;
        bool suspect;
    } rows[] = {
        {true, true, 1, false},   {true, true, 2, true},   {true, false, 2, false},
        {true, false, 19, false}, {true, false, 20, true}, {false, false, 20, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct session s = {.seq = 1, .n_calls = 1};

        s.run.active = rows[i].active;
        s.run.crashes = rows[i].crashes;
        s.calls[0].state = rows[i].in_tools ? CALL_RUNNING : CALL_OVER;
        assert_int_equal(session_is_suspect(&s), rows[i].suspect);
    }
}

static void a_call_is_found_by_its_number_while_its_answer_is_the_last(void **state UNUSED)
{
    struct session s;

    begin(&s);
    assert_int_equal(session_find_call(&s, 0), -1);
    fold(&s, (struct fact)ANSWER(1, 0, 2, TWO_CALLS));
    assert_int_equal(session_find_call(&s, 0), -1);
    assert_int_equal(session_find_call(&s, 1), 0);
    assert_int_equal(session_find_call(&s, 2), 1);
    assert_int_equal(session_find_call(&s, 3), -1);
    assert_int_equal(session_find_call(&s, UINT32_MAX), -1);
    assert_int_equal(session_open_calls(&s, CALL_PROPOSED), 2);
    fold(&s, (struct fact)CALL_ENDED(1, "r1"));
    fold(&s, (struct fact)CALL_ENDED(2, "r2"));
    assert_int_equal(session_open_calls(&s, CALL_OVER), 2);
    fold(&s, (struct fact)ROUND(2, 0, 1));
    fold(&s, (struct fact)ANSWER(2, 0, 5, TWO_CALLS));
    assert_int_equal(session_find_call(&s, 2), -1); /* numbers are dense over the whole session */
    assert_int_equal(session_find_call(&s, 3), 0);
    assert_int_equal(session_find_call(&s, 4), 1);
}

static void only_the_newest_of_a_latest_kind_is_shown(void **state UNUSED)
{
    struct session s = {.budget_seq = 10, .progress_seq = 20, .title_seq = 30, .pin_seq = 40};
    static const struct {
        enum fact_kind kind;
        uint64_t seq;
        bool newest;
    } rows[] = {
        {FACT_BUDGET, 10, true},           {FACT_BUDGET, 9, false},          {FACT_ROUND_STARTED, 20, true},
        {FACT_ROUND_STARTED, 10, false},   {FACT_SESSION_UPDATED, 30, true}, {FACT_SESSION_UPDATED, 40, true},
        {FACT_SESSION_UPDATED, 35, false}, {FACT_MESSAGE_POSTED, 1, true},   {FACT_ASSISTANT, 1, true},
        {FACT_RUN_ENDED, 1, true},         {FACT_SESSION_CREATED, 1, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fact f = {.kind = rows[i].kind, .seq = rows[i].seq};

        assert_int_equal(session_is_newest(&s, &f), rows[i].newest);
    }
}

static void a_new_run_has_no_budget_and_no_progress_of_an_earlier_one(void **state UNUSED)
{
    struct fact budget = {.kind = FACT_BUDGET, .run = 1, .seq = 5}, round = {.kind = FACT_ROUND_STARTED, .seq = 4};
    struct session s;

    begin(&s);
    fold(&s, budget);
    assert_true(session_is_newest(&s, &budget) && session_is_newest(&s, &round));
    fold(&s, (struct fact)ENDED(1, END_ERROR));
    assert_true(session_is_newest(&s, &budget)); /* a late watcher of an ended run sees it */
    fold(&s, (struct fact)STARTED(2));
    assert_false(session_is_newest(&s, &budget));
    assert_false(session_is_newest(&s, &round));
}

static void a_state_is_one_word(void **state UNUSED)
{
    static const struct {
        bool active;
        uint32_t inbox;
        int last_end;
        const char *word;
    } rows[] = {
        {false, 0, END_NONE, "idle"},        {false, 0, END_COMPLETED, "done"}, {false, 0, END_BUDGET, "done"},
        {false, 0, END_SUSPENDED, "done"},   {false, 0, END_ERROR, "error"},    {false, 0, END_CANCELLED, "cancelled"},
        {false, 2, END_CANCELLED, "queued"}, {true, 2, END_ERROR, "running"},   {true, 0, END_NONE, "running"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct session s = {.seq = 1, .inbox = rows[i].inbox, .last_end = rows[i].last_end};

        s.run.active = rows[i].active;
        assert_string_equal(session_state_word(&s), rows[i].word);
    }
}

static void what_a_run_left_waiting_is_not_queued(void **state UNUSED)
{
    struct session s = {.seq = 9, .inbox = 2, .last_end = END_CANCELLED, .work_seq = 7, .end_seq = 8};

    assert_true(session_is_at_rest(&s) && session_has_work(&s));
    assert_string_equal(session_state_word(&s), "cancelled");
    s.last_end = END_BUDGET;
    assert_string_equal(session_state_word(&s), "done");
    s.work_seq = 9; /* one more was posted */
    assert_false(session_is_at_rest(&s));
    assert_string_equal(session_state_word(&s), "queued");
    s.n_questions = 1;
    s.work_seq = 7;
    assert_false(session_is_at_rest(&s));
    assert_string_equal(session_state_word(&s), "asking");
}

static void tokens_are_estimated_upwards_and_never_below_nothing(void **state UNUSED)
{
    static const int64_t rows[][2] = {{-5, 0}, {0, 0}, {1, 1}, {3, 1}, {4, 2}, {40, 11}, {41, 12}, {4000000, 1100000}};
    int64_t before = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(session_estimate_tokens(rows[i][0]) == rows[i][1]);
    for (int64_t bytes = 0; bytes < 1000; bytes++) {
        int64_t tokens = session_estimate_tokens(bytes);

        assert_true(tokens >= before && tokens * 40 >= bytes * 11);
        before = tokens;
    }
}

/* ---- names made from the fold ---- */

/* They are part of what is stored: another hash would give the answer of an old run another name. */
static void derived_names_are_what_they_have_always_been(void **state UNUSED)
{
    struct session s = {.nonce = 77};
    char id[ID_TEXT];

    session_message_id(&s, 1, 2, 3, id);
    assert_string_equal(id, "c5c45133-ff4e-884c-b50a-c8c77e79947a");
    session_run_id(&s, 1, id);
    assert_string_equal(id, "1179ca73-ca3f-85e8-a180-0df7e84b1ee6");
    session_result_id(&s, 1, id);
    assert_string_equal(id, "c1dd0f23-37c6-89ad-8d3e-53ac4ee4aee4");
}

#define MOST_NAMES 1024
struct names {
    char ids[MOST_NAMES][ID_TEXT];
    size_t n;
};

static void add_names(struct names *all, uint64_t nonce)
{
    struct session s = {.nonce = nonce};

    for (uint32_t i = 0; i < 10; i++) {
        session_run_id(&s, i, all->ids[all->n++]);
        session_result_id(&s, i, all->ids[all->n++]);
    }
    for (uint32_t run = 0; run < 5; run++)
        for (uint32_t round = 0; round < 5; round++)
            for (uint32_t gen = 0; gen < 5; gen++)
                session_message_id(&s, run, round, gen, all->ids[all->n++]);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void derived_names_are_all_different_and_stay(void **state UNUSED)
{
    static struct names first, second;

    first.n = second.n = 0;
    for (uint64_t nonce = 0; nonce < 5; nonce++) {
        add_names(&first, nonce << 60 | nonce);
        add_names(&second, nonce << 60 | nonce);
    }
    assert_memory_equal(first.ids, second.ids, sizeof(first.ids));
    qsort(first.ids, first.n, ID_TEXT, by_text);
    for (size_t i = 0; i < first.n; i++) {
        assert_true(id_is_valid(str_of(first.ids[i])));
        assert_true(i == 0 || strcmp(first.ids[i - 1], first.ids[i]) != 0);
    }
}

/* ---- head row ---- */

static void a_head_row_is_the_fold_and_the_story_goes_on(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf head = BUF_INIT;
    struct session s, read, gone_on;

    begin(&s);
    fold(&s, (struct fact)ANSWER(1, 0, 2, TWO_CALLS));
    session_write_head(&s, &head);
    memset(&read, 0xa5, sizeof(read));
    assert_true(session_read_head(buf_str(&head), &read));
    assert_memory_equal(&read, &s, sizeof(s));
    gone_on = read;
    fold(&s, (struct fact)CALL_STARTED(1));
    fold(&gone_on, (struct fact)CALL_STARTED(1));
    assert_memory_equal(&gone_on, &s, sizeof(s));
}

static void a_head_row_of_another_version_or_size_is_refused(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf head = BUF_INIT;
    struct session s, read, before;
    uint32_t word;

    begin(&s);
    session_write_head(&s, &head);
    memset(&before, 0xa5, sizeof(before));
    read = before;
    for (size_t n = 0; n < head.n; n++)
        assert_false(session_read_head((struct str){head.p, n}, &read));
    buf_add_char(&head, '\0');
    assert_false(session_read_head(buf_str(&head), &read));
    head.n--;
    for (size_t at = 0; at < 8; at += 4) { /* the version, the size */
        memcpy(&word, head.p + at, sizeof(word));
        word++;
        memcpy(head.p + at, &word, sizeof(word));
        assert_false(session_read_head(buf_str(&head), &read));
        word--;
        memcpy(head.p + at, &word, sizeof(word));
    }
    assert_memory_equal(&read, &before, sizeof(read)); /* untouched on failure */
    assert_true(session_read_head(buf_str(&head), &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_without_tools),
        cmocka_unit_test(a_session_without_a_system_message_has_no_message),
        cmocka_unit_test(a_message_posted_while_tools_run_comes_after_the_results),
        cmocka_unit_test(results_that_come_out_of_order_stand_in_call_order),
        cmocka_unit_test(a_call_that_is_refused_ends_without_having_begun),
        cmocka_unit_test(a_retry_charges_the_call_that_failed),
        cmocka_unit_test(what_was_counted_of_a_call_that_failed_is_of_the_run),
        cmocka_unit_test(a_failure_without_another_try_changes_no_generation),
        cmocka_unit_test(recovery_in_a_model_call_is_a_new_generation),
        cmocka_unit_test(recovery_in_a_tool_call_counts_until_a_result_comes),
        cmocka_unit_test(interrupted_text_keeps_what_was_reserved),
        cmocka_unit_test(an_answer_without_a_word_leaves_what_was_asked_unread),
        cmocka_unit_test(usage_of_a_run_is_the_sum_of_its_calls),
        cmocka_unit_test(a_stop_and_a_budget_are_marks_of_the_run),
        cmocka_unit_test(a_fact_of_an_unknown_kind_is_counted_and_nothing_else),
        cmocka_unit_test(versions_rise_with_title_pin_and_model),
        cmocka_unit_test(a_run_freezes_its_model),
        cmocka_unit_test(work_is_what_a_run_would_find),
        cmocka_unit_test(a_run_is_suspect_after_two_crashes_in_tools_or_twenty_in_the_model),
        cmocka_unit_test(a_call_is_found_by_its_number_while_its_answer_is_the_last),
        cmocka_unit_test(only_the_newest_of_a_latest_kind_is_shown),
        cmocka_unit_test(a_new_run_has_no_budget_and_no_progress_of_an_earlier_one),
        cmocka_unit_test(a_state_is_one_word),
        cmocka_unit_test(what_a_run_left_waiting_is_not_queued),
        cmocka_unit_test(tokens_are_estimated_upwards_and_never_below_nothing),
        cmocka_unit_test(derived_names_are_what_they_have_always_been),
        cmocka_unit_test(derived_names_are_all_different_and_stay),
        cmocka_unit_test(a_head_row_is_the_fold_and_the_story_goes_on),
        cmocka_unit_test(a_head_row_of_another_version_or_size_is_refused),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
