/* SPDX-License-Identifier: MIT */
#include "app/client.h"

#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/sse_reader.h"

#include <stdio.h>

enum {
    CALL_MS = 30 * 1000,
    SILENCE_MS = 3 * LIMIT_HEARTBEAT_MS, /* a heartbeat may be late, three may not */
    REPLY_BYTES = 4 * 1024 * 1024,
    CURL_COULDNT_CONNECT = 7, /* of the codes that err.sys holds after a call */
};

struct client {
    struct loop *loop;
    struct http_client *http;
    char *unix_socket, *base_url, *where, *authorization;
    struct list calls, streams;
};

struct client_call {
    struct list link;
    struct http_call *http;
    int status;
    struct buf body;
    client_reply_fn *done;
    void *arg;
};

struct client_stream {
    struct list link;
    struct http_call *http; /* NULL: it has ended */
    struct client_watch w;
    struct sse_reader events;
    struct timer *silence;
    int status;
    struct buf refusal; /* the body, where the status is not 200 */
    bool complete, inside, gone;
};

struct client *client_new(const struct client_options *o)
{
    struct client *c = mem_zalloc(sizeof(*c));
    struct str url = str_of(o->base_url == NULL ? "http://localhost" : o->base_url);

    list_init(&c->calls);
    list_init(&c->streams);
    c->http = http_client_new(o->loop);
    c->loop = o->loop;
    while (url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    c->base_url = mem_strndup(url.p, url.n);
    c->unix_socket = o->unix_socket == NULL ? NULL : mem_strdup(o->unix_socket);
    c->where = mem_strdup(o->where != NULL ? o->where : o->unix_socket != NULL ? o->unix_socket : c->base_url);
    if (o->token != NULL) {
        CLEANUP(buf_done) struct buf line = BUF_INIT;

        buf_addf(&line, "Authorization: Bearer %s", o->token);
        c->authorization = mem_strdup(line.p);
    }
    return c;
}

static void call_free(struct client_call *call)
{
    list_remove(&call->link);
    buf_done(&call->body);
    mem_free(call);
}

static void stream_free(struct client_stream *s)
{
    list_remove(&s->link);
    sse_reader_done(&s->events);
    timer_free(s->silence);
    buf_done(&s->refusal);
    mem_free(s);
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    LIST_EACH (it, tmp, &c->calls)
        client_cancel(LIST_ITEM(it, struct client_call, link));
    LIST_EACH (it, tmp, &c->streams)
        client_unwatch(LIST_ITEM(it, struct client_stream, link));
    http_client_free(c->http);
    mem_free(c->unix_socket);
    mem_free(c->base_url);
    mem_free(c->where);
    mem_free(c->authorization);
    mem_free(c);
}

const char *client_where(const struct client *c)
{
    return c->where;
}

/* ---- calls ---- */

static void on_call_headers(void *arg, int status)
{
    struct client_call *call = arg;

    call->status = status;
}

static void on_call_body(void *arg, struct str bytes)
{
    struct client_call *call = arg;

    buf_add_str(&call->body, bytes);
}

static void on_call_end(void *arg, const struct err *err)
{
    struct client_call *call = arg;
    struct json *body = NULL;
    struct arena arena;
    struct err too_big;
    int rc = 0;

    arena_init(&arena);
    if (err == NULL && call->body.full)
        rc = err_set(&too_big, ERR_TOO_BIG, "the answer has more than %zu bytes", call->body.max);
    else if (err == NULL && call->body.n > 0)
        rc = json_parse(&arena, buf_str(&call->body), &body, &too_big);
    if (rc < 0)
        body = NULL;
    if (rc == -ERR_TOO_BIG) /* all else that is no JSON may be meant so */
        err = &too_big;
    list_remove(&call->link);
    call->done(call->arg, call->status, body, err);
    arena_done(&arena);
    call_free(call);
}

struct request_parts {
    struct buf url;
    const char *headers[5];
};

static void make_parts(const struct client *c, const char *path, const char *header, bool has_body,
                       struct request_parts *out)
{
    size_t n = 0;

    *out = (struct request_parts){.url = BUF_INIT};
    buf_addf(&out->url, "%s%s", c->base_url, path);
    if (c->authorization != NULL)
        out->headers[n++] = c->authorization;
    if (has_body)
        out->headers[n++] = "Content-Type: application/json";
    if (header != NULL)
        out->headers[n++] = header;
    out->headers[n] = NULL;
}

struct client_call *client_send(struct client *c, const struct client_request *r, client_reply_fn *done, void *arg,
                                struct err *err)
{
    struct client_call *call = mem_zalloc(sizeof(*call));
    struct request_parts parts;
    struct http_call_options o = {
        .method = r->method,
        .unix_socket = c->unix_socket,
        .body = r->body,
        .total_ms = r->timeout_ms > 0 ? r->timeout_ms : CALL_MS,
        .on_headers = on_call_headers,
        .on_body = on_call_body,
        .on_end = on_call_end,
        .arg = call,
    };

    make_parts(c, r->path, r->header, r->body.n > 0, &parts);
    o.url = parts.url.p;
    o.headers = parts.headers;
    call->body = BUF_CAPPED(r->max_bytes > 0 ? r->max_bytes : REPLY_BYTES);
    call->done = done;
    call->arg = arg;
    list_add_tail(&c->calls, &call->link);
    call->http = http_call_start(c->http, &o, err);
    buf_done(&parts.url);
    if (call->http == NULL) {
        call_free(call);
        return NULL;
    }
    return call;
}

void client_cancel(struct client_call *call)
{
    http_call_cancel(call->http);
    call_free(call);
}

bool client_is_unreachable(const struct err *err)
{
    return err->code == ERR_NETWORK && err->sys == CURL_COULDNT_CONNECT;
}

void client_error_text(int status, const struct json *body, struct buf *out)
{
    const struct json *error = json_find(body, "error");
    struct str text = json_text(json_find(error, "message"));

    if (text.n == 0)
        text = json_text(error);
    if (status == 401)
        buf_add_str(out, STR("the server wants its token: set CULM_TOKEN to what `culm token` prints there"));
    else if (text.n > 0)
        buf_add_str(out, text);
    else
        buf_addf(out, "HTTP status %d", status);
}

/* ---- streams ---- */

static void end_stream(struct client_stream *s, enum client_end end, const struct err *err)
{
    struct client_watch w = s->w;

    s->gone = true;
    list_remove(&s->link);
    if (s->http != NULL)
        http_call_cancel(s->http);
    s->http = NULL;
    timer_stop(s->silence);
    w.on_end(w.arg, end, err);
    if (!s->inside)
        stream_free(s);
}

static void on_silence(void *arg)
{
    struct client_stream *s = arg;
    struct err err;

    err_set(&err, ERR_TIMEOUT, "nothing was heard for %d s", SILENCE_MS / 1000);
    end_stream(s, CLIENT_BROKEN, &err);
}

static void take_event(struct client_stream *s, struct str data)
{
    struct json *event = NULL;
    struct arena arena;

    if (str_is(data, "[DONE]")) {
        s->complete = true;
        return;
    }
    if (data.n == 0 || data.p[0] != '{')
        return; /* a heartbeat */
    arena_init(&arena);
    if (json_parse(&arena, data, &event, NULL) == 0)
        s->w.on_event(s->w.arg, event, data);
    arena_done(&arena);
}

static void on_stream_headers(void *arg, int status)
{
    struct client_stream *s = arg;

    s->status = status;
}

static void on_stream_body(void *arg, struct str bytes)
{
    struct client_stream *s = arg;
    struct sse_event event;
    enum sse_next next = SSE_MORE;
    struct err err;

    if (s->status != 200) {
        buf_add_str(&s->refusal, bytes);
        return;
    }
    timer_start(s->silence, SILENCE_MS);
    s->inside = true;
    while (!s->gone && (next = sse_reader_next(&s->events, &bytes, &event)) == SSE_EVENT)
        take_event(s, event.data);
    s->inside = false;
    if (s->gone) {
        stream_free(s);
    } else if (next == SSE_TOO_LONG) {
        err_set(&err, ERR_TOO_BIG, "an event of more than %d bytes", LIMIT_MODEL_LINE_BYTES);
        end_stream(s, CLIENT_REFUSED, &err);
    }
}

static void refuse_stream(struct client_stream *s)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct json *body = NULL;
    struct arena arena;
    struct err err;

    arena_init(&arena);
    if (s->refusal.n == 0 || json_parse(&arena, buf_str(&s->refusal), &body, NULL) < 0)
        body = NULL;
    client_error_text(s->status, body, &text);
    err_set(&err, s->status == 404 ? ERR_NOT_FOUND : ERR_BAD_REQUEST, "%s", text.p);
    arena_done(&arena);
    end_stream(s, s->status == 503 ? CLIENT_BROKEN : CLIENT_REFUSED, &err);
}

static void on_stream_end(void *arg, const struct err *err)
{
    struct client_stream *s = arg;
    struct err cut;

    s->http = NULL; /* gone when this returns */
    if (s->complete) {
        end_stream(s, CLIENT_COMPLETE, NULL);
    } else if (err == NULL && s->status != 200) {
        refuse_stream(s);
    } else {
        if (err == NULL)
            err_set(&cut, ERR_NETWORK, "the stream was cut");
        end_stream(s, CLIENT_BROKEN, err != NULL ? err : &cut);
    }
}

struct client_stream *client_watch(struct client *c, const struct client_watch *w, struct err *err)
{
    struct client_stream *s = mem_zalloc(sizeof(*s));
    struct request_parts parts;
    struct http_call_options o = {
        .method = "GET",
        .unix_socket = c->unix_socket,
        .on_headers = on_stream_headers,
        .on_body = on_stream_body,
        .on_end = on_stream_end,
        .arg = s,
    };

    make_parts(c, w->path, "Accept: text/event-stream", false, &parts);
    o.url = parts.url.p;
    o.headers = parts.headers;
    s->w = *w;
    s->w.path = NULL;
    s->refusal = BUF_CAPPED(REPLY_BYTES);
    s->silence = timer_new(c->loop, "client.silence", on_silence, s);
    list_add_tail(&c->streams, &s->link);
    s->http = http_call_start(c->http, &o, err);
    buf_done(&parts.url);
    if (s->http == NULL) {
        stream_free(s);
        return NULL;
    }
    timer_start(s->silence, SILENCE_MS);
    return s;
}

void client_unwatch(struct client_stream *s)
{
    s->gone = true;
    list_remove(&s->link);
    if (s->http != NULL)
        http_call_cancel(s->http);
    s->http = NULL;
    timer_stop(s->silence);
    if (!s->inside)
        stream_free(s);
}
