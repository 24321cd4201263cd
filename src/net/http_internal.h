/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The parts of the HTTP server among themselves. A connection is evhttp's, but from accept() to
 * close() it has a `struct http_conn` beside it: that judges the raw bytes before evhttp sees
 * them, keeps the deadlines, and takes the connection away from evhttp where evhttp would not do
 * (refusals, event streams). README.md has the states.
 */
#include "net/deadline.h"
#include "net/http.h"
#include "net/http_log.h"
#include "net/http_peers.h"
#include "net/http_policy.h"
#include "net/loop_internal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <sys/uio.h>

enum { HTTP_LINGER_MS = 2000, HTTP_METHOD_TEXT = 24 };

enum http_conn_phase {
    CONN_NEW,      /* accepted in this turn; evhttp is still setting it up */
    CONN_IDLE,     /* between requests */
    CONN_HEAD,     /* some bytes of a head are there */
    CONN_BODY,     /* the head was sound, the body is coming */
    CONN_READY,    /* all of the request is there; evhttp is about to present it */
    CONN_HANDLING, /* the user has it */
    CONN_REPLYING, /* evhttp writes the answer */
    CONN_STREAM,   /* taken over by a stream */
    CONN_REFUSED,  /* taken over: a refusal goes out at the end of this turn */
    CONN_LINGER,   /* taken over: all is sent, what still comes is dropped, until the peer closes */
};

struct http_conn {
    struct list link;
    struct http_server *server;
    struct bufferevent *bev;         /* evhttp's */
    struct evhttp_connection *evcon; /* NULL while NEW */
    struct http_request *request;    /* HANDLING */
    struct http_stream *stream;      /* STREAM */
    struct evbuffer_cb_entry *watch;
    struct deadline deadline;
    struct defer later;
    struct buf head;    /* what has come of a head; empty otherwise */
    size_t taken_bytes; /* of the beginning of a head, which evhttp must not see before all of it is there */
    bool is_held;       /* evhttp is not told of what comes */
    bool is_giving;     /* what was taken is on its way back into the input */
    struct http_chunks chunks;
    uint64_t body_limit, body_expected, body_seen;
    size_t charged; /* of the server's budget for bodies */
    int64_t body_began_ms;
    const char *refusal; /* a sentence, REFUSED */
    struct http_peer peer;
    int fd;
    uint16_t status; /* REFUSED */
    uint16_t local_port;
    uint8_t phase;
    bool is_chunked;
    char method[HTTP_METHOD_TEXT];
};

struct http_request {
    struct http_server *server;
    struct http_conn *conn;    /* NULL: the client is gone */
    struct evhttp_request *ev; /* owned until answered */
    struct str path, query;    /* into ev's copy of the target */
    const char *id;            /* into ev's headers, or own_id */
    struct http_label label;
    int64_t began_ms; /* mono */
    struct http_peer peer;
    uint16_t local_port;
    char method[HTTP_METHOD_TEXT];
    char own_id[HTTP_ID_TEXT];
};

struct http_server {
    struct loop *loop;
    struct evhttp *http;
    struct http_server_options o;
    struct list conns, listeners;
    struct http_server_stats stats;
    struct http_log log;
    size_t body_charged;
    struct http_peers peers;
    struct http_conn **by_fd;
    size_t by_fd_cap;
    struct deadlines idle, header, body, pace, linger, silence;
    int64_t full_logged_ms; /* when a refusal for the number of connections was logged; 0: never */
};

/* http_conn.c */
struct bufferevent *http_conn_new(struct event_base *base, void *server); /* evhttp's bevcb */
void http_conn_done(struct http_conn *c);                                 /* frees what evhttp never set up */
void http_conn_request(struct evhttp_request *ev, void *server);          /* evhttp's gencb */
void http_conn_replied(struct evhttp_request *ev, void *conn);            /* evhttp's on_complete */
void http_conn_uncharge(struct http_conn *c);
/* Answers with an error and closes, at the end of this turn. `why` is a sentence that lives for ever. */
void http_conn_refuse(struct http_conn *c, int status, const char *why);
/* From now on evhttp does nothing on this connection. Undone by nothing but closing. */
void http_conn_take(struct http_conn *c, enum http_conn_phase phase);
void http_conn_linger(struct http_conn *c); /* after the last byte was sent; deferred */
void http_conn_close(struct http_conn *c);  /* deferred */
void http_conn_on_deadline(struct deadline *d);
void http_conn_on_pace(struct deadline *d);

/* http_input.c: the judge of what comes, called from inside the input buffer before evhttp's turn */
void http_conn_on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *conn);
void http_conn_read(struct http_conn *c, size_t n);     /* the last n bytes of the input are new */
void http_conn_hold(struct http_conn *c, bool is_held); /* whether evhttp is told of what comes */
void http_conn_take_head(struct http_conn *c);          /* HEAD: out of the input, until the rest has come */

/* http_request.c */
struct http_request *http_request_new(struct http_conn *c, struct evhttp_request *ev);
void http_request_free(struct http_request *r); /* also its evhttp request, if it still owns one */
struct str http_peer_text(const struct http_peer *peer, const char *host); /* "" on the Unix socket */
void http_target_split(struct str target, struct str *path, struct str *query);
#define HTTP_COMMON_HEADERS(X)                                                                                         \
    X("X-Content-Type-Options", "nosniff")                                                                             \
    X("X-Frame-Options", "DENY")                                                                                       \
    X("Referrer-Policy", "no-referrer")
const char *http_status_phrase(int status);

/* http_stream.c */
void http_stream_closed(struct http_stream *s); /* its connection is going; tells the user and frees it */
void http_stream_on_silence(struct deadline *d);

/* http_listen.c */
void http_listeners_close(struct http_server *s);
