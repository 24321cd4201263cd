/* SPDX-License-Identifier: MIT */
#pragma once
/* Bytes that lie: rows written behind the store's back, with checksums that are right. */
#include "store/place.h"

/* The fact gets another kind and body; what stands beside them stays. */
void forge_fact(const struct place *p, int64_t sid, uint64_t seq, const char *kind, const char *body);
/* It gets another epoch. */
void forge_epoch(const struct place *p, int64_t sid, uint64_t seq, uint64_t epoch);
/* The head is read, changed, and written back. */
void forge_head(const struct place *p, int64_t sid, void (*change)(struct session *s));
