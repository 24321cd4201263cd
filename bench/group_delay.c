/* SPDX-License-Identifier: MIT */
/* One run at a steady pace, with stamps in its text: how late watchers see a piece, and what each sight costs. */
#include "bench.h"
#include "fail.h"
#include "watchers.h"

#include <stdio.h>

struct watching {
    const char *name;
    unsigned watchers, pieces, every_ms, batch_ms;
    double cpu_target_us; /* for each piece at each watcher */
};

static void on_watched(void *arg, unsigned i UNUSED, char *path, size_t size)
{
    const struct watching *w = arg;

    snprintf(path, size, "/api/v1/events/delay?batch_ms=%u", w->batch_ms);
}

static void add_figures(struct bench *b, const struct watching *w, struct samples *delays, int64_t cpu_ns,
                        const char *whose)
{
    double seen = (double)w->watchers * w->pieces;

    if ((double)delays->n < seen * 0.99) /* a stamp may be cut by the end of a read, and is not counted then */
        fail("delay, %s: %zu pieces were seen instead of %.0f", w->name, delays->n, seen);
    figures_add(b->figures, (double)samples_median(delays) / 1e3, "us", NO_TARGET, "%s: delay, median", w->name);
    figures_add(b->figures, (double)samples_at(delays, 99) / 1e3, "us", NO_TARGET, "%s: delay, p99", w->name);
    figures_add(b->figures, (double)samples_at(delays, 100) / 1e3, "us", NO_TARGET, "%s: delay, greatest", w->name);
    figures_add(b->figures, (double)cpu_ns / 1e3 / seen, "us", w->cpu_target_us, "%s: CPU of %s per piece and watcher",
                w->name, whose);
}

static void measure(struct bench *b, const struct stand_in *provider, struct watching *w)
{
    struct server server;
    struct watchers *watchers;
    struct cpu_time before, cpu;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;
    CLEANUP(buf_done) struct buf body = BUF_INIT;

    bench_say(b, "delay: %s", w->name);
    bench_make_dir(b, "delay", &dir);
    server_start(b, "delay", dir.p, provider, &server);
    buf_addf(
        &body,
        "{\"session_id\":\"delay\",\"message\":\"Tell me the time.\",\"model\":\"openai/pieces-%u-every-%u-stamped\"}",
        w->pieces, w->every_ms);
    server_ask(b, &server, "POST", "/api/v1/chat", buf_str(&body), NULL);
    watchers = watchers_open(b, &server, w->watchers, on_watched, w);
    before = process_cpu(server.process.pid);
    server_ask(b, &server, "POST", "/api/v1/execute/delay", STR("{}"), NULL);
    watchers_wait_end(watchers);
    cpu = cpu_since(process_cpu(server.process.pid), before);
    add_figures(b, w, watchers_delays_ns(watchers), cpu.all_ns, "the server");
    watchers_close(watchers);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

/* What it takes to sleep, to be woken, to send and to receive, with no server between. */
static void measure_floor(struct bench *b, const struct stand_in *provider, struct watching *w)
{
    struct watchers *watchers;
    struct cpu_time before, after;
    char model[64];

    bench_say(b, "delay: %s", w->name);
    snprintf(model, sizeof(model), "pieces-%u-every-%u-stamped", w->pieces, w->every_ms);
    before = process_cpu(provider->process.pid);
    watchers = watchers_open_floor(b, provider, model);
    watchers_wait_end(watchers);
    after = process_cpu(provider->process.pid);
    add_figures(b, w, watchers_delays_ns(watchers), after.all_ns - before.all_ns, "the stand-in");
    watchers_close(watchers);
}

void group_delay(struct bench *b)
{
    struct watching full[] = {
        {"1 watcher", 1, 500, 10, 0, NO_TARGET},
        {"1,000 watchers", 1000, 300, 10, 0, 6},
        {"1,000 watchers, batch_ms=250", 1000, 1000, 5, 250, 0.3},
    };
    struct watching quick[] = {{"10 watchers", 10, 20, 5, 0, 6}, {"10 watchers, batch_ms=50", 10, 20, 5, 50, 0.3}};
    struct watching *list = b->quick ? quick : full;
    size_t n = b->quick ? ARRAY_LEN(quick) : ARRAY_LEN(full);
    struct watching floor = {"floor", 1, b->quick ? 20 : 500, b->quick ? 5 : 10, 0, NO_TARGET};
    struct stand_in provider;

    stand_in_start(b, &provider);
    measure_floor(b, &provider, &floor);
    for (size_t i = 0; i < n; i++)
        measure(b, &provider, &list[i]);
    stand_in_stop(&provider);
}
