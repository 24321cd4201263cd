/* SPDX-License-Identifier: MIT */
/* Queries: the log, the transcript, rows and lists. */
#include "base/mem.h"
#include "base/str.h"
#include "store/suite.h"

#include <stdio.h>

/* ---- reading facts ---- */

static struct answer *facts_page(struct driver *d, struct query q)
{
    struct answer *a;

    q.kind = QUERY_FACTS;
    a = driver_query(d, &q);
    assert_int_equal(a->rc, 0);
    return a;
}

static void assert_seqs(struct answer *a, const char *expected, bool more)
{
    struct buf got = BUF_INIT;

    for (uint32_t i = 0; i < a->facts->n; i++)
        buf_addf(&got, "%s%" PRIu64, i == 0 ? "" : " ", a->facts->items[i].seq);
    assert_string_equal(got.p == NULL ? "" : got.p, expected);
    assert_int_equal(a->n, a->facts->n);
    assert_int_equal(a->more, more);
    assert_int_equal(a->first_seq, 1);
    buf_done(&got);
    answer_free(a);
}

static void pages_of_the_log(void **state)
{
    struct driver *d = driver_of(state);
    struct str id = STR("a");
    uint64_t posted = 1ull << FACT_MESSAGE_POSTED, created = 1ull << FACT_SESSION_CREATED;
    struct story t;

    story_open(&t, d, id);
    story_create(&t, STR("T"), STR_NULL);
    for (int i = 0; i < 3; i++)
        story_post(&t, STR("u"), STR("x"));
    story_add(&t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = true});
    assert_int_equal(story_commit(&t, d), 0);

    assert_seqs(facts_page(d, (struct query){.session_id = id}), "1 2 3 4 5", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = 2}), "3 4 5", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = 1, .before = 4}), "2 3", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .limit = 2}), "1 2", true);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .limit = 5}), "1 2 3 4 5", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .newest = true, .limit = 2}), "5 4", true);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .newest = true, .before = 3}), "2 1", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = 5}), "", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = UINT64_MAX}), "", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .kinds = posted}), "2 3 4", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .kinds = posted, .limit = 2, .newest = true}), "4 3",
                true);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .kinds = posted | created, .limit = 4}), "1 2 3 4",
                false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .n_seqs = 3, .seqs = {4, 99, 1}}), "4 1", false);
}

static void a_page_ends_where_its_bytes_are_used_up(void **state)
{
    struct driver *d = driver_of(state);
    struct str id = STR("a"), big;
    struct story t;
    char *bytes = mem_alloc(LIMIT_PAGE_BYTES * 2);

    memset(bytes, 'x', LIMIT_PAGE_BYTES * 2);
    big = (struct str){bytes, LIMIT_PAGE_BYTES * 2};
    story_open(&t, d, id);
    story_create(&t, STR("T"), STR_NULL);
    story_post(&t, STR("u"), big);
    story_post(&t, STR("u"), (struct str){bytes, LIMIT_PAGE_BYTES / 2});
    story_post(&t, STR("u"), (struct str){bytes, LIMIT_PAGE_BYTES / 4});
    story_post(&t, STR("u"), (struct str){bytes, LIMIT_PAGE_BYTES / 2});
    assert_int_equal(story_commit(&t, d), 0);
    assert_seqs(facts_page(d, (struct query){.session_id = id}), "1", true);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = 1}), "2", true); /* one at least */
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = 2}), "3 4", true);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = 4}), "5", false);
    assert_seqs(facts_page(d, (struct query){.session_id = id, .after = 2, .bytes = LIMIT_PAGE_BYTES / 2}), "3", true);
    /* Facts that are named are few, and who names them wants them all. */
    assert_seqs(facts_page(d, (struct query){.session_id = id, .n_seqs = 3, .seqs = {3, 5, 2}}), "3 5 2", false);
    mem_free(bytes);
}

static void facts_come_back_as_they_were(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_FACTS, .session_id = STR("a")};
    struct buf before = BUF_INIT, after = BUF_INIT;
    struct answer *a;
    struct story t;
    struct append step;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("quote \" and \\ and \n and \xc3\xa9"), STR("sys"));
    story_post(&t, STR("u"), (struct str){"nul\0inside", 10});
    story_run(&t, STR("r"));
    story_round(&t);
    story_answer(&t, STR("m"), STR("x"), two_calls, 2);
    step = story_step(&t);
    assert_int_equal(driver_append(d, &step, NULL), 0);
    a = driver_query(d, &q);
    assert_int_equal(a->facts->n, step.facts->n);
    for (uint32_t i = 0; i < step.facts->n; i++) {
        const struct fact *f = &step.facts->items[i], *g = &a->facts->items[i];

        buf_clear(&before);
        buf_clear(&after);
        fact_write(f, &before);
        fact_write(g, &after);
        assert_true(str_eq(buf_str(&before), buf_str(&after)));
        assert_int_equal(f->at, g->at);
        assert_int_equal(f->epoch, g->epoch);
    }
    assert_true(a->facts->items[0].nonce == step.facts->items[0].nonce);
    facts_unref(step.facts);
    answer_free(a);
    buf_done(&before);
    buf_done(&after);
}

/* ---- transcript ---- */

static void assert_messages(struct driver *d, struct query q, const char *expected, bool more, uint64_t total)
{
    struct buf got = BUF_INIT;
    struct answer *a;

    q.kind = QUERY_MESSAGES;
    a = driver_query(d, &q);
    assert_int_equal(a->rc, 0);
    for (size_t i = 0; i < a->n; i++)
        buf_addf(&got, "%s" STR_FMT "@%u", i == 0 ? "" : " ", STR_ARG(a->messages[i].id), a->messages[i].place);
    assert_string_equal(got.p == NULL ? "" : got.p, expected);
    assert_int_equal(a->more, more);
    assert_int_equal(a->total, total);
    buf_done(&got);
    answer_free(a);
}

static void the_transcript_stands_in_the_order_of_places(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_MESSAGES, .session_id = STR("a")};
    struct answer *a;
    struct story t;

    story_open(&t, d, STR("a"));
    play_calls(&t, d, NULL);
    assert_messages(d, q, "a@0 u1@1 m1@2 res1@3 res2@4 u2@5 m2@6", false, 7);
    q.limit = 3;
    assert_messages(d, q, "res2@4 u2@5 m2@6", true, 7);
    q.limit = 7;
    assert_messages(d, q, "a@0 u1@1 m1@2 res1@3 res2@4 u2@5 m2@6", false, 7);
    q.limit = 0;
    q.after_message = STR("res1");
    assert_messages(d, q, "res2@4 u2@5 m2@6", false, 7);
    q.limit = 2;
    assert_messages(d, q, "u2@5 m2@6", true, 7);
    q.limit = 0;
    q.after_message = STR("m2");
    assert_messages(d, q, "", false, 7);
    q.after_message = STR_NULL;
    q.before_place = 3;
    assert_messages(d, q, "a@0 u1@1 m1@2", false, 7);
    q.before_place = 0;
    q.after_message = STR("m2");
    q.exactly = true;
    assert_messages(d, q, "m2@6", false, 7);
    q.after_message = STR("res1");
    assert_messages(d, q, "res1@3", false, 7);
    q.after_message = STR("unknown");
    assert_messages(d, q, "", false, 7);
    q.exactly = false;
    assert_messages(d, q, "a@0 u1@1 m1@2 res1@3 res2@4 u2@5 m2@6", false, 7);

    q.after_message = STR_NULL;
    a = driver_query(d, &q);
    assert_int_equal(a->messages[0].role, ROLE_SYSTEM);
    assert_str(a->messages[0].text, "be kind");
    assert_int_equal(a->messages[2].calls.count, 2);
    assert_str(a->messages[2].run_id, "r1");
    assert_int_equal(a->messages[3].role, ROLE_TOOL);
    assert_str(a->messages[3].text, "first");
    assert_true(a->messages[3].success);
    assert_int_equal(a->messages[1].run_id.n, 0);
    answer_free(a);
}

static void what_is_posted_waits_for_its_round(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.session_id = STR("a")};
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    story_post(&t, STR("u1"), STR("x"));
    story_post(&t, STR("u2"), STR("y"));
    assert_int_equal(story_commit(&t, d), 0);
    assert_messages(d, q, "", false, 0);
    story_run(&t, STR("r"));
    story_round(&t);
    assert_int_equal(story_commit(&t, d), 0);
    assert_messages(d, q, "u1@0 u2@1", false, 2);
    story_post(&t, STR("u3"), STR("z"));
    story_answer(&t, STR("m"), STR("answer"), NULL, 0);
    assert_int_equal(story_commit(&t, d), 0);
    assert_messages(d, q, "u1@0 u2@1 m@2", false, 3);
}

/* ---- rows ---- */

static void assert_row(struct driver *d, const struct story *t)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = t->id, .with_fold = true};
    struct answer *a = driver_query(d, &q);
    const struct session_row *row = a->sessions;
    struct spent spent = session_spent(&t->s);
    uint32_t open = session_open_calls(&t->s, CALL_PROPOSED) + session_open_calls(&t->s, CALL_RUNNING);

    assert_int_equal(a->rc, 0);
    assert_int_equal(a->n, 1);
    assert_int_equal(row->sid, t->sid);
    assert_true(str_eq(row->id, t->id));
    assert_str(row->state, session_state_word(&t->s));
    assert_int_equal(row->last_seq, t->s.seq);
    assert_int_equal(row->metadata_version, t->s.metadata_version);
    assert_int_equal(row->title_version, t->s.title_version);
    assert_int_equal(row->message_count, t->s.messages - open);
    assert_int_equal(row->inbox, t->s.inbox);
    assert_int_equal(row->is_running, t->s.run.active);
    assert_int_equal(row->created_at, t->s.created_at);
    assert_int_equal(row->last_run_id.n > 0, t->s.runs > 0);
    assert_true(row->has_fold);
    assert_int_equal(row->limits.max_rounds, t->s.limits.max_rounds);
    assert_int_equal(row->spent.tokens, spent.tokens);
    assert_int_equal(row->spent.rounds, spent.rounds);
    assert_int_equal(row->spent.calls, spent.calls);
    answer_free(a);
}

/* ---- what waits ---- */

static void assert_inbox(struct driver *d, struct query q, const char *expected, bool more, bool is_taken)
{
    struct buf got = BUF_INIT;
    struct answer *a;

    q.kind = QUERY_INBOX;
    a = driver_query(d, &q);
    assert_int_equal(a->rc, 0);
    for (size_t i = 0; i < a->n; i++)
        buf_addf(&got, "%s" STR_FMT "=" STR_FMT "/%d%s", i == 0 ? "" : " ", STR_ARG(a->messages[i].id),
                 STR_ARG(a->messages[i].text), (int)a->messages[i].bytes, a->messages[i].later ? "+" : "");
    assert_string_equal(got.p == NULL ? "" : got.p, expected);
    assert_int_equal(a->more, more);
    assert_int_equal(a->is_taken, is_taken);
    buf_done(&got);
    answer_free(a);
}

static void the_inbox_is_listed_in_the_order_it_is_taken(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.session_id = STR("a")};
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    story_post(&t, STR("u1"), STR("first"));
    story_run(&t, STR("r"));
    story_round(&t);
    story_post(&t, STR("u2"), STR("now"));
    story_add(&t, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = STR("u3"), .text = STR("then"), .later = true});
    assert_int_equal(story_commit(&t, d), 0);
    assert_inbox(d, q, "u2=now/3 u3=then/4+", false, false);
    q.after_message = STR("u1");
    assert_inbox(d, q, "u2=now/3 u3=then/4+", false, true);
    q.after_message = STR("u2");
    q.without_texts = true;
    assert_inbox(d, q, "u2=/3 u3=/4+", false, false);
    q.limit = 1;
    assert_inbox(d, q, "u2=/3", true, false);
    q.limit = 0;
    q.bytes = 1;
    assert_inbox(d, q, "u2=/3", true, false); /* one at least */
    story_add(&t, (struct fact){.kind = FACT_MESSAGE_WITHDRAWN, .id = STR("u2"), .of_seq = 5, .bytes = 3});
    story_answer(&t, STR("m1"), STR("x"), NULL, 0);
    story_end(&t, END_CANCELLED);
    assert_int_equal(story_commit(&t, d), 0);
    assert_inbox(d, (struct query){.session_id = STR("a")}, "u3=then/4", false, false);
}

static void assert_has(struct driver *d, const char *session, const char *id, bool expected)
{
    const struct query q = {.kind = QUERY_HAS_MESSAGE, .session_id = str_of(session), .after_message = str_of(id)};
    struct answer *a = driver_query(d, &q);

    assert_int_equal(a->rc, 0);
    assert_int_equal(a->is_taken, expected);
    answer_free(a);
}

static void a_message_is_there_until_it_is_removed_or_taken_back(void **state)
{
    static const char *const ids[] = {"a", "u1", "m1", "u2", "u3"};
    struct driver *d = driver_of(state);
    struct story t, other;

    assert_has(d, "a", "u1", false); /* no such session */
    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR("system"));
    story_post(&t, STR("u1"), STR("first"));
    story_run(&t, STR("r"));
    story_round(&t);
    story_post(&t, STR("u2"), STR("now"));
    story_add(&t, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = STR("u3"), .text = STR("then"), .later = true});
    story_answer(&t, STR("m1"), STR("x"), NULL, 0);
    assert_int_equal(story_commit(&t, d), 0);
    story_open(&other, d, STR("b"));
    story_create(&other, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&other, d), 0);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_has(d, "a", ids[i], true);
        assert_has(d, "b", ids[i], false);
    }
    assert_has(d, "a", "u", false);
    story_add(&t, (struct fact){.kind = FACT_MESSAGE_WITHDRAWN, .id = STR("u2"), .of_seq = 5, .bytes = 3});
    story_end(&t, END_CANCELLED);
    story_add(&t,
              (struct fact){
                  .kind = FACT_MESSAGES_REMOVED, .place = 1, .upto = 2, .removed = 1, .bytes = 5, .last = STR("m1")});
    assert_int_equal(story_commit(&t, d), 0);
    assert_has(d, "a", "u1", false);
    assert_has(d, "a", "u2", false);
    assert_has(d, "a", "m1", true);
    assert_has(d, "a", "u3", true);
}

static void sizes_are_told_where_texts_are_left_out(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_MESSAGES, .session_id = STR("a"), .without_texts = true};
    struct story t;
    struct answer *a;
    int64_t sum = 0;

    story_open(&t, d, STR("a"));
    play_calls(&t, d, NULL);
    a = driver_query(d, &q);
    assert_int_equal(a->n, 7);
    assert_int_equal(a->last_seq, t.s.seq);
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(a->messages[i].text.n, 0);
        assert_null(a->messages[i].calls.items);
        sum += a->messages[i].bytes;
    }
    assert_int_equal(sum, t.s.context_bytes);
    assert_int_equal(a->messages[2].calls.count, 2);
    assert_str(a->messages[6].id, "m2");
    answer_free(a);
}

static void a_transcript_of_too_many_bytes_is_cut_at_its_front(void **state)
{
    struct driver *d = driver_of(state);
    char text[3000];
    struct query q = {.session_id = STR("a")};
    struct str big = {text, sizeof(text)};
    struct story t;

    memset(text, 'x', sizeof(text));
    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    story_turn(&t, d, big, big);
    story_turn(&t, d, big, big);
    q.bytes = 7000;
    for (int i = 0; i < 2; i++) {
        struct answer *a;

        q.kind = QUERY_MESSAGES;
        q.at_seq = i == 0 ? 0 : t.s.seq; /* the past is no other */
        a = driver_query(d, &q);
        assert_int_equal(a->rc, 0);
        assert_int_equal(a->n, 2);
        assert_true(a->more);
        answer_free(a);
        q.bytes = 100;
        a = driver_query(d, &q);
        assert_int_equal(a->n, 1);
        assert_true(a->more);
        answer_free(a);
        q.bytes = 7000;
    }
}

static void the_row_says_what_the_fold_says_after_each_step(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;

    story_open(&t, d, STR("a"));
    play_calls(&t, d, assert_row);
}

static void a_copy_names_its_source(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_SESSION, .session_id = STR("a")};
    struct answer *a;
    struct story t;

    story_open(&t, d, STR("a"));
    story_add(&t, (struct fact){.kind = FACT_SESSION_CREATED,
                                .id = STR("a"),
                                .root = STR("a"),
                                .nonce = 1,
                                .source = STR("b"),
                                .of_seq = 9});
    assert_int_equal(story_commit(&t, d), 0);
    a = driver_query(d, &q);
    assert_str(a->sessions[0].source, "b");
    assert_int_equal(a->sessions[0].source_seq, 9);
    answer_free(a);
}

#define FIFTY "12345678901234567890123456789012345678901234567890"

static void what_a_session_does_is_what_it_asks(void **state)
{
    static const struct call asks[] = {{.id = {"c1", 2}, .name = {"ask_user", 8}, .effect = EFFECT_ASK}};
    static const struct {
        const char *id, *question, *doing;
    } rows[] = {
        {"a", "Shall I?", "Shall I?"},
        {"b", " \n Shall I?  \r\nOr not?", "Shall I?"},
        {"c", FIFTY FIFTY FIFTY "1234567890", FIFTY FIFTY FIFTY "1234567890"},
        {"d", FIFTY FIFTY FIFTY "123456789ü.", FIFTY FIFTY FIFTY "123456789…"}, /* no half of a character */
    };
    struct driver *d = driver_of(state);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str id = str_of(rows[i].id);
        struct query q = {.kind = QUERY_SESSION, .session_id = id}, all = {.kind = QUERY_SESSIONS};
        struct answer *a;
        struct story t;

        story_open(&t, d, id);
        story_create(&t, STR("T"), STR_NULL);
        story_post(&t, STR("u"), STR("x"));
        story_run(&t, STR("r"));
        story_round(&t);
        story_answer(&t, STR("m1"), STR_NULL, asks, 1);
        story_call(&t, 0);
        story_add(&t, (struct fact){.kind = FACT_QUESTION_ASKED,
                                    .run = 1,
                                    .call = t.s.first_call,
                                    .id = STR("q"),
                                    .text = str_of(rows[i].question)});
        story_end(&t, END_SUSPENDED);
        assert_int_equal(story_commit(&t, d), 0);
        a = driver_query(d, &q);
        assert_str(a->sessions[0].doing, rows[i].doing);
        answer_free(a);
        q.at_seq = t.s.seq;
        a = driver_query(d, &q);
        assert_str(a->sessions[0].doing, rows[i].doing);
        answer_free(a);
        a = driver_query(d, &all);
        assert_int_equal(a->n, i + 1);
        for (size_t k = 0; k < a->n; k++)
            if (str_eq(a->sessions[k].id, id))
                assert_str(a->sessions[k].doing, rows[i].doing);
        answer_free(a);
    }
}

static void a_session_row_in_full(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_SESSION, .session_id = STR("a")};
    const struct session_row *row;
    struct answer *a;
    struct story t;

    story_open(&t, d, STR("a"));
    play_calls(&t, d, NULL);
    a = driver_query(d, &q);
    row = a->sessions;
    assert_str(row->title, "Renamed");
    assert_true(row->title_set && row->pinned && row->has_budget);
    assert_int_equal(row->budget.total_tokens, 22);
    assert_str(row->root, "a");
    assert_int_equal(row->parent.n, 0);
    assert_str(row->workspace, "/w");
    assert_str(row->provider, "p");
    assert_str(row->model, "m");
    assert_str(row->effort, "low");
    assert_str(row->state, "error");
    assert_str(row->last_run_status, "error");
    assert_str(row->last_error, "it broke");
    assert_str(row->last_run_id, "r2");
    answer_free(a);

    story_add(&t,
              (struct fact){.kind = FACT_SESSION_UPDATED, .set_model = true, .provider = STR("q"), .model = STR("n")});
    story_run(&t, STR("r3"));
    story_round(&t);
    assert_int_equal(story_commit(&t, d), 0);
    a = driver_query(d, &q);
    row = a->sessions;
    assert_str(row->provider, "q");
    assert_str(row->model, "n");
    assert_true(row->is_running);
    assert_str(row->doing, "round 1");
    assert_str(row->last_run_status, "running");
    assert_int_equal(row->last_error.n, 0);
    answer_free(a);

    story_end(&t, END_SUSPENDED);
    assert_int_equal(story_commit(&t, d), 0);
    a = driver_query(d, &q);
    assert_str(a->sessions[0].last_run_status, "suspended");
    assert_int_equal(a->sessions[0].doing.n, 0);
    answer_free(a);
}

static void updated_at_moves_with_posts_and_runs_only(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_SESSION, .session_id = STR("a")};
    struct answer *a;
    struct story t;
    int64_t run_started_at;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    story_post(&t, STR("u"), STR("x"));
    run_started_at = t.now;
    story_run(&t, STR("r"));
    story_round(&t);
    story_answer(&t, STR("m"), STR("x"), two_calls, 2);
    assert_int_equal(story_commit(&t, d), 0);
    a = driver_query(d, &q);
    assert_int_equal(a->sessions[0].updated_at, run_started_at);
    answer_free(a);
}

static void runs_are_recorded(void **state)
{
    struct driver *d = driver_of(state);
    struct query by_id = {.kind = QUERY_RUN, .run_id = STR("r1")}, of = {.kind = QUERY_RUNS, .session_id = STR("a")};
    const struct run_row *r;
    struct answer *a;
    struct story t;

    story_open(&t, d, STR("a"));
    play_calls(&t, d, NULL);
    a = driver_query(d, &by_id);
    assert_int_equal(a->rc, 0);
    r = a->runs;
    assert_str(r->session_id, "a");
    assert_str(r->status, "completed");
    assert_str(r->end, "completed");
    assert_str(r->origin, "http");
    assert_int_equal(r->number, 1);
    assert_int_equal(r->rounds, 2);
    assert_int_equal(r->calls, 2);
    assert_int_equal(r->usage.prompt_tokens, 14);
    assert_int_equal(r->usage.completion_tokens, 6);
    assert_true(r->usage.reported);
    assert_true(r->ended_at > r->started_at);
    answer_free(a);

    a = driver_query(d, &of);
    assert_int_equal(a->n, 2);
    assert_false(a->more);
    assert_str(a->runs[0].id, "r2");
    assert_str(a->runs[0].status, "error");
    assert_str(a->runs[0].failure, "network");
    assert_str(a->runs[0].error, "it broke");
    assert_int_equal(a->runs[0].crashes, 1);
    answer_free(a);
    of.limit = 1;
    a = driver_query(d, &of);
    assert_int_equal(a->n, 1);
    assert_true(a->more);
    assert_str(a->runs[0].id, "r2");
    answer_free(a);
    by_id.run_id = STR("no such");
    a = driver_query(d, &by_id);
    assert_int_equal(a->rc, -ERR_NOT_FOUND);
    answer_free(a);
}

/* ---- lists ---- */

static void make_session(struct driver *d, const char *id, const char *title, int64_t now, struct str parent,
                         struct str root)
{
    struct story t;

    story_open(&t, d, str_of(id));
    t.now = now;
    story_add(&t, (struct fact){.kind = FACT_SESSION_CREATED,
                                .id = t.id,
                                .root = root.n > 0 ? root : t.id,
                                .parent = parent,
                                .depth = parent.n > 0 ? 1 : 0,
                                .title = str_of(title)});
    assert_int_equal(story_commit(&t, d), 0);
}

static void assert_list(struct driver *d, struct query q, const char *expected, uint64_t total)
{
    struct buf got = BUF_INIT;
    struct answer *a;

    q.kind = QUERY_SESSIONS;
    a = driver_query(d, &q);
    assert_int_equal(a->rc, 0);
    for (size_t i = 0; i < a->n; i++)
        buf_addf(&got, "%s" STR_FMT, i == 0 ? "" : " ", STR_ARG(a->sessions[i].id));
    assert_string_equal(got.p == NULL ? "" : got.p, expected);
    assert_int_equal(a->total, total);
    buf_done(&got);
    answer_free(a);
}

static void make_list(struct driver *d)
{
    make_session(d, "a", "Apples", 1000, STR_NULL, STR_NULL);
    make_session(d, "b", "Pears and APPLES", 3000, STR_NULL, STR_NULL);
    make_session(d, "c", "100% _plums_", 2000, STR_NULL, STR_NULL);
    make_session(d, "d", "of b", 4000, STR("b"), STR("b"));
    make_session(d, "E", "", 2000, STR_NULL, STR_NULL);
}

static void sessions_are_listed_by_their_last_change(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;

    make_list(d);
    assert_list(d, (struct query){0}, "d b E c a", 5);
    assert_list(d, (struct query){.limit = 2}, "d b", 5);
    assert_list(d, (struct query){.limit = 2, .offset = 3}, "c a", 5);
    assert_list(d, (struct query){.offset = 9}, "", 5);
    assert_list(d, (struct query){.session_kind = STR("root")}, "b E c a", 4);
    assert_list(d, (struct query){.session_kind = STR("child")}, "d", 1);
    assert_list(d, (struct query){.root = STR("b")}, "d b", 2);
    assert_list(d, (struct query){.search = STR("aPPle")}, "b a", 2);
    assert_list(d, (struct query){.search = STR("e")}, "b E a", 3);
    assert_list(d, (struct query){.search = STR("0% _")}, "c", 1);
    assert_list(d, (struct query){.search = STR("%")}, "c", 1);

    story_open(&t, d, STR("a"));
    t.now = 5000;
    story_post(&t, STR("u"), STR("x"));
    assert_int_equal(story_commit(&t, d), 0);
    assert_list(d, (struct query){.state = STR("queued")}, "a", 1);
    assert_list(d, (struct query){.state = STR("idle"), .limit = 1}, "d", 4);
    story_run(&t, STR("r"));
    story_round(&t);
    assert_int_equal(story_commit(&t, d), 0);
    assert_list(d, (struct query){.state = STR("running")}, "a", 1);
    assert_list(d, (struct query){.state = STR("queued")}, "", 0);
    assert_list(d, (struct query){0}, "a d b E c", 5);
    story_post(&t, STR("v"), STR("y")); /* what a run leaves waiting is nobody's, what comes after it is */
    story_answer(&t, STR("m"), STR("no"), NULL, 0);
    story_end(&t, END_CANCELLED);
    assert_int_equal(story_commit(&t, d), 0);
    assert_list(d, (struct query){.state = STR("cancelled")}, "a", 1);
    story_post(&t, STR("w"), STR("z"));
    assert_int_equal(story_commit(&t, d), 0);
    assert_list(d, (struct query){.state = STR("queued")}, "a", 1);
}

static void a_cursor_goes_through_the_list(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_SESSIONS, .limit = 2};
    struct buf got = BUF_INIT;
    char cursor[64] = "";
    struct answer *a;

    make_list(d);
    do {
        q.cursor = str_of(cursor);
        a = driver_query(d, &q);
        assert_int_equal(a->rc, 0);
        assert_int_equal(a->total, 5);
        for (size_t i = 0; i < a->n; i++)
            buf_addf(&got, STR_FMT " ", STR_ARG(a->sessions[i].id));
        buf_addf(&got, "| ");
        assert_true(str_copy(cursor, sizeof(cursor), a->next));
        answer_free(a);
    } while (cursor[0] != '\0');
    assert_string_equal(got.p, "d b | E c | a | ");
    buf_done(&got);
    q.cursor = STR("nonsense");
    a = driver_query(d, &q);
    assert_int_equal(a->rc, -ERR_BAD_REQUEST);
    answer_free(a);
}

/* ---- */

const struct CMUnitTest suite_query_cases[] = {
    SUITE_CASE(pages_of_the_log),
    SUITE_CASE(a_page_ends_where_its_bytes_are_used_up),
    SUITE_CASE(facts_come_back_as_they_were),
    SUITE_CASE(the_transcript_stands_in_the_order_of_places),
    SUITE_CASE(what_is_posted_waits_for_its_round),
    SUITE_CASE(the_inbox_is_listed_in_the_order_it_is_taken),
    SUITE_CASE(a_message_is_there_until_it_is_removed_or_taken_back),
    SUITE_CASE(sizes_are_told_where_texts_are_left_out),
    SUITE_CASE(a_transcript_of_too_many_bytes_is_cut_at_its_front),
    SUITE_CASE(the_row_says_what_the_fold_says_after_each_step),
    SUITE_CASE(a_copy_names_its_source),
    SUITE_CASE(what_a_session_does_is_what_it_asks),
    SUITE_CASE(a_session_row_in_full),
    SUITE_CASE(updated_at_moves_with_posts_and_runs_only),
    SUITE_CASE(runs_are_recorded),
    SUITE_CASE(sessions_are_listed_by_their_last_change),
    SUITE_CASE(a_cursor_goes_through_the_list),
};

const size_t suite_query_cases_count = ARRAY_LEN(suite_query_cases);
