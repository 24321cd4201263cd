/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One SQLite connection and its prepared statements. A statement is named by its text: a
 * `static const char sql[]` beside its one use; it is prepared at the first use and kept.
 * Owned by one thread at a time. Errors: ERR_STORAGE (room, disk; err.sys is the errno where
 * there is one), ERR_CORRUPT, ERR_LOCKED; `failed` keeps SQLite's own extended code. `err` is never NULL.
 */
#include "base/err.h"

#include <sqlite3.h>

#define DB_STATEMENTS 64
#define DB_BUSY_MS 5000 /* for the lock of another program */

struct db {
    sqlite3 *h; /* NULL: not open */
    int failed; /* extended result code of the last failure, SQLITE_OK before any */
    unsigned n;
    struct {
        const char *sql;
        sqlite3_stmt *st;
    } cache[DB_STATEMENTS];
};

/* A value to bind, and how to write a list of them: VALUES(V_INT(sid), V_TEXT(id)). */
struct value {
    enum { VALUE_INT, VALUE_TEXT, VALUE_BLOB } type;
    int64_t number;
    struct str bytes; /* must outlive the step */
};
#define V_INT(v) ((struct value){.type = VALUE_INT, .number = (int64_t)(v)})
#define V_TEXT(v) ((struct value){.type = VALUE_TEXT, .bytes = (v)})
#define V_BLOB(v) ((struct value){.type = VALUE_BLOB, .bytes = (v)})
#define VALUES(...)                                                                                                    \
    (const struct value[]){__VA_ARGS__}, sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value)
#define NO_VALUES NULL, 0

enum db_mode {
    DB_WRITER,
    DB_READER,
    DB_VISITOR, /* a tool that reads: goes on as far as it can where the file is damaged */
    DB_DRAFT,   /* a file in the making, or ":memory:": no journal, nothing is synced */
};

NODISCARD int db_open(struct db *db, const char *path, enum db_mode mode, struct err *err);
/* For reading while nobody has the file open: nothing is made beside it. */
NODISCARD int db_open_still(struct db *db, const char *path, enum db_mode mode, struct err *err);
void db_close(struct db *db); /* never checkpoints; closed already is fine */

/* A script of ours, no rows wanted. */
NODISCARD int db_exec(struct db *db, const char *sql, struct err *err);
/* A statement without rows. */
NODISCARD int db_run(struct db *db, const char *sql, const struct value *values, size_t n, struct err *err);
/* The statement, bound; step until it gives 0 or fails, or reset it with db_end(). NULL: failed. */
sqlite3_stmt *db_query(struct db *db, const char *sql, const struct value *values, size_t n, struct err *err);
NODISCARD int db_step(struct db *db, sqlite3_stmt *st, struct err *err); /* 1: a row, 0: no more, else failed */
void db_end(sqlite3_stmt *st);
/* The first column of the first row; no row leaves *out alone. 1: there was one. */
NODISCARD int db_number(struct db *db, const char *sql, const struct value *values, size_t n, int64_t *out,
                        struct err *err);
/* Where a transaction is open. One that cannot be left closes the connection: it would be in everybody's way. */
void db_rollback(struct db *db);

struct str db_bytes(sqlite3_stmt *st, int column); /* text or blob; until the next step */
uint64_t db_u64(sqlite3_stmt *st, int column);
uint32_t db_u32(sqlite3_stmt *st, int column);

/* Fills *err from the connection's last failure with result code `rc`. */
int db_fail(struct db *db, int rc, struct err *err);
