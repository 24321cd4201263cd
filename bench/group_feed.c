/* SPDX-License-Identifier: MIT */
/* What it costs that somebody watches the account feed, while sessions work and while nothing happens. */
#include "bench.h"
#include "turns.h"
#include "watchers.h"

#include <poll.h>
#include <stdio.h>

enum { SETTLE_MS = 300 };
static const unsigned at_once = 16;

static void on_feed(void *arg UNUSED, unsigned i UNUSED, char *path, size_t size)
{
    snprintf(path, size, "/api/v1/stream");
}

static void measure_turns(struct bench *b, unsigned n)
{
    struct turns_plan plan = {
        .sessions = "feed",
        .model = "offline/offline",
        .message = "play\n#!culm {\"tokens\": 50}",
        .total = b->quick ? 40 : 4000,
        .at_once = at_once,
    };
    CLEANUP(buf_done) struct buf dir = BUF_INIT;
    struct turns_result result;
    struct watchers *w = NULL;
    struct server server;

    bench_say(b, "feed: turns with %u watchers", n);
    bench_make_dir(b, "feed", &dir);
    server_start(b, "feed", dir.p, NULL, &server);
    plan.server = &server;
    if (n > 0)
        w = watchers_open(b, &server, n, on_feed, NULL);
    turns_run(b, &plan, &result);
    figures_add(b->figures, (double)result.server.all_ns / plan.total / 1e3, "us", NO_TARGET,
                "%u watchers: server CPU per turn, %u at once", n, at_once);
    figures_add(b->figures, (double)result.server.main_ns / plan.total / 1e3, "us", NO_TARGET,
                "%u watchers: of it the loop thread", n);
    turns_result_done(&result);
    watchers_close(w);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

static void measure_idle(struct bench *b, unsigned n)
{
    CLEANUP(buf_done) struct buf dir = BUF_INIT;
    struct memory_use before, after;
    struct watchers *w;
    struct server server;

    bench_say(b, "feed: %u idle watchers", n);
    bench_make_dir(b, "feed", &dir);
    server_start(b, "feed", dir.p, NULL, &server);
    before = process_memory(server.process.pid);
    w = watchers_open(b, &server, n, on_feed, NULL);
    poll(NULL, 0, b->quick ? 0 : SETTLE_MS);
    after = process_memory(server.process.pid);
    figures_add(b->figures, (double)(after.rss_bytes - before.rss_bytes) / n, "bytes", 3072, "each of %u, idle", n);
    watchers_close(w);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

void group_feed(struct bench *b)
{
    static const unsigned watchers[] = {0, 1, 100};

    for (size_t i = 0; i < ARRAY_LEN(watchers); i++)
        measure_turns(b, watchers[i]);
    measure_idle(b, b->quick ? 100 : 5000);
}
