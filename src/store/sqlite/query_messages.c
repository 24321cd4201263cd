/* SPDX-License-Identifier: MIT */
/* Answers about the messages of one session: the transcript, what waits, and whether one is there. */
#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/fact_row.h"
#include "store/sqlite/reader.h"

/* The newest one: older versions took two under one id. An unknown one: 0 rows, *place is -1. */
static int place_of(struct db *db, int64_t sid, struct str id, int64_t *place, struct err *err)
{
    static const char sql[] = "SELECT place FROM message WHERE sid = ? AND id = ? ORDER BY place DESC LIMIT 1";

    *place = -1;
    return id.n == 0 ? 0 : db_number(db, sql, VALUES(V_INT(sid), V_TEXT(id)), place, err);
}

/* ---- one row after the other ---- */

struct reading {
    struct db *db;
    const struct query *q;
    struct answer *a;
    int64_t sid;
    uint32_t limit;
    size_t bytes; /* stored, of what was taken */
    struct message *found;
    size_t n, cap;
    struct arena scratch; /* of facts whose text is not wanted */
    uint32_t run;         /* whose id is in run_id */
    struct str run_id;
};

static int find_run_id(struct reading *r, uint32_t run, struct err *err)
{
    static const char sql[] = "SELECT id FROM run WHERE sid = ? AND number = ?";
    sqlite3_stmt *st;
    int rc;

    if (run == r->run)
        return 0;
    r->run = run;
    r->run_id = STR_NULL;
    st = db_query(r->db, sql, VALUES(V_INT(r->sid), V_INT(run)), err);
    rc = st == NULL ? -(int)err->code : db_step(r->db, st, err);
    if (rc > 0) {
        r->run_id = arena_str(&r->a->arena, db_bytes(st, 0));
        db_end(st);
    }
    return rc < 0 ? rc : 0;
}

/* What is left of it lives in the answer; the scratch may be used again. */
static void leave_texts(struct reading *r, struct message *m)
{
    m->id = arena_str(&r->a->arena, m->id);
    m->text = m->reasoning = m->call_id = m->tool = STR_NULL;
    m->calls.items = NULL;
    arena_reset(&r->scratch);
}

/* A number of the caller's, then the fact. */
static int take_message(struct reading *r, sqlite3_stmt *st, struct message *m, struct err *err)
{
    struct arena *arena = r->q->without_texts ? &r->scratch : &r->a->arena;
    struct fact f;
    int rc = fact_row_read(st, 1, r->sid, r->q->session_id, arena, &f, err);

    if (rc == 0 && !r->q->without_runs)
        rc = find_run_id(r, f.run, err);
    if (rc < 0)
        return rc;
    if (!message_from_fact(&f, m))
        return err_set(err, ERR_CORRUPT, "session " STR_FMT ", fact %" PRIu64 " is not a message",
                       STR_ARG(r->q->session_id), f.seq);
    m->run_id = r->run_id;
    if (r->q->without_texts)
        leave_texts(r, m);
    return 0;
}

typedef void place_fn(struct message *m, sqlite3_stmt *st);

/* 0: all of them, or as many as are wanted. */
static int read_rows(struct reading *r, sqlite3_stmt *st, place_fn *place, struct err *err)
{
    int rc = st == NULL ? -(int)err->code : 1;

    while (rc > 0 && (rc = db_step(r->db, st, err)) > 0) {
        r->bytes += fact_row_bytes(st, 1);
        r->a->more = r->n == r->limit || (r->q->bytes > 0 && r->n > 0 && r->bytes > r->q->bytes);
        if (!r->a->more) {
            r->found = mem_grow(r->found, &r->cap, r->n + 1, sizeof(*r->found));
            rc = take_message(r, st, &r->found[r->n], err);
        }
        if (rc < 0 || r->a->more) {
            db_end(st);
            return rc < 0 ? rc : 0;
        }
        place(&r->found[r->n++], st);
        rc = 1;
    }
    return rc;
}

static void begin(struct reading *r, struct db *db, const struct query *q, struct answer *a)
{
    *r = (struct reading){.db = db, .q = q, .a = a, .limit = q->limit == 0 ? LIMIT_HISTORY_MESSAGES : q->limit};
    arena_init(&r->scratch);
}

/* Gives what was found to the answer; `backwards`: the last one first. */
static int end(struct reading *r, bool backwards, int rc)
{
    if (rc == 0) {
        r->a->n = r->n;
        r->a->messages = arena_alloc(&r->a->arena, r->n * sizeof(*r->a->messages));
        for (size_t i = 0; i < r->n; i++)
            r->a->messages[i] = r->found[backwards ? r->n - 1 - i : i];
    }
    arena_done(&r->scratch);
    mem_free(r->found);
    return rc;
}

/* ---- the transcript ---- */

static void in_transcript(struct message *m, sqlite3_stmt *st)
{
    m->place = db_u32(st, 0);
}

/* Of the places from `first` up to, not including, `end`. */
static int read_transcript(struct reading *r, int64_t first, int64_t end, struct err *err)
{
    /* CROSS JOIN fixes the order of the loops: the transcript leads. One row more than wanted tells that there are
     * more. */
    static const char sql[] = "SELECT m.place, " FACT_COLUMNS " FROM message m CROSS JOIN fact f"
                              " ON f.sid = m.sid AND f.seq = m.seq WHERE m.sid = ? AND m.place >= ? AND m.place < ?"
                              " ORDER BY m.place DESC LIMIT ?";
    struct value values[] = {V_INT(r->sid), V_INT(first), V_INT(end), V_INT((int64_t)r->limit + 1)};

    return read_rows(r, db_query(r->db, sql, values, ARRAY_LEN(values), err), in_transcript, err);
}

int query_messages(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    struct session_key key = {0};
    struct reading r;
    int64_t at;
    int rc = query_find_session(db, q->session_id, &key, err);

    if (rc < 0)
        return rc;
    begin(&r, db, q, a);
    r.sid = key.sid;
    a->total = key.message_count;
    a->last_seq = key.last_seq;
    rc = place_of(db, key.sid, q->after_message, &at, err);
    if (rc >= 0 && q->exactly)
        rc = read_transcript(&r, at, at + 1, err);
    else if (rc >= 0)
        rc = read_transcript(&r, at + 1, q->before_place > 0 ? q->before_place : INT64_MAX, err);
    return end(&r, true, rc);
}

/* ---- what waits ---- */

static void in_inbox(struct message *m, sqlite3_stmt *st)
{
    m->later = db_u32(st, 0) != 0; /* as it is now: what was posted for later is for now when that run has ended */
}

static int read_inbox(struct reading *r, struct err *err)
{
    static const char sql[] = "SELECT i.later, " FACT_COLUMNS " FROM inbox i CROSS JOIN fact f"
                              " ON f.sid = i.sid AND f.seq = i.seq WHERE i.sid = ? ORDER BY i.seq";
    struct value values[] = {V_INT(r->sid)};

    return read_rows(r, db_query(r->db, sql, values, ARRAY_LEN(values), err), in_inbox, err);
}

int query_inbox(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    struct session_key key = {0};
    struct reading r;
    int64_t place;
    int rc = query_find_session(db, q->session_id, &key, err);

    if (rc < 0)
        return rc;
    begin(&r, db, q, a);
    r.sid = key.sid;
    a->last_seq = key.last_seq;
    rc = place_of(db, key.sid, q->after_message, &place, err);
    if (rc >= 0) {
        a->is_taken = place >= 0;
        rc = read_inbox(&r, err);
    }
    return end(&r, false, rc);
}

/* ---- one id ---- */

int query_has_message(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    static const char sql[] = "SELECT EXISTS(SELECT 1 FROM message m WHERE m.sid = s.sid AND m.id = ?2)"
                              " OR EXISTS(SELECT 1 FROM inbox i WHERE i.sid = s.sid AND i.id = ?2)"
                              " FROM session s WHERE s.id = ?1";
    int64_t is_taken = 0;
    int rc = db_number(db, sql, VALUES(V_TEXT(q->session_id), V_TEXT(q->after_message)), &is_taken, err);

    a->is_taken = is_taken != 0;
    return rc < 0 ? rc : 0;
}
