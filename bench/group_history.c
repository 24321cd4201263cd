/* SPDX-License-Identifier: MIT */
/* What a turn costs when much was said before: only what is sent to the model should grow. */
#include "bench.h"
#include "talks.h"
#include "turns.h"

#include <stdio.h>

enum { PIECES = 10, TEXT_BYTES = 40 };

static void measure(struct bench *b, const struct server *server, const struct stand_in *provider, unsigned messages,
                    unsigned turns)
{
    struct stand_in_stats before, after;
    struct turns_result r;
    char session[32], model[32];
    struct turns_plan plan = {.server = server,
                              .provider = provider,
                              .sessions = session,
                              .model = model,
                              .message = "And now?",
                              .total = 1,
                              .at_once = 1,
                              .one_session = true};

    bench_say(b, "history: %u messages", messages);
    snprintf(session, sizeof(session), "talk-%u", messages);
    snprintf(model, sizeof(model), "openai/pieces-%d", PIECES);
    turns_run(b, &plan, &r);
    figures_add(b->figures, (double)samples_median(&r.took_ns) / 1e6, "ms", NO_TARGET, "%u messages: first turn",
                messages);
    turns_result_done(&r);
    plan.total = turns;
    stand_in_stats(b, provider, &before);
    turns_run(b, &plan, &r);
    stand_in_stats(b, provider, &after);
    figures_add(b->figures, (double)samples_median(&r.took_ns) / 1e6, "ms", NO_TARGET, "%u messages: turn, median",
                messages);
    figures_add(b->figures, (double)r.server.all_ns / 1e3 / turns, "us", NO_TARGET, "%u messages: server CPU per turn",
                messages);
    figures_add(b->figures, (double)r.server.main_ns / 1e3 / turns, "us", NO_TARGET,
                "%u messages: of it the loop thread", messages);
    figures_add(b->figures,
                (double)(after.body_bytes - before.body_bytes) / 1024 / (double)(after.requests - before.requests),
                "KB", NO_TARGET, "%u messages: request to the model", messages);
    turns_result_done(&r);
}

void group_history(struct bench *b)
{
    static const unsigned full[] = {10, 1000, 5000}, quick[] = {10, 100};
    const unsigned *messages = b->quick ? quick : full;
    size_t n = b->quick ? ARRAY_LEN(quick) : ARRAY_LEN(full);
    struct stand_in provider;
    struct server server;
    struct talks *talks;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "history: writing the talks");
    bench_make_dir(b, "history", &dir);
    talks = talks_open(dir.p, TEXT_BYTES);
    for (size_t i = 0; i < n; i++) {
        char session[32];

        snprintf(session, sizeof(session), "talk-%u", messages[i]);
        talks_add(talks, session, messages[i] / 2);
    }
    talks_close(talks);
    stand_in_start(b, &provider);
    server_start(b, "history", dir.p, &provider, &server);
    for (size_t i = 0; i < n; i++)
        measure(b, &server, &provider, messages[i], b->quick ? 3 : 50);
    server_stop(b, &server);
    stand_in_stop(&provider);
    bench_remove_dir(dir.p);
}
