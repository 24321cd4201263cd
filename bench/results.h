/* SPDX-License-Identifier: MIT */
#pragma once
/* Results as JSON: one file per full run, so that there is a history; and two of them side by side. */
#include "figures.h"
#include "machine.h"

struct result_head {
    struct machine machine;
    const char *commit; /* "": not known */
    bool is_dirty, is_quick;
    int64_t at;    /* wall time, ms */
    double others; /* share of the machine that was used by others, percent */
};

void result_write(const struct result_head *head, const struct figures *f, struct buf *out);
/* Writes `dir`/DATE-COMMIT.json; its path to `path`. */
void result_save(const struct result_head *head, const struct figures *f, const char *dir, struct buf *path);
/* Prints two results side by side. Each is a file (with a slash), or part of a file's name in `dir`; NULL: the newest.
 */
void results_compare(const char *dir, const char *a, const char *b);
