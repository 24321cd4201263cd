/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rows and columns for people: aligned and cut to the width on a terminal, with a heading;
 * in a pipe one row per line, columns separated by a tab, whole and without heading. Rows are kept
 * until they are printed. One thread.
 */
#include "app/terminal.h"

#define TABLE_COLUMNS_MAX 12

struct table;

struct table_column {
    const char *title;
    bool is_number;  /* to the right */
    bool may_shrink; /* is cut where the line is too long */
};
struct table_cell {
    struct str text; /* any UTF-8; shown as one line */
    enum style style;
};

struct table *table_new(const struct terminal *t, const struct table_column *columns, size_t n); /* borrows both */
void table_free(struct table *t);                                                                /* NULL is fine */
void table_add(struct table *t, const struct table_cell *cells);                                 /* one row, copied */
/* Appends the rows added since the last time; the heading comes before the first. */
void table_print(struct table *t, struct buf *out);
