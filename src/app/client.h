/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A client of culm's HTTP API, for the commands: short calls with JSON, and the stream of a
 * session's events. Everything ends: calls by a timeout, a silent stream by a missing heartbeat.
 * Callbacks may end their own call or stream and the client's others. Loop thread only.
 */
#include "base/buf.h"
#include "base/json.h"
#include "net/http_client.h"

struct client;
struct client_call;
struct client_stream;

struct client_options {
    struct loop *loop;
    const char *unix_socket; /* NULL: by base_url */
    const char *base_url;    /* "http://host:port"; with a socket NULL */
    const char *where;       /* what messages call it; NULL: the socket or the URL */
    const char *token;       /* NULL: none */
};

struct client *client_new(const struct client_options *o);
void client_free(struct client *c);               /* what is under way ends silently; NULL is fine */
const char *client_where(const struct client *c); /* for messages */

/* The end of a call. err: there is no answer. Else the status, and the body where it is JSON (borrowed), or NULL. */
typedef void client_reply_fn(void *arg, int status, const struct json *body, const struct err *err);
struct client_request {
    const char *method, *path;
    const char *header; /* one more, "Name: value", or NULL */
    struct str body;    /* JSON, or empty */
    int64_t timeout_ms; /* 0: 30 s */
    size_t max_bytes;   /* of the answer; 0: 4 MiB. Longer ones end with ERR_TOO_BIG */
};
/* NULL with err set: the address is wrong. Never calls back before it returns. */
struct client_call *client_send(struct client *c, const struct client_request *r, client_reply_fn *done, void *arg,
                                struct err *err);
void client_cancel(struct client_call *call);
/* Nothing answers there: the request was not taken, and may be made again elsewhere. */
bool client_is_unreachable(const struct err *err);
/* The text that a refusing server sent, or the status. */
void client_error_text(int status, const struct json *body, struct buf *out);

enum client_end {
    CLIENT_COMPLETE, /* the server said [DONE] */
    CLIENT_BROKEN,   /* the connection ended or fell silent: try again with a cursor */
    CLIENT_REFUSED,  /* the server will not give this stream */
};
struct client_watch {
    const char *path; /* with query */
    /* One event; `text` is its JSON as it came. */
    void (*on_event)(void *arg, const struct json *event, struct str text);
    void (*on_end)(void *arg, enum client_end end, const struct err *err); /* the stream is gone */
    void *arg;
};
struct client_stream *client_watch(struct client *c, const struct client_watch *w, struct err *err);
void client_unwatch(struct client_stream *s);
