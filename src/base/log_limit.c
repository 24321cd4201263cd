/* SPDX-License-Identifier: MIT */
#include "base/log_limit.h"

enum { SECOND_MS = 1000 };

bool log_limit_pass(struct log_limit *l, int64_t mono_ms)
{
    if (l->began_ms == INT64_MIN || mono_ms - l->began_ms >= SECOND_MS) {
        l->began_ms = mono_ms;
        l->passed = 0;
    }
    if (l->passed < l->per_second) {
        l->passed++;
        return true;
    }
    l->held++;
    return false;
}

uint64_t log_limit_take(struct log_limit *l)
{
    uint64_t held = l->held;

    l->held = 0;
    return held;
}
