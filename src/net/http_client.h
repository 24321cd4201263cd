/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * HTTP client: libcurl multi on the loop, connections reused. Loop thread only. A call reports
 * bytes as they come; pausing is not needed because every consumer is bounded. Redirects are not
 * followed; only http and https; Unix sockets by path. Cancelling is silent: no callback follows.
 */
#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct http_client;
struct http_call;

struct http_call_options {
    const char *method; /* "POST" */
    const char *url;
    const char *unix_socket;    /* NULL: TCP; "@name": one that is no file */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct str body;            /* copied */
    int64_t connect_ms;         /* 0: 10 s */
    int64_t total_ms;           /* 0: none; streams have timers of their own */
    size_t max_header_bytes;    /* 0: 64 KiB */
    /* Called once, when the status and headers of the final answer are complete. Any callback may be NULL. */
    void (*on_headers)(void *arg, int status);
    /* Body bytes, in order. */
    void (*on_body)(void *arg, struct str bytes);
    /* The end: err NULL means the answer ended as HTTP says it should; else ERR_NETWORK, ERR_TIMEOUT, ERR_TOO_BIG. */
    void (*on_end)(void *arg, const struct err *err);
    void *arg;
};

struct http_client *http_client_new(struct loop *l); /* costs nothing before its first call */
void http_client_free(struct http_client *c); /* calls still open end silently; not from a callback; NULL is fine */
/* Never calls back before it returns. NULL with err set: the options were wrong (bad URL), or there is no libcurl. */
struct http_call *http_call_start(struct http_client *c, const struct http_call_options *o, struct err *err);
/* Also from its own callbacks; in on_end it does nothing. The call is gone afterwards, as it is after on_end. */
void http_call_cancel(struct http_call *call);
int http_call_status(const struct http_call *call);                          /* 0: no answer yet */
struct str http_call_header(const struct http_call *call, const char *name); /* of the answer; STR_NULL: absent */
/* Connections opened so far; tests see by it that they are reused. A call is counted when it has headers or ends. */
uint64_t http_client_connects(const struct http_client *c);
