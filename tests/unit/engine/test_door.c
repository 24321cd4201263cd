/* SPDX-License-Identifier: MIT */
/*
 * The door: where a run begins, and where none does. For each way to it: what is handed to the store, what leaves when
 * that is stored, what remains when it is refused. Nothing leaves before it is stored; where nothing is to be done,
 * nothing is written.
 */
#include "house.h"

#include "base/log.h"
#include "base/str.h"
#include "run/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- where the session is when somebody knocks ---- */

enum where {
    ABSENT,
    IDLE,     /* run 1 has answered */
    READY,    /* and a message waits */
    RETRY,    /* or: its answer was taken back, for another try */
    FAILED,   /* run 1 ended as an error */
    MODEL,    /* run 1, in its first model call */
    QUEUED,   /* and run 2 is to follow it, with a message of its own */
    TOOLS,    /* run 1, in a tool that is never run twice */
    STOPPING, /* and it is being stopped */
    ASKING,   /* run 1 is suspended; its question has a deadline */
    ASKING2,  /* two questions are open, without deadlines */
    PLACES
};

#define NAMED .provider = STR("p"), .model = STR("m")
#define RETRY_ASKED                                                                                                    \
    {                                                                                                                  \
        .kind = INPUT_REMOVE, FROM, .change = {                                                                        \
            .place = 1,                                                                                                \
            .upto = 2,                                                                                                 \
            .removed = 1,                                                                                              \
            .last = STR("m1"),                                                                                         \
            .pending = true,                                                                                           \
            .how = REMOVAL_ERROR_RETRY                                                                                 \
        }                                                                                                              \
    }
#define ANSWER(...) {.kind = INPUT_ANSWER, FROM, .by = STR("ann"), .text = STR("so"), __VA_ARGS__}
#define DEADLINE_PASSED {.kind = INPUT_TIMER_QUESTION}
#define NONE INPUT_CREATE /* the kind of an input that is not there */

#define SOON "{\"question\":\"Soon?\",\"deadline_seconds\":60,\"default\":\"no\"}"
#define HOW "{\"question\":\"How?\"}"
#define TOOL(id_, name_, args_) {.id = STR(id_), .name = STR(name_), .args = STR(args_)}
#define WANTS(calls_) .calls = {(calls_), ARRAY_LEN(calls_)}, .stop = STOP_CALLS

/* Whoever changes a transcript has seen all of it. */
static const char *feed(struct house *h, const struct input *given)
{
    struct input in = *given;

    if (in.kind == INPUT_REMOVE)
        in.change.seen = h->row.seq;
    return house_feed(h, &in);
}

static void enter(struct house *h, enum where where)
{
    struct call soon[] = {TOOL("c1", "ask_user", SOON)};
    struct call both[] = {TOOL("c1", "ask_user", HOW), TOOL("c2", "ask_user", HOW)};
    struct call writes[] = {TOOL("c1", "write", "{}")};
    const struct input answer = DONE(1, 1, 0), calls = DONE(1, 1, 0, WANTS(writes));
    const struct input ways[PLACES][4] = {
        [ABSENT] = {{.kind = NONE}},
        [IDLE] = {EXECUTE("m1", NAMED), DELTA(1, 1, 0, "Hello"), answer},
        [READY] = {EXECUTE("m1", NAMED), DELTA(1, 1, 0, "Hello"), answer, POST("m2")},
        [RETRY] = {EXECUTE("m1", NAMED), DELTA(1, 1, 0, "Hello"), answer, RETRY_ASKED},
        [FAILED] = {EXECUTE("m1", NAMED), FAILED(1, 1, 0, AUTH)},
        [MODEL] = {EXECUTE("m1", NAMED), DELTA(1, 1, 0, "Hel")},
        [QUEUED] = {EXECUTE("m1", NAMED), DELTA(1, 1, 0, "Hel"), EXECUTE("m2", NAMED, .busy = BUSY_ENQUEUE)},
        [TOOLS] = {EXECUTE("m1", NAMED), calls},
        [STOPPING] = {EXECUTE("m1", NAMED), calls, CANCEL()},
        [ASKING] = {EXECUTE("m1", NAMED), DONE(1, 1, 0, WANTS(soon))},
        [ASKING2] = {EXECUTE("m1", NAMED), DONE(1, 1, 0, WANTS(both))},
    };

    house_open(h);
    for (size_t i = 0; i < ARRAY_LEN(ways[where]) && ways[where][i].kind != NONE; i++) {
        feed(h, &ways[where][i]);
        house_stored(h);
    }
    if (where != ABSENT)
        house_watch(h);
    buf_clear(&h->handed);
}

/* ---- the table ---- */

struct row {
    enum where where;
    const char *name;
    struct input in, and; /* and: a second one, before the store has answered the first */
    bool dies;            /* the server is killed instead; the next one takes the session up */
    const char *decided;  /* at once */
    const char *stored;   /* when the append is; NULL: none was made */
    const char *refused;  /* when it is not */
    const char *later;    /* and after a pause; NULL: nobody looks at the session again */
};

static void expect(const struct row *row, const char *when, const char *is, const char *not_)
{
    if (strcmp(is, not_) != 0)
        fail_msg("%s, %s:\n  is     %s\n  not    %s", row->name, when, is, not_);
}

static bool is_shown(const struct house *h, const struct buf *facts)
{
    return h->watcher == NULL || str_eq(buf_str(&h->shown), buf_str(facts));
}

static void knock(struct house *h, const struct row *row)
{
    CLEANUP(buf_done) struct buf both = BUF_INIT;

    enter(h, row->where);
    if (row->dies) {
        house_die(h);
        buf_addf(&both, "%s", house_recover(h));
        house_watch(h);
    } else {
        buf_addf(&both, "%s", feed(h, &row->in));
    }
    if (row->and.kind != NONE)
        buf_addf(&both, " / %s", feed(h, &row->and));
    expect(row, "decided", buf_str(&both).n > 0 ? both.p : "", row->decided);
    assert_true(is_shown(h, &BUF_INIT));
}

static void check_stored(const struct row *row)
{
    struct session before;
    struct house h;

    knock(&h, row);
    before = h.row;
    assert_int_equal(h.n_appends > 0, row->stored != NULL);
    expect(row, "stored", house_stored(&h), row->stored != NULL ? row->stored : "");
    assert_true(is_shown(&h, &h.handed));
    if (row->stored == NULL)
        assert_memory_equal(&before, &h.row, sizeof(before));
    house_close(&h);
}

/* The session is as it was before, and a client that asks again gets what it wanted. */
static void check_refused(const struct row *row)
{
    struct engine_stats stats;
    struct session before;
    struct house h;
    uint64_t epoch;

    if (row->stored == NULL)
        return;
    knock(&h, row);
    before = h.row;
    epoch = h.epoch;
    expect(row, "refused", house_refused(&h), row->refused);
    expect(row, "later", house_later(&h), row->later != NULL ? row->later : "");
    assert_memory_equal(&before, &h.row, sizeof(before));
    assert_true(h.epoch == epoch && is_shown(&h, &BUF_INIT));
    engine_stats(h.e, &stats);
    assert_true(stats.live == (h.n_appends > 0 ? 1 : 0));
    if (h.n_appends == 0 && row->and.kind == NONE) {
        expect(row, "asked again", feed(&h, &row->in), row->decided);
        expect(row, "stored then", house_stored(&h), row->stored);
    }
    house_close(&h);
}

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_stored(&rows[i]);
        check_refused(&rows[i]);
    }
}
#define CHECK(rows) check(rows, ARRAY_LEN(rows))

#define REFUSED "abandon reply(unavailable)"
#define REFUSED_BOTH "abandon reply(unavailable) reply(unavailable)"
#define RUN_2 "run_started 2 round_started budget"

/* ---- execute ---- */

static void execute_has_four_outcomes_and_writes_only_where_a_run_begins(void **state UNUSED)
{
    const struct row rows[] = {
        {ABSENT, "not found", RESUME(NAMED), .decided = "load reply(not_found)"},
        {IDLE, "completed", RESUME(NAMED), .decided = "load reply(nothing)"},
        {ASKING, "completed while a question is open", RESUME(NAMED), .decided = "load reply(nothing)"},
        {MODEL, "already running, in the model", RESUME(NAMED), .decided = "reply(running run 1)"},
        {TOOLS, "already running, in a tool", RESUME(NAMED), .decided = "reply(running run 1)"},
        {READY, "started", RESUME(NAMED), .decided = "load store(" RUN_2 ")",
         .stored = "model(2.1.0) reply(started run 2)", .refused = REFUSED},
        {READY, "refused: the client has not seen everything", RESUME(NAMED, .sync = {.present = true}),
         .decided = "load reply(need_sync)"},
        {FAILED, "started once more after an error", RESUME(NAMED), .decided = "load store(" RUN_2 ")",
         .stored = "model(2.1.0) reply(started run 2)", .refused = REFUSED},
    };

    CHECK(rows);
}

static void of_two_who_come_together_one_starts_and_one_joins(void **state UNUSED)
{
    const struct row rows[] = {
        {READY, "twice", RESUME(NAMED), RESUME(NAMED), .decided = "load store(" RUN_2 ") / ",
         .stored = "model(2.1.0) reply(started run 2) reply(running run 2)", .refused = REFUSED_BOTH},
        {READY, "the second one rejects", RESUME(NAMED), RESUME(NAMED, .busy = BUSY_REJECT),
         .decided = "load store(" RUN_2 ") / ", .stored = "model(2.1.0) reply(started run 2) reply(busy run 2)",
         .refused = REFUSED_BOTH},
        {IDLE, "with a message each", EXECUTE("m8", NAMED), EXECUTE("m9", NAMED),
         .decided = "load store(message_posted " RUN_2 ") / store(message_posted)",
         .stored = "model(2.1.0) reply(posted started run 2) reply(posted joined run 2)", .refused = REFUSED_BOTH},
    };

    CHECK(rows);
}

static void execute_beside_a_run_does_what_was_chosen(void **state UNUSED)
{
    const struct row rows[] = {
        {MODEL, "reject", RESUME(NAMED, .busy = BUSY_REJECT), .decided = "reply(busy run 1)"},
        {MODEL, "enqueue", RESUME(NAMED, .busy = BUSY_ENQUEUE), .decided = "store(run_queued)",
         .stored = "reply(queued run 1)", .refused = REFUSED, .later = "load store(run_recovered)"},
        {STOPPING, "a run that is being stopped is joined by nobody", RESUME(NAMED), .decided = "store(run_queued)",
         .stored = "reply(running run 1)", .refused = REFUSED,
         .later = "load store(run_recovered call_ended run_ended cancelled)"},
        {QUEUED, "interrupt", RESUME(NAMED, .busy = BUSY_INTERRUPT),
         .decided = "store(run_queued cancel_requested assistant run_ended cancelled " RUN_2 ")",
         .stored = "abort model(2.1.0) reply(queued run 1)", .refused = REFUSED, .later = "load store(run_recovered)"},
    };

    CHECK(rows);
}

/* ---- a message, and execute ---- */

static void a_message_and_the_run_it_starts_are_one_append(void **state UNUSED)
{
    const struct row rows[] = {
        {ABSENT, "into a new session", EXECUTE("m9", NAMED),
         .decided = "load store(session_created message_posted run_started 1 round_started budget)",
         .stored = "model(1.1.0) reply(posted started run 1)", .refused = REFUSED},
        {ABSENT, "without a model", EXECUTE("m9"), .decided = "load reply(no_model)"},
        {IDLE, "into one at rest", EXECUTE("m9", NAMED), .decided = "load store(message_posted " RUN_2 ")",
         .stored = "model(2.1.0) reply(posted started run 2)", .refused = REFUSED},
        {ASKING, "while a question with a deadline is open", EXECUTE("m9", NAMED),
         .decided = "load store(message_posted)", .stored = "reply(posted)", .refused = REFUSED, .later = "load timer"},
        {ASKING2, "while questions are open", EXECUTE("m9", NAMED), .decided = "load store(message_posted)",
         .stored = "reply(posted)", .refused = REFUSED},
        {MODEL, "join", EXECUTE("m9", NAMED), .decided = "store(message_posted)",
         .stored = "reply(posted joined run 1)", .refused = REFUSED, .later = "load store(run_recovered)"},
        {MODEL, "reject", EXECUTE("m9", NAMED, .busy = BUSY_REJECT), .decided = "reply(busy run 1)"},
        {MODEL, "enqueue", EXECUTE("m9", NAMED, .busy = BUSY_ENQUEUE), .decided = "store(message_posted run_queued)",
         .stored = "reply(posted queued run 1)", .refused = REFUSED, .later = "load store(run_recovered)"},
        {MODEL, "interrupt", EXECUTE("m9", NAMED, .busy = BUSY_INTERRUPT),
         .decided = "store(message_posted run_queued cancel_requested assistant run_ended cancelled " RUN_2 ")",
         .stored = "abort model(2.1.0) reply(posted queued run 1)", .refused = REFUSED,
         .later = "load store(run_recovered)"},
        {STOPPING, "beside a run that is being stopped", EXECUTE("m9", NAMED),
         .decided = "store(message_posted run_queued)", .stored = "reply(posted joined run 1)", .refused = REFUSED,
         .later = "load store(run_recovered call_ended run_ended cancelled)"},
    };

    CHECK(rows);
}

/* ---- the answer to a question ---- */

static void an_answer_and_the_run_that_goes_on_are_one_append(void **state UNUSED)
{
    const struct row rows[] = {
        {ASKING, "the answer", ANSWER(), .decided = "load store(question_closed call_ended " RUN_2 ")",
         .stored = "model(2.1.0) reply(answered started run 2)", .refused = REFUSED, .later = "load timer"},
        {ASKING, "two answers", ANSWER(), ANSWER(), .decided = "load store(question_closed call_ended " RUN_2 ") / ",
         .stored = "model(2.1.0) reply(answered started run 2) reply(no_question run 2)", .refused = REFUSED_BOTH,
         .later = "load timer"},
        {ASKING2, "one of two", ANSWER(), .decided = "load store(question_closed call_ended)",
         .stored = "reply(answered)", .refused = REFUSED},
        {ASKING2, "both of two", ANSWER(), ANSWER(),
         .decided = "load store(question_closed call_ended) / store(question_closed call_ended " RUN_2 ")",
         .stored = "reply(answered) model(2.1.0) reply(answered started run 2)", .refused = REFUSED_BOTH},
        {ASKING, "the deadline", DEADLINE_PASSED, .decided = "load store(question_closed call_ended " RUN_2 ")",
         .stored = "model(2.1.0)", .refused = "abandon", .later = "load timer"},
        {ASKING2, "to another question", ANSWER(.call_id = STR("c7")), .decided = "load reply(other_question)"},
        {ABSENT, "nowhere", ANSWER(), .decided = "load reply(not_found)"},
        {IDLE, "to no question", ANSWER(), .decided = "load reply(no_question)"},
        {MODEL, "to a run that goes on", ANSWER(), .decided = "reply(no_question run 1)"},
    };

    CHECK(rows);
}

/* ---- another try ---- */

static void another_try_is_a_marker_that_the_next_run_consumes(void **state UNUSED)
{
    const struct row rows[] = {
        {IDLE, "asked for", RETRY_ASKED, .decided = "load store(messages_removed)", .stored = "reply(changed)",
         .refused = REFUSED},
        {IDLE, "and executed at once", RETRY_ASKED, RESUME(NAMED),
         .decided = "load store(messages_removed) / store(" RUN_2 ")",
         .stored = "reply(changed) model(2.1.0) reply(started run 2)", .refused = REFUSED_BOTH},
        {RETRY, "executed later", RESUME(NAMED), .decided = "load store(" RUN_2 ")",
         .stored = "model(2.1.0) reply(started run 2)", .refused = REFUSED},
        {RETRY, "executed twice", RESUME(NAMED), RESUME(NAMED), .decided = "load store(" RUN_2 ") / ",
         .stored = "model(2.1.0) reply(started run 2) reply(running run 2)", .refused = REFUSED_BOTH},
        {ABSENT, "of nothing", RETRY_ASKED, .decided = "load reply(not_found)"},
        {MODEL, "beside a run", RETRY_ASKED, .decided = "reply(busy run 1)"},
        {ASKING, "beside a question", RETRY_ASKED, .decided = "load reply(busy)"},
    };

    CHECK(rows);
}

/* ---- the end of a run ---- */

static void what_follows_a_run_begins_in_the_append_that_ends_it(void **state UNUSED)
{
    const struct row rows[] = {
        {MODEL, "nothing follows", DONE(1, 1, 0), .decided = "store(assistant budget run_ended completed)",
         .stored = "", .refused = "abandon", .later = "load store(run_recovered)"},
        {QUEUED, "the one that was asked for", DONE(1, 1, 0),
         .decided = "store(assistant budget run_ended completed " RUN_2 ")", .stored = "model(2.1.0)",
         .refused = "abandon", .later = "load store(run_recovered)"},
        {QUEUED, "it follows an error, too", FAILED(1, 1, 0, AUTH),
         .decided = "store(assistant run_ended error " RUN_2 ")", .stored = "model(2.1.0)", .refused = "abandon",
         .later = "load store(run_recovered)"},
        {MODEL, "one for a message that came too late", POST("m9"), FAILED(1, 1, 0, AUTH),
         .decided = "store(message_posted) / store(assistant run_ended error " RUN_2 ")",
         .stored = "reply(posted run 1) model(2.1.0)", .refused = REFUSED, .later = "load store(run_recovered)"},
        {MODEL, "none after a stop", POST("m9"), CANCEL(),
         .decided = "store(message_posted) / store(cancel_requested assistant run_ended cancelled)",
         .stored = "reply(posted run 1) abort reply(stopped run 1)", .refused = REFUSED_BOTH,
         .later = "load store(run_recovered)"},
        {STOPPING, "one that was asked for in a stop, when the last tool ends", EXECUTE("m9", NAMED), RESULT(1),
         .decided = "store(message_posted run_queued) / store(call_ended run_ended cancelled " RUN_2 ")",
         .stored = "reply(posted joined run 1) model(2.1.0)", .refused = REFUSED,
         .later = "load store(run_recovered call_ended run_ended cancelled)"},
    };

    CHECK(rows);
}

/* ---- recovery ---- */

/* Not through the door: the run has begun already. What is refused is taken up again. */
static void a_run_goes_on_after_a_crash_when_that_is_stored(void **state UNUSED)
{
    const struct row rows[] = {
        {IDLE, "at rest", .dies = true, .decided = ""},
        {READY, "a message that nobody wanted executed", .dies = true, .decided = ""},
        {RETRY, "another try that nobody wanted executed", .dies = true, .decided = ""},
        {ASKING2, "questions without deadlines", .dies = true, .decided = ""},
        {ASKING, "a question with a deadline", .dies = true, .decided = "load timer"},
        {MODEL, "in the model", .dies = true, .decided = "load store(run_recovered)", .stored = "model(1.1.1)",
         .refused = "abandon", .later = "load store(run_recovered)"},
        {QUEUED, "with one to follow", .dies = true, .decided = "load store(run_recovered)", .stored = "model(1.1.1)",
         .refused = "abandon", .later = "load store(run_recovered)"},
        {TOOLS, "in a tool", .dies = true, .decided = "load store(run_recovered call_ended round_started budget)",
         .stored = "model(1.2.0)", .refused = "abandon",
         .later = "load store(run_recovered call_ended round_started budget)"},
        {STOPPING, "in a stop", .dies = true, .decided = "load store(run_recovered call_ended run_ended cancelled)",
         .stored = "", .refused = "abandon", .later = "load store(run_recovered call_ended run_ended cancelled)"},
        {MODEL, "and somebody executes meanwhile", .dies = true, .and = RESUME(NAMED),
         .decided = "load store(run_recovered) / ", .stored = "model(1.1.1) reply(running run 1)", .refused = REFUSED,
         .later = "load store(run_recovered)"},
    };

    CHECK(rows);
}

/* ---- the first of all: loading ---- */

static void a_session_that_cannot_be_loaded_is_left_alone(void **state UNUSED)
{
    const struct input all[] = {RESUME(NAMED), EXECUTE("m9", NAMED), ANSWER(), RETRY_ASKED, CANCEL()};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct house h;

        enter(&h, READY);
        h.broken = true;
        assert_string_equal(feed(&h, &all[i]), "load abandon reply(unavailable)");
        assert_string_equal(house_later(&h), "");
        assert_int_equal(h.n_appends, 0);
        h.broken = false;
        assert_string_equal(feed(&h, &(struct input)RESUME(NAMED)), "load store(" RUN_2 ")");
        house_close(&h);
    }
}

static void a_run_that_cannot_be_loaded_is_tried_again(void **state UNUSED)
{
    struct house h;

    enter(&h, MODEL);
    house_die(&h);
    h.broken = true;
    assert_string_equal(house_recover(&h), "load abandon");
    assert_string_equal(house_feed(&h, &(struct input)RESUME(NAMED)), "reply(unavailable)");
    assert_string_equal(house_later(&h), "load abandon");
    h.broken = false;
    assert_string_equal(house_later(&h), "load store(run_recovered)");
    assert_string_equal(house_stored(&h), "model(1.1.1)");
    house_close(&h);
}

/* ---- who is told asks for the next thing at once ---- */

static void expect_next(enum where where, const struct input *first, const struct input *next, const char *told)
{
    struct house h;

    enter(&h, where);
    h.next = next;
    assert_string_equal(feed(&h, first), told);
    house_close(&h);
}

static void the_next_input_may_come_from_within_a_reply(void **state UNUSED)
{
    const struct input stale = UPDATE(.if_match = 99), joins = EXECUTE("m2", NAMED), looks = RESUME(NAMED);

    expect_next(IDLE, &stale, &stale, "load reply(stale) reply(stale)");
    expect_next(IDLE, &stale, &joins, "load reply(stale) store(message_posted run_started 2 round_started budget)");
    expect_next(MODEL, &looks, &looks, "reply(running run 1) reply(running run 1)");
    expect_next(MODEL, &looks, &joins, "reply(running run 1) store(message_posted)");
}

static void who_asks_again_from_within_a_refusal_is_refused_too(void **state UNUSED)
{
    static const enum where places[] = {IDLE, MODEL};
    const struct input posts = POST("m2"), again = POST("m3");

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct house h;

        enter(&h, places[i]);
        feed(&h, &posts);
        h.next = &again;
        assert_string_equal(house_refused(&h), "abandon reply(unavailable) reply(unavailable)");
        house_close(&h);
    }
}

/* ---- who writes while a session is being removed ---- */

static void who_writes_to_a_session_that_goes_is_told_that_it_is_gone(void **state UNUSED)
{
    const struct input goes = DELETE, joins = RESUME(NAMED), posts = POST("m2");
    struct house h;

    enter(&h, IDLE);
    assert_string_equal(feed(&h, &goes), "load store()");
    assert_string_equal(feed(&h, &joins), "");
    assert_string_equal(feed(&h, &posts), "");
    assert_string_equal(house_stored(&h),
                        "reply(deleted) abandon load reply(not_found) store(session_created message_posted)");
    assert_string_equal(house_stored(&h), "reply(posted)");
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(execute_has_four_outcomes_and_writes_only_where_a_run_begins),
        cmocka_unit_test(of_two_who_come_together_one_starts_and_one_joins),
        cmocka_unit_test(execute_beside_a_run_does_what_was_chosen),
        cmocka_unit_test(a_message_and_the_run_it_starts_are_one_append),
        cmocka_unit_test(an_answer_and_the_run_that_goes_on_are_one_append),
        cmocka_unit_test(another_try_is_a_marker_that_the_next_run_consumes),
        cmocka_unit_test(what_follows_a_run_begins_in_the_append_that_ends_it),
        cmocka_unit_test(a_run_goes_on_after_a_crash_when_that_is_stored),
        cmocka_unit_test(a_session_that_cannot_be_loaded_is_left_alone),
        cmocka_unit_test(a_run_that_cannot_be_loaded_is_tried_again),
        cmocka_unit_test(the_next_input_may_come_from_within_a_reply),
        cmocka_unit_test(who_writes_to_a_session_that_goes_is_told_that_it_is_gone),
        cmocka_unit_test(who_asks_again_from_within_a_refusal_is_refused_too),
    };

    log_set_level(LOG_LEVEL_ERROR); /* refused appends and runs by the hundred */
    return cmocka_run_group_tests_name("door", tests, NULL, NULL);
}
