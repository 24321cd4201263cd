/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Time is int64_t milliseconds: wall time since the epoch (`_at`, `_ms` in facts), or boot
 * time that never jumps (`mono_ms`). The two are never mixed.
 */
#include "base/buf.h"

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void); /* CLOCK_BOOTTIME */
int64_t clock_mono_us(void); /* the same in microseconds: for how long something took */

/* RFC 3339 in UTC: "2026-11-21T07:49:01.123Z". What no year of four digits has is shown as the nearest that one has. */
#define CLOCK_TEXT 32
void clock_text(int64_t wall_ms, char out[CLOCK_TEXT]);
