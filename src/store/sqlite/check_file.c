/* SPDX-License-Identifier: MIT */
/* The part of a check that is about the file as a whole. */
#include "base/str.h"
#include "store/sqlite/check_internal.h"
#include "store/sqlite/wal.h"

#define PAGES_SAID 20

/* ---- the write-ahead log ---- */

int check_log_of_writes(struct checker *c, const char *path)
{
    struct wal w;
    int rc = wal_open(&w, path, false, c->err);

    if (rc < 0)
        return rc;
    if (w.lost_commits > 0 && w.broken == 0)
        check_found(c, REMEDY_LAST_COMMITS,
                    "the header of the write-ahead log is damaged: at least %" PRIu64 " commits in it are lost",
                    w.lost_commits);
    else if (w.lost_commits > 0)
        check_found(c, REMEDY_LAST_COMMITS,
                    "the write-ahead log is damaged at frame %" PRIu64 ": at least %" PRIu64
                    " commits behind it are lost",
                    w.broken, w.lost_commits);
    wal_close(&w);
    return 0;
}

/* ---- tables and indexes: those that the schema makes, and no others ---- */

#define OBJECTS "SELECT sql, type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"

static int check_object(struct checker *c, struct db *other, sqlite3_stmt *st, bool is_there)
{
    static const char sql[] = "SELECT sql FROM sqlite_schema WHERE type = ? AND name = ?";
    struct str type = db_bytes(st, 1), name = db_bytes(st, 2);
    sqlite3_stmt *same = db_query(other, sql, VALUES(V_TEXT(type), V_TEXT(name)), c->err);
    int rc = same == NULL ? -(int)c->err->code : db_step(other, same, c->err);

    if (rc < 0)
        return rc;
    if (rc == 0)
        check_found(c, REMEDY_REBUILD, STR_FMT " " STR_FMT " %s", STR_ARG(type), STR_ARG(name),
                    is_there ? "is none of culm's" : "is missing");
    else if (!is_there && !str_eq(db_bytes(same, 0), db_bytes(st, 0)))
        check_found(c, REMEDY_REBUILD, STR_FMT " " STR_FMT " is made otherwise than it should be", STR_ARG(type),
                    STR_ARG(name));
    db_end(same);
    return 0;
}

static int check_objects(struct checker *c, struct db *of, struct db *other, bool is_there)
{
    static const char sql[] = OBJECTS;
    sqlite3_stmt *st = db_query(of, sql, NO_VALUES, c->err);
    int rc = st == NULL ? -(int)c->err->code : 1;

    while (rc > 0 && (rc = db_step(of, st, c->err)) > 0) {
        rc = check_object(c, other, st, is_there);
        if (rc < 0)
            db_end(st);
        else
            rc = 1;
    }
    return rc;
}

int check_structure(struct checker *c)
{
    int rc = check_objects(c, &c->scratch, &c->visit.db, false);

    return rc < 0 ? rc : check_objects(c, &c->visit.db, &c->scratch, true);
}

/* ---- pages, as SQLite sees them ---- */

/* One row may be many lines, the first of which says nothing. */
static void say_lines(struct checker *c, struct str text, int *said)
{
    struct str line;

    while (str_next(&text, '\n', &line)) {
        if (line.n == 0 || str_has_prefix(line, STR("***")))
            continue;
        if (++*said <= PAGES_SAID)
            check_found(c, REMEDY_READABLE, "SQLite says: " STR_FMT, STR_ARG(line));
    }
}

/* With a log, what counts stands there: the file may just be growing. */
static int check_length(struct checker *c)
{
    static const char sql[] = "PRAGMA page_size";
    int64_t page = 0;
    uint64_t size = (uint64_t)c->visit.before.st_size;
    int rc = db_number(&c->visit.db, sql, NO_VALUES, &page, c->err);

    if (rc >= 0 && c->visit.still && page > 0 && size % (uint64_t)page != 0)
        check_found(c, REMEDY_READABLE, "the file ends in the middle of a page: %" PRIu64 " bytes", size);
    return rc < 0 ? rc : 0;
}

int check_pages(struct checker *c)
{
    static const char sql[] = "PRAGMA integrity_check(20)";
    sqlite3_stmt *st;
    int rc = visit_as_server(&c->visit, c->err), said = 0;

    rc = check_take_damage(c, rc, REMEDY_READABLE, "a server cannot read it: ");
    if (rc == 0)
        rc = check_length(c);
    if (rc < 0)
        return rc;
    st = db_query(&c->visit.db, sql, NO_VALUES, c->err);
    rc = st == NULL ? -(int)c->err->code : 1;
    while (rc > 0 && (rc = db_step(&c->visit.db, st, c->err)) > 0) {
        struct str text = db_bytes(st, 0);

        if (!str_is(text, "ok"))
            say_lines(c, text, &said);
    }
    return rc;
}

/* ---- the table of lives ---- */

int check_lives(struct checker *c)
{
    static const char sql[] = "SELECT max(writer) FROM boot", strange[] = "SELECT count(*) FROM boot WHERE writer < 1";
    int64_t last = 0, wrong = 0;
    int rc = db_number(&c->visit.db, sql, NO_VALUES, &last, c->err);

    if (rc >= 0)
        rc = db_number(&c->visit.db, strange, NO_VALUES, &wrong, c->err);
    c->last_writer = last > 0 ? (uint64_t)last : 0;
    if (rc >= 0 && (wrong > 0 || last > WRITER_MASK))
        check_found(c, REMEDY_REBUILD, "the table of lives has numbers that no life can have");
    return rc < 0 ? rc : 0;
}

/* ---- rows of no session ---- */

static int check_orphans_of(struct checker *c, const char *table, const char *sql)
{
    sqlite3_stmt *st = db_query(&c->visit.db, sql, NO_VALUES, c->err);
    int rc = st == NULL ? -(int)c->err->code : 1;
    int64_t first = 0;
    uint64_t n = 0;

    while (rc > 0 && (rc = db_step(&c->visit.db, st, c->err)) > 0) {
        first = n++ == 0 ? sqlite3_column_int64(st, 0) : first;
        rc = 1;
    }
    if (n > 0)
        check_found(c, REMEDY_REBUILD,
                    "table %s has rows of %" PRIu64 " sessions that are not there, the first is number %" PRId64, table,
                    n, first);
    return check_take_damage(c, rc, REMEDY_REBUILD, "rows without a session cannot be looked for: ");
}

int check_orphans(struct checker *c)
{
#define ORPHANS(table, column)                                                                                         \
    {#table, "SELECT DISTINCT " #column " FROM " #table " WHERE " #column " NOT IN (SELECT sid FROM session)"}
    static const struct {
        const char *table, *sql;
    } tables[] = {ORPHANS(message, sid), ORPHANS(inbox, sid),   ORPHANS(run, sid),
                  ORPHANS(head, sid),    ORPHANS(partial, sid), ORPHANS(letter, src)};
#undef ORPHANS
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(tables); i++)
        rc = check_orphans_of(c, tables[i].table, tables[i].sql);
    return rc;
}

/* ---- what the account feed tells and no fact does ---- */

int check_feed(struct checker *c)
{
    static const struct {
        const char *sql, *what;
    } rules[] = {
        {"SELECT pos FROM feed d WHERE EXISTS (SELECT 1 FROM fact f WHERE f.pos = d.pos) LIMIT 1",
         "an erased session where a fact stands"},
        {"SELECT pos FROM feed WHERE pos < 1 LIMIT 1", "what cannot have one"},
        {"SELECT pos FROM feed WHERE session = '' LIMIT 1 OFFSET 1", "its beginning a second time"},
    };
    int64_t pos = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(rules); i++) {
        rc = db_number(&c->visit.db, rules[i].sql, NO_VALUES, &pos, c->err);
        if (rc > 0)
            check_found(c, REMEDY_REBUILD, "the account feed has at place %" PRId64 " %s", pos, rules[i].what);
        rc = check_take_damage(c, rc < 0 ? rc : 0, REMEDY_REBUILD, "the account feed cannot be read: ");
    }
    return rc;
}
