/* SPDX-License-Identifier: MIT */
#pragma once
/* The facts of a conversation, short, and how one follows the other. */
#include "base/str.h"
#include "session/session.h"

static inline void fold(struct session *s, struct fact f)
{
    f.seq = s->seq + 1;
    f.at = 1000 + (int64_t)f.seq;
    session_fold(s, &f);
}

#define CREATED {.kind = FACT_SESSION_CREATED, .id = STR("s"), .nonce = 77, .system = STR("Be kind.")}
#define POSTED(name) {.kind = FACT_MESSAGE_POSTED, .id = STR(name), .text = STR("hello")}
#define STARTED(n) {.kind = FACT_RUN_STARTED, .run = (n), .origin = ORIGIN_HTTP}
#define ROUND(n, k, reserve) {.kind = FACT_ROUND_STARTED, .run = 1, .round = (n), .admitted = (k), .tokens = (reserve)}
#define COUNTED(p, c) .usage = {.prompt_tokens = (p), .completion_tokens = (c), .reported = true}
#define ANSWER(n, g, at, ...)                                                                                          \
    {.kind = FACT_ASSISTANT,                                                                                           \
     .run = 1,                                                                                                         \
     .round = (n),                                                                                                     \
     .gen = (g),                                                                                                       \
     .id = STR("a"),                                                                                                   \
     .place = (at),                                                                                                    \
     .text = STR("ok"),                                                                                                \
     __VA_ARGS__}
#define CALL_STARTED(n) {.kind = FACT_CALL_STARTED, .run = 1, .call = (n)}
/* Of the first answer, which stands at place 2. */
#define CALL_ENDED(n, name)                                                                                            \
    {.kind = FACT_CALL_ENDED, .run = 1, .call = (n), .id = STR(name), .text = STR("result"), .place = 2 + (n)}
#define FAILED(n, g, reserve)                                                                                          \
    {.kind = FACT_MODEL_FAILED, .run = 1, .round = (n), .gen = (g), .retry = true, .due = 9, .tokens = (reserve)}
#define RECOVERED(how, reserve) {.kind = FACT_RUN_RECOVERED, .run = 1, .charged = (how), .tokens = (reserve)}
#define ENDED(n, how) {.kind = FACT_RUN_ENDED, .run = (n), .end = (how)}

static UNUSED struct call two_calls[] = {
    {.id = {"c1", 2}, .name = {"read", 4}, .args = {"12345", 5}, .effect = EFFECT_READ},
    {.id = {"c2", 2}, .name = {"write", 5}, .args = {"", 0}, .effect = EFFECT_UNSAFE},
};
#define TWO_CALLS .calls = {two_calls, 2}

/* A session in the middle of its first model call: seq 4, two messages. */
static inline void begin(struct session *s)
{
    const struct fact facts[] = {CREATED, POSTED("m1"), STARTED(1), ROUND(1, 1, 10)};

    session_init(s);
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        fold(s, facts[i]);
}
