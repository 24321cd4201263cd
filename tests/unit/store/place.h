/* SPDX-License-Identifier: MIT */
#pragma once
/* A data directory for a test, and a look at the file in it behind the store's back. */
#include "store/driver.h"
#include "store/sqlite/sqlite_store.h"

struct place {
    char dir[128];
};

void place_make(struct place *p);   /* a new directory under TMPDIR */
void place_remove(struct place *p); /* with everything in it */
void place_clear(const struct place *p);
struct store *place_open(const struct place *p); /* fails the test where it cannot */
int place_try(const struct place *p, bool read_only, struct store **out, struct err *err);

/* By a connection of its own: runs the statement; the number it gives, or -1. */
int64_t place_sql(const struct place *p, const char *sql);
void place_make_version_1(const struct place *p); /* takes back what the second version brought */
/* How often the bytes stand in the files of the directory. */
size_t place_count_bytes(const struct place *p, struct str needle);
/* Files in the directory. */
size_t place_count_files(const struct place *p);
