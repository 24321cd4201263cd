/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * At most so many lines in a second, for events that a stranger can cause at will. What is held back is counted, and
 * whoever owns the limit tells the number when the second is over. A value; one thread.
 */
#include "base/base.h"

struct log_limit {
    unsigned per_second;
    unsigned passed;  /* in the second that began at began_ms */
    int64_t began_ms; /* mono */
    uint64_t held;    /* and not told yet */
};

#define LOG_LIMIT(n) ((struct log_limit){.per_second = (n), .began_ms = INT64_MIN})

bool log_limit_pass(struct log_limit *l, int64_t mono_ms); /* false: hold this line back */
uint64_t log_limit_take(struct log_limit *l);              /* how many were held back since the last call */
