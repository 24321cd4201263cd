/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

struct arena_chunk {
    struct arena_chunk *next;
    _Alignas(16) char data[];
};

void arena_init(struct arena *a)
{
    a->chunks = NULL;
    a->p = a->first;
    a->end = a->first + ARENA_INLINE;
    a->total = 0;
}

void arena_done(struct arena *a)
{
    struct arena_chunk *c = a->chunks;

    while (c != NULL) {
        struct arena_chunk *next = c->next;

        mem_free(c);
        c = next;
    }
    a->chunks = NULL;
}

void arena_reset(struct arena *a)
{
    arena_done(a);
    arena_init(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
    struct arena_chunk *c;
    size_t size;
    void *p;

    n = (n + 15) & ~(size_t)15;
    if (n <= (size_t)(a->end - a->p)) {
        p = a->p;
        a->p += n;
        return p;
    }
    size = a->total < 4096 ? 4096 : a->total; /* doubles the whole */
    if (size > 1024 * 1024)
        size = 1024 * 1024;
    if (size < n)
        size = n;
    c = mem_alloc(sizeof(*c) + size);
    c->next = a->chunks;
    a->chunks = c;
    a->total += size;
    a->p = c->data + n;
    a->end = c->data + size;
    return c->data;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);

    memset(p, 0, n);
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p;

    if (s.p == NULL)
        return STR_NULL;
    p = arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct str){p, s.n};
}

struct str arena_strf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    char *p;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);
    p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (struct str){p, (size_t)n};
}
