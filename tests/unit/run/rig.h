/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Drives one machine as the engine would, without an engine: every step is told as one line of text, for tables of
 * what is expected. Each step is also taken by a twin, which must do the same, and its facts are folded and stored
 * beside the machine, which must agree; so purity and the fold are checked wherever a machine is tested.
 *
 *   run_started(1) round_started(1.1 +1) budget | model_start(1.1.0) reply(started run 1) > model
 *
 * Facts, then what is held until they are stored, then the state of CORE: absent idle ready model tools stopping.
 */
#include "base/buf.h"
#include "run/machine.h"

struct rig {
    struct machine m;
    struct step st;
    struct session stored; /* fold of the log */
    struct facts **log;    /* one block per step that had facts */
    size_t n_log, log_cap;
    int64_t now;
    struct buf said;
    bool without_default; /* else inputs that start a run and name no model bring the default one, as faces do */
};

void rig_init(struct rig *r);
void rig_done(struct rig *r);

/* One step; the line is borrowed until the next one. `now` of the input is the rig's. */
const char *rig_feed(struct rig *r, const struct input *in);
/* The server died: a new machine from the log alone, without the text that was in flight. */
void rig_crash(struct rig *r);
/* The same for a server that also had stored the text in flight: what the engine puts back before it recovers. */
void rig_crash_with_text(struct rig *r, struct str text);

const struct fact *rig_fact(const struct rig *r, enum fact_kind kind);       /* last of its kind in the last step */
const struct effect *rig_effect(const struct rig *r, enum effect_kind kind); /* the same; NULL: none */
const struct reply *rig_reply(const struct rig *r);                          /* fails where there is none */

struct line {
    struct input in;
    const char *said; /* NULL: whatever comes */
};
void rig_tell(struct rig *r, const struct line *story, size_t n);
#define TELL(r, story) rig_tell((r), (story), ARRAY_LEN(story))

/* ---- inputs, short; token 1 waits for the reply ---- */

#define FROM .from = {.node = 1, .token = 1}
#define CREATE(...) {.kind = INPUT_CREATE, FROM, .session_id = STR("s"), .nonce = 77, __VA_ARGS__}
#define POST(...) POST_(__VA_ARGS__, )
#define POST_(id, ...)                                                                                                 \
    {.kind = INPUT_POST,                                                                                               \
     FROM,                                                                                                             \
     .session_id = STR("s"),                                                                                           \
     .nonce = 77,                                                                                                      \
     .message_id = STR(id),                                                                                            \
     .text = STR("hello"),                                                                                             \
     __VA_ARGS__}
#define EXECUTE(...) EXECUTE_(__VA_ARGS__, )
#define EXECUTE_(id, ...) POST_(id, .execute = true, __VA_ARGS__)
#define RESUME(...) {.kind = INPUT_RESUME, FROM, __VA_ARGS__}
#define CANCEL(...) {.kind = INPUT_CANCEL, FROM, .by = STR("ann"), __VA_ARGS__}
#define UPDATE(...) {.kind = INPUT_UPDATE, FROM, __VA_ARGS__}
#define DELETE {.kind = INPUT_DELETE, FROM}
#define RECOVERED(how) {.kind = INPUT_RECOVERED, .charged = (how)}

#define AT(r, k, g) .run = (r), .round = (k), .gen = (g)
#define DELTA(r, k, g, piece) {.kind = INPUT_DELTA, AT(r, k, g), .text = STR(piece)}
#define DONE(...) DONE_(__VA_ARGS__, )
#define DONE_(r, k, g, ...) {.kind = INPUT_MODEL_DONE, AT(r, k, g), __VA_ARGS__}
#define FAILED(...) FAILED_(__VA_ARGS__, )
#define FAILED_(r, k, g, why, ...)                                                                                     \
    {.kind = INPUT_MODEL_FAILED, AT(r, k, g), .failure = FAILURE_##why, .text = STR("it failed"), __VA_ARGS__}
#define RETRY(r, k, g) {.kind = INPUT_TIMER_RETRY, AT(r, k, g)}
#define RESULT(...) RESULT_(__VA_ARGS__, )
#define RESULT_(n, ...) {.kind = INPUT_TOOL_DONE, .run = 1, .call = (n), .text = STR("result"), __VA_ARGS__}
#define DEADLINE(n) {.kind = INPUT_TIMER_CALL, .run = 1, .call = (n)}
#define BOUND(r) {.kind = INPUT_TIMER_CANCEL, .run = (r)}

/* .calls of an answer, one effect class each: CALLS(EFFECT_READ, EFFECT_UNSAFE); names are "t1", "t2", … */
#define CALLS(...)                                                                                                     \
    .calls = rig_calls((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), .stop = STOP_CALLS
struct record_list rig_calls(const int *effects, size_t n); /* static memory: the newest eight lists live */
