/* SPDX-License-Identifier: MIT */
/* Looking back: at every fact a session is what it was when that fact was its newest one. */
#include "base/mem.h"
#include "base/str.h"
#include "store/suite.h"

#define FACTS_MAX 64

/* ---- what a query says, as text ---- */

static void tell_session(const struct answer *a, struct buf *out)
{
    const struct session_row *s = a->sessions;

    if (a->n == 0)
        return;
    buf_addf(out, STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT " depth %u at " STR_FMT "\n", STR_ARG(s->id),
             STR_ARG(s->title), STR_ARG(s->parent), STR_ARG(s->root), s->depth, STR_ARG(s->workspace));
    buf_addf(out, STR_FMT "/" STR_FMT " " STR_FMT "; " STR_FMT " " STR_FMT " " STR_FMT " \"" STR_FMT "\" " STR_FMT "\n",
             STR_ARG(s->provider), STR_ARG(s->model), STR_ARG(s->effort), STR_ARG(s->state), STR_ARG(s->last_run_id),
             STR_ARG(s->last_run_status), STR_ARG(s->last_error), STR_ARG(s->doing));
    buf_addf(out, "last %" PRIu64 " version %" PRIu64 " title %" PRIu64 " made %" PRId64 " changed %" PRId64 "\n",
             s->last_seq, s->metadata_version, s->title_version, s->created_at, s->updated_at);
    buf_addf(out, "%u messages, %u wait, pinned %d, titled %d, runs %d, budget %d %" PRId64 "\n", s->message_count,
             s->inbox, s->pinned, s->title_set, s->is_running, s->has_budget, s->budget.total_tokens);
    buf_addf(out, "fold %d: at most %" PRId64 " tokens, %u rounds; %" PRId64 " tokens, %u rounds, %u calls\n",
             s->has_fold, s->limits.max_tokens, s->limits.max_rounds, s->spent.tokens, s->spent.rounds, s->spent.calls);
}

static void tell_messages(const struct answer *a, struct buf *out)
{
    buf_addf(out, "%zu of %" PRIu64 "%s\n", a->n, a->total, a->more ? ", more" : "");
    for (size_t i = 0; i < a->n; i++) {
        const struct message *m = &a->messages[i];

        buf_addf(out, "%u %" PRIu64 " %" PRId64 " %s " STR_FMT " \"" STR_FMT "\" \"" STR_FMT "\" run " STR_FMT,
                 m->place, m->seq, m->at, role_names[m->role], STR_ARG(m->id), STR_ARG(m->text), STR_ARG(m->reasoning),
                 STR_ARG(m->run_id));
        buf_addf(out, " %zu calls, of " STR_FMT " " STR_FMT " %d%d%d\n", m->calls.count, STR_ARG(m->call_id),
                 STR_ARG(m->tool), m->success, m->interrupted, m->repaired);
    }
}

/* To be freed. */
static char *tell(struct driver *d, struct query q)
{
    struct buf out = BUF_INIT;
    struct answer *a;

    q.kind = QUERY_SESSION;
    q.with_fold = true;
    a = driver_query(d, &q);
    assert_int_equal(a->rc, 0);
    assert_false(a->no_such_fact);
    tell_session(a, &out);
    answer_free(a);
    q.kind = QUERY_MESSAGES;
    a = driver_query(d, &q);
    assert_int_equal(a->rc, 0);
    assert_false(a->no_such_fact);
    tell_messages(a, &out);
    answer_free(a);
    return out.p;
}

/* ---- a session that was looked at after each of its facts ---- */

struct seen {
    char *after[FACTS_MAX + 1]; /* by seq */
    uint64_t last;
};

static void seen_done(struct seen *s)
{
    for (uint64_t seq = 1; seq <= s->last; seq++)
        mem_free(s->after[seq]);
}

typedef void play_fn(struct story *t, struct driver *d);

static void play_runs(struct story *t, struct driver *d)
{
    play_calls(t, d, NULL);
}

/* A copy of an older conversation goes on, and people change what was said. */
static void play_changes(struct story *t, struct driver *d)
{
    static const struct fact imported = {.kind = FACT_MESSAGE_IMPORTED,
                                         .place = 1,
                                         .id = {"old1", 4},
                                         .role = ROLE_USER,
                                         .text = {"before", 6},
                                         .written_at = 77};
    static const struct fact answered = {.kind = FACT_MESSAGE_IMPORTED,
                                         .place = 2,
                                         .id = {"old2", 4},
                                         .role = ROLE_ASSISTANT,
                                         .text = {"then", 4},
                                         .written_at = 78};

    story_create(t, STR("Changes"), STR("be kind"));
    story_add(t, imported);
    story_add(t, answered);
    story_post(t, STR("u1"), STR("one"));
    story_post(t, STR("u2"), STR("two"));
    story_add(t,
              (struct fact){
                  .kind = FACT_MESSAGE_WITHDRAWN, .id = STR("u2"), .of_seq = t->s.seq, .bytes = 3, .last = STR("u1")});
    story_run(t, STR("r1"));
    story_round(t);
    story_answer(t, STR("m1"), STR("hello"), NULL, 0);
    story_end(t, END_COMPLETED);
    story_add(t, (struct fact){.kind = FACT_MESSAGE_EDITED,
                               .place = 1,
                               .id = STR("old1"),
                               .role = ROLE_USER,
                               .text = STR("before, but other"),
                               .bytes = 11,
                               .written_at = 77});
    story_add(t,
              (struct fact){
                  .kind = FACT_MESSAGES_REMOVED, .place = 2, .upto = 3, .removed = 1, .bytes = 4, .last = STR("m1")});
    story_add(t, (struct fact){.kind = FACT_MESSAGES_REMOVED,
                               .place = 3,
                               .upto = 5,
                               .removed = 2,
                               .bytes = 8,
                               .last = STR("old1"),
                               .pending = true});
    story_post(t, STR("u3"), STR("again"));
    assert_int_equal(story_commit(t, d), 0);
    story_run(t, STR("r2"));
    story_round(t); /* at a place that was taken before */
    story_answer(t, STR("m2"), STR("so it is"), two_calls, 2);
    story_call(t, 0);
    story_add(
        t,
        (struct fact){
            .kind = FACT_QUESTION_ASKED, .run = 2, .call = t->s.first_call, .id = STR("q"), .text = STR("Shall I?")});
    assert_int_equal(story_commit(t, d), 0);
}

/* The same facts as those of a session with all kinds of them, one commit each. */
static void play_singly(struct driver *d, struct str id, play_fn *play, struct query q, struct seen *out)
{
    struct query facts = {.kind = QUERY_FACTS, .session_id = STR("whole")};
    struct story whole, t;
    struct answer *a;

    story_open(&whole, d, STR("whole"));
    play(&whole, d);
    a = driver_query(d, &facts);
    assert_true(a->facts->n >= 18 && a->facts->n <= FACTS_MAX);
    story_open(&t, d, id);
    q.session_id = id;
    *out = (struct seen){.last = 0};
    for (uint32_t i = 0; i < a->facts->n; i++) {
        struct fact f = a->facts->items[i];

        if (f.kind == FACT_SESSION_CREATED)
            f.id = f.root = id;
        story_add(&t, f);
        assert_int_equal(story_commit(&t, d), 0);
        out->after[++out->last] = tell(d, q);
    }
    answer_free(a);
}

static void assert_past_is(struct driver *d, struct query q, const struct seen *seen)
{
    for (q.at_seq = seen->last; q.at_seq > 0; q.at_seq--) {
        char *then = tell(d, q);

        assert_string_equal(then, seen->after[q.at_seq]);
        mem_free(then);
    }
}

static void every_moment_of_a_session_is_found_again(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.session_id = STR("a")};
    struct seen seen;

    play_singly(d, STR("a"), play_runs, q, &seen);
    assert_past_is(d, q, &seen);
    d = reopen(state);
    assert_past_is(d, q, &seen);
    seen_done(&seen);
}

static void what_was_changed_and_removed_is_still_there_in_the_past(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.session_id = STR("a")};
    struct seen seen;

    play_singly(d, STR("a"), play_changes, q, &seen);
    assert_past_is(d, q, &seen);
    assert_non_null(strstr(seen.after[10], "\"hello\""));
    assert_null(strstr(seen.after[13], "\"hello\""));
    assert_non_null(strstr(seen.after[11], "\"before, but other\""));
    seen_done(&seen);
}

static void a_page_of_the_past_is_the_page_of_then(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.session_id = STR("a"), .limit = 2, .after_message = STR("u1")};
    struct seen seen;

    play_singly(d, STR("a"), play_runs, q, &seen);
    assert_past_is(d, q, &seen);
    seen_done(&seen);
}

/* More than one transaction reads; what came before the last page counts too. */
static void a_long_log_is_looked_back_at_page_by_page(void **state)
{
    enum { ROUNDS = 30, EACH = 50 };
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_SESSION, .session_id = STR("a")};
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR("be kind"));
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < EACH; k++)
            story_add(&t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = k % 2 == 0});
        assert_int_equal(story_commit(&t, d), 0);
    }
    for (q.at_seq = 1; q.at_seq <= 1 + ROUNDS * EACH; q.at_seq += 250) {
        struct answer *a = driver_query(d, &q);

        assert_int_equal(a->rc, 0);
        assert_int_equal(a->sessions[0].last_seq, q.at_seq);
        assert_int_equal(a->sessions[0].metadata_version, q.at_seq);
        assert_int_equal(a->sessions[0].message_count, 1);
        assert_int_equal(a->last_seq, 1 + ROUNDS * EACH);
        answer_free(a);
    }
}

/* ---- what there is not ---- */

static void a_fact_that_is_not_there_is_answered_with_those_that_are(void **state)
{
    static const uint64_t numbers[] = {4, 5, INT64_MAX};
    static const enum query_kind kinds[] = {QUERY_SESSION, QUERY_MESSAGES};
    struct driver *d = driver_of(state);
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    story_post(&t, STR("u1"), STR("one"));
    story_post(&t, STR("u2"), STR("two"));
    assert_int_equal(story_commit(&t, d), 0);
    for (size_t i = 0; i < ARRAY_LEN(numbers) * ARRAY_LEN(kinds); i++) {
        struct query q = {.kind = kinds[i % 2], .session_id = STR("a"), .at_seq = numbers[i / 2]};
        struct answer *a = driver_query(d, &q);

        assert_int_equal(a->rc, 0);
        assert_true(a->no_such_fact && a->n == 0);
        assert_true(a->first_seq == 1 && a->last_seq == 3);
        answer_free(a);
    }
}

static void assert_not_found(struct driver *d)
{
    static const enum query_kind kinds[] = {QUERY_SESSION, QUERY_MESSAGES};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct query q = {.kind = kinds[i], .session_id = STR("a"), .at_seq = 1};
        struct answer *a = driver_query(d, &q);

        assert_int_equal(a->rc, -ERR_NOT_FOUND);
        answer_free(a);
    }
}

static void an_erased_session_has_no_past(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;
    struct append gone;

    assert_not_found(d);
    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    gone = story_step(&t);
    gone.erase = true;
    assert_int_equal(driver_append(d, &gone, NULL), 0);
    assert_not_found(d);
}

const struct CMUnitTest suite_past_cases[] = {
    SUITE_CASE(every_moment_of_a_session_is_found_again),
    SUITE_CASE(what_was_changed_and_removed_is_still_there_in_the_past),
    SUITE_CASE(a_page_of_the_past_is_the_page_of_then),
    SUITE_CASE(a_long_log_is_looked_back_at_page_by_page),
    SUITE_CASE(a_fact_that_is_not_there_is_answered_with_those_that_are),
    SUITE_CASE(an_erased_session_has_no_past),
};

const size_t suite_past_cases_count = ARRAY_LEN(suite_past_cases);
