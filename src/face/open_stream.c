/* SPDX-License-Identifier: MIT */
#include "face/open_stream.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "face/face_internal.h"

/* Of the buffer of all streams: one large frame does not blow it up for good. */
#define FRAMES_KEPT (4 * OPEN_STREAM_WRITE_BYTES)

void open_stream_init(struct open_stream *s, const struct open_stream_kind *kind, struct face *f)
{
    s->kind = kind;
    s->face = f;
    list_init(&s->ready_link);
    list_add_tail(&f->streams, &s->link);
}

void open_stream_done(struct open_stream *s)
{
    list_remove(&s->link);
    list_remove(&s->ready_link);
    open_stream_drop_page(s);
}

/* ---- the reply ---- */

static void on_room(void *arg)
{
    struct open_stream *s = arg;

    s->kind->run(s);
}

static void on_close(void *arg)
{
    struct open_stream *s = arg;

    s->http = NULL;
    s->kind->gone(s);
}

static void on_silence(void *arg)
{
    struct open_stream *s = arg;
    struct buf *out = &s->face->frames;

    buf_clear(out);
    if (s->kind->put_waiting != NULL)
        s->kind->put_waiting(s, out);
    buf_add_str(out, STR("data: [KEEPALIVE]\n\n"));
    open_stream_flush(s, out);
}

bool open_stream_begin(struct open_stream *s, struct exchange *x)
{
    const struct http_stream_callbacks cb = {
        .on_room = on_room, .on_close = on_close, .on_silence = on_silence, .arg = s};

    http_reply_header(x->req, "Content-Type", "text/event-stream; charset=utf-8");
    http_request_set_label(x->req, &x->label);
    s->http = http_reply_stream(x->req, 200, &cb);
    exchange_count(x, 200);
    exchange_free(x);
    return s->http != NULL;
}

void open_stream_put_opened(struct open_stream *s, const uint64_t *first_seq, uint64_t last_seq)
{
    struct buf *out = &s->face->frames;
    struct json_writer w = JSON_WRITER(out);

    buf_clear(out);
    buf_add_str(out, STR("data: "));
    json_begin_object(&w);
    json_key_str(&w, "type", STR("stream_opened"));
    if (first_seq != NULL)
        json_key_u64(&w, "first_seq", *first_seq);
    json_key_u64(&w, "last_seq", last_seq);
    json_key_text(&w, "boot", s->face->o.boot_id);
    json_key_i64(&w, "heartbeat_ms", LIMIT_HEARTBEAT_MS);
    json_key_time(&w, "server_time", clock_wall_ms());
    json_end_object(&w);
    buf_add_str(out, STR("\n\n"));
    s->face->traffic.events++;
    open_stream_flush(s, out);
}

void open_stream_flush(struct open_stream *s, struct buf *out)
{
    s->face->traffic.event_bytes += out->n;
    if (out->n > 0)
        http_stream_write(s->http, buf_str(out));
    if (out->cap > FRAMES_KEPT)
        buf_done(out);
    else
        buf_clear(out);
}

void open_stream_end(struct open_stream *s)
{
    if (s->http != NULL)
        http_stream_end(s->http);
    s->http = NULL;
}

/* ---- pages ---- */

static void page_free(struct page *p)
{
    list_remove(&p->link);
    if (p->answer != NULL)
        answer_free(p->answer);
    mem_free(p);
}

static void on_page(void *arg, struct answer *answer)
{
    struct page *p = arg;

    list_remove(&p->link);
    p->answer = answer;
    if (p->stream == NULL)
        page_free(p);
    else
        open_stream_wake(p->stream);
}

void open_stream_ask(struct open_stream *s, const struct query *q)
{
    assert(s->page == NULL);
    s->page = mem_zalloc(sizeof(*s->page));
    s->page->stream = s;
    list_add_tail(&s->face->pages, &s->page->link);
    engine_query(s->face->o.engine, q, on_page, s->page);
}

void open_stream_drop_page(struct open_stream *s)
{
    struct page *p = s->page;

    s->page = NULL;
    if (p != NULL && p->answer == NULL)
        p->stream = NULL; /* freed when it comes */
    else if (p != NULL)
        page_free(p);
}

void open_stream_pages_free(struct face *f)
{
    LIST_EACH (it, tmp, &f->pages)
        page_free(LIST_ITEM(it, struct page, link));
}

/* ---- turns ---- */

enum progress open_stream_pull(struct open_stream *s, enum progress (*look)(struct open_stream *s, struct buf *out),
                               struct buf *out)
{
    enum progress progress = PROGRESS_MORE;

    buf_clear(out);
    while (progress == PROGRESS_MORE && http_stream_has_room(s->http)) {
        progress = s->page != NULL && s->page->answer == NULL ? PROGRESS_WAIT : look(s, out);
        if (out->n >= OPEN_STREAM_WRITE_BYTES)
            open_stream_flush(s, out);
    }
    return progress;
}

void open_stream_wake(struct open_stream *s)
{
    struct face *f = s->face;

    if (!list_is_empty(&s->ready_link))
        return;
    if (list_is_empty(&f->ready))
        timer_start(f->wake, 0);
    list_add_tail(&f->ready, &s->ready_link);
}

void open_streams_run(void *face)
{
    struct face *f = face;

    /* Whoever wakes up meanwhile has its turn in the next one. */
    struct list turn;

    list_init(&turn);
    list_move_all(&turn, &f->ready);
    while (!list_is_empty(&turn)) {
        struct open_stream *s = LIST_ITEM(turn.next, struct open_stream, ready_link);

        list_remove(&s->ready_link);
        s->kind->run(s);
    }
}

void face_close_streams(struct face *f)
{
    f->stopping = true;
    LIST_EACH (it, tmp, &f->streams) {
        struct open_stream *s = LIST_ITEM(it, struct open_stream, link);

        s->kind->stop(s);
    }
}
