/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A world for the face without sockets, disk and threads: requests and streams whose bytes can be
 * looked at, sessions made of the real run machine and the real hub over a log in memory, timers
 * that run when told. Nothing happens by itself: stand_run() delivers what is on its way.
 */
#include "face/face.h"

#define STAND_HEADERS 24

struct http_request {
    enum http_method method;
    struct buf path, query;
    struct buf names[STAND_HEADERS], values[STAND_HEADERS];
    size_t n_headers;
    struct str body;
    bool is_unix, peer_is_self, peer_is_loopback;
    /* what came back */
    int status;         /* 0: not answered yet */
    struct buf headers; /* "Name: value\n" */
    struct buf reply;   /* body, or all that was streamed */
    struct buf label;   /* for the access log */
    struct http_stream *stream;
    bool ended, aborted;
};

struct stand;

struct stand *stand_new(void);
void stand_free(struct stand *st);
struct face *stand_face(struct stand *st);
struct face_options *stand_options(struct stand *st); /* to be changed before stand_start() */
void stand_start(struct stand *st);
void stand_close(
    struct stand *st); /* the face goes, and with it what the store had yet to answer; also by stand_free() */

/* "POST /api/v1/chat", headers "Name: value\n…" (Host and token are added), body. Kept until stand_free(). */
struct http_request *stand_ask(struct stand *st, const char *line, const char *headers, const char *body);
/* The same with nothing added: what the door sees. */
struct http_request *stand_knock(struct stand *st, const char *line, const char *headers, const char *body);
void stand_run(struct stand *st); /* until nothing is on its way */
void stand_pass(struct stand *st, int64_t ms);
/* Asks, runs, and returns the request. */
struct http_request *stand_call(struct stand *st, const char *line, const char *headers, const char *body);

/* The rest of the world, for one session. */
void stand_feed(struct stand *st, const char *session_id, struct input *in);
void stand_say(struct stand *st, const char *session_id, const char *text);    /* a delta of the model */
void stand_finish(struct stand *st, const char *session_id, const char *text); /* the model's last delta, and its end */
/* From now on the engine refuses / the store fails / the answers of the store wait. */
void stand_refuse(struct stand *st, const struct err *err);     /* NULL: no more */
void stand_keep(struct stand *st, const struct reply *receipt); /* what keys are told; NULL: there is none */
void stand_break_store(struct stand *st, const struct err *err);
void stand_hold_answers(struct stand *st, bool hold);
/* Answers of the given kind come from here; true: answered. */
void stand_on_query(struct stand *st, bool (*fn)(const struct query *q, struct answer *a));
const struct session *stand_session(struct stand *st, const char *session_id);

/* Streams. */
void stream_set_room(struct http_request *req, bool room); /* true calls on_room */
void stream_leave(struct http_request *req);               /* the client goes */
void stream_be_silent(struct http_request *req);
const char *stand_body(const struct http_request *req);
const char *stand_header(const struct http_request *req, const char *name); /* of the answer; NULL: none */
const char *stand_label(const struct http_request *req);                    /* what the access log was told of it */
