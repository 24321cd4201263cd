/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one way to the heap. Exhaustion of small allocations aborts: the store is the truth,
 * so dying is safe. Whatever a peer sizes goes through `struct buf` or an arena with a cap.
 * libevent and libcurl allocate here too, as their own ways out of exhaustion are not to be trusted.
 */
#include "base/base.h"

void mem_init(void);        /* once, before the first thread */
void *mem_alloc(size_t n);  /* not zeroed */
void *mem_zalloc(size_t n); /* zeroed */
void *mem_calloc(size_t n, size_t size);
void *mem_realloc(void *p, size_t n);
void *mem_grow(void *p, size_t *cap, size_t need, size_t item); /* doubles *cap (items) until it holds `need` */
/* NULL when there is none: for SQLite alone, which can live with that. Failures are those of FAULT_SQL_MEMORY. */
void *mem_try(size_t n);
void *mem_try_realloc(void *p, size_t n);
char *mem_strdup(const char *s);
char *mem_strndup(const char *p, size_t n); /* adds the terminator */
void mem_free(void *p);                     /* NULL is fine */
void mem_give_back(void);   /* what the heap kept of a peak, to the system: some milliseconds, for when nothing runs */
void mem_free_at(void *pp); /* for CLEANUP: frees *(void **)pp */
