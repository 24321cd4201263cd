/* SPDX-License-Identifier: MIT */
/*
 * The driver for OpenAI's chat completions and the many servers that speak them.
 *
 * When is an answer complete? A finish_reason says so. `[DONE]` alone says so too: servers that
 * leave out the reason are common, and a connection that was cut cannot have sent it; only where
 * tool calls are open must their arguments be JSON. A body that ends without either was cut,
 * however cleanly HTTP ended. Once complete, nothing that happens to the connection spoils it.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "model/openai_chunk.h"
#include "model/openai_request.h"
#include "model/sse_reader.h"
#include "model/stream.h"

#define ERROR_BYTES (64 * 1024) /* of an error's body are read */

enum body_kind {
    BODY_UNKNOWN, /* no byte yet */
    BODY_EVENTS,
    BODY_WHOLE, /* one JSON text: the server does not stream */
    BODY_PAGE,  /* something else lives at this address */
    BODY_ERROR, /* the status was not 2xx */
};

struct openai {
    struct http_call *call;
    enum body_kind kind;
    int status;
    int64_t wait_ms;
    struct sse_reader events;
    struct openai_template template;
    struct buf body; /* WHOLE, ERROR */
};

static void report(struct model_stream *s, struct provider_error *e)
{
    const struct openai *o = stream_state(s);
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    if (e->status > 0)
        buf_addf(&text, "HTTP %d", e->status);
    else
        buf_add_str(&text, STR("error in the stream"));
    if (e->message.n > 0) {
        buf_add_str(&text, STR(": "));
        provider_quote(e->message, stream_instance(s)->api_key, &text);
    }
    buf_addf(&text, " (%s)", provider_error_remedy(e));
    stream_fail(s, provider_error_failure(e), o->wait_ms, "%s", text.p);
}

static void report_body(struct model_stream *s)
{
    struct openai *o = stream_state(s);
    struct provider_error e = {.status = o->status};
    struct str body = str_trim(buf_str(&o->body));
    struct json *root;
    struct arena a;

    arena_init(&a);
    if (json_parse(&a, body, &root, NULL) == 0) {
        if (!provider_error_find(root, &e)) {
            e.message = json_text(json_find(root, "message")); /* gateways */
            if (e.message.n == 0)
                e.message = json_text(json_find(root, "detail")); /* FastAPI */
        }
    } else if (!str_has_prefix(body, STR("<"))) {
        e.message = body;
    }
    report(s, &e);
    arena_done(&a);
}

/* False: the stream is over. */
static bool use_chunk(struct model_stream *s, struct openai_chunk *chunk)
{
    if (chunk->replaced)
        stream_repaired(s);
    if (chunk->has_usage)
        stream_usage(s, &chunk->usage);
    for (const struct openai_piece *p = chunk->pieces; p != NULL; p = p->next)
        if (!stream_delta(s, (enum delta_channel)p->channel, p->text))
            return false;
    for (size_t i = 0; i < chunk->n_calls; i++)
        if (!stream_call(s, &chunk->calls[i]))
            return false;
    if (chunk->finished)
        stream_finish_seen(s, (enum stop_reason)chunk->stop);
    if (chunk->is_error && !stream_is_finished(s))
        report(s, &chunk->error);
    return !stream_is_over(s);
}

/* False: the stream is over. `is_last`: nothing follows, so what is no JSON was cut. */
static bool take_json(struct model_stream *s, const struct sse_event *event, bool is_last)
{
    struct openai *o = stream_state(s);
    struct openai_chunk chunk;
    struct arena a;
    struct err err;
    bool go_on;

    arena_init(&a);
    if (openai_chunk_parse(&a, event->data, &chunk, &err) == 0) {
        chunk.is_error = chunk.is_error || (str_is(event->name, "error") && !chunk.has_choice);
        openai_template_learn(&o->template, event->data, &chunk);
        go_on = use_chunk(s, &chunk);
    } else {
        stream_fail(s, is_last ? FAILURE_CUT : FAILURE_PROTOCOL, 0,
                    is_last ? "the answer was cut: %s" : "a chunk of the answer is no JSON: %s", err.text);
        go_on = false;
    }
    arena_done(&a);
    return go_on;
}

static void take_done_marker(struct model_stream *s)
{
    if (stream_is_finished(s))
        return;
    if (call_merge_is_whole(stream_calls(s)))
        stream_finish_seen(s, STOP_END);
    else
        stream_fail(s, FAILURE_CUT, 0, "the answer ended inside a tool call");
}

/* False: the stream is over. */
static bool take_event(struct model_stream *s, const struct sse_event *event, bool is_last)
{
    struct openai *o = stream_state(s);
    struct str text, data = str_trim(event->data);

    if (openai_template_match(&o->template, event->data, &text))
        return stream_delta(s, (enum delta_channel)o->template.channel, text);
    if (data.n == 0)
        return true;
    if (str_is(data, "[DONE]")) {
        take_done_marker(s);
        return !stream_is_over(s);
    }
    return take_json(s, event, is_last);
}

static void take_events(struct model_stream *s, struct str bytes)
{
    struct openai *o = stream_state(s);

    for (;;) {
        struct sse_event event;
        enum sse_next next = sse_reader_next(&o->events, &bytes, &event);

        if (next == SSE_MORE)
            return;
        if (next == SSE_TOO_LONG) {
            stream_fail(s, FAILURE_PROTOCOL, 0, "a line of the answer is longer than %d MiB",
                        LIMIT_MODEL_LINE_BYTES / (1024 * 1024));
            return;
        }
        if (!take_event(s, &event, false))
            return;
    }
}

/* By the first byte that is not blank, not by Content-Type: that is wrong too often. No event stream begins so. */
static enum body_kind guess_kind(struct str *bytes)
{
    while (bytes->n > 0 && strchr(" \t\r\n", bytes->p[0]) != NULL && bytes->p[0] != '\0')
        *bytes = str_skip(*bytes, 1);
    if (bytes->n == 0)
        return BODY_UNKNOWN;
    return bytes->p[0] == '{' ? BODY_WHOLE : bytes->p[0] == '<' ? BODY_PAGE : BODY_EVENTS;
}

static void take_body(struct model_stream *s, struct str bytes)
{
    struct openai *o = stream_state(s);

    if (o->kind == BODY_UNKNOWN)
        o->kind = guess_kind(&bytes);
    switch (o->kind) {
    case BODY_UNKNOWN:
        break;
    case BODY_EVENTS:
        take_events(s, bytes);
        break;
    case BODY_PAGE:
        stream_fail(s, FAILURE_CONFIG, 0, "%s answers with a web page: check the base URL",
                    stream_instance(s)->base_url);
        break;
    case BODY_WHOLE:
        buf_add_str(&o->body, bytes);
        if (o->body.full)
            stream_fail(s, FAILURE_TOO_BIG, 0, "the answer is longer than %d MiB",
                        LIMIT_MODEL_ANSWER_BYTES / (1024 * 1024));
        break;
    case BODY_ERROR:
        bytes.n = bytes.n < ERROR_BYTES - o->body.n ? bytes.n : ERROR_BYTES - o->body.n;
        buf_add_str(&o->body, bytes);
        if (o->body.n == ERROR_BYTES)
            report_body(s); /* enough to tell */
        break;
    }
}

static void on_headers(void *arg, int status)
{
    struct model_stream *s = arg;
    struct openai *o = stream_state(s);

    stream_enter(s);
    stream_activity(s);
    o->status = status;
    if (status < 200 || status > 299)
        o->kind = BODY_ERROR;
    o->wait_ms = provider_retry_after(http_call_header(o->call, "retry-after-ms"),
                                      http_call_header(o->call, "retry-after"), clock_wall_ms());
    if (status >= 300 && status <= 399)
        report(s, &(struct provider_error){.status = status, .message = http_call_header(o->call, "location")});
    stream_leave(s);
}

static void on_body(void *arg, struct str bytes)
{
    struct model_stream *s = arg;

    stream_enter(s);
    stream_activity(s);
    if (bytes.n > 0)
        take_body(s, bytes);
    stream_leave(s);
}

static void end_events(struct model_stream *s)
{
    struct openai *o = stream_state(s);
    struct sse_event event;

    if (sse_reader_end(&o->events, &event) == SSE_EVENT && !take_event(s, &event, true))
        return;
    if (stream_is_finished(s))
        stream_done(s);
    else
        stream_fail(s, FAILURE_CUT, 0, "the answer ended without saying that it was complete");
}

static void end_whole(struct model_stream *s)
{
    struct openai *o = stream_state(s);

    if (!take_json(s, &(struct sse_event){.data = buf_str(&o->body)}, true))
        return;
    if (stream_is_finished(s))
        stream_done(s);
    else
        stream_fail(s, FAILURE_CUT, 0, "the answer is no complete chat completion: check the base URL");
}

static void end_body(struct model_stream *s)
{
    const struct openai *o = stream_state(s);

    switch (o->kind) {
    case BODY_UNKNOWN:
    case BODY_PAGE:
        stream_fail(s, FAILURE_CUT, 0, "the answer (HTTP %d) was empty", o->status);
        break;
    case BODY_EVENTS:
        end_events(s);
        break;
    case BODY_WHOLE:
        end_whole(s);
        break;
    case BODY_ERROR:
        report_body(s);
        break;
    }
}

static void end_badly(struct model_stream *s, const struct err *err)
{
    const struct openai *o = stream_state(s);
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    if (stream_is_finished(s)) {
        stream_done(s);
    } else if (o->kind == BODY_ERROR) {
        report_body(s); /* the status is known, and says more */
    } else {
        provider_quote(str_of(err->text), stream_instance(s)->api_key, &text);
        stream_fail(s,
                    err->code == ERR_TIMEOUT   ? FAILURE_TIMEOUT
                    : err->code == ERR_TOO_BIG ? FAILURE_PROTOCOL
                                               : FAILURE_NETWORK,
                    0, "%s", text.n > 0 ? text.p : "the connection failed");
    }
}

static void on_end(void *arg, const struct err *err)
{
    struct model_stream *s = arg;
    struct openai *o = stream_state(s);

    stream_enter(s);
    o->call = NULL;
    stream_activity(s);
    if (err == NULL)
        end_body(s);
    else
        end_badly(s, err);
    stream_leave(s);
}

static void call_server(struct model_stream *s, struct str body)
{
    const struct model_instance *i = stream_instance(s);
    struct openai *o = stream_state(s);
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    CLEANUP(buf_done) struct buf key = BUF_INIT;
    const char *headers[] = {"Content-Type: application/json", "Accept: text/event-stream", NULL, NULL};
    struct http_call_options options = {
        .method = "POST",
        .headers = headers,
        .body = body,
        .on_headers = on_headers,
        .on_body = on_body,
        .on_end = on_end,
        .arg = s,
    };
    struct err err = {0};

    openai_url(i->base_url, &url);
    options.url = url.p;
    if (i->api_key != NULL) {
        buf_addf(&key, "Authorization: Bearer %s", i->api_key);
        headers[2] = key.p;
    }
    o->call = http_call_start(stream_http(s), &options, &err);
    if (o->call == NULL)
        stream_fail(s, FAILURE_CONFIG, 0, "%s", err.text);
}

static void openai_start(struct model_stream *s, const struct model_request *q)
{
    const struct model_instance *i = stream_instance(s);
    struct openai *o = stream_state(s);
    bool official = openai_is_official(i->base_url);
    CLEANUP(buf_done) struct buf body = BUF_INIT;

    if (official && i->api_key == NULL) {
        stream_fail(s, FAILURE_AUTH, 0, "no API key: set OPENAI_API_KEY or the provider's key");
        return;
    }
    assert(stream_http(s) != NULL);
    o->body = BUF_CAPPED(LIMIT_MODEL_ANSWER_BYTES);
    openai_request_write(q, official, &body);
    stream_set_prompt_bytes(s, body.n);
    call_server(s, buf_str(&body));
}

static void openai_stop(struct model_stream *s)
{
    struct openai *o = stream_state(s);

    if (o->call != NULL)
        http_call_cancel(o->call);
    o->call = NULL;
}

static void openai_release(struct model_stream *s)
{
    struct openai *o = stream_state(s);

    sse_reader_done(&o->events);
    openai_template_done(&o->template);
    buf_done(&o->body);
}

const struct model_driver openai_driver = {
    .name = "openai",
    .base_url = "https://api.openai.com/v1",
    .state_size = sizeof(struct openai),
    .start = openai_start,
    .probe_url = openai_models_url,
    .stop = openai_stop,
    .release = openai_release,
};
