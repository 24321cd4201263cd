/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include "base/fault.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OWN_MAPPING_BYTES = 128 * 1024, /* what is larger goes back to the system when it is freed */
    KEPT_BYTES = 512 * 1024,        /* at the end of a heap */
};

static void *must(void *p, size_t n)
{
    if (p == NULL && n > 0) {
        fprintf(stderr, "culm: out of memory (%zu bytes)\n", n);
        abort();
    }
    return p;
}

/*
 * Left alone, glibc learns from the largest block that was ever freed to keep up to 64 MiB in each
 * thread's heap: one long history would make all that a peak took stay for good.
 */
void mem_init(void)
{
    mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
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
    if (need > SIZE_MAX / 2 / item)
        (void)must(NULL, need); /* as if it had been asked for: doubling would never get there */
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

void mem_give_back(void)
{
    malloc_trim(0);
}

void mem_free_at(void *pp)
{
    free(*(void **)pp);
}
