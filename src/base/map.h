/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Hash map from bytes (copied) or from a 64-bit number to a pointer (not owned). Open
 * addressing, seeded per process. Iteration order is unspecified; decisions never depend on it.
 */
#include "base/base.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m); /* NULL is fine */
size_t map_count(const struct map *m);

void *map_find(const struct map *m, struct str key);      /* NULL: not there */
void map_put(struct map *m, struct str key, void *value); /* value is not NULL; replaces */
void *map_take(struct map *m, struct str key);            /* removes; NULL: was not there */

void *map_find_u64(const struct map *m, uint64_t key);
void map_put_u64(struct map *m, uint64_t key, void *value);
void *map_take_u64(struct map *m, uint64_t key);

/* Start with *it = 0; false at the end. Nothing may be put or taken meanwhile. */
bool map_next(const struct map *m, size_t *it, struct str *key, void **value);
/*
 * To empty a map in one walk: a value that is still there, NULL at the end. Start with *it = 0; what was given is to be
 * taken out before the next call, others may be, and nothing put.
 */
void *map_any(const struct map *m, size_t *it);
