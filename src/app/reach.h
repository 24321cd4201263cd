/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a command gets at sessions: by the server that --server names, else by the one that works in
 * the data directory, else by reading what is stored itself, without a lock and without a change.
 * Requests are made one at a time and waited for; what goes wrong is said on stderr. One thread.
 */
#include "app/client.h"
#include "app/command_line.h"

struct reach;

enum reach_for {
    REACH_READING,  /* beside no server: what is stored, as it is */
    REACH_CHANGING, /* beside no server: becomes the server for as long as it takes; recovers nothing by itself */
};

/* 0, or an exit code when stderr says why. */
NODISCARD int reach_open(const struct command_line *line, enum reach_for what, struct reach **out);
void reach_close(struct reach *r); /* NULL is fine */

struct client *reach_client(struct reach *r); /* until reach_again() or the end */
struct loop *reach_loop(struct reach *r);
bool reach_is_alone(const struct reach *r);    /* no server: this process has opened the store */
void reach_pause(struct reach *r, int64_t ms); /* the loop goes on meanwhile */
bool reach_has_server(struct reach *r);        /* a server is there now, or one was named */
/* Looks anew for who answers, after a server has gone. Not from a callback of the client, which is replaced. */
NODISCARD int reach_again(struct reach *r, struct err *err);

/* The answer, borrowed for the call; `body` is NULL where it is no JSON. The exit code. */
typedef int reach_take_fn(void *arg, int status, const struct json *body);
/* Sends, waits, hands over whatever is answered. An exit code: that of `take`, or nothing was answered. */
NODISCARD int reach_ask(struct reach *r, const struct client_request *q, reach_take_fn *take, void *arg);
/* GET; `take` sees 200 alone, all else is said on stderr: CODE_ERROR. */
NODISCARD int reach_get(struct reach *r, const char *path, reach_take_fn *take, void *arg);
/* The same for answers of up to `max_bytes`. */
NODISCARD int reach_get_long(struct reach *r, const char *path, size_t max_bytes, reach_take_fn *take, void *arg);
/* A refusal, on stderr; the exit code. */
int reach_refused(const struct reach *r, int status, const struct json *body);

/* Adds &name=value, percent-encoded; nothing where the value is empty. */
void reach_add_query(struct buf *path, const char *name, struct str value);
