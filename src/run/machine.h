/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The pure run machine: one input in, facts and effects out. No I/O, no clock (the input brings
 * `now`), no random ids, no global. It changes the session only by folding the facts it returns;
 * the text of the model call in flight and the calls of the last answer (both derivable from the
 * log and the stream), when the run began and whether it pauses are all it keeps beside the fold.
 * One call at a time per machine.
 */
#include "session/input.h"

struct machine {
    struct session s;
    struct buf text, reasoning;                                              /* of the model call in flight */
    struct price (*price)(void *arg, struct str provider, struct str model); /* of a run that begins; NULL: unknown */
    void *price_arg;
    int64_t run_began; /* steady ms; of a run that has lived through a crash by the wall clock, where time is limited */
    struct facts *answer; /* the assistant fact whose calls are open; NULL: none */
    bool pausing;         /* between two tries of a model call: none is made at the moment */
};

enum effect_kind {
    EFFECT_REPLY,       /* reply */
    EFFECT_DELTA,       /* channel, offset, text; may overtake what waits for the disk */
    EFFECT_MODEL_START, /* run, round, gen; provider, model, effort */
    EFFECT_MODEL_ABORT,
    EFFECT_TOOL_START,  /* call and its text */
    EFFECT_TOOL_CANCEL, /* call */
    EFFECT_TIMER,       /* timer, in_ms, and the key */
};

struct effect {
    enum effect_kind kind;
    uint32_t run, round, gen, call;
    struct reply reply;
    int channel;
    uint64_t offset;
    struct str text;
    struct str call_id, tool, args;
    struct str provider, model, effort;
    bool closing;       /* model_start: offer no tools */
    int64_t max_output; /* model_start: tokens; 0: whatever the provider allows */
    enum input_kind timer;
    int64_t in_ms; /* a length: the wall clock may be set while the effect waits */
};

/* What one input caused: facts[] is one atomic append, effects[] are held until it is durable. */
struct step {
    struct arena arena;
    struct fact *facts;
    uint32_t n_facts, facts_cap;
    struct effect *effects;
    uint32_t n_effects, effects_cap;
    bool erase;                 /* the session is to be removed */
    struct buf text, reasoning; /* what the facts of this step point to */
};

void machine_init(struct machine *m, const struct session *s);
void machine_done(struct machine *m);
/* The block that a step's facts became: keeps what later steps need of it (the calls of an answer). */
void machine_keep(struct machine *m, struct facts *facts);

void step_init(struct step *st);
void step_done(struct step *st);
/* *out holds the result until the next run_step(); its facts also borrow from `in`. */
void run_step(struct machine *m, const struct input *in, struct step *out);
/*
 * What followed in the log is lost, and with it what the active run did: its open calls are over, it ends as an error,
 * and no other begins. The facts alone; nothing is done.
 */
void run_abandon(struct machine *m, int64_t now, struct step *out);
