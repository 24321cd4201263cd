/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A whole server on a directory, and one client of its socket, in this process: for tests that
 * break something under it. Calls wait for their answer, at most `wait_ms`.
 */
#include "app/client.h"
#include "app/server.h"

struct life {
    struct home home;
    struct config *config;
    struct loop *loop;
    struct server *server;
    struct client *client;
    int64_t wait_ms;    /* 5 s after life_begin() */
    const char *header; /* of the next call alone, "Name: value"; NULL: none */
};

/* False: the start was refused, and `err` says why. life_end() is wanted in both cases. */
NODISCARD bool life_begin(struct life *l, const char *dir, struct err *err);
/* The HTTP status; 0: no answer came. The body may be NULL; `reply` too, else it gets the JSON of the answer. */
int life_call(struct life *l, const char *method, const char *path, const char *body, struct buf *reply);
/* Asks until the session has no active run. False: it has one still. */
NODISCARD bool life_wait_idle(struct life *l, const char *session);
void life_end(struct life *l); /* in order, as SIGTERM does */
