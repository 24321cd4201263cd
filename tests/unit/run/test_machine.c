/* SPDX-License-Identifier: MIT */
/* The table of states and inputs, every cell of it; then what a person's inputs carry and are answered. */
#include "base/str.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* PAUSE is the state `model` between two tries: the fold does not tell them apart, and need not. */
enum state { ABSENT, IDLE, READY, ASKING, MODEL, PAUSE, TOOLS, STOPPING, STATES };
static const char *const words[STATES] = {"> absent", "> idle",  "> ready", "> asking",
                                          "> model",  "> model", "> tools", "> stopping"};

/* The first run (1), its first round (1) and try (0); calls 1, which runs alone, and 2, which waits. */
static void enter(struct rig *r, enum state state)
{
    const struct line turn[] = {{EXECUTE("m1"), NULL}, {DELTA(1, 1, 0, "Hel"), NULL}};
    const struct line answer[] = {{DONE(1, 1, 0), NULL}, {POST("m2"), NULL}};
    const struct line calls[] = {{DONE(1, 1, 0, CALLS(EFFECT_UNSAFE, EFFECT_READ)), NULL}, {CANCEL(), NULL}};
    const struct line failure[] = {{FAILED(1, 1, 0, NETWORK), NULL}};

    static struct call ask = {.id = {"c1", 2}, .args = {"{\"question\":\"?\"}", 16}, .effect = EFFECT_ASK};
    const struct line asks[] = {{DONE(1, 1, 0, .calls = {&ask, 1}), NULL}};

    rig_init(r);
    if (state != ABSENT)
        TELL(r, turn);
    if (state == ASKING)
        TELL(r, asks);
    if (state == IDLE || state == READY)
        rig_tell(r, answer, state == READY ? 2 : 1);
    if (state == PAUSE)
        TELL(r, failure);
    if (state == TOOLS || state == STOPPING)
        rig_tell(r, calls, state == STOPPING ? 2 : 1);
    if (state != ABSENT)
        assert_string_equal(strchr(r->said.p, '>'), words[state]);
}

struct row {
    const char *name;
    struct input in;
    const char *cells[STATES]; /* NULL: dropped without a word, and nothing has changed */
};

static void check_row(const struct row *row)
{
    for (int state = 0; state < STATES; state++) {
        const char *expected = row->cells[state] != NULL ? row->cells[state] : words[state];
        const char *said;
        struct rig r;

        enter(&r, (enum state)state);
        said = rig_feed(&r, &row->in);
        if (strcmp(said, expected) != 0)
            fail_msg("%s in %s:\n  is     %s\n  not    %s", row->name, words[state] + 2, said, expected);
        rig_done(&r);
    }
}

/* size: it is the table */
static void every_input_in_every_state_does_what_the_table_says(void **state UNUSED)
{
    /* NOLINTBEGIN(bugprone-suspicious-missing-comma): cells longer than a line */
    const struct row rows[] = {
        {"create",
         CREATE(),
         {[ABSENT] = "session_created | reply(created) > idle",
          [IDLE] = "| reply(exists) > idle",
          [READY] = "| reply(exists) > ready",
          [ASKING] = "| reply(exists) > asking",
          [MODEL] = "| reply(exists run 1) > model",
          [PAUSE] = "| reply(exists run 1) > model",
          [TOOLS] = "| reply(exists run 1) > tools",
          [STOPPING] = "| reply(exists run 1) > stopping"}},
        {"post",
         POST("m9"),
         {[ABSENT] = "session_created message_posted(m9) | reply(posted m9) > ready",
          [IDLE] = "message_posted(m9) | reply(posted m9) > ready",
          [READY] = "message_posted(m9) | reply(posted m9) > ready",
          [ASKING] = "message_posted(m9) | reply(posted m9) > asking",
          [MODEL] = "message_posted(m9) | reply(posted m9 run 1) > model",
          [PAUSE] = "message_posted(m9) | reply(posted m9 run 1) > model",
          [TOOLS] = "message_posted(m9) | reply(posted m9 run 1) > tools",
          [STOPPING] = "message_posted(m9) | reply(posted m9 run 1) > stopping"}},
        {"post to a session that must be there",
         {.kind = INPUT_POST, FROM, .nonce = 77, .message_id = STR("m9"), .text = STR("hello")},
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "message_posted(m9) | reply(posted m9) > ready",
          [READY] = "message_posted(m9) | reply(posted m9) > ready",
          [ASKING] = "message_posted(m9) | reply(posted m9) > asking",
          [MODEL] = "message_posted(m9) | reply(posted m9 run 1) > model",
          [PAUSE] = "message_posted(m9) | reply(posted m9 run 1) > model",
          [TOOLS] = "message_posted(m9) | reply(posted m9 run 1) > tools",
          [STOPPING] = "message_posted(m9) | reply(posted m9 run 1) > stopping"}},
        {"post and execute",
         EXECUTE("m9"),
         {[ABSENT] = "session_created message_posted(m9) run_started(1) round_started(1.1 +1) budget | "
                     "model_start(1.1.0) reply(posted m9 started run 1) > model",
          [IDLE] =
              "message_posted(m9) run_started(2) round_started(2.1 +1) budget | model_start(2.1.0) reply(posted m9 "
              "started run 2) > model",
          [READY] = "message_posted(m9) run_started(2) round_started(2.1 +2) budget | model_start(2.1.0) reply(posted "
                    "m9 started run 2) > model",
          [ASKING] = "message_posted(m9) | reply(posted m9) > asking",
          [MODEL] = "message_posted(m9) | reply(posted m9 joined run 1) > model",
          [PAUSE] = "message_posted(m9) | reply(posted m9 joined run 1) > model",
          [TOOLS] = "message_posted(m9) | reply(posted m9 joined run 1) > tools",
          [STOPPING] = "message_posted(m9) run_queued(1) | reply(posted m9 joined run 1) > stopping"}},
        {"resume",
         RESUME(),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(nothing) > idle",
          [READY] = "run_started(2) round_started(2.1 +1) budget | model_start(2.1.0) reply(started run 2) > model",
          [ASKING] = "| reply(nothing) > asking",
          [MODEL] = "| reply(running run 1) > model",
          [PAUSE] = "| reply(running run 1) > model",
          [TOOLS] = "| reply(running run 1) > tools",
          [STOPPING] = "run_queued(1) | reply(running run 1) > stopping"}},
        {"cancel",
         CANCEL(),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(no_run) > idle",
          [READY] = "| reply(no_run) > ready",
          [ASKING] = "run_started(2) cancel_requested(2 by ann) question_closed(1 withdrawn by ann) call_ended(1 "
                     "cancelled @2) run_ended(2 cancelled by ann) | reply(stopped run 2) > ready",
          [MODEL] = "cancel_requested(1 by ann) assistant(1.1.0 @1 'Hel' interrupted) run_ended(1 cancelled by ann) | "
                    "model_abort reply(stopped run 1) > idle",
          [PAUSE] =
              "cancel_requested(1 by ann) run_ended(1 cancelled by ann) | model_abort reply(stopped run 1) > ready",
          [TOOLS] = "cancel_requested(1 by ann) call_ended(2 cancelled @3) | tool_cancel(1) timer(cancel 1 +2s) "
                    "reply(stopped run 1) > stopping",
          [STOPPING] = "| reply(stopped run 1) > stopping"}},
        {"cancel of run 1",
         CANCEL(.run = 1),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(no_run) > idle",
          [READY] = "| reply(no_run) > ready",
          [ASKING] = "run_started(2) cancel_requested(2 by ann) question_closed(1 withdrawn by ann) call_ended(1 "
                     "cancelled @2) run_ended(2 cancelled by ann) | reply(stopped run 2) > ready",
          [MODEL] = "cancel_requested(1 by ann) assistant(1.1.0 @1 'Hel' interrupted) run_ended(1 cancelled by ann) | "
                    "model_abort reply(stopped run 1) > idle",
          [PAUSE] =
              "cancel_requested(1 by ann) run_ended(1 cancelled by ann) | model_abort reply(stopped run 1) > ready",
          [TOOLS] = "cancel_requested(1 by ann) call_ended(2 cancelled @3) | tool_cancel(1) timer(cancel 1 +2s) "
                    "reply(stopped run 1) > stopping",
          [STOPPING] = "| reply(stopped run 1) > stopping"}},
        {"cancel of another run",
         CANCEL(.run = 2),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(no_run) > idle",
          [READY] = "| reply(no_run) > ready",
          [ASKING] = "| reply(other_run) > asking",
          [MODEL] = "| reply(other_run run 1) > model",
          [PAUSE] = "| reply(other_run run 1) > model",
          [TOOLS] = "| reply(other_run run 1) > tools",
          [STOPPING] = "| reply(other_run run 1) > stopping"}},
        {"cancel of another run by its id",
         CANCEL(.run_id = STR("other")),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(no_run) > idle",
          [READY] = "| reply(no_run) > ready",
          [ASKING] = "| reply(other_run) > asking",
          [MODEL] = "| reply(other_run run 1) > model",
          [PAUSE] = "| reply(other_run run 1) > model",
          [TOOLS] = "| reply(other_run run 1) > tools",
          [STOPPING] = "| reply(other_run run 1) > stopping"}},
        {"answer",
         {.kind = INPUT_ANSWER, FROM, .by = STR("ann"), .text = STR("so")},
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(no_question) > idle",
          [READY] = "| reply(no_question) > ready",
          [ASKING] = "question_closed(1 answered 'so' by ann) call_ended(1 ok @2) run_started(2) round_started(2.1 +0) "
                     "budget | model_start(2.1.0) reply(answered started run 2) > model",
          [MODEL] = "| reply(no_question run 1) > model",
          [PAUSE] = "| reply(no_question run 1) > model",
          [TOOLS] = "| reply(no_question run 1) > tools",
          [STOPPING] = "| reply(no_question run 1) > stopping"}},
        {"answer to another question",
         {.kind = INPUT_ANSWER, FROM, .by = STR("ann"), .text = STR("so"), .call_id = STR("c7")},
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(no_question) > idle",
          [READY] = "| reply(no_question) > ready",
          [ASKING] = "| reply(other_question) > asking",
          [MODEL] = "| reply(no_question run 1) > model",
          [PAUSE] = "| reply(no_question run 1) > model",
          [TOOLS] = "| reply(no_question run 1) > tools",
          [STOPPING] = "| reply(no_question run 1) > stopping"}},
        {"execute that rejects",
         RESUME(.busy = BUSY_REJECT),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(nothing) > idle",
          [READY] = "run_started(2) round_started(2.1 +1) budget | model_start(2.1.0) reply(started run 2) > model",
          [ASKING] = "| reply(nothing) > asking",
          [MODEL] = "| reply(busy run 1) > model",
          [PAUSE] = "| reply(busy run 1) > model",
          [TOOLS] = "| reply(busy run 1) > tools",
          [STOPPING] = "| reply(busy run 1) > stopping"}},
        {"execute that enqueues",
         RESUME(.busy = BUSY_ENQUEUE),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(nothing) > idle",
          [READY] = "run_started(2) round_started(2.1 +1) budget | model_start(2.1.0) reply(started run 2) > model",
          [ASKING] = "| reply(nothing) > asking",
          [MODEL] = "run_queued(1) | reply(queued run 1) > model",
          [PAUSE] = "run_queued(1) | reply(queued run 1) > model",
          [TOOLS] = "run_queued(1) | reply(queued run 1) > tools",
          [STOPPING] = "run_queued(1) | reply(queued run 1) > stopping"}},
        {"execute that interrupts",
         RESUME(.busy = BUSY_INTERRUPT),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(nothing) > idle",
          [READY] = "run_started(2) round_started(2.1 +1) budget | model_start(2.1.0) reply(started run 2) > model",
          [ASKING] = "| reply(nothing) > asking",
          [MODEL] = "run_queued(1) cancel_requested(1 by interrupt) assistant(1.1.0 @1 'Hel' interrupted) run_ended(1 "
                    "cancelled by interrupt) | model_abort reply(queued run 1) > idle",
          [PAUSE] = "run_queued(1) cancel_requested(1 by interrupt) run_ended(1 cancelled by interrupt) run_started(2) "
                    "round_started(2.1 +0) budget | model_abort model_start(2.1.0) reply(queued run 1) > model",
          [TOOLS] = "run_queued(1) cancel_requested(1 by interrupt) call_ended(2 cancelled @3) | tool_cancel(1) "
                    "timer(cancel 1 +2s) reply(queued run 1) > stopping",
          [STOPPING] = "run_queued(1) | reply(queued run 1) > stopping"}},
        {"update",
         UPDATE(.set_title = true, .title = STR("T"), .set_pinned = true, .pinned = true),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "session_updated(title T) session_updated(pinned 1) | reply(updated) > idle",
          [READY] = "session_updated(title T) session_updated(pinned 1) | reply(updated) > ready",
          [ASKING] = "session_updated(title T) session_updated(pinned 1) | reply(updated) > asking",
          [MODEL] = "session_updated(title T) session_updated(pinned 1) | reply(updated run 1) > model",
          [PAUSE] = "session_updated(title T) session_updated(pinned 1) | reply(updated run 1) > model",
          [TOOLS] = "session_updated(title T) session_updated(pinned 1) | reply(updated run 1) > tools",
          [STOPPING] = "session_updated(title T) session_updated(pinned 1) | reply(updated run 1) > stopping"}},
        {"update of an older version",
         UPDATE(.set_title = true, .if_match = 7),
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(stale) > idle",
          [READY] = "| reply(stale) > ready",
          [ASKING] = "| reply(stale) > asking",
          [MODEL] = "| reply(stale run 1) > model",
          [PAUSE] = "| reply(stale run 1) > model",
          [TOOLS] = "| reply(stale run 1) > tools",
          [STOPPING] = "| reply(stale run 1) > stopping"}},
        {"delete",
         DELETE,
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(deleted) erase > idle",
          [READY] = "| reply(deleted) erase > ready",
          [ASKING] = "| reply(deleted) erase > asking",
          [MODEL] = "| reply(deleted run 1) erase > model",
          [PAUSE] = "| reply(deleted run 1) erase > model",
          [TOOLS] = "| reply(deleted run 1) erase > tools",
          [STOPPING] = "| reply(deleted run 1) erase > stopping"}},
        {"delete of what has changed meanwhile",
         {.kind = INPUT_DELETE, FROM, .change.seen = 1},
         {[ABSENT] = "| reply(not_found) > absent",
          [IDLE] = "| reply(moved) > idle",
          [READY] = "| reply(moved) > ready",
          [ASKING] = "| reply(moved) > asking",
          [MODEL] = "| reply(moved run 1) > model",
          [PAUSE] = "| reply(moved run 1) > model",
          [TOOLS] = "| reply(moved run 1) > tools",
          [STOPPING] = "| reply(moved run 1) > stopping"}},
        {"recovered",
         RECOVERED(false),
         {[MODEL] = "run_recovered(1.1.0 void) | model_start(1.1.1) > model",
          [PAUSE] = "run_recovered(1.1.1 void) | model_start(1.1.2) > model",
          [TOOLS] = "run_recovered(1.1.0) call_ended(1 unknown @2) call_started(2) | tool_start(2 t2) timer(call 2 "
                    "+600s) > tools",
          [STOPPING] = "run_recovered(1.1.0) call_ended(1 unknown @2) run_ended(1 cancelled by ann) > ready"}},
        {"recovered from a crash",
         RECOVERED(true),
         {[MODEL] = "run_recovered(1.1.0 charged void) | model_start(1.1.1) > model",
          [PAUSE] = "run_recovered(1.1.1 charged void) | model_start(1.1.2) > model",
          [TOOLS] = "run_recovered(1.1.0 charged) call_ended(1 unknown @2) call_started(2) | tool_start(2 t2) "
                    "timer(call 2 +600s) > tools",
          [STOPPING] = "run_recovered(1.1.0 charged) call_ended(1 unknown @2) run_ended(1 cancelled by ann) > ready"}},
        {"piece of text", DELTA(1, 1, 0, "lo"), {[MODEL] = "| delta(1.1.0 3 'lo') > model"}},
        {"piece of another run", DELTA(2, 1, 0, "lo"), {NULL}},
        {"piece of another round", DELTA(1, 2, 0, "lo"), {NULL}},
        {"piece of the next try", DELTA(1, 1, 1, "lo"), {[PAUSE] = "| delta(1.1.1 0 'lo') > model"}},
        {"answer", DONE(1, 1, 0), {[MODEL] = "assistant(1.1.0 @1 'Hel') budget run_ended(1 completed) > idle"}},
        {"answer with a call",
         DONE(1, 1, 0, CALLS(EFFECT_READ)),
         {[MODEL] =
              ("assistant(1.1.0 @1 'Hel' 1 calls) budget call_started(1) | tool_start(1 t1) timer(call 1 +600s) > "
               "tools")}},
        {"failure",
         FAILED(1, 1, 0, NETWORK),
         {[MODEL] = "model_failed(1.1.0 network void) | timer(retry 1.1.1) > model"}},
        {"failure for good",
         FAILED(1, 1, 0, AUTH),
         {[MODEL] = "assistant(1.1.0 @1 'Hel' interrupted) run_ended(1 error authentication) > idle"}},
        {"result of the running call",
         RESULT(1),
         {[TOOLS] = "call_ended(1 ok @2) call_started(2) | tool_start(2 t2) timer(call 2 +600s) > tools",
          [STOPPING] = "call_ended(1 ok @2) run_ended(1 cancelled by ann) > ready"}},
        {"result of a call that waits", RESULT(2), {NULL}},
        {"result of no call", RESULT(3), {NULL}},
        {"deadline of the running call",
         DEADLINE(1),
         {[TOOLS] = "call_ended(1 timeout @2) call_started(2) | tool_cancel(1) tool_start(2 t2) timer(call 2 +600s) > "
                    "tools",
          [STOPPING] = "call_ended(1 timeout @2) run_ended(1 cancelled by ann) | tool_cancel(1) > ready"}},
        {"deadline of a call that waits", DEADLINE(2), {NULL}},
        {"end of the pause", RETRY(1, 1, 1), {[PAUSE] = "| model_start(1.1.1) > model"}},
        {"end of another pause", RETRY(1, 1, 7), {NULL}},
        {"bound of the stop",
         BOUND(1),
         {[STOPPING] = "call_ended(1 unknown @2) run_ended(1 cancelled by ann) > ready"}},
        {"bound of the stop of another run", BOUND(2), {NULL}},
    };
    /* NOLINTEND(bugprone-suspicious-missing-comma) */

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

static void who_does_not_wait_gets_no_reply(void **state UNUSED)
{
    static const enum input_kind kinds[] = {INPUT_CREATE, INPUT_POST,   INPUT_RESUME,
                                            INPUT_CANCEL, INPUT_UPDATE, INPUT_DELETE};

    for (int st = 0; st < STATES; st++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            const struct input in = {.kind = kinds[k], .session_id = STR("s"), .message_id = STR("m9")};
            struct rig r;

            enter(&r, (enum state)st);
            rig_feed(&r, &in);
            assert_null(rig_effect(&r, EFFECT_REPLY));
            rig_done(&r);
        }
    }
}

static void a_reply_goes_to_who_asked_and_tells_the_view_of_the_session(void **state UNUSED)
{
    const struct input in = {.kind = INPUT_RESUME, .from = {.node = 5, .token = UINT64_MAX}};
    const struct reply *reply;
    struct rig r;

    enter(&r, READY);
    rig_feed(&r, &in);
    reply = rig_reply(&r);
    assert_true(reply->to.node == 5 && reply->to.token == UINT64_MAX);
    assert_true(reply->seq == r.m.s.seq && reply->metadata_version == 1);
    assert_int_equal(reply->message_count, 3); /* the one that was posted is admitted by now */
    assert_string_equal(reply->last_message_id, "m2");
    rig_done(&r);
}

/* ---- memory ---- */

static void a_step_of_many_facts_leaves_room_for_few(void **state UNUSED)
{
    static struct old_message messages[1000];
    const struct input copy = CREATE(.messages = {.items = messages, .count = ARRAY_LEN(messages)}), post = POST("m1");
    struct rig r;

    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        messages[i] = (struct old_message){.id = STR("old"), .role = ROLE_USER, .text = STR("hello")};
    rig_init(&r);
    rig_feed(&r, &copy);
    assert_true(r.st.n_facts == 1 + ARRAY_LEN(messages));
    rig_feed(&r, &post);
    assert_true(r.st.n_facts == 1 && r.st.facts_cap <= 64);
    rig_done(&r);
}

/* ---- effort ---- */

static void effort_is_pinned_apart_from_the_model(void **state UNUSED)
{
    const struct input create = CREATE(.provider = STR("p"), .model = STR("m"), .set_model = true);
    const struct input update = UPDATE(.effort = STR("high"), .set_effort = true);
    const struct input post =
        POST("m1", .effort = STR("low"), .provider = STR("x"), .model = STR("y"), .execute = true);
    const struct fact *f;
    struct rig r;

    rig_init(&r);
    rig_feed(&r, &create);
    rig_feed(&r, &update);
    f = rig_fact(&r, FACT_SESSION_UPDATED);
    assert_true(f->set_effort && !f->set_model && str_is(f->effort, "high"));
    assert_string_equal(rig_feed(&r, &update), "| reply(updated) > idle"); /* nothing changed */
    rig_feed(&r, &post);
    f = rig_fact(&r, FACT_RUN_STARTED);
    assert_true(str_is(f->effort, "high") && str_is(f->provider, "p") && str_is(f->model, "m"));
    rig_done(&r);
}

/* ---- create ---- */

static void a_created_session_keeps_what_it_was_given(void **state UNUSED)
{
    const struct input in =
        CREATE(.title = STR("T"), .system = STR("Be kind."), .workspace = STR("/w"), .effort = STR("low"),
               .provider = STR("p"), .model = STR("m"), .set_model = true, .set_effort = true);
    const struct fact *f;
    struct rig r;

    rig_init(&r);
    assert_string_equal(rig_feed(&r, &in), "session_created | reply(created) > idle");
    f = rig_fact(&r, FACT_SESSION_CREATED);
    assert_true(str_is(f->id, "s") && str_is(f->root, "s") && f->nonce == 77 && f->depth == 0);
    assert_true(str_is(f->title, "T") && str_is(f->system, "Be kind.") && str_is(f->workspace, "/w"));
    assert_true(str_is(f->effort, "low") && str_is(f->provider, "p") && str_is(f->model, "m"));
    rig_done(&r);
}

static void a_model_that_is_not_to_be_kept_is_not_pinned(void **state UNUSED)
{
    const struct input in = EXECUTE("m1", .provider = STR("p"), .model = STR("m"));
    struct rig r;

    rig_init(&r);
    rig_feed(&r, &in);
    assert_int_equal(rig_fact(&r, FACT_SESSION_CREATED)->model.n, 0);
    assert_true(str_is(rig_fact(&r, FACT_RUN_STARTED)->model, "m")); /* but the run uses it */
    rig_done(&r);
}

/* ---- post ---- */

static void a_posted_message_is_stored_with_its_key_and_answered_with_its_number(void **state UNUSED)
{
    const struct input in = EXECUTE("m9", .key = STR("once"));
    const struct reply *reply;
    struct rig r;

    enter(&r, IDLE);
    rig_feed(&r, &in);
    assert_true(str_is(rig_fact(&r, FACT_MESSAGE_POSTED)->key, "once"));
    assert_true(str_is(rig_fact(&r, FACT_MESSAGE_POSTED)->text, "hello"));
    reply = rig_reply(&r);
    assert_true(reply->seq == rig_fact(&r, FACT_MESSAGE_POSTED)->seq); /* of the message, not of what came after */
    rig_done(&r);
}

static void a_message_without_an_id_is_named_by_the_session(void **state UNUSED)
{
    const struct input in = {.kind = INPUT_POST, FROM, .session_id = STR("s"), .nonce = 77, .text = STR("hello")};
    char first[ID_MAX + 1];
    struct rig r;

    rig_init(&r);
    rig_feed(&r, &in);
    memcpy(first, rig_reply(&r)->message_id, sizeof(first));
    assert_true(id_is_valid(str_of(first)));
    assert_true(str_is(rig_fact(&r, FACT_MESSAGE_POSTED)->id, first));
    rig_feed(&r, &in);
    assert_string_not_equal(rig_reply(&r)->message_id, first);
    rig_done(&r);
}

/* Its watchers have seen the id before any index has it. */
static void no_message_takes_the_id_of_the_answer_that_is_on_its_way(void **state UNUSED)
{
    struct input in = POST("");
    char id[ID_TEXT];
    struct rig r;

    enter(&r, MODEL);
    session_message_id(&r.m.s, 1, 1, 0, id);
    in.message_id = str_of(id);
    assert_string_equal(rig_feed(&r, &in), "| reply(taken run 1) > model");
    rig_feed(&r, &(const struct input)DONE(1, 1, 0));
    assert_string_equal(rig_feed(&r, &in), "| reply(taken) > idle");
    in.message_id = STR("m9");
    rig_feed(&r, &in);
    assert_int_equal(rig_reply(&r)->kind, REPLY_POSTED);
    rig_done(&r);
}

static void a_full_inbox_takes_no_more(void **state UNUSED)
{
    const struct input post = POST("m"), execute = EXECUTE("m");
    struct rig r;

    rig_init(&r);
    r.m.s.inbox = LIMIT_INBOX_MESSAGES - 1;
    r.stored.inbox = LIMIT_INBOX_MESSAGES - 1;
    assert_string_equal(rig_feed(&r, &post), "session_created message_posted(m) | reply(posted m) > ready");
    assert_string_equal(rig_feed(&r, &post), "| reply(full) > ready");
    assert_string_equal(rig_feed(&r, &execute), "| reply(full) > ready");
    rig_done(&r);
}

static void a_post_may_pin_another_model_first(void **state UNUSED)
{
    const struct line story[] = {
        {CREATE(), NULL},
        {POST("m1", .set_model = true, .provider = STR("p"), .model = STR("m")),
         "session_updated(model p/m) message_posted(m1) | reply(posted m1) > ready"},
        {POST("m2", .set_model = true, .provider = STR("p"), .model = STR("m")),
         "message_posted(m2) | reply(posted m2) > ready"},
        {POST("m3", .set_model = true, .provider = STR("p"), .model = STR("other")),
         "session_updated(model p/other) message_posted(m3) | reply(posted m3) > ready"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

/* ---- the start of a run ---- */

static void a_run_freezes_what_it_was_started_with(void **state UNUSED)
{
    const struct input in =
        RESUME(.provider = STR("p"), .model = STR("m"), .effort = STR("high"), .origin = ORIGIN_SCHEDULE,
               .limits = {.max_tokens = 1000, .max_rounds = 2, .max_calls = 3});
    const struct effect *start;
    const struct fact *f;
    struct rig r;

    enter(&r, READY);
    rig_feed(&r, &in);
    f = rig_fact(&r, FACT_RUN_STARTED);
    assert_true(f->origin == ORIGIN_SCHEDULE && f->limits.max_tokens == 1000 && f->limits.max_rounds == 2);
    assert_true(f->limits.max_calls == 3 && str_is(f->id, rig_reply(&r)->run_id));
    start = rig_effect(&r, EFFECT_MODEL_START);
    assert_true(str_is(start->provider, "p") && str_is(start->model, "m") && str_is(start->effort, "high"));
    rig_done(&r);
}

static void the_pin_of_a_session_wins_over_the_request(void **state UNUSED)
{
    const struct line story[] = {
        {CREATE(.set_model = true, .provider = STR("p0"), .model = STR("m0")), NULL},
        {EXECUTE("m1", .provider = STR("p"), .model = STR("m")), NULL},
    };
    const struct effect *start;
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    start = rig_effect(&r, EFFECT_MODEL_START);
    assert_true(str_is(start->provider, "p0") && str_is(start->model, "m0"));
    rig_done(&r);
}

static void a_change_of_the_pin_reaches_the_next_run_only(void **state UNUSED)
{
    const struct line story[] = {
        {CREATE(.set_model = true, .provider = STR("p0"), .model = STR("m0")), NULL},
        {EXECUTE("m1"), NULL},
        {UPDATE(.set_model = true, .provider = STR("p1"), .model = STR("m1")),
         "session_updated(model p1/m1) | reply(updated run 1) > model"},
        {FAILED(1, 1, 0, NETWORK), NULL},
        {RETRY(1, 1, 1), "| model_start(1.1.1) > model"},
    };
    const struct line next[] = {{DELTA(1, 1, 1, "a"), NULL}, {DONE(1, 1, 1), NULL}, {EXECUTE("m2"), NULL}};
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    assert_true(str_is(rig_effect(&r, EFFECT_MODEL_START)->model, "m0"));
    TELL(&r, next);
    assert_true(str_is(rig_effect(&r, EFFECT_MODEL_START)->model, "m1"));
    rig_done(&r);
}

/* ---- client_sync ---- */

#define VIEW(...) .sync = {.present = true, .message_count = __VA_ARGS__} /* the count first */

/* Two messages, m1 and its answer; `last` is the name of that answer, which is derived. */
static void a_client_with_another_view_is_told_the_first_difference(void **state UNUSED)
{
    static char last[ID_TEXT];
    const struct line idle[] = {
        {RESUME(VIEW(2)), "| reply(nothing) > idle"},
        {RESUME(VIEW(2, .last_message_id = {last, ID_TEXT - 1})), "| reply(nothing) > idle"},
        {RESUME(VIEW(3)), "| reply(need_sync message_count_mismatch) > idle"},
        {RESUME(VIEW(1)), "| reply(need_sync message_count_mismatch) > idle"},
        {RESUME(VIEW(2, .last_message_id = STR("m1"))), "| reply(need_sync last_message_id_mismatch) > idle"},
        {RESUME(VIEW(3, .last_message_id = STR("m1"))), "| reply(need_sync message_count_mismatch) > idle"},
        {RESUME(VIEW(3, .last_message_id = STR("m1"), .has_pending_question = true)),
         "| reply(need_sync pending_question_mismatch) > idle"},
        {RESUME(VIEW(2, .has_pending_question = true)), "| reply(need_sync pending_question_mismatch) > idle"},
        {RESUME(.sync = {.message_count = 9}), "| reply(nothing) > idle"}, /* none was given */
    };
    struct rig r;

    enter(&r, IDLE);
    session_message_id(&r.m.s, 1, 1, 0, last);
    TELL(&r, idle);
    rig_done(&r);
}

static void a_mismatch_comes_before_everything_but_existence(void **state UNUSED)
{
    static const char *const replies[STATES] = {
        [ABSENT] = "| reply(not_found) > absent",
        [IDLE] = "| reply(need_sync message_count_mismatch) > idle",
        [READY] = "| reply(need_sync message_count_mismatch) > ready",
        [ASKING] = "| reply(need_sync pending_question_mismatch) > asking",
        [MODEL] = "| reply(need_sync run 1 message_count_mismatch) > model",
        [PAUSE] = "| reply(need_sync run 1 message_count_mismatch) > model",
        [TOOLS] = "| reply(need_sync run 1 message_count_mismatch) > tools",
        [STOPPING] = "| reply(need_sync run 1 message_count_mismatch) > stopping",
    };
    const struct input in = RESUME(VIEW(99));

    for (int st = 0; st < STATES; st++) {
        struct rig r;

        enter(&r, (enum state)st);
        assert_string_equal(rig_feed(&r, &in), replies[st]);
        rig_done(&r);
    }
}

/* Calls without a result are places in the transcript, not messages. */
static void places_of_open_calls_do_not_count_as_messages(void **state UNUSED)
{
    const struct line story[] = {
        {RESUME(VIEW(2)), "| reply(running run 1) > tools"},
        {RESULT(1), NULL},
        {RESUME(VIEW(3)), "| reply(running run 1) > tools"},
    };
    struct rig r;

    enter(&r, TOOLS);
    TELL(&r, story);
    assert_int_equal(rig_reply(&r)->message_count, 3);
    rig_done(&r);
}

/* ---- cancel ---- */

static void a_stop_before_the_model_said_anything_leaves_no_message(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1"), NULL},
        {CANCEL(),
         "cancel_requested(1 by ann) run_ended(1 cancelled by ann) | model_abort reply(stopped run 1) > ready"},
        {CANCEL(), "| reply(no_run) > ready"},
        {CANCEL(.stopped_below = true), "| reply(stopped) > ready"},
        {DELTA(1, 1, 0, "late"), "> ready"},
        {DONE(1, 1, 0), "> ready"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    rig_done(&r);
}

static void a_stop_may_name_its_run_by_id(void **state UNUSED)
{
    static char id[ID_TEXT];
    const struct line story[] = {
        {CANCEL(.run_id = {id, ID_TEXT - 1}, .run = 1), NULL},
        {EXECUTE("m2"), NULL},
        {CANCEL(.run_id = {id, ID_TEXT - 1}), "| reply(other_run run 2) > model"},
    };
    struct rig r;

    enter(&r, MODEL);
    session_run_id(&r.m.s, 1, id);
    TELL(&r, story);
    rig_done(&r);
}

static void interrupted_text_is_a_message_of_its_own_name_with_our_estimate(void **state UNUSED)
{
    const struct input cancel = CANCEL();
    const struct fact *f;
    char id[ID_TEXT];
    struct rig r;

    enter(&r, MODEL);
    rig_feed(&r, &cancel);
    f = rig_fact(&r, FACT_ASSISTANT);
    session_message_id(&r.m.s, 1, 1, 0, id);
    assert_true(str_is(f->id, id) && str_is(f->text, "Hel") && f->interrupted && f->calls.count == 0);
    assert_true(!f->usage.reported && f->usage.prompt_tokens > 0 && f->usage.completion_tokens == 1);
    f = rig_fact(&r, FACT_RUN_ENDED);
    assert_true(f->rounds == 1 && f->usage.completion_tokens == 1);
    rig_done(&r);
}

/* ---- update ---- */

static void an_update_writes_one_fact_for_each_thing_that_changes(void **state UNUSED)
{
    const struct line story[] = {
        {CREATE(), NULL},
        {UPDATE(), "| reply(updated) > idle"},
        {UPDATE(.title = STR("not set")), "| reply(updated) > idle"},
        {UPDATE(.set_title = true, .title = STR("T"), .if_match = 1),
         "session_updated(title T) | reply(updated) > idle"},
        {UPDATE(.set_title = true, .title = STR("U"), .if_match = 1), "| reply(stale) > idle"},
        {UPDATE(.set_pinned = true, .pinned = true, .if_match = 2),
         "session_updated(pinned 1) | reply(updated) > idle"},
        {UPDATE(.set_pinned = true), "session_updated(pinned 0) | reply(updated) > idle"},
        {UPDATE(.set_model = true, .provider = STR("p"), .model = STR("m")),
         "session_updated(model p/m) | reply(updated) > idle"},
        {UPDATE(.set_model = true, .provider = STR("p"), .model = STR("m")), "| reply(updated) > idle"},
        {UPDATE(.set_model = true), "session_updated(model /) | reply(updated) > idle"},
    };
    struct rig r;

    rig_init(&r);
    TELL(&r, story);
    assert_int_equal(rig_reply(&r)->metadata_version, 6); /* one more for each change */
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_in_every_state_does_what_the_table_says),
        cmocka_unit_test(who_does_not_wait_gets_no_reply),
        cmocka_unit_test(a_reply_goes_to_who_asked_and_tells_the_view_of_the_session),
        cmocka_unit_test(effort_is_pinned_apart_from_the_model),
        cmocka_unit_test(a_created_session_keeps_what_it_was_given),
        cmocka_unit_test(a_model_that_is_not_to_be_kept_is_not_pinned),
        cmocka_unit_test(a_posted_message_is_stored_with_its_key_and_answered_with_its_number),
        cmocka_unit_test(a_message_without_an_id_is_named_by_the_session),
        cmocka_unit_test(no_message_takes_the_id_of_the_answer_that_is_on_its_way),
        cmocka_unit_test(a_full_inbox_takes_no_more),
        cmocka_unit_test(a_post_may_pin_another_model_first),
        cmocka_unit_test(a_run_freezes_what_it_was_started_with),
        cmocka_unit_test(the_pin_of_a_session_wins_over_the_request),
        cmocka_unit_test(a_change_of_the_pin_reaches_the_next_run_only),
        cmocka_unit_test(a_client_with_another_view_is_told_the_first_difference),
        cmocka_unit_test(a_mismatch_comes_before_everything_but_existence),
        cmocka_unit_test(places_of_open_calls_do_not_count_as_messages),
        cmocka_unit_test(a_stop_before_the_model_said_anything_leaves_no_message),
        cmocka_unit_test(a_stop_may_name_its_run_by_id),
        cmocka_unit_test(a_step_of_many_facts_leaves_room_for_few),
        cmocka_unit_test(interrupted_text_is_a_message_of_its_own_name_with_our_estimate),
        cmocka_unit_test(an_update_writes_one_fact_for_each_thing_that_changes),
    };

    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
