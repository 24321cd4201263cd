/* SPDX-License-Identifier: MIT */
#pragma once
/* A session's life in facts: it is made, in a model call, in tool calls, at rest. */
#include "session/session.h"

#define STORY_FACTS 8
#define STORY_IN_TOOLS 6 /* so many of them, and a call is at work */

static inline void story_go_on(struct session *s, size_t i)
{
    static struct call calls[2];
    const struct fact story[STORY_FACTS] = {
        {.kind = FACT_SESSION_CREATED, .id = STR("s")},
        {.kind = FACT_MESSAGE_POSTED, .id = STR("m")},
        {.kind = FACT_RUN_STARTED, .run = 1},
        {.kind = FACT_ROUND_STARTED, .run = 1, .round = 1, .admitted = 1},
        {.kind = FACT_ASSISTANT, .run = 1, .round = 1, .place = 1, .calls = {calls, 2}},
        {.kind = FACT_CALL_STARTED, .run = 1, .call = 1},
        {.kind = FACT_CALL_ENDED, .run = 1, .call = 1, .place = 2},
        {.kind = FACT_RUN_ENDED, .run = 1},
    };
    struct fact f = story[i];

    f.seq = s->seq + 1;
    session_fold(s, &f);
}
