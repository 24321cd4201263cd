/* SPDX-License-Identifier: MIT */
/* Whole turns as fast as they go: with the built-in model, with a provider, and the floor under that. */
#include "bench.h"
#include "turns.h"

#include <stdio.h>

enum way { WAY_OFFLINE, WAY_PROVIDER, WAY_FLOOR };
static const char *const way_names[] = {"offline", "provider", "floor"};

struct load {
    unsigned at_once, total;
};

static void add_figures(struct bench *b, enum way way, const struct load *load, struct turns_result *r)
{
    const char *name = way_names[way];
    double turns = load->total;

    figures_add(b->figures, turns / r->wall_s, "/s", NO_TARGET, "%s, %u at once", name, load->at_once);
    if (way == WAY_FLOOR) {
        figures_add(b->figures, (double)(r->driver_ns + r->provider_ns) / turns / 1e3, "us", NO_TARGET,
                    "%s, %u at once: CPU of driver and stand-in", name, load->at_once);
    } else {
        figures_add(b->figures, (double)r->server.all_ns / turns / 1e3, "us", NO_TARGET,
                    "%s, %u at once: server CPU per turn", name, load->at_once);
        figures_add(b->figures, (double)r->server.main_ns / turns / 1e3, "us", NO_TARGET,
                    "%s, %u at once: of it the loop thread", name, load->at_once);
    }
    figures_add(b->figures, (double)samples_median(&r->took_ns) / 1e6, "ms", NO_TARGET, "%s, %u at once: median", name,
                load->at_once);
    figures_add(b->figures, (double)samples_at(&r->took_ns, 99) / 1e6, "ms", NO_TARGET, "%s, %u at once: p99", name,
                load->at_once);
}

static void measure(struct bench *b, enum way way, const struct load *load, const struct stand_in *provider)
{
    struct turns_plan plan = {
        .provider = way == WAY_OFFLINE ? NULL : provider,
        .sessions = "turn",
        .model = way == WAY_OFFLINE ? "offline/offline" : "openai/pieces-50",
        .message = way == WAY_OFFLINE ? "play\n#!culm {\"tokens\": 50}" : "Tell me fifty words.",
        .total = load->total,
        .at_once = load->at_once,
    };
    struct stand_in_stats before, after;
    struct turns_result result;
    struct server server;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "turns: %s, %u at once", way_names[way], load->at_once);
    if (way != WAY_FLOOR) {
        bench_make_dir(b, "turns", &dir);
        server_start(b, "turns", dir.p, plan.provider, &server);
        plan.server = &server;
    }
    stand_in_stats(b, provider, &before);
    turns_run(b, &plan, &result);
    stand_in_stats(b, provider, &after);
    add_figures(b, way, load, &result);
    if (way == WAY_PROVIDER)
        figures_add(b->figures, (double)(after.connections - before.connections - 1) / load->total, "", NO_TARGET,
                    "provider, %u at once: new connections to it per turn", load->at_once);
    turns_result_done(&result);
    if (way == WAY_FLOOR)
        return;
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

void group_turns(struct bench *b)
{
    static const struct load full[] = {{1, 500}, {16, 4000}, {256, 6000}, {1000, 8000}}, quick[] = {{1, 20}, {16, 80}};
    const struct load *loads = b->quick ? quick : full;
    size_t n = b->quick ? ARRAY_LEN(quick) : ARRAY_LEN(full);
    struct stand_in provider;

    stand_in_start(b, &provider);
    for (enum way way = WAY_OFFLINE; way <= WAY_FLOOR; way++)
        for (size_t i = 0; i < n; i++)
            measure(b, way, &loads[i], &provider);
    stand_in_stop(&provider);
}
