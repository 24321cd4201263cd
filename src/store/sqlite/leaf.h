/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rows in a leaf page of a table (https://sqlite.org/fileformat2.html), read from bytes that may be
 * damaged: whatever is asked for is inside the page, or not there. Which table a page belongs to is
 * not known; who reads tells rows by their columns. One thread.
 */
#include "base/buf.h"
#include "store/sqlite/pages.h"

#define LEAF_COLUMNS_MAX 40

enum column_type { COLUMN_NULL, COLUMN_INT, COLUMN_REAL, COLUMN_TEXT, COLUMN_BLOB };

struct column {
    enum column_type type;
    int64_t number;
    struct str bytes; /* text, blob */
};

struct row_bytes {
    int64_t rowid;
    struct buf payload; /* reused from row to row */
    struct column columns[LEAF_COLUMNS_MAX];
    int n;
};

/* How many rows the page says it has, if it is a leaf. */
unsigned leaf_count(const uint8_t *page, uint32_t size, bool is_first);
/* False: it cannot be read. Follows the pages that long rows go on in. */
bool leaf_read(const struct pages *p, const uint8_t *page, bool is_first, unsigned i, struct row_bytes *out);
