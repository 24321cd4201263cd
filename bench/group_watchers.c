/* SPDX-License-Identifier: MIT */
/* What it costs in memory to have somebody watch while nothing happens. */
#include "bench.h"
#include "watchers.h"

#include <poll.h>
#include <stdio.h>

enum { SETTLE_MS = 300 };

static void on_one_session(void *arg UNUSED, unsigned i UNUSED, char *path, size_t size)
{
    snprintf(path, size, "/api/v1/events/watched-0?follow=1");
}

static void on_own_session(void *arg UNUSED, unsigned i, char *path, size_t size)
{
    snprintf(path, size, "/api/v1/events/watched-%u?follow=1", i);
}

static void make_sessions(struct bench *b, const struct server *s, unsigned n)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;

    for (unsigned i = 0; i < n; i++) {
        buf_clear(&body);
        buf_addf(&body, "{\"session_id\":\"watched-%u\",\"message\":\"hello\"}", i);
        server_ask(b, s, "POST", "/api/v1/chat", buf_str(&body), NULL);
    }
}

static void measure(struct bench *b, const char *name, watchers_path_fn *path, unsigned n, unsigned sessions)
{
    struct memory_use before, after;
    struct watchers *w;
    struct server server;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "watchers: %u, %s", n, name);
    bench_make_dir(b, "watchers", &dir);
    server_start(b, "watchers", dir.p, NULL, &server);
    make_sessions(b, &server, sessions);
    before = process_memory(server.process.pid);
    w = watchers_open(b, &server, n, path, NULL);
    poll(NULL, 0, b->quick ? 0 : SETTLE_MS);
    after = process_memory(server.process.pid);
    figures_add(b->figures, (double)(after.rss_bytes - before.rss_bytes) / n, "bytes", 3072, "each of %u, %s", n, name);
    watchers_close(w);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

void group_watchers(struct bench *b)
{
    unsigned n = b->quick ? 100 : 5000;

    measure(b, "all on one session", on_one_session, n, 1);
    measure(b, "each on a session of its own", on_own_session, n, n);
}
