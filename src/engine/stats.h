/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the engine knows of itself, for whoever asks: numbers since the start, and the runs at work.
 * Kept by plain increments where things happen; asking walks over the live sessions. Loop thread.
 */
#include "base/id.h"
#include "session/types.h"

struct engine;

/* What an active run is doing. X(name, wire name) */
#define RUN_STATES(X)                                                                                                  \
    X(PENDING, "pending") /* no round has begun */                                                                     \
    X(RUNNING, "running")                                                                                              \
    X(RETRYING, "retrying") /* pauses before the next try of a model call */                                           \
    X(STOPPING, "stopping")
enum run_state_word {
#define X(name, wire) RUN_IS_##name,
    RUN_STATES(X)
#undef X
        RUN_STATE_COUNT
};
extern const char *const run_state_words[];

enum {
    RUN_END_COUNT = 0
#define X(name, wire) +1
    RUN_ENDS(X)
#undef X
};

struct engine_stats {
    size_t live;                                       /* sessions in memory because they are worked on */
    size_t watched;                                    /* sessions in memory because somebody watches */
    size_t subscribers;                                /* watchers */
    size_t queued;                                     /* effects and events that wait for the disk */
    size_t running;                                    /* active runs, whatever they are doing */
    size_t by_state[RUN_STATE_COUNT];                  /* the same, by what it is */
    uint64_t started, recovered, ended[RUN_END_COUNT]; /* runs; enum run_end */
    uint64_t pieces, piece_bytes;                      /* of text that models have sent */
    double pieces_per_second;                          /* lately */
};
void engine_stats(const struct engine *e, struct engine_stats *out);

/* One active run. Texts are borrowed until the engine is called again. */
struct engine_run {
    struct str session_id, provider, model;
    char run_id[ID_TEXT];
    const char *state;  /* one of run_state_words */
    int64_t started_at; /* wall ms */
    uint32_t round;
    uint64_t pieces, piece_bytes; /* of this run, in this life */
    double pieces_per_second;
};
/* The `max` that began first, in the order in which they began; how many there are of them. */
size_t engine_runs(const struct engine *e, struct engine_run *out, size_t max);
