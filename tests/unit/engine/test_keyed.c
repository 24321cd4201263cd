/* SPDX-License-Identifier: MIT */
/* Requests with an Idempotency-Key, before a store whose answers come when the test says so. */
#include "quiet.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define ENTRIES 16
#define LIFE 7

/* An append or a question on its way to the store. */
struct sent {
    struct append a;
    char key[32], reply[512];
    bool has_receipt;
    query_fn *done;
    void *arg;
};

struct rig {
    struct store store;
    struct engine *e;
    struct quiet world;
    bool exists;
    struct session row; /* as it is stored */
    uint64_t row_epoch;
    struct sent appends[ENTRIES], questions[ENTRIES];
    size_t n_appends, n_questions;
    int64_t below;   /* what is at work below was asked for, as it was before this fact; -1: it was not */
    char said[1024]; /* every reply: "token:kind[=message]* " ; the star: replayed */
};

static struct rig rig;

/* ---- the store ---- */

static void rig_open(struct store *st UNUSED, struct str id UNUSED, uint64_t token)
{
    struct opened *o = opened_new();

    o->token = token;
    o->found = rig.exists;
    o->sid = 1;
    o->epoch = rig.row_epoch;
    o->ended_in_order = true;
    o->session = rig.row;
    engine_on_opened(rig.e, o);
    opened_free(o);
}

static void rig_append(struct store *st UNUSED, const struct append *a)
{
    struct sent *s = &rig.appends[rig.n_appends++];

    assert_true(rig.n_appends <= ENTRIES);
    *s = (struct sent){.a = *a, .has_receipt = a->receipt != NULL};
    s->a.facts = a->facts == NULL ? NULL : facts_ref(a->facts);
    if (a->receipt != NULL) {
        str_copy(s->key, sizeof(s->key), a->receipt->key);
        str_copy(s->reply, sizeof(s->reply), a->receipt->reply);
    }
}

static void rig_query(struct store *st UNUSED, const struct query *q, query_fn *done, void *arg)
{
    if (q->kind == QUERY_BUSY) {
        rig.below = (int64_t)q->before;
        done(arg, answer_new());
        return;
    }
    if (q->kind == QUERY_HAS_MESSAGE) { /* no other has that id */
        done(arg, answer_new());
        return;
    }
    assert_int_equal(q->kind, QUERY_RECEIPT);
    assert_true(rig.n_questions < ENTRIES);
    rig.questions[rig.n_questions++] = (struct sent){.done = done, .arg = arg};
}

static uint64_t rig_writer(const struct store *st UNUSED)
{
    return LIFE;
}

static const struct store_ops ops = {
    .open_session = rig_open, .append = rig_append, .query = rig_query, .writer = rig_writer};

/* ---- the other ports ---- */

static void rig_reply(void *arg UNUSED, const struct reply *r)
{
    static const char *const names[] = {
#define X(kind) #kind,
        REPLIES(X)
#undef X
    };
    size_t n = strlen(rig.said);

    snprintf(rig.said + n, sizeof(rig.said) - n, "%s%" PRIu64 ":%s%s%s%s", n > 0 ? " " : "", r->to.token,
             names[r->kind], r->message_id[0] != '\0' ? "=" : "", r->message_id, r->replayed ? "*" : "");
    if (r->replayed)
        assert_true(str_has_prefix(r->request, STR("request of ")));
}

static int set_up(void **state UNUSED)
{
    struct ports ports = quiet_ports(&rig.world);
    const struct engine_options o = {.node = 1};

    memset(&rig, 0, sizeof(rig));
    ports.reply = rig_reply;
    session_init(&rig.row);
    rig.below = -1;
    rig.store.ops = &ops;
    rig.e = engine_new(&rig.store, &ports, &o);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    engine_free(rig.e);
    for (size_t i = 0; i < rig.n_appends; i++)
        facts_unref(rig.appends[i].a.facts);
    return 0;
}

/* ---- what happens ---- */

/* An arrival; its token is its name, and goes into the ids that it brings. */
static void arrive(uint64_t token, enum input_kind kind, const char *key, const char *fingerprint, bool recall)
{
    char message[32], request[32];
    struct input in = {.kind = kind,
                       .from = {.token = token},
                       .key = str_of(key),
                       .fingerprint = str_of(fingerprint),
                       .recall = recall,
                       .session_id = STR("s"),
                       .text = STR("hello"),
                       .by = STR("user")};

    snprintf(message, sizeof(message), "m%" PRIu64, token);
    snprintf(request, sizeof(request), "request of %" PRIu64, token);
    in.message_id = str_of(message);
    in.request = str_of(request);
    engine_submit(rig.e, STR("s"), &in);
}

static void post(uint64_t token, const char *key)
{
    arrive(token, INPUT_POST, key, "f", false);
}

/* The store answers question i: with this reply under the key, `age_ms` old, or that there is none (NULL). */
static void answer(size_t i, const char *reply, const char *fingerprint, int64_t age_ms)
{
    struct answer *a = answer_new();

    if (reply != NULL) {
        a->receipts = arena_alloc(&a->arena, sizeof(*a->receipts));
        *a->receipts = (struct receipt){.key = STR("k"),
                                        .fingerprint = arena_str(&a->arena, str_of(fingerprint)),
                                        .at = QUIET_NOW - age_ms,
                                        .reply = arena_str(&a->arena, str_of(reply))};
        a->n = 1;
    }
    rig.questions[i].done(rig.questions[i].arg, a);
}

static void answer_none(size_t i)
{
    answer(i, NULL, NULL, 0);
}

/* Append i is stored, or refused. */
static void complete(size_t i, int rc)
{
    const struct append *a = &rig.appends[i].a;
    struct appended done = {.token = a->token, .sid = a->sid, .epoch = a->epoch, .rc = rc};

    if (rc < 0) {
        err_set(&done.err, (enum err_code) - rc, "no room");
    } else if (a->facts != NULL || a->expect != 0) {
        for (uint32_t k = 0; a->facts != NULL && k < a->facts->n; k++)
            session_fold(&rig.row, &a->facts->items[k]);
        rig.exists = !a->erase;
        if (a->erase)
            session_init(&rig.row);
        rig.row_epoch = a->epoch;
    }
    engine_on_appended(rig.e, &done);
}

static void store_session(void)
{
    const struct fact f = {.seq = 1, .epoch = 1 << 24 | 1, .kind = FACT_SESSION_CREATED, .id = STR("s"), .nonce = 5};

    session_fold(&rig.row, &f);
    rig.row_epoch = f.epoch;
    rig.exists = true;
}

static void assert_said(const char *expected)
{
    assert_string_equal(rig.said, expected);
    rig.said[0] = '\0';
}

/* ---- cases ---- */

static void a_new_key_is_asked_for_and_then_done(void **state UNUSED)
{
    post(1, "k");
    assert_int_equal(rig.n_questions, 1);
    assert_int_equal(rig.n_appends, 0); /* nothing is decided before */
    answer_none(0);
    assert_int_equal(rig.n_appends, 1);
    assert_true(rig.appends[0].has_receipt && rig.appends[0].a.facts != NULL);
    assert_string_equal(rig.appends[0].key, "k");
    assert_said("");
    complete(0, 0);
    assert_said("1:POSTED=m1");
}

static void whoever_comes_meanwhile_is_told_the_same_in_order(void **state UNUSED)
{
    post(1, "k");
    post(2, "k"); /* while the store is asked */
    answer_none(0);
    post(3, "k"); /* while the append is on its way */
    assert_int_equal(rig.n_questions, 1);
    assert_int_equal(rig.n_appends, 1);
    complete(0, 0);
    assert_said("1:POSTED=m1 2:POSTED=m1* 3:POSTED=m1*");
    post(4, "k"); /* from now on the store knows it */
    assert_int_equal(rig.n_questions, 2);
    answer(1, rig.appends[0].reply, "f", 0);
    assert_said("4:POSTED=m1*");
    assert_int_equal(rig.n_appends, 1);
}

static void another_request_under_the_key_is_turned_away(void **state UNUSED)
{
    post(1, "k");
    answer_none(0);
    arrive(2, INPUT_POST, "k", "g", false);
    assert_said("2:KEY_REUSED");
    complete(0, 0);
    assert_said("1:POSTED=m1");
    arrive(3, INPUT_CANCEL, "k", "g", false);
    answer(1, rig.appends[0].reply, "f", 0);
    assert_said("3:KEY_REUSED");
}

/* Which of two is the right one, only the store knows. */
static void two_requests_that_come_together_are_judged_by_the_receipt(void **state UNUSED)
{
    arrive(1, INPUT_POST, "k", "g", false);
    arrive(2, INPUT_POST, "k", "f", false);
    answer(0, "{\"kind\":\"POSTED\",\"request\":\"request of 9\",\"message_id\":\"m9\"}", "f", 1000);
    assert_said("1:KEY_REUSED 2:POSTED=m9*");
    arrive(3, INPUT_POST, "k", "g", false);
    arrive(4, INPUT_POST, "k", "f", false);
    answer_none(1); /* there is none: the first is */
    assert_said("4:KEY_REUSED");
    complete(0, 0);
    assert_said("3:POSTED=m3");
}

static void keys_do_not_wait_for_each_other(void **state UNUSED)
{
    post(1, "k");
    post(2, "l");
    assert_int_equal(rig.n_questions, 2);
    answer_none(1);
    answer_none(0);
    complete(0, 0);
    complete(1, 0);
    assert_said("2:POSTED=m2 1:POSTED=m1");
}

static void a_refused_append_drops_its_key(void **state UNUSED)
{
    post(1, "k");
    answer_none(0);
    post(2, "k");
    complete(0, -ERR_STORAGE);
    assert_said("1:UNAVAILABLE 2:UNAVAILABLE");
    post(3, "k");
    answer_none(1);
    complete(1, 0);
    assert_said("3:POSTED=m3");
}

/* What the store was asked before the session was erased, it may answer afterwards. */
static void with_a_session_its_receipts_are_gone(void **state UNUSED)
{
    store_session();
    post(1, "k");
    arrive(2, INPUT_DELETE, "", "", false);
    complete(0, 0);
    assert_said("2:DELETED");
    post(3, "k");
    answer(0, "{\"kind\":\"POSTED\",\"request\":\"request of 9\",\"message_id\":\"m9\"}", "f", 1000);
    assert_said(""); /* not of what is gone */
    assert_int_equal(rig.n_questions, 2);
    answer_none(1);
    complete(1, 0);
    assert_said("1:POSTED=m1 3:POSTED=m1*");
}

static void a_store_that_cannot_be_asked_does_nothing(void **state UNUSED)
{
    struct answer *a = answer_new();

    post(1, "k");
    post(2, "k");
    a->rc = err_set(&a->err, ERR_CORRUPT, "damaged");
    rig.questions[0].done(rig.questions[0].arg, a);
    assert_said("1:UNAVAILABLE 2:UNAVAILABLE");
    assert_int_equal(rig.n_appends, 0);
    post(3, "k");
    answer(1, "{\"kind\":\"SHOUTED\"}", "f", 0);
    assert_said("3:UNAVAILABLE");
    assert_int_equal(rig.n_appends, 0);
}

static void what_changes_nothing_is_kept_under_an_epoch_of_its_own(void **state UNUSED)
{
    store_session();
    arrive(1, INPUT_CANCEL, "k", "f", false);
    answer_none(0);
    assert_int_equal(rig.n_appends, 1);
    assert_null(rig.appends[0].a.facts);
    assert_true(rig.appends[0].has_receipt);
    assert_said(""); /* not before it is stored */
    post(2, "l");
    answer_none(1);
    assert_int_equal(rig.appends[1].a.expect, rig.appends[0].a.epoch); /* so it does not get there without */
    arrive(3, INPUT_CANCEL, "m", "f", false);
    answer_none(2);
    assert_true(rig.appends[2].a.epoch > rig.appends[1].a.epoch);
    complete(0, 0);
    complete(1, 0);
    assert_said("1:NO_RUN 2:POSTED=m2");
}

static void what_comes_after_a_receipt_of_no_session_waits_for_it(void **state UNUSED)
{
    arrive(1, INPUT_RESUME, "k", "f", false);
    answer_none(0);
    assert_int_equal(rig.n_appends, 1);
    assert_true(rig.appends[0].a.expect == 0 && rig.appends[0].a.facts == NULL);
    post(2, "l");
    answer_none(1);
    assert_int_equal(rig.n_appends, 1);
    complete(0, 0);
    assert_said("1:NOT_FOUND");
    assert_int_equal(rig.n_appends, 2);
    assert_int_equal(rig.appends[1].a.expect, 0); /* that receipt made no session */
    complete(1, 0);
    assert_said("2:POSTED=m2");
}

static void what_waits_for_a_receipt_of_no_session_is_refused_with_it(void **state UNUSED)
{
    arrive(1, INPUT_RESUME, "k", "f", false);
    answer_none(0);
    post(2, "l");
    answer_none(1);
    complete(0, -ERR_STORAGE);
    assert_said("1:UNAVAILABLE 2:UNAVAILABLE");
    assert_int_equal(rig.n_appends, 1);
}

/* What has begun since is none of its business; what the server died before stopping is. */
static void a_repeated_stop_looks_only_for_what_was_at_work_then(void **state UNUSED)
{
    arrive(1, INPUT_CANCEL, "k", "f", false);
    answer(0, "{\"kind\":\"STOPPED\",\"request\":\"request of 9\",\"seq\":5}", "f", 1000);
    assert_said("1:STOPPED*");
    assert_int_equal(rig.below, 5);
}

static void a_full_inbox_is_not_kept(void **state UNUSED)
{
    store_session();
    for (uint64_t i = 0; i < LIMIT_INBOX_MESSAGES; i++)
        session_fold(&rig.row, &(struct fact){.seq = 2 + i, .kind = FACT_MESSAGE_POSTED, .id = STR("m")});
    post(1, "k");
    answer_none(0);
    assert_said("1:FULL");
    assert_int_equal(rig.n_appends, 0);
    post(2, "k");
    assert_int_equal(rig.n_questions, 2);
}

static void a_day_later_the_key_has_expired(void **state UNUSED)
{
    static const char reply[] = "{\"kind\":\"POSTED\",\"request\":\"request of 9\",\"message_id\":\"m9\"}";

    post(1, "k");
    answer(0, reply, "f", (int64_t)LIMIT_RECEIPT_MS - 1);
    assert_said("1:POSTED=m9*");
    post(2, "k");
    answer(1, reply, "f", LIMIT_RECEIPT_MS);
    assert_said("2:KEY_EXPIRED");
    rig.world.mono += LIMIT_RECEIPT_MS; /* the server has been up for so long */
    post(3, "k");
    answer(2, reply, "f", 0);
    assert_said("3:KEY_EXPIRED");
}

static void a_recalled_reply_is_found_and_nothing_is_done_without(void **state UNUSED)
{
    arrive(1, INPUT_POST, "k", "f", true);
    answer_none(0);
    assert_said("1:NO_RECEIPT");
    post(2, "k");
    answer_none(1);
    arrive(3, INPUT_POST, "k", "f", true);
    arrive(4, INPUT_POST, "k", "g", true);
    complete(0, 0);
    assert_said("4:KEY_REUSED 2:POSTED=m2 3:POSTED=m2*");
    arrive(5, INPUT_POST, "k", "f", true);
    answer(2, rig.appends[0].reply, "f", 0);
    assert_said("5:POSTED=m2*");
}

static void a_server_that_stops_begins_nothing(void **state UNUSED)
{
    post(1, "k");
    engine_park(rig.e);
    post(2, "k");
    assert_said("2:UNAVAILABLE");
    answer_none(0);
    assert_said("1:UNAVAILABLE");
    assert_int_equal(rig.n_appends, 0);
}

static void what_waits_at_the_end_is_let_go(void **state UNUSED)
{
    post(1, "k");
    post(2, "l");
    answer_none(1);
    post(3, "l");
    assert_said("");
}

#define CASE(fn) {#fn, fn, set_up, tear_down, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_key_is_asked_for_and_then_done),
        CASE(whoever_comes_meanwhile_is_told_the_same_in_order),
        CASE(another_request_under_the_key_is_turned_away),
        CASE(two_requests_that_come_together_are_judged_by_the_receipt),
        CASE(keys_do_not_wait_for_each_other),
        CASE(a_refused_append_drops_its_key),
        CASE(with_a_session_its_receipts_are_gone),
        CASE(a_store_that_cannot_be_asked_does_nothing),
        CASE(what_changes_nothing_is_kept_under_an_epoch_of_its_own),
        CASE(what_comes_after_a_receipt_of_no_session_waits_for_it),
        CASE(what_waits_for_a_receipt_of_no_session_is_refused_with_it),
        CASE(a_repeated_stop_looks_only_for_what_was_at_work_then),
        CASE(a_full_inbox_is_not_kept),
        CASE(a_day_later_the_key_has_expired),
        CASE(a_recalled_reply_is_found_and_nothing_is_done_without),
        CASE(a_server_that_stops_begins_nothing),
        CASE(what_waits_at_the_end_is_let_go),
    };

    return cmocka_run_group_tests_name("keyed", tests, NULL, NULL);
}
