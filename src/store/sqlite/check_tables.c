/* SPDX-License-Identifier: MIT */
/* The rows of one session, as they are stored and as its facts make them, side by side in the order of their key. */
#include "base/str.h"
#include "store/sqlite/check_internal.h"

static const struct table {
    const char *what; /* one row of it */
    const char *sql, *clear;
    int key; /* column with a number that tells its rows apart */
} tables[] = {
    {"row", "SELECT * FROM session WHERE sid = ?", "DELETE FROM session", 0},
    {"message at place", "SELECT * FROM message WHERE sid = ? ORDER BY place", "DELETE FROM message", 1},
    {"waiting message", "SELECT * FROM inbox WHERE sid = ? ORDER BY seq", "DELETE FROM inbox", 1},
    {"open question", "SELECT * FROM question WHERE sid = ? ORDER BY call", "DELETE FROM question", 1},
    {"run", "SELECT * FROM run WHERE sid = ? ORDER BY number", "DELETE FROM run", 1},
};

/* What the append writes besides. */
static const char clear_facts[] = "DELETE FROM fact", clear_heads[] = "DELETE FROM head";

struct side {
    struct db *db;
    sqlite3_stmt *st;
    bool has_row;
};

static int begin(struct side *s, struct db *db, const struct table *t, int64_t sid, struct err *err)
{
    *s = (struct side){.db = db, .st = db_query(db, t->sql, VALUES(V_INT(sid)), err)};
    return s->st == NULL ? -(int)err->code : 0;
}

static int next(struct side *s, struct err *err)
{
    int rc = db_step(s->db, s->st, err);

    s->has_row = rc > 0;
    return rc < 0 ? rc : 0;
}

static void end(struct side *s)
{
    if (s->has_row)
        db_end(s->st);
}

/* ---- one row against the other ---- */

#define SHOWN 40

static void show(sqlite3_stmt *st, int column, struct buf *out)
{
    struct str text = db_bytes(st, column);

    buf_clear(out);
    if (sqlite3_column_type(st, column) == SQLITE_INTEGER)
        buf_addf(out, "%" PRId64, (int64_t)sqlite3_column_int64(st, column));
    else
        buf_addf(out, "\"%.*s%s\"", (int)(text.n > SHOWN ? SHOWN : text.n), text.p == NULL ? "" : text.p,
                 text.n > SHOWN ? "…" : "");
}

static bool is_same(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
    int type = sqlite3_column_type(a, column);

    if (type != sqlite3_column_type(b, column))
        return false;
    if (type == SQLITE_INTEGER)
        return sqlite3_column_int64(a, column) == sqlite3_column_int64(b, column);
    return str_eq(db_bytes(a, column), db_bytes(b, column));
}

/* The schema is the same, or the check has said so already. */
static void compare_rows(struct checker *c, const struct table *t, sqlite3_stmt *stored, sqlite3_stmt *made)
{
    CLEANUP(buf_done) struct buf is = BUF_INIT, should = BUF_INIT;
    int n = sqlite3_column_count(made);

    if (n != sqlite3_column_count(stored))
        return;
    for (int i = 0; i < n; i++) {
        if (is_same(stored, made, i))
            continue;
        show(stored, i, &is);
        show(made, i, &should);
        check_found(c, REMEDY_REBUILD, "its %s %" PRId64 ": %s is %s, and the log says %s", t->what,
                    (int64_t)sqlite3_column_int64(made, t->key), sqlite3_column_name(made, i), is.p, should.p);
    }
}

/* ---- one table ---- */

static int compare_next(struct checker *c, const struct table *t, struct side *stored, struct side *made)
{
    int64_t is = stored->has_row ? sqlite3_column_int64(stored->st, t->key) : INT64_MAX;
    int64_t should = made->has_row ? sqlite3_column_int64(made->st, t->key) : INT64_MAX;
    bool missing = !stored->has_row || (made->has_row && should < is);
    bool extra = !made->has_row || (stored->has_row && is < should);
    int rc = 0;

    if (missing)
        check_found(c, REMEDY_REBUILD, "its %s %" PRId64 " is missing", t->what, should);
    else if (extra)
        check_found(c, REMEDY_REBUILD, "there is a %s %" PRId64 " that the log does not have", t->what, is);
    else
        compare_rows(c, t, stored->st, made->st);
    if (!missing)
        rc = next(stored, c->err);
    if (rc == 0 && !extra)
        rc = next(made, c->err);
    return rc;
}

static int compare_table(struct checker *c, const struct table *t, int64_t sid)
{
    struct side stored = {0}, made = {0};
    int rc = begin(&stored, &c->visit.db, t, sid, c->err);

    if (rc == 0)
        rc = begin(&made, &c->scratch, t, sid, c->err);
    if (rc == 0)
        rc = next(&stored, c->err);
    if (rc == 0)
        rc = next(&made, c->err);
    while (rc == 0 && (stored.has_row || made.has_row))
        rc = compare_next(c, t, &stored, &made);
    end(&stored);
    end(&made);
    return check_take_damage(c, rc, REMEDY_REBUILD, "its tables cannot be read: ");
}

int check_tables(struct checker *c, int64_t sid)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(tables); i++)
        rc = compare_table(c, &tables[i], sid);
    return rc;
}

int check_clear_scratch(struct checker *c)
{
    int rc = db_run(&c->scratch, clear_facts, NO_VALUES, c->err);

    if (rc == 0)
        rc = db_run(&c->scratch, clear_heads, NO_VALUES, c->err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(tables); i++)
        rc = db_run(&c->scratch, tables[i].clear, NO_VALUES, c->err);
    return rc;
}
