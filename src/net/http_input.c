/* SPDX-License-Identifier: MIT */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"

#include <event2/buffer.h>

/* Read ahead while an answer is on its way; more has to wait in the kernel. */
enum { AHEAD_BYTES = 64 * 1024 };

static bool has_budget(const struct http_conn *c, uint64_t more)
{
    const struct http_server *s = c->server;

    return s->body_charged <= s->o.limits.body_total_bytes && more <= s->o.limits.body_total_bytes - s->body_charged;
}

static void on_body_bytes(struct http_conn *c, struct str piece)
{
    size_t used = piece.n;

    if (c->is_chunked) {
        enum http_chunks_next next = http_chunks_feed(&c->chunks, piece, &used);

        if (next == HTTP_CHUNKS_BAD) {
            http_conn_refuse(c, 400, "The chunked encoding of the body is broken.");
            return;
        }
        if (next == HTTP_CHUNKS_END)
            c->phase = CONN_READY;
        if (c->chunks.body_bytes > c->body_limit) {
            http_conn_refuse(c, 413, "The body is too large.");
            return;
        }
    } else if (piece.n >= c->body_expected - c->body_seen) {
        used = (size_t)(c->body_expected - c->body_seen);
        c->phase = CONN_READY;
    }
    if (!has_budget(c, used)) {
        http_conn_refuse(c, 503, "Too many bodies are being received.");
        return;
    }
    c->body_seen += used;
    c->charged += used;
    c->server->body_charged += used;
}

/* Looks at the last n bytes of the input without taking them. */
static void on_body_tail(struct http_conn *c, size_t n)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct evbuffer_ptr at;
    struct evbuffer_iovec piece;

    evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - n, EVBUFFER_PTR_SET);
    while (n > 0 && c->phase == CONN_BODY && evbuffer_peek(input, (ev_ssize_t)n, &at, &piece, 1) > 0) {
        size_t len = piece.iov_len < n ? piece.iov_len : n;

        on_body_bytes(c, (struct str){piece.iov_base, len});
        n -= len;
        if (n > 0)
            evbuffer_ptr_set(input, &at, len, EVBUFFER_PTR_ADD);
    }
}

static size_t body_limit(struct http_server *s, struct str target)
{
    struct str path, query;
    size_t limit = LIMIT_BODY_MESSAGE_BYTES;

    http_target_split(target, &path, &query);
    if (s->o.body_limit != NULL)
        limit = s->o.body_limit(s->o.arg, path);
    return limit < LIMIT_BODY_MESSAGE_BYTES ? limit : LIMIT_BODY_MESSAGE_BYTES;
}

/* False: refused. */
static bool on_head(struct http_conn *c, struct str head)
{
    struct http_server *s = c->server;
    struct http_head h;
    const char *why;
    int status = http_head_check(head, &h, &why);

    c->method[0] = '\0';
    if (status != 0) {
        http_conn_refuse(c, status, why);
        return false;
    }
    str_copy(c->method, sizeof(c->method), h.method);
    c->body_limit = body_limit(s, h.target);
    c->body_expected = h.content_length;
    c->body_seen = 0;
    c->is_chunked = h.is_chunked;
    c->chunks = (struct http_chunks){0};
    c->phase = h.is_chunked || h.content_length > 0 ? CONN_BODY : CONN_READY;
    if (h.content_length > c->body_limit)
        http_conn_refuse(c, 413, "The body is too large.");
    else if (!has_budget(c, h.content_length))
        http_conn_refuse(c, 503, "Too many bodies are being received.");
    return c->phase != CONN_REFUSED;
}

/* Adds up to `want` of the last n bytes of the input. */
static void copy_tail(struct http_conn *c, size_t n, size_t want)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct evbuffer_ptr at;
    ev_ssize_t got;

    evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - n, EVBUFFER_PTR_SET);
    buf_reserve(&c->head, want);
    got = evbuffer_copyout_from(input, &at, c->head.p + c->head.n, want);
    assert(got >= 0);
    c->head.n += (size_t)got;
    c->head.p[c->head.n] = '\0';
}

/*
 * evhttp reads a head line by line and answers itself where it does not like one, so it sees none of it before all of
 * it was judged: it is not called while there are fewer bytes than the low watermark.
 */
void http_conn_hold(struct http_conn *c, bool is_held)
{
    if (c->is_held == is_held)
        return;
    c->is_held = is_held;
    bufferevent_setwatermark(c->bev, EV_READ, is_held ? SIZE_MAX : 0, 0);
}

void http_conn_take_head(struct http_conn *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);

    c->taken_bytes = evbuffer_get_length(input);
    assert(c->taken_bytes == c->head.n);
    evbuffer_drain(input, c->taken_bytes);
}

static void give_back(struct http_conn *c)
{
    if (c->taken_bytes == 0)
        return;
    c->is_giving = true;
    evbuffer_prepend(bufferevent_get_input(c->bev), c->head.p, c->taken_bytes);
    c->is_giving = false;
    c->taken_bytes = 0;
}

static void on_head_end(struct http_conn *c, size_t n, size_t had, size_t end)
{
    if (on_head(c, (struct str){c->head.p, end})) {
        if (c->phase == CONN_BODY) {
            c->body_began_ms = clock_mono_ms();
            deadline_start(&c->deadline, &c->server->body);
            on_body_tail(c, n - (end - had));
        }
        if (c->phase != CONN_REFUSED) {
            give_back(c);
            http_conn_hold(c, false);
        }
    }
    buf_done(&c->head);
}

static void on_head_bytes(struct http_conn *c, size_t n)
{
    size_t had = c->head.n;
    size_t want = LIMIT_HEADER_BYTES + 1 - had;
    size_t end;

    copy_tail(c, n, n < want ? n : want);
    end = http_head_end(buf_str(&c->head), had);
    /* evhttp ends a line at a NUL, so it must not even see one. */
    if (memchr(c->head.p + had, '\0', (end > 0 ? end : c->head.n) - had) != NULL) {
        http_conn_refuse(c, 400, "The header block holds a NUL.");
    } else if (end > 0) {
        on_head_end(c, n, had, end);
    } else if (c->head.n > LIMIT_HEADER_BYTES) {
        http_conn_refuse(c, 431, "The header block is too large.");
    } else if (c->head.n > LIMIT_URI_BYTES + HTTP_METHOD_TEXT && memchr(c->head.p, '\n', c->head.n) == NULL) {
        http_conn_refuse(c, 414, "The request target is too long.");
    } else if (c->phase == CONN_IDLE) {
        c->phase = CONN_HEAD;
        http_conn_hold(c, true);
        deadline_start(&c->deadline, &c->server->header);
    }
}

void http_conn_read(struct http_conn *c, size_t n)
{
    if (c->phase == CONN_IDLE || c->phase == CONN_HEAD)
        on_head_bytes(c, n);
    else if (c->phase == CONN_BODY)
        on_body_tail(c, n);
}

void http_conn_on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct http_conn *c = arg;

    if (info->n_added == 0 || c->is_giving)
        return;
    c->server->stats.bytes_in += info->n_added;
    if (c->phase == CONN_REPLYING && evbuffer_get_length(input) > AHEAD_BYTES)
        bufferevent_disable(c->bev, EV_READ); /* until the answer has left: evhttp then enables it again */
    else if (c->phase == CONN_REFUSED)
        http_conn_take(c, CONN_REFUSED); /* evhttp has set its callbacks once more after a reply */
    else
        http_conn_read(c, info->n_added);
}
