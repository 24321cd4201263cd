/* SPDX-License-Identifier: MIT */
/* GET /stream: what happens in all sessions. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/feed_stream.h"
#include "face/cursor.h"
#include "face/error_body.h"

/* The range tells the client where it may begin again. */
static void refuse_cursor(struct exchange *x, const struct answer *range)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, str_of(x->err.text), err_wire_name(x->err.code), http_request_id(x->req));
    json_key_u64(&w, "first_seq", range->first_seq);
    json_key_u64(&w, "last_seq", range->last_seq);
    json_end_object(&w);
    exchange_send(x, err_http_status(x->err.code), &body);
}

static void on_range(struct exchange *x, const struct answer *range)
{
    const uint64_t *seq = x->state;

    if (x->parsed == 0 && *seq > range->last_seq)
        x->parsed = err_set(&x->err, ERR_BAD_REQUEST, "The cursor %" PRIu64 " is above the newest event, %" PRIu64 ".",
                            *seq, range->last_seq);
    if (x->parsed < 0)
        refuse_cursor(x, range);
    else if (x->face->stopping)
        exchange_abandon(x);
    else
        feed_stream_open(x, *seq, range);
}

void feed_get(struct exchange *x)
{
    struct query range = {.kind = QUERY_FEED, .after = UINT64_MAX}; /* no event, only what there is */
    uint64_t *seq = arena_zalloc(&x->arena, sizeof(*seq));

    x->parsed = feed_cursor_parse(exchange_header(x, "Last-Event-ID"), exchange_query_text(x, "since"), seq, &x->err);
    x->state = seq;
    exchange_query(x, &range, on_range);
}
