/* SPDX-License-Identifier: MIT */
#include "app/status.h"

#include "base/clock.h"
#include "base/log.h"

static void read_provider(const struct model_tally *t, struct status_provider *out)
{
    *out = (struct status_provider){.name = t->name,
                                    .calls = t->calls,
                                    .retries = t->retries,
                                    .answered = t->answered,
                                    .cancelled = t->cancelled,
                                    .in_flight = t->in_flight,
                                    .prompt_tokens = t->prompt_tokens,
                                    .completion_tokens = t->completion_tokens,
                                    .last_answered_at = t->last_answered_at,
                                    .last_failed_at = t->last_failed_at};
    memcpy(out->failed_by, t->failed, sizeof(out->failed_by));
    for (size_t i = 0; i < FAILURE_KINDS; i++)
        out->failed += t->failed[i];
    if (t->last_failed_at != 0) {
        out->last_failure = failure_names[t->last_failure.failure];
        out->last_failure_text = t->last_failure.text;
    }
    histogram_read(&t->first_piece, &out->first_piece);
}

static void collect_providers(const struct model_registry *models, struct arena *a, struct status *out)
{
    size_t n = 0;

    for (const struct model_tally *t = NULL; (t = model_tally_next(models, t)) != NULL;)
        n++;
    out->providers = arena_alloc(a, (n + 1) * sizeof(*out->providers));
    for (const struct model_tally *t = NULL; (t = model_tally_next(models, t)) != NULL;)
        read_provider(t, &out->providers[out->n_providers++]);
}

static void collect_traffic(const struct traffic *t, struct arena *a, struct status *out)
{
    size_t rows = traffic_rows(t);

    memcpy(out->door_refused, t->refused, sizeof(out->door_refused));
    out->events = t->events;
    out->event_bytes = t->event_bytes;
    out->routes = arena_alloc(a, rows * sizeof(*out->routes));
    for (size_t row = 0; row < rows; row++)
        out->n_routes += traffic_read(t, row, &out->routes[out->n_routes]);
}

void status_collect(const struct status_sources *from, const struct process_stats *process, struct arena *a,
                    struct status *out)
{
    *out = (struct status){.version = from->version,
                           .boot_id = from->boot_id,
                           .started_at = from->started_at,
                           .uptime_ms = clock_mono_ms() - from->started_mono_ms,
                           .process = *process};
    sqlite_store_stats(from->store, &out->store);
    engine_stats(from->engine, &out->engine);
    loop_stats(from->loop, &out->loop);
    out->log_dropped = log_dropped();
    http_server_stats(from->http, &out->http);
    collect_traffic(from->traffic, a, out);
    collect_providers(from->models, a, out);
    out->runs = arena_alloc(a, STATUS_RUNS_MAX * sizeof(*out->runs));
    out->n_runs = engine_runs(from->engine, out->runs, STATUS_RUNS_MAX);
}
