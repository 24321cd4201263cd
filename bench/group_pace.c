/* SPDX-License-Identifier: MIT */
/* Many runs that speak at the pace of a model, all begun at the same moment: does each end when its model does? */
#include "bench.h"
#include "turns.h"

#include <stdio.h>

#define EVERY_MS 20

static void add_figures(struct bench *b, const char *name, unsigned runs, unsigned pieces, struct turns_result *r)
{
    double ideal_s = (double)pieces * EVERY_MS / 1e3;

    figures_add(b->figures, (double)samples_median(&r->took_ns) / 1e9, "s", ideal_s, "%s, %u runs: median end", name,
                runs);
    figures_add(b->figures, (double)samples_at(&r->took_ns, 99) / 1e9, "s", NO_TARGET, "%s, %u runs: p99", name, runs);
    figures_add(b->figures, (double)samples_at(&r->took_ns, 100) / 1e9, "s", NO_TARGET, "%s, %u runs: last", name,
                runs);
    figures_add(b->figures, (double)r->server.all_ns / 1e3 / runs / pieces, "us", NO_TARGET,
                "%s, %u runs: server CPU per piece", name, runs);
    figures_add(b->figures, (double)r->server.all_ns / 1e7 / r->wall_s, "%", NO_TARGET,
                "%s, %u runs: server, share of a core", name, runs);
    figures_add(b->figures, (double)(r->driver_ns + r->provider_ns) / 1e7 / r->wall_s, "%", NO_TARGET,
                "%s, %u runs: driver and stand-in, the same", name, runs);
}

static void measure(struct bench *b, const struct stand_in *provider, unsigned runs, unsigned pieces)
{
    const char *name = provider == NULL ? "offline" : "provider";
    char message[80], model[80];
    struct turns_plan plan = {.provider = provider, .sessions = "pace", .total = runs, .at_once = runs};
    struct turns_result result;
    struct server server;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "pace: %s, %u runs", name, runs);
    snprintf(message, sizeof(message), "play\n#!culm {\"tokens\": %u, \"delay_ms\": %d}", pieces, EVERY_MS);
    snprintf(model, sizeof(model), "openai/pieces-%u-every-%d", pieces, EVERY_MS);
    plan.message = provider == NULL ? message : "Tell me some words, slowly.";
    plan.model = provider == NULL ? "offline/offline" : model;
    bench_make_dir(b, "pace", &dir);
    server_start(b, "pace", dir.p, provider, &server);
    plan.server = &server;
    turns_run(b, &plan, &result);
    add_figures(b, name, runs, pieces, &result);
    turns_result_done(&result);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

void group_pace(struct bench *b)
{
    static const unsigned full[] = {256, 1000, 5000}, quick[] = {16};
    const unsigned *runs = b->quick ? quick : full;
    size_t n = b->quick ? ARRAY_LEN(quick) : ARRAY_LEN(full);
    unsigned pieces = b->quick ? 10 : 150;
    struct stand_in provider;

    for (size_t i = 0; i < n; i++)
        measure(b, NULL, runs[i], pieces);
    stand_in_start(b, &provider);
    for (size_t i = 0; i < n; i++)
        measure(b, &provider, runs[i], pieces);
    stand_in_stop(&provider);
}
