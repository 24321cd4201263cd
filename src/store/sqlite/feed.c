/* SPDX-License-Identifier: MIT */
#include "store/sqlite/feed.h"

#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/fact_row.h"

#define SCAN_PLACES 4096 /* of one page: most facts that it looks at */
#define SLICE 64         /* rows that one erasure removes */

int feed_newest(struct db *db, uint64_t *pos, struct err *err)
{
    static const char facts[] = "SELECT max(pos) FROM fact", others[] = "SELECT max(pos) FROM feed";
    int64_t fact = 0, other = 0;
    int rc = db_number(db, facts, NO_VALUES, &fact, err);

    if (rc >= 0)
        rc = db_number(db, others, NO_VALUES, &other, err);
    if (rc < 0)
        return rc;
    *pos = (uint64_t)(fact > other ? fact : other);
    return 0;
}

/* ---- writing ---- */

int feed_put_erased(struct db *db, uint64_t pos, int64_t at, int64_t sid, struct err *err)
{
    static const char put[] = "INSERT INTO feed(pos, at, session) SELECT ?1, ?2, id FROM session WHERE sid = ?3";
    static const char drop[] =
        "DELETE FROM feed WHERE pos IN (SELECT pos FROM feed WHERE pos <= ? ORDER BY pos LIMIT ?)";
    int rc = db_run(db, put, VALUES(V_INT(pos), V_INT(at), V_INT(sid)), err);

    if (rc < 0 || pos <= LIMIT_FEED_FACTS)
        return rc;
    return db_run(db, drop, VALUES(V_INT(pos - LIMIT_FEED_FACTS), V_INT(SLICE)), err);
}

int feed_put_mark(struct db *db, uint64_t pos, int64_t at, struct err *err)
{
    static const char sql[] = "INSERT INTO feed(pos, at, session) VALUES(?, ?, '')";

    return db_run(db, sql, VALUES(V_INT(pos), V_INT(at)), err);
}

/* ---- reading ---- */

struct page {
    struct db *db;
    struct answer *a;
    uint64_t after; /* number */
    struct feed_row *rows;
    size_t n, cap, bytes, most, most_bytes;
    struct err *err;
};

/* The first place that can be told. */
static int find_first(struct db *db, uint64_t newest, uint64_t reach, uint64_t *first, struct err *err)
{
    static const char mark[] = "SELECT iif(session = '', pos, 0) FROM feed ORDER BY pos LIMIT 1";
    int64_t behind = 0;
    int rc = db_number(db, mark, NO_VALUES, &behind, err);

    *first = newest > reach ? newest - reach + 1 : 1;
    if (behind >= (int64_t)*first)
        *first = (uint64_t)behind + 1;
    return rc < 0 ? rc : 0;
}

static bool is_full(const struct page *p, size_t bytes)
{
    return p->n > 0 && (p->n >= p->most || p->bytes + bytes > p->most_bytes);
}

static void put_row(struct page *p, const struct feed_row *row)
{
    if (row->seq <= p->after)
        return;
    p->rows = mem_grow(p->rows, &p->cap, p->n + 1, sizeof(*p->rows));
    p->rows[p->n++] = *row;
}

static int put_erased(struct page *p, uint64_t pos)
{
    static const char sql[] = "SELECT at, session FROM feed WHERE pos = ?";
    sqlite3_stmt *st = db_query(p->db, sql, VALUES(V_INT(pos)), p->err);
    int rc = st == NULL ? -(int)p->err->code : db_step(p->db, st, p->err);
    struct feed_row row = {.seq = feed_number(pos, 0), .event = FEED_SESSION_DELETED};

    if (rc <= 0)
        return rc < 0 ? rc : 1;
    row.at = sqlite3_column_int64(st, 0);
    row.session_id = arena_str(&p->a->arena, db_bytes(st, 1));
    db_end(st);
    put_row(p, &row);
    return 1;
}

/* All events of the fact: a place is on one page. */
static void put_fact(struct page *p, struct feed_row *row, const struct fact *f, uint64_t pos)
{
    struct fact *copy = arena_alloc(&p->a->arena, sizeof(*copy));
    struct feed_part parts[FEED_PARTS];
    unsigned n = feed_parts(f, parts);

    *copy = *f;
    row->fact = copy;
    for (unsigned i = 0; i < n; i++) {
        row->seq = feed_number(pos, parts[i].part);
        row->event = parts[i].event;
        put_row(p, row);
    }
}

/* One whose bytes are damaged is said to be there: the others of the feed are not to be held up by it. */
static int read_fact(struct page *p, uint64_t pos)
{
    static const char sql[] = "SELECT f.sid, s.id, s.title, s.title_version, " FACT_COLUMNS
                              " FROM fact f JOIN session s ON s.sid = f.sid WHERE f.pos = ?";
    sqlite3_stmt *st = db_query(p->db, sql, VALUES(V_INT(pos)), p->err);
    int rc = st == NULL ? -(int)p->err->code : db_step(p->db, st, p->err);
    struct feed_row row = {.event = FEED_UNREADABLE};
    size_t bytes;
    struct fact f;

    if (rc <= 0)
        return rc < 0 ? rc : 1;
    bytes = fact_row_bytes(st, 4) + sizeof(struct feed_row) + sizeof(struct fact);
    if (is_full(p, bytes)) {
        db_end(st);
        return 0;
    }
    row.session_id = arena_str(&p->a->arena, db_bytes(st, 1));
    row.at = fact_row_of(st, 4).at;
    rc = fact_row_read(st, 4, sqlite3_column_int64(st, 0), row.session_id, &p->a->arena, &f, p->err);
    if (rc == 0 && f.set_title && str_eq(f.title, db_bytes(st, 2)))
        row.title_version = db_u64(st, 3);
    db_end(st);
    if (rc == -ERR_CORRUPT) {
        row.seq = feed_number(pos, 0);
        put_row(p, &row);
        return 1;
    }
    if (rc < 0)
        return rc;
    p->bytes += bytes;
    put_fact(p, &row, &f, pos);
    return 1;
}

/* 1: taken, or there was nothing; 0: the page is full without it. */
static int take(struct page *p, sqlite3_stmt *st)
{
    uint64_t pos = db_u64(st, 0);
    int rc = 1;

    if (sqlite3_column_type(st, 1) == SQLITE_NULL)
        rc = is_full(p, sizeof(struct feed_row)) ? 0 : put_erased(p, pos);
    else if (feed_has(fact_kind_find(db_bytes(st, 1))))
        rc = read_fact(p, pos);
    if (rc > 0)
        p->a->upto = feed_last(pos);
    return rc;
}

/* Texts are read only of what is shown: the other facts of the log may be long. */
static int read_page(struct page *p, uint64_t passed)
{
    static const char sql[] = "SELECT pos, kind FROM fact WHERE pos > ?1"
                              " UNION ALL SELECT pos, NULL FROM feed WHERE pos > ?1 ORDER BY 1 LIMIT ?2";
    sqlite3_stmt *st = db_query(p->db, sql, VALUES(V_INT(passed), V_INT(SCAN_PLACES)), p->err);
    int rc = st == NULL ? -(int)p->err->code : 1;
    unsigned n = 0;

    while (rc > 0 && (rc = db_step(p->db, st, p->err)) > 0) {
        n++;
        rc = take(p, st);
        if (rc > 0)
            continue;
        db_end(st);
        p->a->more = rc == 0;
        return rc;
    }
    p->a->more = rc == 0 && n == SCAN_PLACES;
    return rc;
}

static void keep(struct page *p)
{
    p->a->n = p->n;
    if (p->n == 0)
        return;
    p->a->feed = arena_alloc(&p->a->arena, p->n * sizeof(*p->rows));
    memcpy(p->a->feed, p->rows, p->n * sizeof(*p->rows));
}

int feed_query(struct db *db, const struct query *q, uint64_t reach, struct answer *a, struct err *err)
{
    struct page p = {.db = db,
                     .a = a,
                     .after = q->after,
                     .most = q->limit == 0 || q->limit > LIMIT_PAGE_FACTS ? LIMIT_PAGE_FACTS : q->limit,
                     .most_bytes = q->bytes == 0 || q->bytes > LIMIT_PAGE_BYTES ? LIMIT_PAGE_BYTES : q->bytes,
                     .err = err};
    uint64_t newest = 0, first = 0, passed = feed_passed(q->after);
    int rc = feed_newest(db, &newest, err);

    if (rc == 0)
        rc = find_first(db, newest, reach, &first, err);
    if (rc < 0)
        return rc;
    a->first_seq = feed_number(first, 0);
    a->last_seq = feed_last(newest);
    if (q->after >= a->last_seq) {
        a->upto = a->last_seq;
        return 0;
    }
    if (passed < first - 1)
        passed = first - 1;
    a->upto = feed_last(passed);
    rc = read_page(&p, passed);
    if (rc == 0) {
        keep(&p);
        if (!a->more)
            a->upto = a->last_seq;
    }
    mem_free(p.rows);
    return rc;
}
