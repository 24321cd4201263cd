/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "base/str.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LIFE 7

static struct house *house; /* the store's calls bring nothing of ours */

/* ---- telling ---- */

static void add_fact(const struct fact *f, struct buf *out)
{
    buf_addf(out, "%s%s", out->n > 0 ? " " : "", fact_kind_name(f->kind));
    if (f->kind == FACT_RUN_STARTED)
        buf_addf(out, " %u", f->run);
    if (f->kind == FACT_RUN_ENDED)
        buf_addf(out, " %s", run_end_names[f->end]);
}

/* Ids of runs are derived: said as the number they stand for. */
static void say_run(const char *id)
{
    for (uint32_t run = 1; run <= 9 && id[0] != '\0'; run++) {
        char is[ID_TEXT];

        session_run_id(&(struct session){.nonce = 77}, run, is);
        if (strcmp(is, id) == 0)
            buf_addf(&house->said, " run %u", run);
    }
}

/* ---- the store ---- */

static void fake_open(struct store *st UNUSED, struct str id, uint64_t token)
{
    assert_true(house->n_opens < HOUSE_ENTRIES);
    house->opens[house->n_opens++] = (struct house_open){.token = token, .is_other = !str_is(id, "s")};
    buf_addf(&house->said, str_is(id, "s") ? "load " : "load(" STR_FMT ") ", STR_ARG(id));
}

static void fake_append(struct store *st UNUSED, const struct append *a)
{
    struct append *kept = &house->appends[house->n_appends++];
    CLEANUP(buf_done) struct buf facts = BUF_INIT;

    assert_true(house->n_appends <= HOUSE_ENTRIES);
    *kept = *a;
    kept->facts = a->facts == NULL ? NULL : facts_ref(a->facts);
    for (uint32_t i = 0; kept->facts != NULL && i < kept->facts->n; i++) {
        add_fact(&kept->facts->items[i], &facts);
        add_fact(&kept->facts->items[i], &house->handed);
    }
    buf_addf(&house->said, "store(" STR_FMT ") ", STR_ARG(buf_str(&facts)));
}

static void fake_partial(struct store *st UNUSED, int64_t sid UNUSED, uint64_t epoch UNUSED,
                         const struct partial *p UNUSED)
{
}

static void fake_query(struct store *st UNUSED, const struct query *q, query_fn *done, void *arg)
{
    struct answer *a;
    const char *found = NULL;

    if (q->kind == QUERY_HAS_MESSAGE && house->is_slow) {
        house->looks[house->n_looks++] = (struct house_look){done, arg};
        buf_addf(&house->said, "look ");
        return;
    }
    a = answer_new();
    assert_true(q->kind == QUERY_UNFINISHED || q->kind == QUERY_BUSY || q->kind == QUERY_HAS_MESSAGE);
    if (q->kind == QUERY_BUSY)
        found = house->below;
    else if (q->kind == QUERY_UNFINISHED && session_is_unfinished(&house->row))
        found = "s";
    if (found != NULL) {
        a->session_ids = arena_alloc(&a->arena, sizeof(struct str));
        a->session_ids[0] = str_of(found);
        a->n = 1;
    }
    if (house->is_blind && q->kind != QUERY_HAS_MESSAGE)
        a->rc = err_set(&a->err, ERR_STORAGE, "cannot be read");
    done(arg, a);
}

static uint64_t fake_writer(const struct store *st UNUSED)
{
    return LIFE;
}

static const struct store_ops ops = {.open_session = fake_open,
                                     .append = fake_append,
                                     .put_partial = fake_partial,
                                     .query = fake_query,
                                     .writer = fake_writer};

static struct facts *open_calls(const struct house *h)
{
    for (size_t i = 0; i < h->n_log && session_has_open_calls(&h->row); i++)
        for (uint32_t k = 0; k < h->log[i]->n; k++)
            if (h->log[i]->items[k].seq == h->row.assistant_seq)
                return facts_ref(h->log[i]);
    return NULL;
}

static void answer_opens(struct house *h)
{
    while (h->n_opens > 0) {
        const struct house_open *open = &h->opens[--h->n_opens];
        struct opened *o = opened_new();

        o->token = open->token;
        o->sid = 1;
        if (!open->is_other) {
            o->found = session_exists(&h->row);
            o->epoch = h->epoch;
            o->session = h->row;
            o->calls = open_calls(h);
        }
        if (h->broken)
            o->rc = err_set(&o->err, ERR_STORAGE, "cannot be read");
        engine_on_opened(h->e, o);
        opened_free(o);
    }
}

/* An append is what the header of the store says: the next fact of the epoch that is there. */
static void commit(struct house *h, struct append *a)
{
    assert_true(a->expect == h->epoch && a->first == h->row.seq + 1);
    h->epoch = a->epoch;
    if (a->erase) {
        session_init(&h->row);
        h->epoch = 0;
    }
    if (a->facts == NULL)
        return;
    for (uint32_t i = 0; i < a->facts->n; i++)
        session_fold(&h->row, &a->facts->items[i]);
    assert_true(h->n_log < ARRAY_LEN(h->log));
    h->log[h->n_log++] = a->facts;
    a->facts = NULL;
}

static void complete(struct house *h, int rc)
{
    struct append all[HOUSE_ENTRIES];
    size_t n = h->n_appends;

    memcpy(all, h->appends, n * sizeof(all[0]));
    h->n_appends = 0;
    for (size_t i = 0; i < n; i++) {
        struct appended done = {.token = all[i].token, .sid = 1, .epoch = all[i].epoch, .rc = rc};

        if (rc == 0)
            commit(h, &all[i]);
        else
            err_set(&done.err, ERR_STORAGE, "no room");
        done.last_seq = h->row.seq;
        engine_on_appended(h->e, &done);
        facts_unref(all[i].facts);
    }
}

/* ---- the other ports ---- */

static int64_t fake_now(void *arg)
{
    const struct house *h = arg;

    return 1700000000000 + h->mono;
}

static int64_t fake_mono(void *arg)
{
    const struct house *h = arg;

    return h->mono;
}

static bool fake_trusted(void *arg UNUSED)
{
    return true;
}

static void say_model_start(void *arg UNUSED, const struct model_call *call)
{
    buf_addf(&house->said, "model(%u.%u.%u) ", call->run, call->round, call->gen);
}

static void say_model_abort(void *arg UNUSED, struct str id UNUSED)
{
    buf_addf(&house->said, "abort ");
}

static int fake_tool_effect(void *arg UNUSED, struct str tool)
{
    return str_is(tool, "read") ? EFFECT_READ : EFFECT_UNSAFE;
}

static void say_tool_start(void *arg UNUSED, const struct tool_call *call)
{
    buf_addf(&house->said, "tool(" STR_FMT ") ", STR_ARG(call->tool));
}

static void say_tool_cancel(void *arg UNUSED, struct str id UNUSED, uint32_t call UNUSED)
{
    buf_addf(&house->said, "tool_cancel ");
}

static void say_abandon(void *arg UNUSED, struct str id UNUSED)
{
    buf_addf(&house->said, "abandon ");
}

static void say_timer(void *arg UNUSED, struct str id UNUSED, int64_t in_ms, const struct input *in)
{
    buf_addf(&house->said, "timer ");
    house->timer = *in;
    house->timer_ms = in_ms;
}

static void say_reply(void *arg UNUSED, const struct reply *r)
{
    static const char *const names[] = {
#define X(kind) #kind,
        REPLIES(X)
#undef X
    };
    const struct input *next = house->next;

    buf_addf(&house->said, "reply(");
    for (const char *p = names[r->kind]; *p != '\0'; p++)
        buf_add_char(&house->said, (char)tolower((unsigned char)*p));
    buf_addf(&house->said, "%s%s%s", r->started ? " started" : "", r->already_running ? " joined" : "",
             r->queued ? " queued" : "");
    say_run(r->run_id);
    buf_addf(&house->said, ") ");
    house->next = NULL;
    if (next != NULL)
        engine_submit(house->e, STR("s"), next);
}

static void fake_defer(void *arg UNUSED)
{
}

static void fake_alarm(void *arg UNUSED, int64_t in_ms)
{
    house->retries = in_ms;
}

/* ---- the watcher ---- */

static void on_wake(void *arg UNUSED)
{
}

static void on_ready(void *arg, struct subscriber *s, const struct err *err)
{
    struct house *h = arg;

    assert_null(err);
    h->watcher = s;
}

static void look(struct house *h)
{
    struct event ev;
    uint64_t from, upto;

    engine_flush(h->e);
    while (h->watcher != NULL && subscriber_next(h->watcher, &ev, &from, &upto) == HUB_EVENT)
        if (ev.kind == EVENT_FACT)
            add_fact(ev.fact, &h->shown);
}

void house_watch(struct house *h)
{
    const struct watch w = {.ready = on_ready, .wake = on_wake, .arg = h};

    engine_watch(h->e, STR("s"), &w);
    answer_opens(h);
    look(h);
    assert_non_null(h->watcher);
    buf_clear(&h->shown);
}

/* ---- the house ---- */

static struct engine *engine_in(struct house *h)
{
    const struct ports ports = {.arg = h,
                                .now = fake_now,
                                .mono = fake_mono,
                                .model_start = say_model_start,
                                .model_abort = say_model_abort,
                                .tool_effect = fake_tool_effect,
                                .tool_start = say_tool_start,
                                .tool_cancel = say_tool_cancel,
                                .abandon = say_abandon,
                                .timer = say_timer,
                                .reply = say_reply,
                                .defer = fake_defer,
                                .alarm = fake_alarm,
                                .trusted = fake_trusted};
    const struct engine_options o = {.node = 1};

    return engine_new(&h->store, &ports, &o);
}

void house_open(struct house *h)
{
    memset(h, 0, sizeof(*h));
    house = h;
    session_init(&h->row);
    h->store.ops = &ops;
    h->retries = -1;
    h->e = engine_in(h);
}

static void stop(struct house *h)
{
    if (h->watcher != NULL)
        engine_unwatch(h->e, h->watcher);
    h->watcher = NULL;
    engine_free(h->e);
    for (size_t i = 0; i < h->n_appends; i++)
        facts_unref(h->appends[i].facts);
    h->n_appends = h->n_opens = 0;
}

void house_die(struct house *h)
{
    stop(h);
    h->e = engine_in(h);
}

void house_close(struct house *h)
{
    stop(h);
    for (size_t i = 0; i < h->n_log; i++)
        facts_unref(h->log[i]);
    buf_done(&h->said);
    buf_done(&h->handed);
    buf_done(&h->shown);
}

/* What it said, without the blank at its end. */
static const char *told(struct house *h)
{
    look(h);
    if (h->said.n == 0)
        return "";
    h->said.p[--h->said.n] = '\0';
    return h->said.p;
}

const char *house_feed(struct house *h, const struct input *in)
{
    bool is_timer = in->kind == INPUT_TIMER_QUESTION || in->kind == INPUT_TIMER_RUN;

    buf_clear(&h->said);
    if (is_timer)
        h->mono += h->timer_ms;
    engine_submit(h->e, STR("s"), is_timer ? &h->timer : in);
    answer_opens(h);
    return told(h);
}

const char *house_recover(struct house *h)
{
    buf_clear(&h->said);
    engine_recover(h->e);
    answer_opens(h);
    return told(h);
}

const char *house_stored(struct house *h)
{
    buf_clear(&h->said);
    complete(h, 0);
    answer_opens(h);
    return told(h);
}

const char *house_refused(struct house *h)
{
    buf_clear(&h->said);
    complete(h, -ERR_STORAGE);
    answer_opens(h);
    return told(h);
}

const char *house_found(struct house *h, bool is_taken)
{
    struct answer *a = answer_new();
    struct house_look oldest = h->looks[0];

    buf_clear(&h->said);
    assert_true(h->n_looks > 0);
    h->n_looks--;
    memmove(h->looks, h->looks + 1, h->n_looks * sizeof(oldest));
    a->is_taken = is_taken;
    if (h->is_blind)
        a->rc = err_set(&a->err, ERR_STORAGE, "cannot be read");
    oldest.done(oldest.arg, a);
    answer_opens(h);
    return told(h);
}

const char *house_later(struct house *h)
{
    buf_clear(&h->said);
    if (h->retries >= 0)
        h->mono += h->retries;
    engine_tick(h->e);
    answer_opens(h);
    return told(h);
}
