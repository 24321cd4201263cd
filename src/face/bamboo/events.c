/* SPDX-License-Identifier: MIT */
/* GET /events: from the request to an open stream. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/event_stream.h"
#include "face/error_body.h"

/* What waits for the session to be found. */
struct opening {
    struct event_stream *stream;
    struct watching *watching;
    struct watch_wish wish;
};

/* The range tells the client where it may begin again. */
static void refuse_cursor(struct exchange *x, const struct err *err, uint64_t last_seq)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, str_of(err->text), err_wire_name(err->code), http_request_id(x->req));
    json_key_str(&w, "session_id", x->id);
    json_key_u64(&w, "first_seq", FIRST_SEQ);
    json_key_u64(&w, "last_seq", last_seq);
    json_end_object(&w);
    exchange_send(x, err_http_status(err->code), &body);
}

static void on_session_of_bad_wish(struct exchange *x, const struct answer *a)
{
    if (a->rc < 0)
        exchange_no_session(x, x->id);
    else
        refuse_cursor(x, &x->err, a->sessions[0].last_seq);
}

static void on_ready(void *arg, struct subscriber *sub, const struct err *err)
{
    struct event_stream *s = arg;
    struct exchange *x = event_stream_exchange(s);
    const struct opening *o = x->state;
    struct err bad = {.code = ERR_OK};
    uint64_t last_seq;

    x->wait = WAIT_NOTHING;
    if (err != NULL) {
        event_stream_free(s);
        if (err->code == ERR_NOT_FOUND)
            exchange_no_session(x, x->id);
        else
            exchange_fail_err(x, err);
        return;
    }
    last_seq = hub_session(subscriber_hub(sub))->seq;
    if (!x->face->stopping && cursor_check(&o->wish.at, FIRST_SEQ, last_seq, &bad) == 0) {
        event_stream_open(s, sub);
        return;
    }
    engine_unwatch(x->face->o.engine, sub);
    event_stream_free(s);
    if (x->face->stopping)
        exchange_abandon(x);
    else
        refuse_cursor(x, &bad, last_seq);
}

/* The face goes before the session was found. */
static void cancel(struct exchange *x)
{
    struct opening *o = x->state;

    engine_watch_cancel(x->face->o.engine, o->watching);
    event_stream_free(o->stream);
}

void events_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id};
    struct opening *o = arena_zalloc(&x->arena, sizeof(*o));
    struct watch_words words = {
        .last_event_id = exchange_header(x, "Last-Event-ID"),
        .after = exchange_query_text(x, "after"),
        .message_id = exchange_query_text(x, "message_id"),
        .offset = exchange_query_text(x, "offset"),
        .follow = exchange_query_text(x, "follow"),
        .deltas = exchange_query_text(x, "deltas"),
        .batch_ms = exchange_query_text(x, "batch_ms"),
    };
    struct watch watch = {.ready = on_ready, .wake = event_stream_wake};

    if (watch_wish_parse(&words, &o->wish, &x->err) < 0) {
        exchange_query(x, &q, on_session_of_bad_wish);
        return;
    }
    o->stream = event_stream_new(x, &o->wish);
    x->state = o;
    x->wait = WAIT_WATCH;
    x->on_abandon = cancel;
    watch.at = o->wish.at;
    watch.arg = o->stream;
    o->watching = engine_watch(x->face->o.engine, x->id, &watch);
}
