/* SPDX-License-Identifier: MIT */
#pragma once
/* Nanoseconds of CLOCK_MONOTONIC: the same clock in all processes of the machine, so that a stamp can travel. */
#include "base/base.h"

#include <time.h>

static inline int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
