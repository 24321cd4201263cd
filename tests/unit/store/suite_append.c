/* SPDX-License-Identifier: MIT */
/* Opening, appends, letters, text in flight, lives, erasing. */
#include "base/mem.h"
#include "base/str.h"
#include "store/suite.h"

#include <stdio.h>
#include <unistd.h>

/* ---- opening ---- */

static void a_session_that_is_not_there_gets_a_number(void **state)
{
    struct driver *d = driver_of(state);
    struct opened *one = driver_open(d, STR("a")), *two = driver_open(d, STR("a"));

    assert_int_equal(one->rc, 0);
    assert_false(one->found);
    assert_true(one->ended_in_order);
    assert_int_equal(one->epoch, 0);
    assert_int_equal(one->session.seq, 0);
    assert_true(one->sid > 0);
    assert_int_not_equal(one->sid, two->sid);
    opened_free(one);
    opened_free(two);
}

static void what_is_stored_is_there_when_opened(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("question"), STR("answer"));
    assert_fold_is(d, &t);
    d = reopen(state);
    assert_fold_is(d, &t);
}

static void ids_differ_by_case(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;
    struct opened *o;

    story_open(&t, d, STR("Session"));
    story_turn(&t, d, STR("q"), STR("a"));
    o = driver_open(d, STR("session"));
    assert_false(o->found);
    opened_free(o);
}

static void opening_gives_the_sum_of_the_log_after_each_step(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;

    story_open(&t, d, STR("a"));
    play_calls(&t, d, assert_fold_is);
}

static void opening_needs_no_head(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;

    story_open(&t, d, STR("a"));
    t.no_head = true;
    play_calls(&t, d, assert_fold_is);
}

static void assert_open_calls(struct driver *d, const struct story *t)
{
    uint32_t open = session_open_calls(&t->s, CALL_PROPOSED) + session_open_calls(&t->s, CALL_RUNNING);
    struct opened *o = driver_open(d, t->id);

    assert_int_equal(open > 0, o->calls != NULL);
    if (o->calls != NULL) {
        const struct fact *f = &o->calls->items[0];
        const struct call *calls = f->calls.items;

        assert_int_equal(f->seq, t->s.assistant_seq);
        assert_int_equal(f->calls.count, 2);
        assert_str(calls[1].args, "{\"a\":2}");
        assert_int_equal(calls[1].effect, EFFECT_UNSAFE);
    }
    opened_free(o);
}

static void opening_brings_the_calls_that_are_not_over(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;

    story_open(&t, d, STR("a"));
    play_calls(&t, d, assert_open_calls);
}

/* ---- appends: once, in order, by the owner ---- */

static void the_same_append_twice_is_stored_once(void **state)
{
    struct driver *d = driver_of(state);
    struct letter letter = {.id = 77, .to = STR("other"), .body = STR("hello")};
    struct story t;
    struct append a;
    char *before;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR("sys"));
    story_post(&t, STR("u1"), STR("one"));
    t.letters = &letter;
    t.n_letters = 1;
    a = story_step(&t);
    assert_int_equal(driver_append(d, &a, NULL), 0);
    before = suite_dump(d, t.id);
    assert_int_equal(driver_append(d, &a, NULL), 0);
    assert_unchanged(d, t.id, before);
    facts_unref(a.facts);
}

static void an_append_sent_again_after_later_ones_is_stored_once(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;
    struct append first;
    char *before;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    first = story_step(&t);
    assert_int_equal(driver_append(d, &first, NULL), 0);
    story_post(&t, STR("u1"), STR("one"));
    assert_int_equal(story_commit(&t, d), 0);
    before = suite_dump(d, t.id);
    assert_int_equal(driver_append(d, &first, NULL), 0);
    assert_unchanged(d, t.id, before);
    facts_unref(first.facts);
}

static void other_bytes_under_the_same_epoch_and_number_are_never_stored(void **state)
{
    struct driver *d = driver_of(state);
    struct story t, twin;
    char *before;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    twin = t;
    story_post(&t, STR("u1"), STR("the first"));
    assert_int_equal(story_commit(&t, d), 0);
    before = suite_dump(d, t.id);
    story_post(&twin, STR("u1"), STR("another"));
    story_commit(&twin, d);
    assert_unchanged(d, t.id, before);
}

static void a_late_owner_is_refused_and_changes_nothing(void **state)
{
    struct driver *d = driver_of(state);
    struct letter letter = {.id = 5, .to = STR("a"), .body = STR("from the dead")};
    struct story old, new;
    struct appended done;
    struct append late;
    char *before;

    story_open(&old, d, STR("a"));
    story_create(&old, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&old, d), 0);
    story_open(&new, d, STR("a"));
    story_post(&new, STR("u1"), STR("mine"));
    assert_int_equal(story_commit(&new, d), 0);
    before = suite_dump(d, new.id);

    story_add(&old, (struct fact){.kind = FACT_SESSION_UPDATED, .set_title = true, .title = STR("late")});
    story_post(&old, STR("u2"), STR("late"));
    story_run(&old, STR("late"));
    story_round(&old);
    old.letters = &letter;
    old.n_letters = 1;
    late = story_step(&old);
    assert_int_equal(driver_append(d, &late, &done), -ERR_REFUSED);
    assert_int_equal(done.token, late.token);
    assert_int_equal(done.sid, old.sid);
    assert_true(done.err.text[0] != '\0');
    facts_unref(late.facts);
    assert_unchanged(d, new.id, before);
}

static void a_number_out_of_turn_is_refused(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;
    struct append a;
    struct facts *gone;
    char *before;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    before = suite_dump(d, t.id);
    story_post(&t, STR("u1"), STR("lost"));
    gone = story_step(&t).facts;
    facts_unref(gone);
    story_post(&t, STR("u2"), STR("follows what was lost"));
    a = story_step(&t);
    assert_int_equal(driver_append(d, &a, NULL), -ERR_REFUSED);
    facts_unref(a.facts);
    assert_unchanged(d, t.id, before);
}

static void a_session_is_created_once(void **state)
{
    struct driver *d = driver_of(state);
    struct story one, two;
    char *before;

    story_open(&one, d, STR("a"));
    story_open(&two, d, STR("a"));
    story_create(&one, STR("first"), STR_NULL);
    story_create(&two, STR("second"), STR_NULL);
    assert_int_equal(story_commit(&one, d), 0);
    before = suite_dump(d, one.id);
    assert_int_equal(story_commit(&two, d), -ERR_REFUSED);
    assert_unchanged(d, one.id, before);
}

static void a_session_that_is_gone_takes_nothing(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;

    story_open(&t, d, STR("a"));
    t.row_epoch = 17;
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), -ERR_REFUSED);
    story_open(&t, d, STR("a"));
    assert_int_equal(t.row_epoch, 0);
}

static void a_refused_append_hurts_no_other(void **state)
{
    struct driver *d = driver_of(state);
    struct story good[3], bad;
    const struct appended *done;

    story_open(&bad, d, STR("bad"));
    story_create(&bad, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&bad, d), 0);
    bad.epoch++;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"g0", "g1", "g2"};

        story_open(&good[i], d, str_of(names[i]));
    }
    driver_forget(d);
    for (int i = 0; i < 3; i++) {
        story_create(&good[i], STR("good"), STR_NULL);
        story_send(&good[i], d);
        story_post(&bad, STR("u"), STR("x"));
        story_send(&bad, d);
    }
    driver_wait_appends(d);
    assert_int_equal(driver_completions(d, &done), 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(done[i].rc, i % 2 == 0 ? 0 : -ERR_REFUSED);
    for (int i = 0; i < 3; i++)
        assert_fold_is(d, &good[i]);
}

static void a_thousand_appends_of_a_hundred_sessions_keep_their_order(void **state)
{
    enum { SESSIONS = 100, STEPS = 10 };
    struct driver *d = driver_of(state);
    struct story *all = mem_zalloc(SESSIONS * sizeof(*all));
    static char names[SESSIONS][16];
    uint64_t seen[SESSIONS] = {0};
    const struct appended *done;
    int64_t first_sid;
    size_t n;

    for (int i = 0; i < SESSIONS; i++) {
        snprintf(names[i], sizeof(names[i]), "s%d", i);
        story_open(&all[i], d, str_of(names[i]));
    }
    first_sid = all[0].sid;
    for (int k = 0; k < STEPS; k++) {
        for (int i = 0; i < SESSIONS; i++) {
            if (k == 0)
                story_create(&all[i], STR("T"), STR_NULL);
            else
                story_post(&all[i], STR("u"), STR("text"));
            story_send(&all[i], d);
        }
    }
    driver_wait_appends(d);
    n = driver_completions(d, &done);
    assert_int_equal(n, SESSIONS * STEPS);
    for (size_t i = 0; i < n; i++) {
        int64_t s = done[i].sid - first_sid;

        assert_int_equal(done[i].rc, 0);
        assert_int_equal(done[i].last_seq, seen[s] + 1);
        seen[s]++;
    }
    for (int i = 0; i < SESSIONS; i += 7)
        assert_fold_is(d, &all[i]);
    mem_free(all);
}

static void a_claim_and_a_release_need_no_facts(void **state)
{
    struct driver *d = driver_of(state);
    struct append claim, release;
    struct appended done;
    struct story t;
    struct opened *o;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);

    claim = story_step(&t);
    claim.epoch = claim.expect + (1 << 24);
    claim.owner = t.writer;
    claim.unfinished = true;
    assert_int_equal(driver_append(d, &claim, &done), 0);
    assert_int_equal(done.last_seq, 1);
    assert_int_equal(driver_append(d, &claim, NULL), 0); /* twice is once */
    o = driver_open(d, t.id);
    assert_int_equal(o->epoch, claim.epoch);
    assert_int_equal(o->owner, t.writer);
    assert_memory_equal(&o->session, &t.s, sizeof(t.s));
    opened_free(o);

    release = claim;
    release.expect = claim.epoch;
    release.owner = 0;
    release.unfinished = false;
    assert_int_equal(driver_append(d, &release, NULL), 0);
    o = driver_open(d, t.id);
    assert_int_equal(o->owner, 0);
    opened_free(o);
}

/* ---- letters ---- */

static size_t letters_of(struct driver *d, struct str id)
{
    struct opened *o = driver_open(d, id);
    size_t n = o->n_letters;

    opened_free(o);
    return n;
}

static void a_letter_is_there_until_it_is_folded(void **state)
{
    struct driver *d = driver_of(state);
    struct letter letters[] = {{.id = 900, .to = STR("b"), .body = STR("first")},
                               {.id = 100, .to = STR("b"), .body = STR("second")}};
    struct story from, to;
    struct append a;
    struct opened *o;

    story_open(&from, d, STR("a"));
    story_create(&from, STR("T"), STR_NULL);
    from.letters = letters;
    from.n_letters = 2;
    a = story_step(&from);
    assert_int_equal(driver_append(d, &a, NULL), 0);
    o = driver_open(d, STR("b")); /* who is not there yet has letters too */
    assert_false(o->found);
    assert_int_equal(o->n_letters, 2);
    assert_int_equal(o->letters[0].id, 900); /* in the order of writing */
    assert_str(o->letters[1].body, "second");
    assert_str(o->letters[1].to, "b");
    opened_free(o);

    story_open(&to, d, STR("b"));
    story_create(&to, STR("T"), STR_NULL);
    to.consumed = 900;
    assert_int_equal(story_commit(&to, d), 0);
    assert_int_equal(letters_of(d, STR("b")), 1);

    assert_int_equal(driver_append(d, &a, NULL), 0); /* sent again: it does not come back */
    facts_unref(a.facts);
    assert_int_equal(letters_of(d, STR("b")), 1);

    story_post(&to, STR("u"), STR("x"));
    to.consumed = 100;
    assert_int_equal(story_commit(&to, d), 0);
    assert_int_equal(letters_of(d, STR("b")), 0);
}

/* Its id is made of sender, number and index: the same id is the same letter. */
static void a_letter_with_a_known_id_is_not_written_again(void **state)
{
    struct driver *d = driver_of(state);
    struct letter letter = {.id = 900, .to = STR("b"), .body = STR("hello")};
    struct story from;

    story_open(&from, d, STR("a"));
    story_create(&from, STR("T"), STR_NULL);
    for (int i = 0; i < 2; i++) {
        from.letters = &letter;
        from.n_letters = 1;
        story_post(&from, STR("u"), STR("x"));
        assert_int_equal(story_commit(&from, d), 0);
    }
    assert_int_equal(letters_of(d, STR("b")), 1);
}

/* ---- text in flight ---- */

static struct partial text_of(const struct story *t, struct str text)
{
    const struct run_state *r = &t->s.run;

    return (struct partial){.run = r->number, .round = r->round, .gen = r->gen, .text = text, .reasoning = STR("why")};
}

/* A partial has no answer; it has been written when an append that was sent after it is. */
static void pass_by(struct driver *d)
{
    static unsigned n;
    static char names[64][16];
    struct story t;

    snprintf(names[n % 64], sizeof(names[0]), "passer-%u", n);
    story_open(&t, d, str_of(names[n++ % 64]));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
}

static void assert_partial(struct driver *d, struct str id, const char *text)
{
    struct opened *o = driver_open(d, id);

    assert_int_equal(o->has_partial, text != NULL);
    if (text != NULL) {
        assert_str(o->partial.text, text);
        assert_str(o->partial.reasoning, "why");
        assert_int_equal(o->partial.run, 1);
        assert_int_equal(o->partial.round, 1);
    }
    opened_free(o);
}

static void begin_round(struct story *t, struct driver *d, struct str id)
{
    story_open(t, d, id);
    story_create(t, STR("T"), STR_NULL);
    story_post(t, STR("u"), STR("q"));
    story_run(t, STR("r"));
    story_round(t);
    assert_int_equal(story_commit(t, d), 0);
}

static void the_newest_text_in_flight_is_kept(void **state)
{
    struct driver *d = driver_of(state);
    struct partial p;
    struct story t;

    begin_round(&t, d, STR("a"));
    for (int i = 0; i < 3; i++) {
        static const char *const texts[] = {"one", "one two", "one two three"};

        p = text_of(&t, str_of(texts[i]));
        store_put_partial(driver_store(d), t.sid, t.epoch, &p);
    }
    pass_by(d);
    assert_partial(d, t.id, "one two three");
    p = text_of(&t, STR("one two three four"));
    store_put_partial(driver_store(d), t.sid, t.epoch, &p);
    d = reopen(state); /* closing writes what waits */
    assert_partial(d, t.id, "one two three four");
}

/* Nobody appends anything: it is written for its own sake, sooner or later. */
static void text_in_flight_is_written_alone(void **state)
{
    struct driver *d = driver_of(state);
    struct partial p;
    struct story t;
    bool there = false;

    begin_round(&t, d, STR("a"));
    for (int i = 0; i < 2; i++) {
        static const char *const texts[] = {"one", "one two"};

        p = text_of(&t, str_of(texts[i]));
        store_put_partial(driver_store(d), t.sid, t.epoch, &p);
        there = false;
        for (int ms = 0; ms < 60000 && !there; ms++) {
            struct opened *o = driver_open(d, t.id);

            there = o->has_partial && str_is(o->partial.text, texts[i]);
            opened_free(o);
            usleep(1000);
        }
    }
    assert_true(there);
}

static void text_in_flight_goes_with_its_call(void **state)
{
    struct driver *d = driver_of(state);
    struct partial p;
    struct story t;

    for (int how = 0; how < 4; how++) {
        static const char *const names[] = {"a", "b", "c", "d"};

        begin_round(&t, d, str_of(names[how]));
        p = text_of(&t, STR("half"));
        store_put_partial(driver_store(d), t.sid, t.epoch, &p);
        pass_by(d);
        assert_partial(d, t.id, "half");
        if (how == 0)
            story_answer(&t, STR("m"), STR("whole"), NULL, 0);
        else if (how == 1)
            story_end(&t, END_CANCELLED);
        else if (how == 2)
            story_add(&t, (struct fact){.kind = FACT_MODEL_FAILED, .run = 1, .round = 1, .retry = true});
        else
            story_add(&t, (struct fact){.kind = FACT_RUN_RECOVERED, .run = 1, .round = 1});
        assert_int_equal(story_commit(&t, d), 0);
        assert_partial(d, t.id, NULL);
    }
}

static void text_of_an_old_epoch_is_ignored(void **state)
{
    struct driver *d = driver_of(state);
    struct partial p;
    struct story t;

    begin_round(&t, d, STR("a"));
    p = text_of(&t, STR("mine"));
    store_put_partial(driver_store(d), t.sid, t.epoch, &p);
    pass_by(d);
    p = text_of(&t, STR("not mine"));
    store_put_partial(driver_store(d), t.sid, t.epoch - (1 << 24), &p);
    store_put_partial(driver_store(d), 999999, t.epoch, &p);
    pass_by(d);
    assert_partial(d, t.id, "mine");
}

/* ---- lives ---- */

static void every_life_has_a_number_of_its_own(void **state)
{
    struct driver *d = driver_of(state);
    uint64_t last = store_writer(driver_store(d));

    assert_true(store_was_clean(driver_store(d))); /* no life before it */
    for (int i = 0; i < 3; i++) {
        d = reopen(state);
        assert_true(store_was_clean(driver_store(d)));
        assert_true(store_writer(driver_store(d)) > last && store_writer(driver_store(d)) < 1 << 24);
        last = store_writer(driver_store(d));
    }
}

static void opening_tells_whether_the_owner_ended_in_order(void **state)
{
    struct driver *d = driver_of(state);
    struct opened *o;
    struct story t;

    begin_round(&t, d, STR("a"));
    o = driver_open(d, t.id);
    assert_false(o->ended_in_order); /* this life goes on */
    opened_free(o);
    d = reopen(state);
    o = driver_open(d, t.id);
    assert_true(o->ended_in_order);
    assert_int_equal(o->owner, t.writer);
    assert_int_not_equal(o->owner, store_writer(driver_store(d)));
    opened_free(o);
}

static void unfinished_sessions_are_found(void **state)
{
    struct driver *d = driver_of(state);
    struct query q = {.kind = QUERY_UNFINISHED}, active = {.kind = QUERY_ACTIVE};
    struct story t[3];
    struct answer *a;

    begin_round(&t[0], d, STR("a"));
    begin_round(&t[1], d, STR("b"));
    begin_round(&t[2], d, STR("c"));
    story_end(&t[1], END_CANCELLED);
    assert_int_equal(story_commit(&t[1], d), 0);
    d = reopen(state);
    a = driver_query(d, &q);
    assert_int_equal(a->rc, 0);
    assert_int_equal(a->n, 2);
    assert_str(a->session_ids[0], "a");
    assert_str(a->session_ids[1], "c");
    answer_free(a);
    a = driver_query(d, &active);
    assert_int_equal(a->n, 2);
    assert_str(a->runs[0].session_id, "a");
    assert_str(a->runs[0].status, "running");
    assert_int_equal(a->runs[0].ended_at, 0);
    assert_int_equal(a->runs[0].end.n, 0);
    answer_free(a);
}

/* A session below another one, with an active run. */
static void begin_below(struct story *t, struct driver *d, struct str id, struct str parent)
{
    story_open(t, d, id);
    story_add(t, (struct fact){.kind = FACT_SESSION_CREATED, .id = id, .parent = parent, .root = STR("a"), .depth = 1});
    story_post(t, STR("u1"), STR("text"));
    story_run(t, STR("r"));
    assert_int_equal(story_commit(t, d), 0);
}

/* Its run is over until somebody answers. */
static void ask_and_wait(struct story *t, struct driver *d)
{
    static const struct call asks[] = {{.id = {"c1", 2}, .name = {"ask_user", 8}, .effect = EFFECT_ASK}};

    story_round(t);
    story_answer(t, STR("m1"), STR_NULL, asks, 1);
    story_call(t, 0);
    story_add(t, (struct fact){
                     .kind = FACT_QUESTION_ASKED, .run = 1, .call = t->s.first_call, .id = STR("q"), .text = STR("?")});
    story_end(t, END_SUSPENDED);
    assert_int_equal(story_commit(t, d), 0);
}

static void assert_busy_below(struct driver *d, struct str top, uint64_t before, const char *below)
{
    const struct query q = {.kind = QUERY_BUSY, .session_id = top, .before = before};
    CLEANUP(buf_done) struct buf found = BUF_INIT;
    struct answer *a = driver_query(d, &q);

    assert_int_equal(a->rc, 0);
    for (size_t k = 0; k < a->n; k++)
        buf_addf(&found, STR_FMT " ", STR_ARG(a->session_ids[k]));
    assert_true(str_is(buf_str(&found), below));
    answer_free(a);
}

static void busy_sessions_below_another_one_are_found(void **state)
{
    static const struct {
        const char *top, *below;
    } table[] = {{"a", "c d e "}, {"b", "c d "}, {"c", ""}, {"x", ""}, {"nobody", ""}};
    struct driver *d = driver_of(state);
    struct story t[6];

    begin_round(&t[0], d, STR("a"));
    begin_below(&t[1], d, STR("b"), STR("a"));
    begin_below(&t[2], d, STR("c"), STR("b"));
    begin_below(&t[3], d, STR("d"), STR("b"));
    begin_below(&t[4], d, STR("e"), STR("a"));
    ask_and_wait(&t[4], d);
    begin_round(&t[5], d, STR("x"));
    story_end(&t[1], END_COMPLETED); /* at rest, and others are at work below it */
    assert_int_equal(story_commit(&t[1], d), 0);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_busy_below(d, str_of(table[i].top), 0, table[i].below);
}

static void what_is_busy_since_before_a_fact_is_told_apart(void **state)
{
    struct driver *d = driver_of(state);
    struct story top, old, young, asks;

    begin_round(&top, d, STR("a"));
    begin_below(&old, d, STR("old"), STR("a"));
    begin_below(&asks, d, STR("asks"), STR("a"));
    ask_and_wait(&asks, d);
    story_end(&top, END_CANCELLED);
    assert_int_equal(story_commit(&top, d), 0);
    begin_below(&young, d, STR("young"), STR("a"));
    assert_busy_below(d, STR("a"), 0, "old asks young ");
    assert_busy_below(d, STR("a"), top.s.seq, "old asks ");
    assert_busy_below(d, STR("a"), 1, "");
    story_end(&old, END_COMPLETED); /* and begins anew */
    story_post(&old, STR("u2"), STR("again"));
    story_run(&old, STR("r2"));
    assert_int_equal(story_commit(&old, d), 0);
    assert_busy_below(d, STR("a"), top.s.seq, "asks ");
}

/* ---- erasing ---- */

static void an_erased_session_leaves_nothing(void **state)
{
    struct driver *d = driver_of(state);
    struct letter out = {.id = 1, .to = STR("b"), .body = STR("out")},
                  in = {.id = 2, .to = STR("a"), .body = STR("in")};
    struct story t, other, again;
    struct append a;
    struct partial p;

    story_open(&other, d, STR("b"));
    story_create(&other, STR("other"), STR_NULL);
    other.letters = &in;
    other.n_letters = 1;
    assert_int_equal(story_commit(&other, d), 0);
    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR("system"));
    story_post(&t, STR("u1"), STR("text"));
    story_run(&t, STR("r"));
    story_round(&t);
    t.letters = &out;
    t.n_letters = 1;
    assert_int_equal(story_commit(&t, d), 0);
    p = text_of(&t, STR("in flight"));
    store_put_partial(driver_store(d), t.sid, t.epoch, &p);

    a = story_step(&t);
    a.erase = true;
    a.expect -= 1 << 24;
    assert_int_equal(driver_append(d, &a, NULL), -ERR_REFUSED); /* under the same check as everything */
    a.expect = t.epoch;
    assert_int_equal(driver_append(d, &a, NULL), 0);
    assert_int_equal(driver_append(d, &a, NULL), 0);

    story_open(&again, d, STR("a"));
    assert_int_equal(again.row_epoch, 0);
    assert_int_not_equal(again.sid, t.sid);
    assert_int_equal(letters_of(d, STR("a")), 0);
    assert_int_equal(letters_of(d, STR("b")), 0);
    for (enum query_kind kind = QUERY_FACTS; kind <= QUERY_SESSION; kind++) {
        struct query q = {.kind = kind, .session_id = STR("a")};
        struct answer *answer = driver_query(d, &q);

        assert_int_equal(answer->rc, -ERR_NOT_FOUND);
        answer_free(answer);
    }
    story_create(&again, STR("anew"), STR_NULL);
    assert_int_equal(story_commit(&again, d), 0);
    assert_fold_is(d, &again);
    assert_fold_is(d, &other);
}

/* ---- */

const struct CMUnitTest suite_append_cases[] = {
    SUITE_CASE(a_session_that_is_not_there_gets_a_number),
    SUITE_CASE(what_is_stored_is_there_when_opened),
    SUITE_CASE(ids_differ_by_case),
    SUITE_CASE(opening_gives_the_sum_of_the_log_after_each_step),
    SUITE_CASE(opening_needs_no_head),
    SUITE_CASE(opening_brings_the_calls_that_are_not_over),
    SUITE_CASE(the_same_append_twice_is_stored_once),
    SUITE_CASE(an_append_sent_again_after_later_ones_is_stored_once),
    SUITE_CASE(other_bytes_under_the_same_epoch_and_number_are_never_stored),
    SUITE_CASE(a_late_owner_is_refused_and_changes_nothing),
    SUITE_CASE(a_number_out_of_turn_is_refused),
    SUITE_CASE(a_session_is_created_once),
    SUITE_CASE(a_session_that_is_gone_takes_nothing),
    SUITE_CASE(a_refused_append_hurts_no_other),
    SUITE_CASE(a_thousand_appends_of_a_hundred_sessions_keep_their_order),
    SUITE_CASE(a_claim_and_a_release_need_no_facts),
    SUITE_CASE(a_letter_is_there_until_it_is_folded),
    SUITE_CASE(a_letter_with_a_known_id_is_not_written_again),
    SUITE_CASE(the_newest_text_in_flight_is_kept),
    SUITE_CASE(text_in_flight_is_written_alone),
    SUITE_CASE(text_in_flight_goes_with_its_call),
    SUITE_CASE(text_of_an_old_epoch_is_ignored),
    SUITE_CASE(every_life_has_a_number_of_its_own),
    SUITE_CASE(opening_tells_whether_the_owner_ended_in_order),
    SUITE_CASE(unfinished_sessions_are_found),
    SUITE_CASE(busy_sessions_below_another_one_are_found),
    SUITE_CASE(what_is_busy_since_before_a_fact_is_told_apart),
    SUITE_CASE(an_erased_session_leaves_nothing),
};

const size_t suite_append_cases_count = ARRAY_LEN(suite_append_cases);
