/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Named crash points at durable steps. `CULM_CRASH=name:k` in the environment makes the k-th
 * visit of that point end the process at once, as kill -9 would; otherwise a visit is one
 * comparison of a pointer. Read once at start.
 */
#include "base/base.h"

void fault_init(void);
void fault_point(const char *name);
