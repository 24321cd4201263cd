/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One connection of the driver to a server on 127.0.0.1: one request at a time, its reply handed
 * out as it comes. Requests are small enough for a socket's buffer. What the server does against
 * HTTP, or a connection lost in the middle of a reply, ends the benchmark.
 */
#include "base/buf.h"
#include "poller.h"

struct conn;

struct conn_user {
    void (*on_body)(void *arg, struct str bytes); /* may be NULL; must not close */
    void (*on_end)(void *arg, int status);        /* the reply is whole: may send the next request, or close */
    void *arg;
};

struct conn *conn_open(struct poller *p, uint16_t port, const struct conn_user *user);
void conn_use(struct conn *c, const struct conn_user *user); /* while it is idle */
void conn_send(struct conn *c, struct str request);
void conn_close(struct conn *c); /* NULL is fine */

/* A request to a server at that port, and its body, which may be empty. token: NULL, or the bearer's. */
void request_write(struct buf *out, uint16_t port, const char *method, const char *path, const char *token,
                   struct str body);
/* Sends and waits for the whole reply, running the poller. Returns the status; `body` may be NULL. */
int conn_exchange(struct conn *c, struct poller *p, struct str request, struct buf *body);
