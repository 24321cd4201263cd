/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * HTTP/1.1 server. Parsing and framing are evhttp's; a framing policy refuses what it lets
 * through (RFC 9112: one Content-Length of digits, not beside Transfer-Encoding, only `chunked`,
 * one Host, no control characters, no %00 in the path). Limits and timeouts from base/limits.h.
 * Loop thread only. A request lives from the handler's call until it is answered or became a
 * stream; every request must be answered exactly once, also after its client went away.
 */
#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

struct http_server;
struct http_request;
struct http_stream;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

/* Each 0 stands for the row of base/limits.h. */
struct http_server_limits {
    int64_t header_ms, body_ms, idle_ms, heartbeat_ms, stuck_ms;
    size_t body_bytes_per_second, body_total_bytes;
    size_t connections; /* lowered to what the file limit allows */
    size_t connections_per_address;
};

struct http_server_options {
    /* Called for each request whose framing is sound and whose body has been read. */
    void (*on_request)(void *arg, struct http_request *req);
    /* Optional: the body limit of a path (raw, undecoded), asked before the body is read. NULL:
     * LIMIT_BODY_MESSAGE_BYTES. */
    size_t (*body_limit)(void *arg, struct str path);
    void *arg;
    struct http_server_limits limits;
};

NODISCARD int http_server_new(struct loop *l, const struct http_server_options *o, struct http_server **out,
                              struct err *err);
/* *port 0 takes a free one; set to the bound port. The bind address is numeric or "localhost". */
NODISCARD int http_server_listen_tcp(struct http_server *s, const char *address, uint16_t *port, struct err *err);
/* Mode 0600; replaces a stale file. */
NODISCARD int http_server_listen_unix(struct http_server *s, const char *path, struct err *err);
/* A Unix socket that is no file and goes with the process; its name, "@…", is for http_call_options.unix_socket. */
#define HTTP_UNNAMED_SOCKET 16
NODISCARD int http_server_listen_unnamed(struct http_server *s, char out_name[HTTP_UNNAMED_SOCKET], struct err *err);
void http_server_stop_listening(struct http_server *s);
size_t http_server_connections(const struct http_server *s);
size_t http_server_streams(const struct http_server *s);

/* What is refused before anybody sees it as a request. X(name, status, wire name) */
#define HTTP_REFUSALS(X)                                                                                               \
    X(FRAMING, 400, "bad_request")                                                                                     \
    X(TIMEOUT, 408, "timeout")                                                                                         \
    X(BODY, 413, "too_large")                                                                                          \
    X(TARGET, 414, "uri_too_long")                                                                                     \
    X(EXPECTATION, 417, "expectation_failed")                                                                          \
    X(HEADERS, 431, "headers_too_large")                                                                               \
    X(BUSY, 503, "unavailable")
enum http_refusal {
#define X(name, status, wire) HTTP_REFUSED_##name,
    HTTP_REFUSALS(X)
#undef X
        HTTP_REFUSAL_COUNT
};

struct http_server_stats {
    size_t connections, streams; /* now */
    uint64_t accepted;           /* connections since the start */
    uint64_t turned_away;        /* of those: there were too many */
    uint64_t refused[HTTP_REFUSAL_COUNT];
    uint64_t stuck;               /* streams that were closed because their reader took nothing */
    uint64_t bytes_in, bytes_out; /* of requests; of answers, as they were handed to the socket */
};
void http_server_stats(const struct http_server *s, struct http_server_stats *out);
/* Closes everything; open streams get on_close. Not from a callback of the server. NULL is fine. */
void http_server_free(struct http_server *s);

/* The request: everything borrowed until it is answered. */
enum http_method http_request_method(const struct http_request *r);
struct str http_request_method_name(const struct http_request *r);
struct str http_request_path(const struct http_request *r);                     /* raw, before '?', not decoded */
struct str http_request_query(const struct http_request *r);                    /* raw, after '?' */
struct str http_request_header(const struct http_request *r, const char *name); /* STR_NULL: absent; first of several */
size_t http_request_header_count(const struct http_request *r, const char *name);
struct str http_request_body(const struct http_request *r);
struct str http_request_peer(const struct http_request *r); /* address text; "" on the Unix socket */
bool http_request_is_unix(const struct http_request *r);
bool http_request_peer_is_self(const struct http_request *r); /* Unix socket: peer uid is ours or root */
bool http_request_peer_is_loopback(const struct http_request *r);
uint16_t http_request_local_port(const struct http_request *r);
/* The name of the request in X-Request-Id and in the log: the client's where it is a sound id, else one of ours. */
const char *http_request_id(const struct http_request *r);

/* What the access log is to say besides what is known here. Absent: NULL, STR_NULL. Borrowed until the answer. */
struct http_label {
    const char *route; /* its pattern: paths hold names */
    struct str session, run;
    const char *code, *error; /* of a failure of ours */
};
void http_request_set_label(struct http_request *r, const struct http_label *label);

/* Headers are added before the answer; values must not hold control characters (asserted). */
void http_reply_header(struct http_request *r, const char *name, const char *value);
void http_reply(struct http_request *r, int status, struct str content_type, struct str body); /* ends the request */

/*
 * Turns the request into an endless chunked answer (SSE) that is written straight to the socket.
 * Status line and headers go out at once. The request is gone afterwards. NULL: the client left,
 * or asked by HEAD and has all it wanted. Callbacks may be NULL and never come from inside a call.
 */
struct http_stream_callbacks {
    void (*on_room)(void *arg); /* everything written so far has left; write more if there is more */
    /* The client left, or was stuck for LIMIT_STREAM_STUCK_MS: the last callback; the stream is gone when it returns.
     */
    void (*on_close)(void *arg);
    void (*on_silence)(void *arg); /* nothing written for LIMIT_HEARTBEAT_MS: a heartbeat is due */
    void *arg;
};
struct http_stream *http_reply_stream(struct http_request *r, int status, const struct http_stream_callbacks *cb);
/* True: taken whole and the socket may take more. False: taken, but wait for on_room before the next. */
bool http_stream_write(struct http_stream *s, struct str bytes);
bool http_stream_has_room(const struct http_stream *s);
/* Ends the answer properly once all is sent; no callback comes any more, and s is not to be used any more. */
void http_stream_end(struct http_stream *s);
/* Cuts the connection; no callback comes any more, and s is not to be used any more. */
void http_stream_abort(struct http_stream *s);

/* Percent-decoding, appended; false if malformed, NUL or broken UTF-8. '+' is a space in queries only. */
NODISCARD bool http_decode(struct str in, bool is_query, struct buf *out);
/* Whether every name and value can be decoded; else *bad is the name of the first that cannot, as it was sent. */
NODISCARD bool http_query_is_sound(struct str query, struct str *bad);
/* Value of the first such parameter, decoded, replaces out; false if absent, or malformed in a query that is not sound.
 */
bool http_query_find(struct str query, const char *name, struct buf *out);
