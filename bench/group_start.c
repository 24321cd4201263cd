/* SPDX-License-Identifier: MIT */
/* Start to the first healthy answer, and the memory of a server that nobody uses. */
#include "bench.h"
#include "now.h"
#include "samples.h"
#include "server.h"
#include "talks.h"
#include "turns.h"

#include <poll.h>

enum { SETTLE_MS = 300, START_TARGET_MS = 20, MEMORY_TARGET_MB = 10 };

static void measure(struct bench *b, const char *dir, unsigned sessions, unsigned starts)
{
    struct samples ready_ns = {0};
    struct memory_use memory = {0};

    for (unsigned i = 0; i < starts; i++) {
        struct server server;
        int64_t began;

        bench_say(b, "start: with %u sessions, %u of %u", sessions, i + 1, starts);
        began = now_ns();
        server_start(b, "start", dir, NULL, &server);
        server_ask(b, &server, "GET", "/api/v1/health", STR(""), NULL);
        samples_add(&ready_ns, now_ns() - began);
        poll(NULL, 0, b->quick ? 0 : SETTLE_MS);
        memory = process_memory(server.process.pid);
        server_stop(b, &server);
    }
    figures_add(b->figures, (double)samples_median(&ready_ns) / 1e6, "ms", START_TARGET_MS,
                "%u sessions: first healthy answer, median", sessions);
    figures_add(b->figures, (double)samples_at(&ready_ns, 100) / 1e6, "ms", NO_TARGET,
                "%u sessions: first healthy answer, slowest of %u", sessions, starts);
    figures_add(b->figures, (double)memory.rss_bytes / 1048576, "MB", MEMORY_TARGET_MB, "%u sessions: idle, RSS",
                sessions);
    figures_add(b->figures, (double)memory.pss_bytes / 1048576, "MB", NO_TARGET, "%u sessions: idle, PSS", sessions);
    figures_add(b->figures, (double)memory.private_dirty_bytes / 1048576, "MB", NO_TARGET,
                "%u sessions: idle, private dirty", sessions);
    samples_done(&ready_ns);
}

/* What is loaded with the first call of a provider stays. */
static void measure_used(struct bench *b)
{
    struct turns_plan plan = {
        .sessions = "used", .model = "openai/pieces-50", .message = "Tell me fifty words.", .total = 1, .at_once = 1};
    struct turns_result result;
    struct memory_use memory;
    struct stand_in provider;
    struct server server;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_make_dir(b, "start-used", &dir);
    stand_in_start(b, &provider);
    server_start(b, "start", dir.p, &provider, &server);
    plan.server = &server;
    turns_run(b, &plan, &result);
    poll(NULL, 0, b->quick ? 0 : SETTLE_MS);
    memory = process_memory(server.process.pid);
    figures_add(b->figures, (double)samples_median(&result.took_ns) / 1e6, "ms", NO_TARGET,
                "first turn with a provider after a start");
    figures_add(b->figures, (double)memory.rss_bytes / 1048576, "MB", NO_TARGET, "idle after that turn, RSS");
    figures_add(b->figures, (double)memory.private_dirty_bytes / 1048576, "MB", NO_TARGET,
                "idle after that turn, private dirty");
    turns_result_done(&result);
    server_stop(b, &server);
    stand_in_stop(&provider);
    bench_remove_dir(dir.p);
}

void group_start(struct bench *b)
{
    unsigned starts = b->quick ? 1 : 11;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_make_dir(b, "start", &dir);
    measure(b, dir.p, 0, starts);
    bench_remove_dir(dir.p);
    buf_clear(&dir);
    bench_make_dir(b, "start-many", &dir);
    talks_make_many(b, dir.p);
    measure(b, dir.p, talks_many(b), starts);
    bench_remove_dir(dir.p);
    measure_used(b);
}
