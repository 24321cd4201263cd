/* SPDX-License-Identifier: MIT */
#include "face/exchange.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "face/error_body.h"
#include "face/request_key.h"

#include <stdarg.h>
#include <stdio.h>

#define RUN_ID_MAX 128 /* characters of Bamboo-Run-Id */

struct exchange *exchange_new(struct face *f, struct http_request *req)
{
    struct exchange *x = mem_alloc(sizeof(*x));

    memset(x, 0, offsetof(struct exchange, arena));
    x->face = f;
    x->req = req;
    x->began_us = clock_mono_us();
    arena_init(&x->arena);
    list_add_tail(&f->exchanges, &x->link);
    return x;
}

void exchange_free(struct exchange *x)
{
    if (x->token != 0)
        map_take_u64(x->face->by_token, x->token);
    list_remove(&x->link);
    arena_done(&x->arena);
    mem_free(x);
}

/* ---- the body ---- */

static void parse(void *arg)
{
    struct exchange *x = arg;
    struct str body = http_request_body(x->req);

    if (x->key.n > 0)
        request_key_take_fingerprint(x);
    x->in = arena_zalloc(&x->arena, x->route->body->size);
    x->parsed = json_parse(&x->arena, body.n > 0 ? body : STR("{}"), &x->json, &x->err);
    if (x->parsed < 0)
        err_wrap(&x->err, "The body is not sound JSON");
    else
        x->parsed = record_read(x->route->body, x->json, &x->arena, x->in, &x->err);
    x->err.code = ERR_BAD_REQUEST; /* also what is too deep or has too many values */
}

static void parsed(struct exchange *x)
{
    if (x->parsed < 0)
        exchange_fail_err(x, &x->err);
    else
        x->route->handle(x);
}

void exchange_begin(struct exchange *x)
{
    if (!request_key_read(x))
        return;
    if (x->route->body == NULL) {
        if (x->key.n > 0)
            request_key_take_fingerprint(x);
        x->route->handle(x);
    } else if (http_request_body(x->req).n > LIMIT_BODY_INLINE_BYTES) {
        exchange_work(x, parse, parsed);
    } else {
        parse(x);
        parsed(x);
    }
}

/* ---- waiting ---- */

static void worked(void *arg)
{
    struct exchange *x = arg;

    x->wait = WAIT_NOTHING;
    x->on_worked(x);
}

void exchange_work(struct exchange *x, void (*work)(void *exchange), void (*then)(struct exchange *x))
{
    x->wait = WAIT_WORK;
    x->on_worked = then;
    if (x->face->o.workers != NULL) {
        workers_submit(x->face->o.workers, work, worked, x);
    } else {
        work(x);
        worked(x);
    }
}

void exchange_submit(struct exchange *x, struct str session_id, struct input *in, reply_fn *on_reply)
{
    struct face *f = x->face;

    x->wait = WAIT_REPLY;
    x->on_reply = on_reply;
    x->label.session = arena_str(&x->arena, session_id);
    x->token = ++f->last_token;
    map_put_u64(f->by_token, x->token, x);
    in->from.token = x->token;
    in->request = str_of(http_request_id(x->req));
    in->key = x->key;
    in->fingerprint = x->fingerprint;
    in->recall = x->refusal.status != 0 || x->refusal.answer != NULL;
    engine_submit(f->o.engine, session_id, in);
}

void exchange_on_reply(struct exchange *x, const struct reply *reply)
{
    map_take_u64(x->face->by_token, x->token);
    x->token = 0;
    x->wait = WAIT_NOTHING;
    if (reply->run_id[0] != '\0')
        x->label.run = arena_str(&x->arena, str_of(reply->run_id));
    if (reply->replayed)
        x->answers = arena_str(&x->arena, reply->request);
    if (!request_key_refused(x, reply))
        x->on_reply(x, reply);
}

static void answered(void *arg, struct answer *answer)
{
    struct exchange *x = arg;

    x->wait = WAIT_NOTHING;
    if (answer->rc < 0 && answer->err.code != ERR_NOT_FOUND)
        exchange_fail_err(x, &answer->err);
    else
        x->on_answer(x, answer);
    answer_free(answer);
}

void exchange_query(struct exchange *x, const struct query *q, answer_fn *on_answer)
{
    x->wait = WAIT_ANSWER;
    x->on_answer = on_answer;
    engine_query(x->face->o.engine, q, answered, x);
}

void exchange_abandon(struct exchange *x)
{
    static const struct err stopping = {.code = ERR_UNAVAILABLE, .text = "The server is stopping."};

    assert(x->wait != WAIT_WORK); /* the workers are freed before the face */
    if (x->wait == WAIT_WATCH)
        x->on_abandon(x);
    exchange_fail_err(x, &stopping);
}

/* ---- answering ---- */

void exchange_count(struct exchange *x, int status)
{
    traffic_answered(&x->face->traffic, x->route, status, clock_mono_us() - x->began_us);
}

void exchange_send_text(struct exchange *x, int status, struct str content_type, struct str body)
{
    http_request_set_label(x->req, &x->label);
    exchange_count(x, status);
    if (x->answers.p != NULL && status < 500)
        http_reply_header(x->req, "Idempotency-Replayed", "true");
    http_reply_header(x->req, "Cache-Control", "no-store");
    http_reply(x->req, status, content_type, body);
    exchange_free(x);
}

void exchange_send(struct exchange *x, int status, const struct buf *json)
{
    exchange_send_text(x, status, STR("application/json"), buf_str(json));
}

const char *exchange_request_name(const struct exchange *x)
{
    return x->answers.p != NULL ? x->answers.p : http_request_id(x->req);
}

void exchange_fail_as(struct exchange *x, int status, const char *code, const char *message)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;

    error_body_write(&body, str_of(message), code, exchange_request_name(x));
    exchange_send(x, status, &body);
}

bool exchange_refuse(struct exchange *x, int status, const char *code, const char *text)
{
    if (x->key.n == 0) {
        exchange_fail_as(x, status, code, text);
        return false;
    }
    if (x->refusal.status == 0)
        x->refusal = (struct refusal){status, code, arena_str(&x->arena, str_of(text)).p, NULL};
    return true;
}

void exchange_refuse_by(struct exchange *x, struct str session_id, reply_fn *on_reply,
                        void (*refuse)(struct exchange *x))
{
    struct input in = {.kind = INPUT_RESUME}; /* whichever: nothing is begun */

    if (x->key.n == 0) {
        refuse(x);
        return;
    }
    x->refusal.answer = refuse;
    exchange_submit(x, session_id, &in, on_reply);
}

void exchange_fail_err(struct exchange *x, const struct err *err)
{
    int status = err_http_status(err->code);

    if (status == 503)
        http_reply_header(x->req, "Retry-After", "1");
    if (status >= 500) {
        x->label.code = err_wire_name(err->code);
        x->label.error = err->text;
    }
    exchange_fail_as(x, status, err_wire_name(err->code), err->text);
}

void exchange_fail(struct exchange *x, enum err_code code, const char *fmt, ...)
{
    struct err err = {.code = code};
    va_list args;

    va_start(args, fmt);
    vsnprintf(err.text, sizeof(err.text), fmt, args);
    va_end(args);
    exchange_fail_err(x, &err);
}

void exchange_no_session(struct exchange *x, struct str session_id)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, STR("Session not found"), err_wire_name(ERR_NOT_FOUND), exchange_request_name(x));
    json_key_str(&w, "session_id", session_id);
    json_end_object(&w);
    exchange_send(x, 404, &body);
}

void exchange_no_message(struct exchange *x, struct str session_id, struct str message_id)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, STR("Message not found"), err_wire_name(ERR_NOT_FOUND), exchange_request_name(x));
    json_key_str(&w, "session_id", session_id);
    json_key_str(&w, "message_id", message_id);
    json_end_object(&w);
    exchange_send(x, 404, &body);
}

void exchange_busy(struct exchange *x, const struct reply *reply, const char *message)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, str_of(message), err_wire_name(ERR_CONFLICT), exchange_request_name(x));
    json_key_str(&w, "session_id", x->label.session);
    if (reply->run_id[0] != '\0')
        json_key_text(&w, "run_id", reply->run_id);
    json_end_object(&w);
    exchange_send(x, 409, &body);
}

bool exchange_failed_by(struct exchange *x, const struct reply *reply, struct str session_id)
{
    switch (reply->kind) {
    case REPLY_NOT_FOUND:
        exchange_no_session(x, session_id);
        return true;
    case REPLY_NO_MODEL:
        exchange_fail(x, ERR_BAD_REQUEST,
                      "No model is known for this run: its session has none, the request names none and there is no "
                      "default. Name one in the request (\"model\": \"PROVIDER/MODEL\"), or set defaults.model in the "
                      "configuration or CULM_MODEL.");
        return true;
    case REPLY_UNPRICED:
        exchange_fail_as(x, 400, "price_unknown",
                         "Money is limited, and nobody has said what this model costs: give its price in \"models\" of "
                         "the configuration, name another model, or say \"unpriced\": \"allow\" in the budget.");
        return true;
    case REPLY_FULL:
        http_reply_header(x->req, "Retry-After", "1");
        exchange_fail_as(
            x, 429, "inbox_full",
            "Too many messages wait in this session. A run reads them: start one, let the active one go on, or "
            "answer the open question first.");
        return true;
    case REPLY_UNAVAILABLE:
        exchange_fail_err(x, &reply->err);
        return true;
    default:
        return false;
    }
}

void exchange_etag(struct exchange *x, uint64_t metadata_version)
{
    char text[32];

    snprintf(text, sizeof(text), "\"%" PRIu64 "\"", metadata_version);
    http_reply_header(x->req, "ETag", text);
}

/* ---- reading ---- */

struct str exchange_header(const struct exchange *x, const char *name)
{
    return http_request_header(x->req, name);
}

struct str exchange_query_text(struct exchange *x, const char *name)
{
    struct buf value CLEANUP(buf_done) = BUF_INIT;

    if (!http_query_find(http_request_query(x->req), name, &value))
        return STR_NULL;
    return arena_str(&x->arena, buf_str(&value));
}

bool exchange_query_u64(struct exchange *x, const char *name, uint64_t fallback, uint64_t *out)
{
    struct str text = exchange_query_text(x, name);

    *out = fallback;
    if (text.p == NULL || str_to_u64(text, out))
        return true;
    exchange_fail(x, ERR_BAD_REQUEST, "query: %s: expected a number from 0", name);
    return false;
}

bool exchange_query_limit(struct exchange *x, uint32_t fallback, uint32_t max, uint32_t *out)
{
    uint64_t value;

    if (!exchange_query_u64(x, "limit", fallback, &value))
        return false;
    if (value < 1)
        value = 1;
    *out = value > max ? max : (uint32_t)value;
    return true;
}

bool exchange_header_word(struct exchange *x, const char *name, size_t max, const char *code, struct str *out)
{
    struct str s = exchange_header(x, name);
    bool good = s.p == NULL || (s.n > 0 && s.n <= max && http_request_header_count(x->req, name) == 1);

    for (size_t i = 0; s.p != NULL && i < s.n && good; i++)
        good = s.p[i] > ' ' && s.p[i] <= '~';
    *out = good ? s : STR_NULL;
    if (!good)
        exchange_fail_as(x, 400, code,
                         arena_strf(&x->arena, "%s: one header of 1 to %zu visible ASCII characters", name, max).p);
    return good;
}

bool exchange_run_id(struct exchange *x, struct str *out)
{
    return exchange_header_word(x, "Bamboo-Run-Id", RUN_ID_MAX, err_wire_name(ERR_BAD_REQUEST), out);
}
