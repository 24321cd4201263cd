/* SPDX-License-Identifier: MIT */
#include "face/bamboo/feed_stream.h"

#include "base/mem.h"
#include "base/str.h"
#include "face/bamboo/feed_wire.h"
#include "face/open_stream.h"

struct feed_stream {
    struct open_stream base;
    struct feed_watcher *watcher;
};

static void feed_stream_free(struct feed_stream *s)
{
    engine_feed_unwatch(s->base.face->o.engine, s->watcher);
    open_stream_done(&s->base);
    mem_free(s);
}

static void feed_stream_close(struct feed_stream *s)
{
    open_stream_end(&s->base);
    feed_stream_free(s);
}

static void wake(void *arg)
{
    open_stream_wake(&((struct feed_stream *)arg)->base);
}

/* ---- pages of the store ---- */

static void ask_page(struct feed_stream *s)
{
    struct query q = {.kind = QUERY_FEED,
                      .after = feed_watcher_seq(s->watcher),
                      .bytes = LIMIT_WATCHER_PAGE_BYTES}; /* one who stops reading keeps it in hand */

    open_stream_ask(&s->base, &q);
}

/* From the beginning on means from what is kept on: only who was somewhere can have lost something. */
static bool lost_something(const struct feed_stream *s)
{
    uint64_t seq = feed_watcher_seq(s->watcher);

    return s->base.page->at == 0 && seq > 0 && s->base.page->answer->first_seq > seq + 1;
}

static enum progress advance_page(struct feed_stream *s, struct buf *out)
{
    const struct answer *a = s->base.page->answer;

    if (a->rc < 0)
        return PROGRESS_GONE; /* it cannot be read now: the client comes back with its cursor */
    if (lost_something(s)) {
        feed_frame_reset(feed_watcher_seq(s->watcher), out);
        s->base.face->traffic.events++;
        feed_watcher_skip(s->watcher, a->last_seq);
        open_stream_drop_page(&s->base);
        return PROGRESS_MORE;
    }
    if (s->base.page->at < a->n) {
        const struct feed_row *row = &a->feed[s->base.page->at++];

        feed_frame_event(row, out);
        s->base.face->traffic.events++;
        feed_watcher_skip(s->watcher, row->seq);
        return PROGRESS_MORE;
    }
    feed_watcher_skip(s->watcher, a->upto);
    open_stream_drop_page(&s->base);
    return PROGRESS_MORE;
}

/* ---- pulling ---- */

/* Encoded by the first watcher that comes to it, for all. */
static void put_item(struct feed_stream *s, const struct feed_item *item, struct buf *out)
{
    if (item->frame->n == 0 && item->row != NULL)
        feed_frame_event(item->row, item->frame);
    else if (item->frame->n == 0)
        feed_frame_state(item->session, item->frame);
    buf_add_str(out, buf_str(item->frame));
    s->base.face->traffic.events++;
}

static enum progress advance(struct open_stream *base, struct buf *out)
{
    struct feed_stream *s = CONTAINER_OF(base, struct feed_stream, base);
    struct feed_item item;

    if (base->page != NULL)
        return advance_page(s, out);
    switch (feed_watcher_next(s->watcher, &item)) {
    case FEED_ITEM:
        put_item(s, &item, out);
        return PROGRESS_MORE;
    case FEED_BEHIND:
        ask_page(s);
        return PROGRESS_WAIT;
    case FEED_EMPTY:
        return s->base.face->o.is_archive ? PROGRESS_GONE : PROGRESS_WAIT;
    case FEED_END:
        break;
    }
    return PROGRESS_GONE;
}

static void run(struct open_stream *base)
{
    struct buf *out = &base->face->frames;
    enum progress progress = open_stream_pull(base, advance, out);

    open_stream_flush(base, out);
    if (progress == PROGRESS_GONE)
        feed_stream_close(CONTAINER_OF(base, struct feed_stream, base));
}

static void gone(struct open_stream *base)
{
    feed_stream_free(CONTAINER_OF(base, struct feed_stream, base));
}

static void stop(struct open_stream *base)
{
    feed_stream_close(CONTAINER_OF(base, struct feed_stream, base));
}

static const struct open_stream_kind kind = {run, gone, stop, NULL};

void feed_stream_open(struct exchange *x, uint64_t seq, const struct answer *range)
{
    struct feed_stream *s = mem_zalloc(sizeof(*s));
    struct face *f = x->face;

    if (!open_stream_begin(&s->base, x)) {
        mem_free(s);
        return;
    }
    open_stream_init(&s->base, &kind, f);
    s->watcher = engine_feed_watch(f->o.engine, seq, range->last_seq, wake, s);
    open_stream_put_opened(&s->base, &range->first_seq, range->last_seq);
    wake(s);
}
