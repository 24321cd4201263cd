/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the engine asks of the world. `app` fills it with model drivers, tools, timers and faces;
 * the simulator with its own. Ports never call back in: answers come as engine_submit(), later. Only
 * from within `reply` the next input may be submitted, by whoever is told.
 */
#include "run/machine.h"
#include "session/price.h"
#include "session/query.h"

struct model_call {
    struct str session_id;
    uint32_t run, round, gen;
    struct str provider, model, effort;
    int64_t max_output; /* tokens; 0: whatever the provider allows */
    bool closing;       /* offer no tools */
};

struct tool_call {
    struct str session_id;
    uint32_t run, call;
    struct str call_id, tool, args;
};

struct ports {
    void *arg;
    int64_t (*now)(void *arg);  /* wall ms: may be set back and forth, so it measures nothing */
    int64_t (*mono)(void *arg); /* ms that only rise: how long something waits */
    /* Answered by INPUT_DELTA, then INPUT_MODEL_DONE or INPUT_MODEL_FAILED with the same key. */
    void (*model_start)(void *arg, const struct model_call *call);
    void (*model_abort)(void *arg, struct str session_id);
    struct price (*price)(void *arg, struct str provider, struct str model); /* of runs that begin now; may be NULL */
    int (*tool_effect)(void *arg, struct str tool);                          /* enum effect_class */
    /* Answered by INPUT_TOOL_DONE. */
    void (*tool_start)(void *arg, const struct tool_call *call);
    void (*tool_cancel)(void *arg, struct str session_id, uint32_t call);
    /* Everything that runs for this session ends silently: it was reset, parked or deleted. */
    void (*abandon)(void *arg, struct str session_id);
    /* Feed this input in `in_ms`; at most a day. */
    void (*timer)(void *arg, struct str session_id, int64_t in_ms, const struct input *in);
    void (*reply)(void *arg, const struct reply *reply);
    /* Call engine_flush() before the loop sleeps. */
    void (*defer)(void *arg);
    /* Call engine_tick() in `in_ms`; the newest call counts; -1: no more. */
    void (*alarm)(void *arg, int64_t in_ms);
    /* Effects are carried out only while this holds (always, on one node). */
    bool (*trusted)(void *arg);
};
