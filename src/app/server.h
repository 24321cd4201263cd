/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One culm at work on a data directory: store, engine, models, HTTP API and what connects them.
 * `culm serve` opens it with TCP; `culm run` beside no server opens the same on the Unix socket
 * alone and is its client. Opening takes the store's lock, so there is one per directory.
 * Loop thread only; signals belong to whoever owns the loop.
 */
#include "app/config.h"
#include "app/home.h"
#include "net/loop.h"

struct server;

struct server_options {
    struct loop *loop;
    struct home *home;           /* borrowed as long as the server lives */
    const struct config *config; /* the same */
    bool tcp;                    /* also listen on server.bind and server.port, with a token */
    bool
        read_only; /* beside whoever works there, for this process alone: takes no lock, changes and recovers nothing */
};

/*
 * Everything but accepting requests. ERR_LOCKED: another process works there; ERR_BAD_REQUEST: the configuration
 * cannot be used; ERR_FORBIDDEN: a wide bind that is refused.
 */
NODISCARD int server_open(const struct server_options *o, struct server **out, struct err *err);
/* Takes up the runs that an earlier life left. */
void server_recover(struct server *s);
NODISCARD int server_listen(struct server *s, struct err *err);
const char *server_address(const struct server *s); /* URL of the TCP socket; NULL: none */
const char *server_socket(const struct server *s);  /* for a client in this process; after server_listen() */
/* The model of sessions that name none. ERR_BAD_REQUEST: there is none; the text says what to set. */
NODISCARD int server_default_model(const struct server *s, struct buf *out, struct err *err);
/* Takes over what may change while it runs; the new configuration is borrowed too, the old one stays so. */
NODISCARD int server_reload(struct server *s, const struct config *config, struct err *err);
/*
 * Stops accepting, parks the runs, ends the streams; calls `done` when what was begun is on the disk and told, or
 * after a part of LIMIT_SHUTDOWN_MS. Then server_free().
 */
void server_stop(struct server *s, loop_fn *done, void *arg);
void server_free(struct server *s); /* NULL is fine. Flushes and closes the store */

/* Raises the soft limit of open files as far as it goes; what it is now. */
uint64_t server_raise_file_limit(void);
struct rlimit;
uint64_t server_file_limit(const struct rlimit *files); /* what it would be */
bool server_is_loopback(const char *address);
