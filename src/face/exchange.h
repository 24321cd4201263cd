/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One request from the door to its answer. A handler is called once with the parsed body; it
 * answers at once, or waits for one thing at a time (a reply of the engine, an answer of the
 * store) with a function of its own. Answering ends the exchange: nothing of it may be used
 * afterwards. Everything a request needs lives in its arena.
 */
#include "base/json.h"
#include "face/face_internal.h"
#include "face/route.h"

struct exchange;
typedef void reply_fn(struct exchange *x, const struct reply *reply);
typedef void answer_fn(struct exchange *x, const struct answer *answer);

enum exchange_wait { WAIT_NOTHING, WAIT_WORK, WAIT_REPLY, WAIT_ANSWER, WAIT_WATCH };

struct exchange {
    struct face *face;
    struct http_request *req;
    const struct route *route;
    struct list link;
    int64_t began_us; /* mono */
    enum exchange_wait wait;
    enum door_credential credential;
    uint64_t token;
    reply_fn *on_reply;
    answer_fn *on_answer;
    void (*on_worked)(struct exchange *x);
    void (*on_abandon)(struct exchange *x); /* WAIT_WATCH: lets go of what was waited for */
    struct str id, part_id;                 /* the path's parameters, decoded, valid ids */
    struct str key, fingerprint; /* where the route is keyed: Idempotency-Key, or empty; what it stands for */
    struct refusal {
        int status; /* 0: none */
        const char *code, *text;
        void (*answer)(struct exchange *x); /* instead of those; NULL: them */
    } refusal;                              /* of a keyed request, in case that it is not a repeat */
    struct str answers;                     /* a repeat: name of the request that is answered; STR_NULL: this one */
    struct http_label label;                /* for the access log; its texts live in the arena */
    struct json *json;                      /* the body as nodes; an empty body is {} */
    void *in;                               /* the body as the route's struct */
    void *state;                            /* the handler's own */
    int parsed;
    struct err err; /* of the parse */
    struct arena arena;
};

struct exchange *exchange_new(struct face *f, struct http_request *req);
/* Parses the body, on a worker if it is large, then calls the route's handler or answers 400. */
void exchange_begin(struct exchange *x);
void exchange_free(struct exchange *x);    /* it was answered elsewhere */
void exchange_abandon(struct exchange *x); /* the face goes: 503 */

/* ---- waiting ---- */

/* `work` on a worker thread, where it may use what is in the arena, then `then` here, as a handler. */
void exchange_work(struct exchange *x, void (*work)(void *exchange), void (*then)(struct exchange *x));
/* Fills in->from, in->request and what a repeat is known by. The input may borrow from the arena; the engine copies. */
void exchange_submit(struct exchange *x, struct str session_id, struct input *in, reply_fn *on_reply);
void exchange_on_reply(struct exchange *x, const struct reply *reply);
/*
 * The answer is borrowed for the call of on_answer. One that failed becomes an error reply and does not get there,
 * but for ERR_NOT_FOUND: what was not found, the handler knows.
 */
void exchange_query(struct exchange *x, const struct query *q, answer_fn *on_answer);

/* ---- answering ---- */

void exchange_count(struct exchange *x, int status); /* where the answer is not sent by one of these */
void exchange_send(struct exchange *x, int status, const struct buf *json);
void exchange_send_text(struct exchange *x, int status, struct str content_type, struct str body);
void exchange_fail(struct exchange *x, enum err_code code, const char *fmt, ...) PRINTF(3, 4);
void exchange_fail_as(struct exchange *x, int status, const char *code, const char *message);
void exchange_fail_err(struct exchange *x, const struct err *err); /* 503 brings Retry-After */
/*
 * It cannot be done as things are now (the configuration, the disk); but a repeat is told what the first was, so a
 * keyed request goes on to exchange_submit(), where nothing new is begun. False: it has no key, and is answered.
 */
NODISCARD bool exchange_refuse(struct exchange *x, int status, const char *code, const char *text);
/* The same for a handler that looks before it submits: `refuse` answers, unless there is a reply for on_reply. */
void exchange_refuse_by(struct exchange *x, struct str session_id, reply_fn *on_reply,
                        void (*refuse)(struct exchange *x));
/* For error bodies: this request's name, or, so that a repeat is told the same byte for byte, that of the first. */
const char *exchange_request_name(const struct exchange *x);
void exchange_no_session(struct exchange *x, struct str session_id);
void exchange_no_message(struct exchange *x, struct str session_id, struct str message_id);
/* 409: the run of the reply stands in the way; with run_id. */
void exchange_busy(struct exchange *x, const struct reply *reply, const char *message);
/* For replies that mean failure whatever was asked: true if it was one, and is answered. */
bool exchange_failed_by(struct exchange *x, const struct reply *reply, struct str session_id);
void exchange_etag(struct exchange *x, uint64_t metadata_version);

/* ---- reading ---- */

struct str exchange_header(const struct exchange *x, const char *name);
/* A query parameter, decoded into the arena; STR_NULL: absent. A malformed one does not get as far as a handler. */
struct str exchange_query_text(struct exchange *x, const char *name);
/* Answers 400 and returns false where the parameter is there and not a number. */
bool exchange_query_u64(struct exchange *x, const char *name, uint64_t fallback, uint64_t *out);
/* limit=: absent gives `fallback`, else clamped to 1..max. */
bool exchange_query_limit(struct exchange *x, uint32_t fallback, uint32_t max, uint32_t *out);
/* A header of visible ASCII characters; answers 400 and returns false where it is malformed. Empty: absent. */
bool exchange_header_word(struct exchange *x, const char *name, size_t max, const char *code, struct str *out);
/* Bamboo-Run-Id, in the same way. */
bool exchange_run_id(struct exchange *x, struct str *out);
