/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The tables that are folded from facts, in the transaction that stores the facts: one function
 * per kind. The numbers of the session's row are loaded once per append, changed in memory and
 * written once; so are the counts of its run.
 */
#include "store/sqlite/db.h"
#include "store/store.h"

/* The part of the session's row that facts change. */
struct session_counts {
    uint32_t active_run, last_run, next_place, message_count, inbox, open_questions;
    int last_end; /* enum run_end */
    uint64_t metadata_version, title_version, budget_seq;
    int64_t updated_at, cost;
};

/* What the facts of one append add to the row of a run. */
struct run_counts {
    uint32_t number; /* 0: nothing */
    uint32_t rounds; /* highest */
    uint32_t calls, crashes;
    struct usage usage;
    bool reported;
};

struct projection {
    struct db *db;
    int64_t sid;
    struct session_counts now;
    struct run_counts run;
    bool partial_is_void; /* the text in flight belongs to a call that is over */
    struct err *err;
};

#define PROJECT_COLUMNS                                                                                                \
    "active_run, last_run, next_place, message_count, inbox, last_end, metadata_version, title_version, budget_seq, "  \
    "updated_at, open_questions, cost"

/* Reads the columns of PROJECT_COLUMNS, the first of which is `column`. */
void project_load(struct projection *p, sqlite3_stmt *st, int column);
NODISCARD int project_fact(struct projection *p, const struct fact *f);
/* Writes what has changed, with what the append itself says of the row. */
NODISCARD int project_finish(struct projection *p, const struct append *a, uint64_t last_seq);
