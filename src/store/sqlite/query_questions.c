/* SPDX-License-Identifier: MIT */
/* Questions that are open, in the order they were asked: of one session, or of all. */
#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/fact_row.h"
#include "store/sqlite/reader.h"

#define COLUMNS "q.at, q.sid, q.call, s.id, s.title, s.root, " FACT_COLUMNS
#define PARTS " JOIN session s ON s.sid = q.sid JOIN fact f ON f.sid = q.sid AND f.seq = q.seq"

/* A cursor is the place of the last one: "at.sid.call". */
struct place {
    int64_t at, sid, call;
};

static int read_cursor(struct str cursor, struct place *out, struct err *err)
{
    struct str rest = cursor, at, sid;

    *out = (struct place){INT64_MIN, 0, 0};
    if (cursor.n == 0)
        return 0;
    if (!str_next(&rest, '.', &at) || !str_next(&rest, '.', &sid) || !str_to_i64(at, &out->at) ||
        !str_to_i64(sid, &out->sid) || !str_to_i64(rest, &out->call))
        return err_set(err, ERR_BAD_REQUEST, "query: cursor: not one that this server gave");
    return 0;
}

static int take(struct answer *a, struct question_row *out, sqlite3_stmt *st, struct err *err)
{
    int64_t sid = sqlite3_column_int64(st, 1);

    out->session_id = arena_str(&a->arena, db_bytes(st, 3));
    out->session_title = arena_str(&a->arena, db_bytes(st, 4));
    out->root = arena_str(&a->arena, db_bytes(st, 5));
    a->next =
        arena_strf(&a->arena, "%" PRId64 ".%" PRId64 ".%u", (int64_t)sqlite3_column_int64(st, 0), sid, db_u32(st, 2));
    return fact_row_read(st, 6, sid, out->session_id, &a->arena, &out->asked, err);
}

static int collect(struct db *db, sqlite3_stmt *st, uint32_t limit, struct answer *a, struct err *err)
{
    int rc = st == NULL ? -(int)err->code : 1;

    a->questions = arena_zalloc(&a->arena, limit * sizeof(*a->questions));
    while (rc > 0 && (rc = db_step(db, st, err)) > 0) {
        if (a->n == limit) {
            a->more = true;
            db_end(st);
            return 0;
        }
        rc = take(a, &a->questions[a->n++], st, err);
        if (rc < 0)
            db_end(st);
        else
            rc = 1;
    }
    return rc;
}

static int of_session(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    static const char sql[] = "SELECT " COLUMNS " FROM question q" PARTS " WHERE q.sid = ? ORDER BY q.at, q.call";
    struct session_key key = {0};
    int rc = query_find_session(db, q->session_id, &key, err);

    a->last_seq = key.last_seq;
    return rc < 0 ? rc : collect(db, db_query(db, sql, VALUES(V_INT(key.sid)), err), LIMIT_QUESTIONS, a, err);
}

int query_questions(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    static const char sql[] = "SELECT " COLUMNS " FROM question q" PARTS " WHERE (q.at, q.sid, q.call) > (?, ?, ?)"
                              " ORDER BY q.at, q.sid, q.call LIMIT ?";
    uint32_t limit = q->limit == 0 ? LIMIT_PAGE_FACTS : q->limit;
    struct place from;
    int rc;

    if (q->session_id.n > 0) {
        rc = of_session(db, q, a, err);
    } else {
        rc = read_cursor(q->cursor, &from, err);
        if (rc == 0)
            rc = collect(db,
                         db_query(db, sql,
                                  VALUES(V_INT(from.at), V_INT(from.sid), V_INT(from.call), V_INT((int64_t)limit + 1)),
                                  err),
                         limit, a, err);
    }
    if (!a->more)
        a->next = STR_NULL;
    return rc;
}
