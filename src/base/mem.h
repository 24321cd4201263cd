/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one way to the heap. Exhaustion of small allocations aborts: the store is the truth,
 * so dying is safe. Whatever a peer sizes goes through `struct buf` or an arena with a cap.
 */
#include "base/base.h"

void *mem_alloc(size_t n);  /* not zeroed */
void *mem_zalloc(size_t n); /* zeroed */
void *mem_realloc(void *p, size_t n);
void *mem_grow(void *p, size_t *cap, size_t need, size_t item); /* doubles *cap (items) until it holds `need` */
char *mem_strdup(const char *s);
char *mem_strndup(const char *p, size_t n); /* adds the terminator */
void mem_free(void *p);                     /* NULL is fine */
void mem_free_at(void *pp);                 /* for CLEANUP: frees *(void **)pp */
