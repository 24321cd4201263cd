/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void buf_done(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->full = false;
    if (b->p != NULL)
        b->p[0] = '\0';
}

void buf_reserve(struct buf *b, size_t more)
{
    b->p = mem_grow(b->p, &b->cap, more < SIZE_MAX - b->n ? b->n + more + 1 : SIZE_MAX, 1);
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || b->full)
        return;
    if (b->max != 0 && n > b->max - b->n) {
        b->full = true;
        return;
    }
    buf_reserve(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[20], *p = digits + sizeof(digits);

    do
        *--p = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_add_char(b, '-');
    buf_add_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    assert(n >= 0);
    if ((size_t)n < sizeof(small)) {
        buf_add(b, small, (size_t)n);
    } else if (b->max != 0 && (size_t)n > b->max - b->n) {
        b->full = true;
    } else if (!b->full) {
        buf_reserve(b, (size_t)n);
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_drop_front(struct buf *b, size_t n)
{
    assert(n <= b->n);
    if (n == 0)
        return;
    b->n -= n;
    memmove(b->p, b->p + n, b->n + 1);
}

struct str buf_str(const struct buf *b)
{
    return b->n == 0 ? (struct str){"", 0} : (struct str){b->p, b->n};
}
