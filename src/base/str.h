/* SPDX-License-Identifier: MIT */
#pragma once
/* Operations on views of text. ASCII where case is named. */
#include "base/base.h"

struct str str_of(const char *s); /* NULL gives STR_NULL */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *literal);
bool str_eq_nocase(struct str a, struct str b);
bool str_has_prefix(struct str s, struct str prefix);
int str_cmp(struct str a, struct str b); /* byte order, as memcmp */
struct str str_trim(struct str s);
struct str str_skip(struct str s, size_t n);
/* Takes the part before the first `sep` (all of it if there is none) and moves *rest behind it. False at the end. */
bool str_next(struct str *rest, char sep, struct str *part);
ptrdiff_t str_find(struct str s, struct str needle);       /* -1: not there */
int str_find_word(const char *const *words, struct str s); /* its place in a NULL-terminated list; -1: not there */
bool str_copy(char *dst, size_t size, struct str s);       /* terminated; false if cut */
/* A copy at *at, which moves behind it: for a block that ends with the texts that its head points to. */
struct str str_put(struct str s, char **at);

/* The whole text must be the number; false leaves *out alone. */
NODISCARD bool str_to_i64(struct str s, int64_t *out);
NODISCARD bool str_to_u64(struct str s, uint64_t *out);

/* Levenshtein distance, for "did you mean". */
size_t str_distance(struct str a, struct str b);
uint64_t str_hash(struct str s, uint64_t seed);
