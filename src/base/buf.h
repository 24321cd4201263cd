/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Growing bytes with a cap. Adding beyond `max` adds nothing and sets `full`, which stays
 * set until buf_clear(): the caller looks once at the end. Always terminated when not empty.
 */
#include "base/base.h"

struct buf {
    char *p;
    size_t n, cap;
    size_t max; /* 0: no cap (for what we size ourselves) */
    bool full;
};

#define BUF_INIT ((struct buf){0})
#define BUF_CAPPED(limit) ((struct buf){.max = (limit)})

void buf_done(struct buf *b);  /* frees; usable again */
void buf_clear(struct buf *b); /* keeps the memory */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
void buf_add_i64(struct buf *b, int64_t v);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_drop_front(struct buf *b, size_t n);
struct str buf_str(const struct buf *b); /* borrowed */
