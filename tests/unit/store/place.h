/* SPDX-License-Identifier: MIT */
#pragma once
/* A data directory for a test, and a look at the file in it behind the store's back. */
#include "store/driver.h"
#include "store/sqlite/sqlite_store.h"

struct place {
    char dir[128];
    char database[160], log[160], index[160]; /* the file, its write-ahead log, and the index of that */
};

void place_make(struct place *p);   /* a new directory under TMPDIR */
void place_remove(struct place *p); /* with everything in it */
void place_clear(const struct place *p);
struct store *place_open(const struct place *p); /* fails the test where it cannot */
int place_try(const struct place *p, bool read_only, struct store **out, struct err *err);

/* By a connection of its own: runs the statement; the number it gives, or -1. */
int64_t place_sql(const struct place *p, const char *sql);
void place_make_version_1(const struct place *p); /* takes back what later versions brought */
/* How often the bytes stand in the files of the directory. */
size_t place_count_bytes(const struct place *p, struct str needle);
/* Files in the directory. */
size_t place_count_files(const struct place *p);
/* What the store that is driven counts. */
struct sqlite_stats place_stats(const struct driver *d);

/* What tests of one store begin and end with: `place` is made anew for each and removed after it. */
extern struct place place;
int place_begin(void **state);      /* nothing is in it, *state is NULL */
int place_begin_open(void **state); /* *state drives a store that is open in it */
int place_end(void **state);        /* closes what *state drives; no fault is armed any more */
