/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory of one request, one step or one parse: given out in small pieces, freed whole.
 * The first `ARENA_INLINE` bytes cost no heap call. Not thread-safe.
 */
#include "base/base.h"

#define ARENA_INLINE 1024

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    char *p, *end;
    size_t total; /* bytes asked of the heap */
    _Alignas(16) char first[ARENA_INLINE];
};

void arena_init(struct arena *a);
void arena_done(struct arena *a);
void arena_reset(struct arena *a);            /* keeps nothing but the inline part */
void *arena_alloc(struct arena *a, size_t n); /* 16-aligned, not zeroed */
void *arena_zalloc(struct arena *a, size_t n);
struct str arena_str(struct arena *a, struct str s); /* a copy, also terminated */
struct str arena_strf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
