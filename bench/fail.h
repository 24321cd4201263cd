/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The benchmark has nobody to report an error to but the person who started it: whatever goes
 * wrong ends it with a sentence on stderr and exit code 1. Its children die with it.
 */
#include "base/base.h"

NORETURN void fail(const char *fmt, ...) PRINTF(1, 2);
NORETURN void fail_sys(const char *fmt, ...) PRINTF(1, 2); /* adds strerror(errno) */
