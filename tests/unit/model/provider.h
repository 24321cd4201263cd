/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A fake provider on the loop of the test. It answers each request by the next of its replies (the
 * last one again and again) and keeps the last request.
 */
#include "base/arena.h"
#include "base/str.h"
#include "model/model.h"
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum reply_end { REPLY_ENDS, REPLY_CUTS, REPLY_HANGS };

struct reply_script {
    int status;             /* 0: never answered */
    const char *type;       /* NULL: text/event-stream */
    const char *headers[4]; /* name, value, name, value */
    struct str body;
    enum reply_end end;
    size_t repeat;    /* of the body; 0: once */
    int64_t every_ms; /* > 0: `body` again and again, so often, until the client leaves */
};

struct provider {
    struct loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct model_registry *registry;
    char url[64];
    const struct reply_script *replies;
    size_t n_replies, requests;
    struct buf body, authorization, path;
    /* the reply that is under way */
    struct http_stream *stream;
    struct http_request *unanswered; /* until the end of the test: the server wants each to have one */
    const struct reply_script *reply;
    size_t sent, closed;
    struct timer *again;
    bool stop_when_closed;
};

static inline void provider_on_close(void *arg)
{
    struct provider *p = arg;

    p->stream = NULL;
    p->closed++;
    timer_stop(p->again);
    if (p->stop_when_closed)
        loop_stop(p->loop);
}

static inline void provider_finish(struct provider *p)
{
    struct http_stream *s = p->stream;

    if (p->reply->end == REPLY_HANGS)
        return;
    p->stream = NULL;
    if (p->reply->end == REPLY_ENDS)
        http_stream_end(s);
    else
        http_stream_abort(s);
}

static inline void provider_on_room(void *arg)
{
    struct provider *p = arg;
    size_t times = p->reply->repeat > 0 ? p->reply->repeat : 1;

    if (p->reply->every_ms > 0)
        return;
    while (p->stream != NULL && p->sent < times) {
        p->sent++;
        if (p->reply->body.n > 0 && !http_stream_write(p->stream, p->reply->body))
            return;
    }
    if (p->stream != NULL && (p->reply->end != REPLY_CUTS || http_stream_has_room(p->stream)))
        provider_finish(p);
}

static inline void provider_again(void *arg)
{
    struct provider *p = arg;

    if (p->stream == NULL)
        return;
    http_stream_write(p->stream, p->reply->body);
    timer_start(p->again, p->reply->every_ms);
}

static inline void provider_on_request(void *arg, struct http_request *req)
{
    struct provider *p = arg;
    const struct reply_script *r = &p->replies[p->requests < p->n_replies ? p->requests : p->n_replies - 1];
    struct http_stream_callbacks cb = {.on_room = provider_on_room, .on_close = provider_on_close, .arg = p};

    p->requests++;
    buf_clear(&p->body);
    buf_clear(&p->authorization);
    buf_clear(&p->path);
    buf_add_str(&p->body, http_request_body(req));
    buf_add_str(&p->authorization, http_request_header(req, "authorization"));
    buf_add_str(&p->path, http_request_path(req));
    for (size_t i = 0; i + 1 < ARRAY_LEN(r->headers) && r->headers[i] != NULL; i += 2)
        http_reply_header(req, r->headers[i], r->headers[i + 1]);
    if (r->status == 0) {
        p->unanswered = req;
        return;
    }
    if (r->end == REPLY_ENDS && r->repeat == 0 && r->every_ms == 0) {
        http_reply(req, r->status, str_of(r->type == NULL ? "text/event-stream" : r->type), r->body);
        return;
    }
    http_reply_header(req, "Content-Type", r->type == NULL ? "text/event-stream" : r->type);
    p->reply = r;
    p->sent = 0;
    p->stream = http_reply_stream(req, r->status, &cb);
    if (r->every_ms > 0)
        provider_again(p);
    else
        provider_on_room(p);
}

static inline void provider_open(struct provider *p, const struct reply_script *replies, size_t n)
{
    struct http_server_options o = {.on_request = provider_on_request, .arg = p};
    uint16_t port = 0;
    struct err err;

    *p = (struct provider){.replies = replies, .n_replies = n};
    assert_int_equal(loop_new(&p->loop, &err), 0);
    assert_int_equal(http_server_new(p->loop, &o, &p->server, &err), 0);
    assert_int_equal(http_server_listen_tcp(p->server, "127.0.0.1", &port, &err), 0);
    p->client = http_client_new(p->loop);
    assert_int_equal(model_registry_new(p->loop, p->client, &p->registry, &err), 0);
    p->again = timer_new(p->loop, "test.again", provider_again, p);
    snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u", port);
    assert_int_equal(model_registry_add(p->registry,
                                        &(struct model_provider){.name = "fake",
                                                                 .driver = "openai",
                                                                 .base_url = p->url,
                                                                 .api_key = "sk-secret\n",
                                                                 .models = (const char *[]){"m", NULL}},
                                        &err),
                     0);
    assert_int_equal(
        model_registry_add(p->registry, &(struct model_provider){.name = "offline", .driver = "offline"}, &err), 0);
}

static inline void provider_close(struct provider *p)
{
    model_registry_free(p->registry);
    if (p->unanswered != NULL)
        http_reply(p->unanswered, 500, STR("text/plain"), STR(""));
    http_client_free(p->client);
    http_server_free(p->server);
    timer_free(p->again);
    loop_free(p->loop);
    buf_done(&p->body);
    buf_done(&p->authorization);
    buf_done(&p->path);
}
