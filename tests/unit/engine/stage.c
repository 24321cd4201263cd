/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include "base/mem.h"
#include "base/str.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- the log and its hub ---- */

void stage_open(struct stage *st, size_t capacity)
{
    session_init(&st->fold);
    st->hub = hub_new(STR("s"), capacity);
    st->n = 0;
    st->text = st->reasoning = BUF_INIT;
    st->unfed = false;
}

void stage_begin(struct stage *st, size_t capacity)
{
    stage_open(st, capacity);
    st->unfed = true;
    stage_fact(st, (struct fact){.kind = FACT_SESSION_CREATED, .id = STR("s"), .nonce = 77});
    stage_fact(st, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = STR("m1"), .text = STR("hello")});
    stage_fact(st, (struct fact){.kind = FACT_RUN_STARTED, .run = 1});
    stage_round(st);
    st->unfed = false;
    assert_true(stage_snapshot(st));
}

void stage_close(struct stage *st)
{
    hub_free(st->hub);
    for (size_t i = 0; i < st->n; i++)
        facts_unref(st->log[i]);
    buf_done(&st->text);
    buf_done(&st->reasoning);
}

void stage_fact(struct stage *st, struct fact f)
{
    assert_true(st->n < STAGE_FACTS);
    f.seq = st->fold.seq + 1;
    session_fold(&st->fold, &f);
    st->log[st->n] = facts_new(&f, 1);
    if (!st->unfed)
        hub_publish(st->hub, st->log[st->n]);
    st->n++;
}

void stage_facts(struct stage *st, size_t n)
{
    for (size_t i = 0; i < n; i++)
        stage_fact(st, (struct fact){.kind = FACT_BUDGET, .run = st->fold.run.number});
}

static void put_piece(struct stage *st, int channel, struct str piece)
{
    struct buf *all = channel == DELTA_TEXT ? &st->text : &st->reasoning;
    const struct run_state *r = &st->fold.run;

    if (!st->unfed)
        hub_publish_delta(st->hub, r->number, r->round, r->gen, channel, all->n, piece);
    buf_add_str(all, piece);
}

void stage_piece(struct stage *st, const char *piece)
{
    put_piece(st, DELTA_TEXT, str_of(piece));
}

void stage_think(struct stage *st, const char *piece)
{
    put_piece(st, DELTA_REASONING, str_of(piece));
}

static struct fact of_round(const struct stage *st, enum fact_kind kind)
{
    const struct run_state *r = &st->fold.run;

    return (struct fact){.kind = kind, .run = r->number, .round = r->round, .gen = r->gen};
}

void stage_message_id(const struct stage *st, char out[ID_TEXT])
{
    const struct run_state *r = &st->fold.run;

    session_message_id(&st->fold, r->number, r->round, r->gen, out);
}

void stage_answer(struct stage *st)
{
    struct fact f = of_round(st, FACT_ASSISTANT);
    char id[ID_TEXT];

    stage_message_id(st, id);
    f.id = str_of(id);
    f.text = buf_str(&st->text);
    f.reasoning = buf_str(&st->reasoning);
    f.place = st->fold.messages;
    stage_fact(st, f);
    buf_clear(&st->text);
    buf_clear(&st->reasoning);
}

void stage_fail(struct stage *st)
{
    struct fact f = of_round(st, FACT_MODEL_FAILED);
    char id[ID_TEXT];

    stage_message_id(st, id);
    f.discarded = str_of(id);
    f.retry = true;
    stage_fact(st, f);
    buf_clear(&st->text);
    buf_clear(&st->reasoning);
}

void stage_round(struct stage *st)
{
    struct fact f = of_round(st, FACT_ROUND_STARTED);

    f.round++;
    f.gen = 0;
    f.admitted = st->fold.inbox;
    stage_fact(st, f);
}

bool stage_snapshot(struct stage *st)
{
    return hub_set_snapshot(st->hub, &st->fold, buf_str(&st->text), buf_str(&st->reasoning));
}

/* ---- watchers ---- */

static void on_wake(void *arg)
{
    struct watcher *w = arg;

    w->wakes++;
}

void watcher_join(struct watcher *w, struct stage *st)
{
    const struct position at = {0};

    *w = (struct watcher){.stage = st, .seq = st->fold.seq};
    w->s = subscriber_new(st->hub, &at, on_wake, w);
    assert_ptr_equal(subscriber_hub(w->s), st->hub);
}

void watcher_join_after(struct watcher *w, struct stage *st, uint64_t after, struct str message, uint64_t offset)
{
    const struct position at = {.has_cursor = true, .after = after, .message_id = message, .offset = offset};

    *w = (struct watcher){.stage = st, .seq = after, .from_middle = offset > 0, .thoughtless = offset > 0};
    str_copy(w->message, sizeof(w->message), message);
    w->s = subscriber_new(st->hub, &at, on_wake, w);
}

void watcher_leave(struct watcher *w)
{
    subscriber_free(w->s);
    w->s = NULL;
}

void watcher_rejoin(struct watcher *w)
{
    const struct position at = {
        .has_cursor = true, .after = w->seq, .message_id = str_of(w->message), .offset = w->text.n};

    watcher_leave(w);
    w->thoughtless = w->text.n > 0;
    if (!w->thoughtless)
        buf_clear(&w->reasoning); /* all of it comes anew */
    w->s = subscriber_new(w->stage->hub, &at, on_wake, w);
}

void watcher_done(struct watcher *w)
{
    watcher_leave(w);
    buf_done(&w->said);
    buf_done(&w->text);
    buf_done(&w->reasoning);
}

/* A piece goes on where the watcher is, or repeats what it has from the beginning of a character on. */
static void take_piece(struct buf *all, const struct event *e)
{
    assert_true(e->offset <= all->n && e->offset + e->text.n > all->n);
    assert_true(all->n == e->offset || memcmp(all->p + e->offset, e->text.p, all->n - e->offset) == 0);
    buf_add_str(all, str_skip(e->text, all->n - e->offset));
}

static void see_piece(struct watcher *w, const struct event *e)
{
    bool is_text = e->channel == DELTA_TEXT;

    if (strcmp(w->message, e->message_id) != 0) {
        str_copy(w->message, sizeof(w->message), str_of(e->message_id));
        buf_clear(&w->text);
        buf_clear(&w->reasoning);
        w->from_middle = w->thoughtless = false;
    }
    buf_addf(&w->said, "%s'" STR_FMT "'@%" PRIu64 " ", is_text ? "" : "think", STR_ARG(e->text), e->offset);
    assert_true(e->text.n > 0 && (is_text || !w->thoughtless));
    if (!w->from_middle)
        take_piece(is_text ? &w->text : &w->reasoning, e);
}

/* What was shown of a message is the message. */
static void check_answer(const struct watcher *w, const struct fact *f)
{
    bool same = str_is(f->id, w->message);

    if (w->from_middle && same)
        return;
    assert_true(f->text.n == 0 || (same && str_eq(f->text, buf_str(&w->text))));
    if (!w->thoughtless || !same)
        assert_true(f->reasoning.n == 0 || (same && str_eq(f->reasoning, buf_str(&w->reasoning))));
}

static void see_fact(struct watcher *w, const struct fact *f)
{
    buf_addf(&w->said, "%" PRIu64 ":%s ", f->seq, fact_kind_name(f->kind));
    assert_true(f->seq == w->seq + 1);
    assert_ptr_equal(f, &w->stage->log[f->seq - 1]->items[0]); /* shared, not copied */
    w->seq = f->seq;
    if (f->kind == FACT_ASSISTANT)
        check_answer(w, f);
}

static void see(struct watcher *w, const struct event *e)
{
    if (e->kind == EVENT_FACT)
        see_fact(w, e->fact);
    else
        see_piece(w, e);
}

const char *watcher_pump(struct watcher *w)
{
    buf_clear(&w->said);
    for (;;) {
        struct event e;

        switch (subscriber_next(w->s, &e, &w->behind, &w->upto)) {
        case HUB_EVENT:
            see(w, &e);
            break;
        case HUB_BEHIND:
            assert_true(w->behind == w->seq + 1 && w->upto >= w->behind);
            buf_addf(&w->said, "behind %" PRIu64 "..%" PRIu64, w->behind, w->upto);
            return w->said.p;
        case HUB_EMPTY:
            buf_addf(&w->said, "empty");
            return w->said.p;
        case HUB_END:
            buf_addf(&w->said, "end");
            return w->said.p;
        }
    }
}

const char *watcher_page(struct watcher *w, uint64_t upto)
{
    buf_clear(&w->said);
    for (uint64_t seq = subscriber_seq(w->s) + 1; seq <= upto; seq++) {
        const struct fact *f = &w->stage->log[seq - 1]->items[0];
        struct event e;

        while (subscriber_take(w->s, f, &e)) {
            assert_null(e.frame);
            see(w, &e);
        }
        see_fact(w, f);
    }
    return buf_str(&w->said).n > 0 ? w->said.p : "";
}

void watcher_catch_up(struct watcher *w)
{
    for (const char *said = watcher_pump(w); strstr(said, "behind") != NULL; said = watcher_pump(w))
        watcher_page(w, w->upto);
}

/* ---- memory ---- */

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

size_t heap_bytes(void)
{
    struct mallinfo2 m;

    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    m = mallinfo2();
    return m.uordblks + m.hblkhd;
}
