/* SPDX-License-Identifier: MIT */
#include "app/status_fields.h"

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "sizes are read as 64-bit numbers");

/* ---- the server ---- */

#define AT(member) offsetof(struct status, member)

static const struct status_field server_fields[] = {
    {"version", "culm_build_info", "version", FIELD_BUILD, AT(version), "The version that runs."},
    {"boot_id", NULL, NULL, FIELD_TEXT, AT(boot_id), NULL},
    {"pid", NULL, NULL, FIELD_NUMBER, AT(process.pid), NULL},
    {"started_at", "process_start_time_seconds", NULL, FIELD_TIME, AT(started_at),
     "When the process started, in seconds since the epoch."},
    {"uptime_ms", NULL, NULL, FIELD_MS, AT(uptime_ms), NULL},

    {"memory.resident_bytes", "process_resident_memory_bytes", NULL, FIELD_NUMBER, AT(process.resident_bytes),
     "Resident memory."},
    {"memory.virtual_bytes", "process_virtual_memory_bytes", NULL, FIELD_NUMBER, AT(process.virtual_bytes),
     "Virtual memory."},
    {"process.cpu_ms", "process_cpu_seconds_total", NULL, FIELD_CPU_MS, AT(process.cpu_ms),
     "Processor time, of user and system."},
    {"process.threads", "process_threads", NULL, FIELD_NUMBER, AT(process.threads), "Threads."},
    {"process.open_files", "process_open_fds", NULL, FIELD_NUMBER, AT(process.open_files), "Open file descriptors."},
    {"process.max_files", "process_max_fds", NULL, FIELD_NUMBER, AT(process.max_files),
     "File descriptors that may be open."},

    {"store.file_bytes", "culm_store_file_bytes", NULL, FIELD_NUMBER, AT(store.file_bytes),
     "Size of the database and its write-ahead log."},
    {"store.disk_free_bytes", "culm_store_disk_free_bytes", NULL, FIELD_NUMBER, AT(store.disk_free_bytes),
     "Room that is left on the disk of the database."},
    {"store.queued", "culm_store_queued_appends", NULL, FIELD_NUMBER, AT(store.queued),
     "Appends that wait for their commit."},
    {"store.appends", "culm_store_appends_total", "outcome=\"stored\"", FIELD_COUNT, AT(store.appends),
     "Appends that were completed, by outcome."},
    {"store.refused", "culm_store_appends_total", "outcome=\"refused\"", FIELD_COUNT, AT(store.refused), NULL},
    {"store.failed", "culm_store_appends_total", "outcome=\"failed\"", FIELD_COUNT, AT(store.failed), NULL},
    {"store.commits", "culm_store_commits_total", NULL, FIELD_COUNT, AT(store.commits), "Commits."},
    {"store.checkpoints", "culm_store_checkpoints_total", NULL, FIELD_COUNT, AT(store.checkpoints),
     "Times the write-ahead log was folded back."},
    {"store.reopened", "culm_store_reopened_total", NULL, FIELD_COUNT, AT(store.reopened),
     "Connections to the database that were given up after an I/O error."},
    {"store.flush", "culm_store_flush_seconds", NULL, FIELD_HISTOGRAM, AT(store.flush), "How long commits took."},

    {"sessions.live", "culm_sessions_live", NULL, FIELD_NUMBER, AT(engine.live),
     "Sessions in memory because they are worked on."},
    {"sessions.watched", "culm_sessions_watched", NULL, FIELD_NUMBER, AT(engine.watched),
     "Sessions in memory because somebody watches."},
    {"watchers", "culm_watchers", NULL, FIELD_NUMBER, AT(engine.subscribers), "Open event streams of sessions."},
    {"queued_effects", "culm_engine_queued_effects", NULL, FIELD_NUMBER, AT(engine.queued),
     "Events and effects that wait for the disk."},

    {"runs.active", NULL, NULL, FIELD_NUMBER, AT(engine.running), NULL},
#define X(name, wire)                                                                                                  \
    {"runs." wire,                                                                                                     \
     "culm_runs",                                                                                                      \
     "state=\"" wire "\"",                                                                                             \
     FIELD_NUMBER,                                                                                                     \
     AT(engine.by_state[RUN_IS_##name]),                                                                               \
     RUN_IS_##name == 0 ? "Active runs, by what they are doing." : NULL},
    RUN_STATES(X)
#undef X
        {"runs.started", "culm_runs_started_total", NULL, FIELD_COUNT, AT(engine.started), "Runs that began."},
    {"runs.recovered", "culm_runs_recovered_total", NULL, FIELD_COUNT, AT(engine.recovered),
     "Runs of an earlier life, or of a failed append, that were taken up again."},
#define X(name, wire)                                                                                                  \
    {sizeof(wire) > 1 ? "runs.ended." wire : NULL,                                                                     \
     sizeof(wire) > 1 ? "culm_runs_ended_total" : NULL,                                                                \
     "end=\"" wire "\"",                                                                                               \
     FIELD_COUNT,                                                                                                      \
     AT(engine.ended[END_##name]),                                                                                     \
     "Runs that ended, by how."},
    RUN_ENDS(X)
#undef X

        {"text.pieces", "culm_text_pieces_total", NULL, FIELD_COUNT, AT(engine.pieces),
         "Pieces of text that models have sent."},
    {"text.bytes", "culm_text_bytes_total", NULL, FIELD_COUNT, AT(engine.piece_bytes),
     "Bytes of text that models have sent."},
    {"text.pieces_per_second", NULL, NULL, FIELD_RATE, AT(engine.pieces_per_second), NULL},

    {"http.connections", "culm_http_connections", NULL, FIELD_NUMBER, AT(http.connections), "Open connections."},
    {"http.streams", "culm_http_streams", NULL, FIELD_NUMBER, AT(http.streams),
     "Open connections that carry an event stream."},
    {"http.accepted", "culm_http_accepted_total", NULL, FIELD_COUNT, AT(http.accepted),
     "Connections that were accepted."},
    {"http.turned_away", "culm_http_turned_away_total", NULL, FIELD_COUNT, AT(http.turned_away),
     "Connections that were closed at once because there were too many."},
    {"http.received_bytes", "culm_http_received_bytes_total", NULL, FIELD_COUNT, AT(http.bytes_in),
     "Bytes of requests."},
    {"http.sent_bytes", "culm_http_sent_bytes_total", NULL, FIELD_COUNT, AT(http.bytes_out),
     "Bytes of answers, event streams included."},
    {"http.events", "culm_http_events_total", NULL, FIELD_COUNT, AT(events), "Events sent on event streams."},
    {"http.event_bytes", "culm_http_event_bytes_total", NULL, FIELD_COUNT, AT(event_bytes),
     "Bytes sent on event streams, heartbeats included."},
    {"http.stuck_streams", "culm_http_stuck_streams_total", NULL, FIELD_COUNT, AT(http.stuck),
     "Event streams that were closed because their reader took nothing."},
#define X(name, status, wire)                                                                                          \
    {"http.refused." wire,                                                                                             \
     "culm_http_refused_total",                                                                                        \
     "reason=\"" wire "\"",                                                                                            \
     FIELD_COUNT,                                                                                                      \
     AT(http.refused[HTTP_REFUSED_##name]),                                                                            \
     HTTP_REFUSED_##name == 0 ? "Requests that were refused before a route saw them, by the code of the error."        \
                              : NULL},
    HTTP_REFUSALS(X)
#undef X
#define X(code, wire)                                                                                                  \
    {"http.refused." wire,                                                                                             \
     "culm_http_refused_total",                                                                                        \
     "reason=\"" wire "\"",                                                                                            \
     FIELD_COUNT,                                                                                                      \
     AT(door_refused[DOOR_REFUSED_##code]),                                                                            \
     NULL},
        DOOR_REFUSALS(X)
#undef X

            {"loop.stalls", "culm_loop_stalls_total", NULL, FIELD_COUNT, AT(loop.stalls),
             "Callbacks that held the event loop for more than 20 ms."},
    {"loop.longest_us", "culm_loop_longest_callback_seconds", NULL, FIELD_US, AT(loop.longest_us),
     "The longest that a callback has held the event loop."},
    {"loop.longest_callback", NULL, NULL, FIELD_TEXT, AT(loop.longest), NULL},
    {"log.dropped", "culm_log_dropped_lines_total", NULL, FIELD_COUNT, AT(log_dropped),
     "Lines of the log that nobody took."},
};
#undef AT

/* ---- the runs at work: only in the document, their number is not bounded enough for labels ---- */

#define AT(member) offsetof(struct engine_run, member)

static const struct status_field run_fields[] = {
    {"session_id", NULL, NULL, FIELD_STR, AT(session_id), NULL},
    {"run_id", NULL, NULL, FIELD_CHARS, AT(run_id), NULL},
    {"state", NULL, NULL, FIELD_TEXT, AT(state), NULL},
    {"provider", NULL, NULL, FIELD_STR, AT(provider), NULL},
    {"model", NULL, NULL, FIELD_STR, AT(model), NULL},
    {"started_at", NULL, NULL, FIELD_TIME, AT(started_at), NULL},
    {"round", NULL, NULL, FIELD_U32, AT(round), NULL},
    {"pieces", NULL, NULL, FIELD_COUNT, AT(pieces), NULL},
    {"bytes", NULL, NULL, FIELD_COUNT, AT(piece_bytes), NULL},
    {"pieces_per_second", NULL, NULL, FIELD_RATE, AT(pieces_per_second), NULL},
};
#undef AT

/* ---- the providers ---- */

#define AT(member) offsetof(struct status_provider, member)

static const struct status_field provider_fields[] = {
    {"name", NULL, NULL, FIELD_TEXT, AT(name), NULL},
    {"in_flight", "culm_provider_in_flight", NULL, FIELD_NUMBER, AT(in_flight), "Model calls under way."},
    {"calls", "culm_provider_calls_total", NULL, FIELD_COUNT, AT(calls), "Model calls that began."},
    {"retries", "culm_provider_retries_total", NULL, FIELD_COUNT, AT(retries),
     "Model calls that repeat one that failed or was cut."},
    {"answered", "culm_provider_answered_total", NULL, FIELD_COUNT, AT(answered), "Model calls that were answered."},
    {"cancelled", "culm_provider_cancelled_total", NULL, FIELD_COUNT, AT(cancelled), "Model calls that were given up."},
    {"failed", NULL, NULL, FIELD_COUNT, AT(failed), NULL},
#define X(name, wire, retry)                                                                                           \
    {NULL,                                                                                                             \
     sizeof(wire) > 1 ? "culm_provider_failed_total" : NULL,                                                           \
     "kind=\"" wire "\"",                                                                                              \
     FIELD_COUNT,                                                                                                      \
     AT(failed_by[FAILURE_##name]),                                                                                    \
     "Model calls that failed, by kind."},
    FAILURES(X)
#undef X
        {"prompt_tokens", "culm_provider_tokens_total", "direction=\"in\"", FIELD_COUNT, AT(prompt_tokens),
         "Tokens of answered calls, as the provider counted them, else estimated."},
    {"completion_tokens", "culm_provider_tokens_total", "direction=\"out\"", FIELD_COUNT, AT(completion_tokens), NULL},
    {"first_piece", "culm_provider_first_piece_seconds", NULL, FIELD_HISTOGRAM, AT(first_piece),
     "From the start of a model call to the first piece of its answer."},
    {"last_answered_at", "culm_provider_last_answered_timestamp_seconds", NULL, FIELD_TIME, AT(last_answered_at),
     "When a model call was answered last, in seconds since the epoch; 0: never."},
    {"last_failed_at", "culm_provider_last_failed_timestamp_seconds", NULL, FIELD_TIME, AT(last_failed_at),
     "When a model call failed last, in seconds since the epoch; 0: never."},
    {"last_failure.kind", NULL, NULL, FIELD_TEXT, AT(last_failure), NULL},
    {"last_failure.message", NULL, NULL, FIELD_TEXT, AT(last_failure_text), NULL},
};
#undef AT

/* ---- the routes ---- */

#define AT(member) offsetof(struct route_reading, member)
#define BY_CLASS(n, help)                                                                                              \
    {"status." #n "xx", "culm_http_requests_total", "status=\"" #n "xx\"", FIELD_COUNT, AT(by_class[(n) - 1]), help}

static const struct status_field route_fields[] = {
    {"method", NULL, NULL, FIELD_TEXT, AT(method), NULL},
    {"path", NULL, NULL, FIELD_CHARS, AT(path), NULL},
    BY_CLASS(2, "Requests that were answered, by route and class of status."),
    BY_CLASS(3, NULL),
    BY_CLASS(4, NULL),
    BY_CLASS(5, NULL),
    {"duration", "culm_http_request_duration_seconds", NULL, FIELD_HISTOGRAM, AT(duration),
     "From the whole request to its answer, or to the head of its event stream."},
};

/* ---- together ---- */

#define FIELDS(table) .fields = (table), .n_fields = ARRAY_LEN(table)
#define ITEMS(member, type)                                                                                            \
    .items = offsetof(struct status, member), .count = offsetof(struct status, n_##member), .item_size = sizeof(type)

const struct status_list status_lists[STATUS_LISTS] = {
    {FIELDS(server_fields)},
    {.path = "live_runs", FIELDS(run_fields), ITEMS(runs, struct engine_run)},
    {.path = "providers",
     .labels = {{"provider", FIELD_TEXT, offsetof(struct status_provider, name)}},
     FIELDS(provider_fields),
     ITEMS(providers, struct status_provider)},
    {.path = "routes",
     .labels = {{"method", FIELD_TEXT, AT(method)}, {"route", FIELD_CHARS, AT(path)}},
     FIELDS(route_fields),
     ITEMS(routes, struct route_reading)},
};

const void *status_items(const struct status_list *list, const struct status *s, size_t *n)
{
    const char *at = (const char *)s;

    *n = 1;
    if (list->path == NULL)
        return s;
    memcpy(n, at + list->count, sizeof(*n));
    return *(void *const *)(const void *)(at + list->items);
}
