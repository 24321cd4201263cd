/* SPDX-License-Identifier: MIT */
/* One run that says much, as fast as it comes: what a piece of text costs without the rest of a turn. */
#include "bench.h"
#include "turns.h"

#include <stdio.h>

static void measure(struct bench *b, const struct stand_in *provider, unsigned pieces)
{
    const char *name = provider == NULL ? "offline" : "provider";
    char message[80], model[80];
    struct turns_plan plan = {.provider = provider, .sessions = "long", .total = 1, .at_once = 1};
    struct turns_result r;
    struct server server;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "long_run: %s", name);
    snprintf(message, sizeof(message), "play\n#!culm {\"tokens\": %u}", pieces);
    snprintf(model, sizeof(model), "openai/pieces-%u", pieces);
    plan.message = provider == NULL ? message : "Tell me many words.";
    plan.model = provider == NULL ? "offline/offline" : model;
    bench_make_dir(b, "long", &dir);
    server_start(b, "long_run", dir.p, provider, &server);
    plan.server = &server;
    turns_run(b, &plan, &r);
    figures_add(b->figures, pieces / r.wall_s, "/s", NO_TARGET, "%s: pieces of one run, one watcher", name);
    figures_add(b->figures, (double)r.server.all_ns / 1e3 / pieces, "us", NO_TARGET, "%s: server CPU per piece", name);
    turns_result_done(&r);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
}

void group_long_run(struct bench *b)
{
    unsigned pieces = b->quick ? 1000 : 20000;
    struct stand_in provider;

    stand_in_start(b, &provider);
    measure(b, NULL, pieces);
    measure(b, &provider, pieces);
    stand_in_stop(&provider);
}
