/* SPDX-License-Identifier: MIT */
/* Answers from one session's facts: pages of the log. */
#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/fact_row.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/stored_fold.h"

int query_find_session(struct db *db, struct str id, struct session_key *out, struct err *err)
{
    static const char sql[] = "SELECT sid, last_seq, message_count FROM session WHERE id = ?";
    sqlite3_stmt *st = db_query(db, sql, VALUES(V_TEXT(id)), err);
    int rc = st == NULL ? -(int)err->code : db_step(db, st, err);

    if (rc == 0)
        return err_set(err, ERR_NOT_FOUND, "session " STR_FMT " not found", STR_ARG(id));
    if (rc < 0)
        return rc;
    out->sid = sqlite3_column_int64(st, 0);
    out->last_seq = db_u64(st, 1);
    out->message_count = db_u32(st, 2);
    db_end(st);
    return 0;
}

/* ---- facts ---- */

struct page {
    const struct query *q;
    struct answer *a;
    struct session_key key;
    struct fact *facts;
    size_t n, cap, bytes, most, most_bytes;
};

/* The number of the next fact of a page that leaves none out. */
static uint64_t next_seq(const struct page *p)
{
    uint64_t last = p->key.last_seq;

    if (!p->q->newest)
        return p->q->after + 1 + p->n;
    return (p->q->before == 0 || p->q->before > last ? last : p->q->before - 1) - p->n;
}

/* 1: taken; 0: the page is full without it. */
static int take_fact(struct page *p, sqlite3_stmt *st, struct err *err)
{
    size_t bytes = fact_row_bytes(st, 0) + sizeof(struct fact);
    int rc;

    if (p->q->n_seqs == 0 && p->n > 0 && (p->n >= p->most || p->bytes + bytes > p->most_bytes)) {
        p->a->more = true;
        return 0;
    }
    p->facts = mem_grow(p->facts, &p->cap, p->n + 1, sizeof(*p->facts));
    rc = fact_row_read(st, 0, p->key.sid, p->q->session_id, &p->a->arena, &p->facts[p->n], err);
    if (rc < 0)
        return rc;
    if (p->q->kinds == 0 && p->q->n_seqs == 0 && p->facts[p->n].seq != next_seq(p))
        return stored_fold_has_hole(p->q->session_id, next_seq(p), p->key.last_seq, err);
    p->n++;
    p->bytes += bytes;
    return 1;
}

static bool is_wanted(const struct query *q, sqlite3_stmt *st)
{
    return q->kinds == 0 || (q->kinds >> fact_kind_find(db_bytes(st, 3)) & 1) != 0;
}

static int read_range(struct db *db, struct page *p, struct err *err)
{
    static const char forth[] =
        "SELECT " FACT_COLUMNS " FROM fact f WHERE f.sid = ? AND f.seq > ? AND f.seq < ? ORDER BY f.seq";
    static const char back[] =
        "SELECT " FACT_COLUMNS " FROM fact f WHERE f.sid = ? AND f.seq > ? AND f.seq < ? ORDER BY f.seq DESC";
    int64_t after = p->q->after > INT64_MAX ? INT64_MAX : (int64_t)p->q->after;
    int64_t before = p->q->before == 0 || p->q->before > INT64_MAX ? INT64_MAX : (int64_t)p->q->before;
    sqlite3_stmt *st =
        db_query(db, p->q->newest ? back : forth, VALUES(V_INT(p->key.sid), V_INT(after), V_INT(before)), err);
    int rc = st == NULL ? -(int)err->code : 1;

    while (rc > 0 && (rc = db_step(db, st, err)) > 0) {
        rc = is_wanted(p->q, st) ? take_fact(p, st, err) : 1;
        if (rc <= 0)
            db_end(st);
    }
    return rc;
}

static int read_seqs(struct db *db, struct page *p, struct err *err)
{
    static const char sql[] = "SELECT " FACT_COLUMNS " FROM fact f WHERE f.sid = ? AND f.seq = ?";
    int rc = 0;

    for (uint32_t i = 0; rc >= 0 && i < p->q->n_seqs && i < QUERY_SEQS_MAX; i++) {
        sqlite3_stmt *st = db_query(db, sql, VALUES(V_INT(p->key.sid), V_INT(p->q->seqs[i])), err);

        rc = st == NULL ? -(int)err->code : db_step(db, st, err);
        if (rc > 0) {
            rc = take_fact(p, st, err);
            db_end(st);
        }
    }
    return rc < 0 ? rc : 0;
}

int query_facts(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    struct page p = {.q = q,
                     .a = a,
                     .most = q->limit == 0 || q->limit > LIMIT_PAGE_FACTS ? LIMIT_PAGE_FACTS : q->limit,
                     .most_bytes = q->bytes == 0 || q->bytes > LIMIT_PAGE_BYTES ? LIMIT_PAGE_BYTES : q->bytes};
    int rc = query_find_session(db, q->session_id, &p.key, err);

    if (rc < 0)
        return rc;
    rc = q->n_seqs > 0 ? read_seqs(db, &p, err) : read_range(db, &p, err);
    if (rc == 0) {
        a->facts = facts_new(p.facts, (uint32_t)p.n);
        arena_reset(&a->arena); /* the block has a copy of all of it, and whoever asked may keep the answer for long */
        a->n = p.n;
        a->first_seq = 1; /* nothing is ever cut off at the front */
        a->last_seq = p.key.last_seq;
    }
    mem_free(p.facts);
    return rc;
}
