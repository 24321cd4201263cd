/* SPDX-License-Identifier: MIT */
/* What is kept for repeats of a request under its key. */
#include "base/str.h"
#include "store/suite.h"

#include <stdio.h>

#define BEGAN_AT 1700000000000
#define KEPT_MS ((int64_t)LIMIT_RECEIPT_MS + LIMIT_RECEIPT_GONE_MS)

static struct receipt receipt_of(const char *key, const char *reply)
{
    return (struct receipt){.key = str_of(key), .fingerprint = STR("f00d"), .at = BEGAN_AT, .reply = str_of(reply)};
}

/* NULL: none is there. */
static void assert_receipt(struct driver *d, struct str session, const char *key, const char *reply)
{
    struct query q = {.kind = QUERY_RECEIPT, .session_id = session, .key = str_of(key)};
    struct answer *a = driver_query(d, &q);

    assert_int_equal(a->rc, 0);
    assert_int_equal(a->n, reply != NULL);
    if (reply != NULL) {
        assert_str(a->receipts[0].key, key);
        assert_str(a->receipts[0].fingerprint, "f00d");
        assert_str(a->receipts[0].reply, reply);
        assert_int_equal(a->receipts[0].at, BEGAN_AT);
    }
    answer_free(a);
}

static int commit_with(struct story *t, struct driver *d, const struct receipt *r)
{
    t->receipt = r;
    return story_commit(t, d);
}

static void begin(struct story *t, struct driver *d, struct str id)
{
    story_open(t, d, id);
    story_create(t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(t, d), 0);
}

static void a_receipt_is_stored_with_the_facts_of_its_request(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt r = receipt_of("k", "{\"kind\":\"POSTED\"}");
    struct story t;

    begin(&t, d, STR("a"));
    assert_receipt(d, t.id, "k", NULL);
    story_post(&t, STR("u1"), STR("one"));
    assert_int_equal(commit_with(&t, d, &r), 0);
    assert_receipt(d, t.id, "k", "{\"kind\":\"POSTED\"}");
    d = reopen(state);
    assert_receipt(d, t.id, "k", "{\"kind\":\"POSTED\"}");
    assert_fold_is(d, &t);
}

static void a_receipt_needs_no_facts(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt r = receipt_of("k", "nothing to do"), other = receipt_of("l", "still nothing");
    struct story t;

    begin(&t, d, STR("a"));
    assert_int_equal(commit_with(&t, d, &r), 0);
    assert_int_equal(commit_with(&t, d, &other), 0);
    assert_receipt(d, t.id, "k", "nothing to do");
    assert_receipt(d, t.id, "l", "still nothing");
    story_post(&t, STR("u1"), STR("goes on"));
    assert_int_equal(story_commit(&t, d), 0);
    assert_fold_is(d, &t);
}

static void a_receipt_may_say_that_there_is_no_session(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt r = receipt_of("k", "not found");
    struct story none, t;

    story_open(&none, d, STR("a"));
    assert_int_equal(commit_with(&none, d, &r), 0);
    assert_receipt(d, STR("a"), "k", "not found");
    story_open(&t, d, STR("a"));
    assert_int_equal(t.row_epoch, 0);
    begin(&t, d, STR("a"));
    assert_receipt(d, STR("a"), "k", "not found");
    r = receipt_of("l", "not found");
    none.epoch = 0;
    assert_int_equal(commit_with(&none, d, &r), -ERR_REFUSED); /* now there is one */
    assert_receipt(d, STR("a"), "l", NULL);
    assert_fold_is(d, &t);
}

static void a_key_has_one_receipt(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt first = receipt_of("k", "first"), second = receipt_of("k", "second");
    struct story t;
    char *before;

    begin(&t, d, STR("a"));
    story_post(&t, STR("u1"), STR("one"));
    assert_int_equal(commit_with(&t, d, &first), 0);
    before = suite_dump(d, t.id);
    story_post(&t, STR("u2"), STR("two"));
    assert_int_equal(commit_with(&t, d, &second), -ERR_REFUSED);
    assert_unchanged(d, t.id, before);
    assert_receipt(d, t.id, "k", "first");
}

static void a_key_is_of_its_session(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt one = receipt_of("k", "one"), two = receipt_of("k", "two");
    struct story a, b;

    begin(&a, d, STR("a"));
    begin(&b, d, STR("b"));
    assert_int_equal(commit_with(&a, d, &one), 0);
    assert_int_equal(commit_with(&b, d, &two), 0);
    assert_receipt(d, STR("a"), "k", "one");
    assert_receipt(d, STR("b"), "k", "two");
    assert_receipt(d, STR("A"), "k", NULL);
    assert_receipt(d, STR("a"), "K", NULL);
}

/* With facts, alone, and of no session; also after what came later. */
static void a_receipt_sent_again_is_stored_once(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt r[] = {receipt_of("k0", "posted"), receipt_of("k1", "nothing"), receipt_of("k2", "not found")};
    struct append sent[3];
    struct story t, none;
    char *before;

    begin(&t, d, STR("a"));
    story_post(&t, STR("u1"), STR("one"));
    t.receipt = &r[0];
    sent[0] = story_step(&t);
    t.receipt = &r[1];
    sent[1] = story_step(&t);
    story_open(&none, d, STR("b"));
    none.receipt = &r[2];
    sent[2] = story_step(&none);
    for (int i = 0; i < 3; i++)
        assert_int_equal(driver_append(d, &sent[i], NULL), 0);
    story_post(&t, STR("u2"), STR("later"));
    assert_int_equal(story_commit(&t, d), 0);
    before = suite_dump(d, t.id);
    for (int i = 0; i < 3; i++)
        assert_int_equal(driver_append(d, &sent[i], NULL), 0);
    assert_unchanged(d, t.id, before);
    facts_unref(sent[0].facts);
}

/* Its epoch is its own: what was decided after it does not get there without it. */
static void what_follows_a_receipt_that_was_refused_is_refused(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt lost = receipt_of("k", "lost");
    struct story t;

    begin(&t, d, STR("a"));
    t.receipt = &lost;
    (void)story_step(&t); /* never gets there */
    story_post(&t, STR("u1"), STR("follows"));
    assert_int_equal(story_commit(&t, d), -ERR_REFUSED);
    assert_receipt(d, t.id, "k", NULL);
}

static void a_refused_append_leaves_no_receipt(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt r = receipt_of("k", "refused");
    struct story t;

    begin(&t, d, STR("a"));
    t.epoch += 1 << 24;
    story_post(&t, STR("u1"), STR("one"));
    assert_int_equal(commit_with(&t, d, &r), -ERR_REFUSED);
    assert_receipt(d, t.id, "k", NULL);
}

static void receipts_go_with_their_session(void **state)
{
    struct driver *d = driver_of(state);
    struct receipt r = receipt_of("k", "one"), other = receipt_of("k", "other");
    struct story t, b;
    struct append a;

    begin(&b, d, STR("b"));
    assert_int_equal(commit_with(&b, d, &other), 0);
    begin(&t, d, STR("a"));
    assert_int_equal(commit_with(&t, d, &r), 0);
    a = story_step(&t);
    a.erase = true;
    assert_int_equal(driver_append(d, &a, NULL), 0);
    assert_receipt(d, STR("a"), "k", NULL);
    assert_receipt(d, STR("b"), "k", "other");
}

static size_t receipts_left(struct driver *d, struct str session, unsigned n)
{
    size_t left = 0;

    for (unsigned i = 0; i < n; i++) {
        char key[16];
        struct query q = {.kind = QUERY_RECEIPT, .session_id = session};
        struct answer *a;

        snprintf(key, sizeof(key), "old-%u", i);
        q.key = str_of(key);
        a = driver_query(d, &q);
        left += a->n;
        answer_free(a);
    }
    return left;
}

static void old_receipts_are_forgotten_a_few_at_a_time(void **state)
{
    struct driver *d = driver_of(state);
    struct story t;
    size_t left = 10, before;

    begin(&t, d, STR("a"));
    for (unsigned i = 0; i < 10; i++) {
        char key[16];
        struct receipt old;

        snprintf(key, sizeof(key), "old-%u", i);
        old = receipt_of(key, "old");
        assert_int_equal(commit_with(&t, d, &old), 0);
    }
    for (unsigned i = 0; left > 0; i++) {
        char key[16];
        struct receipt new;

        assert_true(i < 10);
        snprintf(key, sizeof(key), "new-%u", i);
        new = receipt_of(key, "new");
        new.at += KEPT_MS + (i > 0); /* at the very bound it is still known */
        assert_int_equal(commit_with(&t, d, &new), 0);
        before = left;
        left = receipts_left(d, t.id, 10);
        assert_true(i == 0 ? left == 10 : left < before && left + 4 >= before);
    }
}

const struct CMUnitTest suite_receipt_cases[] = {
    SUITE_CASE(a_receipt_is_stored_with_the_facts_of_its_request),
    SUITE_CASE(a_receipt_needs_no_facts),
    SUITE_CASE(a_receipt_may_say_that_there_is_no_session),
    SUITE_CASE(a_key_has_one_receipt),
    SUITE_CASE(a_key_is_of_its_session),
    SUITE_CASE(a_receipt_sent_again_is_stored_once),
    SUITE_CASE(what_follows_a_receipt_that_was_refused_is_refused),
    SUITE_CASE(a_refused_append_leaves_no_receipt),
    SUITE_CASE(receipts_go_with_their_session),
    SUITE_CASE(old_receipts_are_forgotten_a_few_at_a_time),
};

const size_t suite_receipt_cases_count = ARRAY_LEN(suite_receipt_cases);
