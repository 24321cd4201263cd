/* SPDX-License-Identifier: MIT */
#include "face/bamboo/event_stream.h"

#include "base/mem.h"
#include "base/str.h"
#include "face/bamboo/event_wire.h"
#include "face/open_stream.h"

#define BATCH_BYTES (64 * 1024)

/* Deltas of one message and channel that follow each other, on their way to be one frame. */
struct batch {
    struct timer *timer;
    bool due;
    int channel;
    uint64_t offset;
    char message_id[ID_MAX + 1];
    struct buf text;
};

struct event_stream {
    struct open_stream base;
    struct exchange *opening; /* NULL: it is open */
    struct subscriber *sub;
    uint32_t batch_ms;
    bool has_cursor, follow, deltas;
    bool in_snapshot, ended_before; /* without cursor: the first answer is the snapshot, and the end if it is over */
    struct batch *batch;
};

struct exchange *event_stream_exchange(const struct event_stream *s)
{
    return s->opening;
}

void event_stream_free(struct event_stream *s)
{
    if (s->sub != NULL)
        engine_unwatch(s->base.face->o.engine, s->sub);
    open_stream_done(&s->base);
    if (s->batch != NULL) {
        timer_free(s->batch->timer);
        buf_done(&s->batch->text);
        mem_free(s->batch);
    }
    mem_free(s);
}

static void close_stream(struct event_stream *s)
{
    open_stream_end(&s->base);
    event_stream_free(s);
}

void event_stream_wake(void *stream)
{
    struct event_stream *s = stream;

    if (s->base.http != NULL)
        open_stream_wake(&s->base);
}

/* ---- frames ---- */

static struct str session_id(const struct event_stream *s)
{
    return hub_session_id(subscriber_hub(s->sub));
}

/* Not every fact has a frame. */
static void count_frame(struct event_stream *s, const struct buf *out, size_t before)
{
    s->base.face->traffic.events += out->n > before;
}

static void put_batch(struct event_stream *s, struct buf *out)
{
    struct batch *b = s->batch;

    if (b == NULL || b->text.n == 0)
        return;
    event_frame_delta(b->channel, str_of(b->message_id), b->offset, buf_str(&b->text), out);
    s->base.face->traffic.events++;
    buf_clear(&b->text);
    b->due = false;
    timer_stop(b->timer);
}

static void add_to_batch(struct event_stream *s, const struct event *ev, struct buf *out)
{
    struct batch *b = s->batch;
    bool fits =
        b->channel == ev->channel && strcmp(b->message_id, ev->message_id) == 0 && b->offset + b->text.n == ev->offset;

    if (!fits || b->text.n >= BATCH_BYTES)
        put_batch(s, out);
    if (b->text.n == 0) {
        b->channel = ev->channel;
        b->offset = ev->offset;
        str_copy(b->message_id, sizeof(b->message_id), str_of(ev->message_id));
        timer_start(b->timer, s->batch_ms);
    }
    buf_add_str(&b->text, ev->text);
}

static void put_delta(struct event_stream *s, const struct event *ev, struct buf *out)
{
    if (!s->deltas)
        return;
    if (s->batch != NULL) {
        add_to_batch(s, ev, out);
        return;
    }
    s->base.face->traffic.events++;
    if (ev->frame == NULL) {
        event_frame_delta(ev->channel, str_of(ev->message_id), ev->offset, ev->text, out);
        return;
    }
    if (ev->frame->n == 0)
        event_frame_delta(ev->channel, str_of(ev->message_id), ev->offset, ev->text, ev->frame);
    buf_add_str(out, buf_str(ev->frame));
}

/* `frame` may be NULL: the fact comes from the log. */
static void put_fact(struct event_stream *s, const struct fact *f, struct buf *frame, struct buf *out)
{
    const struct session *now = hub_session(subscriber_hub(s->sub));
    struct event_context c = {.session_id = session_id(s), .title_version = now->title_version};
    /* The version shown with a title is the newest one, so only the newest title may be shown. */
    bool only_newest = frame == NULL || f->kind == FACT_SESSION_UPDATED;
    size_t before;

    if (only_newest && fact_wire_class(f->kind) == FACT_WIRE_LATEST && !session_is_newest(now, f))
        return;
    put_batch(s, out);
    before = out->n;
    if (frame == NULL) {
        event_frame_fact(&c, f, out);
    } else {
        if (frame->n == 0)
            event_frame_fact(&c, f, frame);
        buf_add_str(out, buf_str(frame));
    }
    count_frame(s, out, before);
}

/* Whether this fact is the last that a watcher without cursor sees. A pause for a question is not. */
static bool is_end(const struct event_stream *s, const struct fact *f)
{
    return !s->has_cursor && !s->follow && f->kind == FACT_RUN_ENDED && f->end != END_SUSPENDED;
}

static bool has_seen_all(const struct event_stream *s)
{
    const struct hub *h = subscriber_hub(s->sub);

    if (!hub_is_ready(h))
        return false;
    return s->base.face->o.is_archive || (s->has_cursor && !s->follow && session_is_at_rest(hub_session(h)));
}

/* ---- the log ---- */

static void ask_page(struct event_stream *s, uint64_t seq, uint64_t upto)
{
    struct query q = {.kind = QUERY_FACTS,
                      .session_id = session_id(s),
                      .after = seq - 1,
                      .before = upto + 1,
                      .bytes = LIMIT_WATCHER_PAGE_BYTES}; /* one who stops reading keeps it in hand */

    open_stream_ask(&s->base, &q);
}

static enum progress put_from_page(struct event_stream *s, struct buf *out)
{
    const struct fact *f = &s->base.page->answer->facts->items[s->base.page->at];
    struct event before;

    if (subscriber_take(s->sub, f, &before)) {
        put_delta(s, &before, out);
        return PROGRESS_MORE;
    }
    put_fact(s, f, NULL, out);
    s->base.page->at++;
    return is_end(s, f) ? PROGRESS_DONE : PROGRESS_MORE;
}

/* ---- the snapshot ---- */

static void add_seq(struct query *q, uint64_t seq)
{
    if (seq > 0)
        q->seqs[q->n_seqs++] = seq;
}

/* What a watcher without a cursor is told first: the newest of each kind, what is asked, how the last run ended. */
static void take_snapshot(struct event_stream *s)
{
    const struct session *now = hub_session(subscriber_hub(s->sub));
    struct query q = {.kind = QUERY_FACTS, .session_id = session_id(s)};

    _Static_assert(SESSION_CRITICAL_MAX + 3 <= QUERY_SEQS_MAX, "there is room for all of them");
    s->ended_before = now->end_seq > 0 && session_is_at_rest(now);
    q.n_seqs = session_critical(now, q.seqs);
    add_seq(&q, now->run.active ? now->progress_seq : 0);
    add_seq(&q, now->budget_seq);
    add_seq(&q, s->ended_before ? now->end_seq : 0);
    s->in_snapshot = q.n_seqs > 0;
    if (s->in_snapshot)
        open_stream_ask(&s->base, &q);
}

/* The facts come in the order in which they were asked for. */
static enum progress put_snapshot(struct event_stream *s, struct buf *out)
{
    const struct session *now = hub_session(subscriber_hub(s->sub));
    struct event_context c = {.session_id = session_id(s), .title_version = now->title_version};
    const struct facts *facts = s->base.page->answer->facts;

    s->in_snapshot = false;
    for (uint32_t i = 0; facts != NULL && i < facts->n; i++) {
        size_t before = out->n;

        event_frame_fact(&c, &facts->items[i], out);
        count_frame(s, out, before);
    }
    open_stream_drop_page(&s->base);
    return s->ended_before && !s->follow ? PROGRESS_DONE : PROGRESS_MORE;
}

/* ---- pulling ---- */

static enum progress advance_page(struct event_stream *s, struct buf *out)
{
    const struct answer *a = s->base.page->answer;

    if (subscriber_hub(s->sub) == NULL || a->rc < 0)
        return PROGRESS_GONE; /* deleted, or the log cannot be read now: the client comes back with its cursor */
    if (s->in_snapshot)
        return put_snapshot(s, out);
    if (a->facts == NULL || a->facts->n == 0)
        return PROGRESS_GONE;
    if (s->base.page->at < a->facts->n)
        return put_from_page(s, out);
    open_stream_drop_page(&s->base);
    return PROGRESS_MORE;
}

static enum progress advance(struct open_stream *base, struct buf *out)
{
    struct event_stream *s = CONTAINER_OF(base, struct event_stream, base);
    uint64_t seq, upto;
    struct event ev;

    if (base->page != NULL)
        return advance_page(s, out);
    switch (subscriber_next(s->sub, &ev, &seq, &upto)) {
    case HUB_EVENT:
        if (ev.kind == EVENT_DELTA) {
            put_delta(s, &ev, out);
            return PROGRESS_MORE;
        }
        put_fact(s, ev.fact, ev.frame, out);
        return is_end(s, ev.fact) ? PROGRESS_DONE : PROGRESS_MORE;
    case HUB_BEHIND:
        ask_page(s, seq, upto);
        return PROGRESS_WAIT;
    case HUB_EMPTY:
        return has_seen_all(s) ? PROGRESS_DONE : PROGRESS_WAIT;
    case HUB_END:
        break;
    }
    return PROGRESS_GONE;
}

static void run(struct open_stream *base)
{
    struct event_stream *s = CONTAINER_OF(base, struct event_stream, base);
    struct buf *out = &base->face->frames;
    enum progress progress = open_stream_pull(base, advance, out);

    if (progress == PROGRESS_DONE || (s->batch != NULL && s->batch->due))
        put_batch(s, out);
    if (progress == PROGRESS_DONE)
        buf_add_str(out, STR("data: [DONE]\n\n"));
    open_stream_flush(base, out);
    if (progress == PROGRESS_DONE || progress == PROGRESS_GONE)
        close_stream(s);
}

static void gone(struct open_stream *base)
{
    event_stream_free(CONTAINER_OF(base, struct event_stream, base));
}

/* One that is not open yet belongs to its exchange. */
static void stop(struct open_stream *base)
{
    if (base->http != NULL)
        close_stream(CONTAINER_OF(base, struct event_stream, base));
}

static void put_waiting(struct open_stream *base, struct buf *out)
{
    put_batch(CONTAINER_OF(base, struct event_stream, base), out);
}

static const struct open_stream_kind kind = {run, gone, stop, put_waiting};

/* ---- begin ---- */

static void on_batch_due(void *arg)
{
    struct event_stream *s = arg;

    s->batch->due = true;
    event_stream_wake(s);
}

struct event_stream *event_stream_new(struct exchange *x, const struct watch_wish *wish)
{
    struct event_stream *s = mem_zalloc(sizeof(*s));

    s->opening = x;
    s->has_cursor = wish->at.has_cursor;
    s->follow = wish->follow;
    s->deltas = wish->deltas;
    s->batch_ms = wish->batch_ms;
    if (s->deltas && s->batch_ms > 0) {
        s->batch = mem_zalloc(sizeof(*s->batch));
        s->batch->timer = timer_new(x->face->o.loop, "face.batch", on_batch_due, s);
    }
    open_stream_init(&s->base, &kind, x->face);
    return s;
}

void event_stream_open(struct event_stream *s, struct subscriber *sub)
{
    struct exchange *x = s->opening;

    s->opening = NULL;
    s->sub = sub;
    if (!open_stream_begin(&s->base, x)) {
        event_stream_free(s);
        return;
    }
    open_stream_put_opened(&s->base, NULL, hub_session(subscriber_hub(sub))->seq);
    if (!s->has_cursor)
        take_snapshot(s);
    event_stream_wake(s);
}
