/* SPDX-License-Identifier: MIT */
#pragma once
/* The processes around the driver: culm, which is measured, and the stand-in for its provider. */
#include "base/buf.h"
#include "bench.h"
#include "process.h"

struct stand_in {
    struct process process;
    uint16_t port;
};
void stand_in_start(struct bench *b, struct stand_in *out);
void stand_in_stop(struct stand_in *s);
struct stand_in_stats {
    int64_t requests, body_bytes; /* completions it was asked for */
    int64_t connections;          /* accepted, that of this question included */
};
void stand_in_stats(struct bench *b, const struct stand_in *s, struct stand_in_stats *out);

struct server {
    struct process process;
    uint16_t port;
    char token[80];
    struct buf log; /* path of its stderr */
    const char *name;
};
/*
 * A culm on that data directory, made where missing; its provider, if there is one, is the stand-in. Ready: it has
 * said where it listens. `name` is for messages, and borrowed.
 */
void server_start(struct bench *b, const char *name, const char *data_dir, const struct stand_in *provider,
                  struct server *out);
/* Complains on stderr when its log has warnings. */
void server_stop(struct bench *b, struct server *s);
/* Sends a request and waits; fails unless the status is below 300. `body` and `reply` may be empty and NULL. */
void server_ask(struct bench *b, const struct server *s, const char *method, const char *path, struct str body,
                struct buf *reply);
