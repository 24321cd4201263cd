/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One picture of the whole process, put together from what each owner counts when somebody asks,
 * and written by one table of fields (status_fields.h): as the document of GET /api/v1/status and
 * as the text that Prometheus scrapes. Loop thread; nothing is kept and no timer runs for it.
 */
#include "base/process_stats.h"
#include "engine/engine.h"
#include "face/traffic.h"
#include "model/model.h"
#include "model/tally.h"
#include "net/http.h"
#include "store/sqlite/sqlite_store.h"

#define STATUS_RUNS_MAX 100 /* runs that the document lists */

/* Where the numbers come from; borrowed. */
struct status_sources {
    const char *version, *boot_id;
    int64_t started_at, started_mono_ms;
    const struct store *store;
    const struct engine *engine;
    const struct loop *loop;
    const struct http_server *http;
    const struct traffic *traffic;
    const struct model_registry *models;
};

struct status_provider {
    const char *name;
    uint64_t calls, retries, answered, cancelled, failed, failed_by[FAILURE_KINDS], in_flight;
    uint64_t prompt_tokens, completion_tokens;
    int64_t last_answered_at, last_failed_at;
    const char *last_failure, *last_failure_text; /* kind, and the sentence; NULL: none yet */
    struct histogram_reading first_piece;
};

struct status {
    const char *version, *boot_id;
    int64_t started_at, uptime_ms;
    struct process_stats process;
    struct sqlite_stats store;
    struct engine_stats engine;
    struct loop_stats loop;
    uint64_t log_dropped;
    struct http_server_stats http;
    uint64_t door_refused[DOOR_REFUSAL_COUNT], events, event_bytes;
    struct engine_run *runs; /* the oldest */
    size_t n_runs;
    struct status_provider *providers;
    size_t n_providers;
    struct route_reading *routes; /* those that were asked for */
    size_t n_routes;
};

/* What `out` points to lives in the arena or belongs to the sources: to be used before anything else happens. */
void status_collect(const struct status_sources *from, const struct process_stats *process, struct arena *a,
                    struct status *out);
void status_write_json(const struct status *s, struct buf *out);
void status_write_prometheus(const struct status *s, struct buf *out);
