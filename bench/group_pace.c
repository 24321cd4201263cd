/* SPDX-License-Identifier: MIT */
/*
 * Many runs that speak at the pace of a model, all begun at the same moment: does each end when its model does? The
 * floor says what this machine can do at all while driver and stand-in share it.
 */
#include "bench.h"
#include "turns.h"

#include <stdio.h>

#define EVERY_MS 20

enum way { WAY_OFFLINE, WAY_PROVIDER, WAY_FLOOR };
static const char *const way_names[] = {"offline", "provider", "floor"};

static void add_figures(struct bench *b, enum way way, unsigned runs, unsigned pieces, struct turns_result *r)
{
    double ideal_s = (double)pieces * EVERY_MS / 1e3;
    const char *name = way_names[way];

    figures_add(b->figures, (double)samples_median(&r->took_ns) / 1e9, "s", ideal_s, "%s, %u runs: median end", name,
                runs);
    figures_add(b->figures, (double)samples_at(&r->took_ns, 99) / 1e9, "s", NO_TARGET, "%s, %u runs: p99", name, runs);
    figures_add(b->figures, (double)samples_at(&r->took_ns, 100) / 1e9, "s", NO_TARGET, "%s, %u runs: last", name,
                runs);
    figures_add(b->figures, (double)(r->driver_ns + r->provider_ns) / 1e7 / r->wall_s, "%", NO_TARGET,
                "%s, %u runs: driver and stand-in, share of a core", name, runs);
    if (way == WAY_FLOOR)
        return;
    figures_add(b->figures, (double)r->server.all_ns / 1e7 / r->wall_s, "%", NO_TARGET,
                "%s, %u runs: server, share of a core", name, runs);
    figures_add(b->figures, (double)r->server.all_ns / 1e3 / runs / pieces, "us", NO_TARGET,
                "%s, %u runs: server CPU per piece", name, runs);
}

static void measure(struct bench *b, enum way way, const struct stand_in *provider, unsigned runs, unsigned pieces)
{
    char message[80], model[80];
    struct turns_plan plan = {
        .provider = way == WAY_OFFLINE ? NULL : provider, .sessions = "pace", .total = runs, .at_once = runs};
    struct turns_result result;
    struct server server;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "pace: %s, %u runs", way_names[way], runs);
    snprintf(message, sizeof(message), "play\n#!culm {\"tokens\": %u, \"delay_ms\": %d}", pieces, EVERY_MS);
    snprintf(model, sizeof(model), "openai/pieces-%u-every-%d", pieces, EVERY_MS);
    plan.message = way == WAY_OFFLINE ? message : "Tell me some words, slowly.";
    plan.model = way == WAY_OFFLINE ? "offline/offline" : model;
    if (way != WAY_FLOOR) {
        bench_make_dir(b, "pace", &dir);
        server_start(b, "pace", dir.p, plan.provider, &server);
        plan.server = &server;
    }
    turns_run(b, &plan, &result);
    add_figures(b, way, runs, pieces, &result);
    turns_result_done(&result);
    if (way == WAY_FLOOR)
        return;
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

void group_pace(struct bench *b)
{
    static const unsigned full[] = {256, 1000, 5000}, quick[] = {16};
    const unsigned *runs = b->quick ? quick : full;
    size_t n = b->quick ? ARRAY_LEN(quick) : ARRAY_LEN(full);
    struct stand_in provider;

    stand_in_start(b, &provider);
    for (enum way way = WAY_OFFLINE; way <= WAY_FLOOR; way++)
        for (size_t i = 0; i < n; i++)
            measure(b, way, &provider, runs[i], b->quick ? 10 : 150);
    stand_in_stop(&provider);
}
