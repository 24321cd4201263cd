/* SPDX-License-Identifier: MIT */
#pragma once
/* Times as people read them. Any thread. */
#include "base/base.h"

#define WHEN_TEXT 32

/* RFC 3339, in UTC or with an offset, to the millisecond. */
NODISCARD bool when_parse(struct str text, int64_t *out_wall_ms);
/* How long ago, in one unit: "5 s", "3 min", "2 h", "12 d"; "now" for what is not in the past. */
void when_age(int64_t wall_ms, int64_t now_ms, char out[WHEN_TEXT]);
/* Date and time of day here: "2026-11-21 08:49:01". */
void when_local(int64_t wall_ms, char out[WHEN_TEXT]);
