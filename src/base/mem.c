/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include "base/fault.h"

#include <stdio.h>
#include <stdlib.h>

static void *must(void *p, size_t n)
{
    if (p == NULL && n > 0) {
        fprintf(stderr, "culm: out of memory (%zu bytes)\n", n);
        abort();
    }
    return p;
}

void *mem_alloc(size_t n)
{
    return must(fault_fails(FAULT_ALLOC) != 0 ? NULL : malloc(n), n);
}

void *mem_zalloc(size_t n)
{
    return must(fault_fails(FAULT_ALLOC) != 0 ? NULL : calloc(1, n), n);
}

void *mem_calloc(size_t n, size_t size)
{
    return must(fault_fails(FAULT_ALLOC) != 0 ? NULL : calloc(n, size), n);
}

void *mem_realloc(void *p, size_t n)
{
    return must(fault_fails(FAULT_ALLOC) != 0 ? NULL : realloc(p, n), n);
}

void *mem_try(size_t n)
{
    return fault_fails(FAULT_SQL_MEMORY) != 0 ? NULL : malloc(n);
}

void *mem_try_realloc(void *p, size_t n)
{
    return fault_fails(FAULT_SQL_MEMORY) != 0 ? NULL : realloc(p, n);
}

void *mem_grow(void *p, size_t *cap, size_t need, size_t item)
{
    size_t n = *cap == 0 ? 8 : *cap;

    if (need <= *cap)
        return p;
    while (n < need)
        n *= 2;
    *cap = n;
    return mem_realloc(p, n * item);
}

char *mem_strndup(const char *p, size_t n)
{
    char *s = mem_alloc(n + 1);

    if (n > 0)
        memcpy(s, p, n);
    s[n] = '\0';
    return s;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void mem_free(void *p)
{
    free(p);
}

void mem_free_at(void *pp)
{
    free(*(void **)pp);
}
