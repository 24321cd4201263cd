/* SPDX-License-Identifier: MIT */
#include "store/sqlite/past.h"

#include "base/clock.h"
#include "base/str.h"
#include "store/sqlite/fact_row.h"
#include "store/sqlite/replay.h"
#include "store/sqlite/schema.h"

#define PAGE_FACTS 512 /* of one transaction */

struct past {
    struct sqlite_store *st;
    struct db *db, then; /* the store, and what it was */
    const struct query *q;
    int64_t until_ms;
    struct replay *replay;
    struct session_key key; /* as of now */
    size_t bytes;           /* of the facts that were brought */
    struct err *err;
};

static int begin(struct past *p)
{
    static const char sql[] = "BEGIN";

    if (p->db->h == NULL) /* the last transaction could not be left */
        return err_set(p->err, ERR_STORAGE, "session " STR_FMT ": reading was interrupted; try again",
                       STR_ARG(p->q->session_id));
    return db_run(p->db, sql, NO_VALUES, p->err);
}

static bool is_closing(struct sqlite_store *st)
{
    bool reading;

    pthread_mutex_lock(&st->read_lock);
    reading = st->reading;
    pthread_mutex_unlock(&st->read_lock);
    return !reading;
}

/* Asked before each fact: a log may be as long as it likes. */
static int is_worth_it(const struct past *p)
{
    if (is_closing(p->st))
        return err_set(p->err, ERR_UNAVAILABLE, "The server is stopping.");
    if (clock_mono_ms() > p->until_ms)
        return err_set(p->err, ERR_TIMEOUT,
                       "session " STR_FMT ": looking back at fact %" PRIu64
                       " takes too long: the log was read up to fact "
                       "%" PRIu64 " in the time there is; read its facts instead, or ask for an earlier one",
                       STR_ARG(p->q->session_id), p->q->at_seq, replay_session(p->replay)->seq);
    return 0;
}

/* ---- the log ---- */

static int read_page(struct past *p)
{
    static const char sql[] =
        "SELECT " FACT_COLUMNS " FROM fact f WHERE f.sid = ? AND f.seq > ? AND f.seq <= ? ORDER BY f.seq LIMIT ?";
    uint64_t after = replay_session(p->replay)->seq;
    sqlite3_stmt *st =
        db_query(p->db, sql, VALUES(V_INT(p->key.sid), V_INT(after), V_INT(p->q->at_seq), V_INT(PAGE_FACTS)), p->err);
    int rc = st == NULL ? -(int)p->err->code : 1;

    while (rc > 0 && (rc = db_step(p->db, st, p->err)) > 0) {
        struct fact_row row = fact_row_of(st, 0);

        rc = is_worth_it(p);
        if (rc < 0) {
            db_end(st);
            return rc;
        }
        rc = replay_add(p->replay, &row, NULL, p->err);
        if (rc < 0)
            db_end(st);
        else
            rc = 1;
    }
    if (rc < 0)
        return err_wrap(p->err, "session " STR_FMT, STR_ARG(p->q->session_id));
    /* Facts go away with their session alone. */
    if (replay_session(p->replay)->seq == after)
        return err_set(p->err, ERR_NOT_FOUND, "session " STR_FMT " not found", STR_ARG(p->q->session_id));
    return 0;
}

static int read_log(struct past *p)
{
    int rc = 0;

    replay_begin(p->replay, p->key.sid, p->q->session_id);
    while (rc == 0 && replay_session(p->replay)->seq < p->q->at_seq) {
        rc = begin(p);
        if (rc == 0)
            rc = read_page(p);
        db_rollback(p->db);
    }
    return rc == 0 ? replay_end(p->replay, 0, 0, p->err) : rc;
}

/* ---- the facts that the tables point at ---- */

static int copy_fact(struct past *p, uint64_t seq)
{
    static const char from[] = "SELECT " FACT_COLUMNS " FROM fact f WHERE f.sid = ? AND f.seq = ?";
    static const char to[] = "INSERT INTO fact(sid, seq, epoch, kind, at, crc, body) VALUES(?, ?, ?, ?, ?, ?, ?)";
    sqlite3_stmt *st = db_query(p->db, from, VALUES(V_INT(p->key.sid), V_INT(seq)), p->err);
    int rc = st == NULL ? -(int)p->err->code : db_step(p->db, st, p->err);
    struct fact_row row;

    if (rc <= 0)
        return rc;
    row = fact_row_of(st, 0);
    p->bytes += row.body.n;
    rc = db_run(&p->then, to,
                VALUES(V_INT(p->key.sid), V_INT(row.seq), V_INT(row.epoch), V_TEXT(row.kind), V_INT(row.at),
                       V_INT(row.crc), V_TEXT(row.body)),
                p->err);
    db_end(st);
    return rc;
}

/* The replay has forgotten all facts, so that memory does not grow with the log: what is asked for needs a few. */
static int bring_facts(struct past *p)
{
    static const char of_row[] = "SELECT budget_seq FROM session WHERE budget_seq > 0"
                                 " UNION ALL SELECT * FROM (SELECT seq FROM question ORDER BY at, call LIMIT 1)";
    static const char of_messages[] = "SELECT seq FROM message ORDER BY place DESC LIMIT ?";
    uint32_t limit = p->q->limit == 0 ? LIMIT_HISTORY_MESSAGES : p->q->limit;
    sqlite3_stmt *st = p->q->kind == QUERY_SESSION
                           ? db_query(&p->then, of_row, NO_VALUES, p->err)
                           : db_query(&p->then, of_messages, VALUES(V_INT((int64_t)limit + 1)), p->err);
    int rc = st == NULL ? -(int)p->err->code : 1;

    while (rc > 0 && (rc = db_step(&p->then, st, p->err)) > 0) {
        bool is_enough = p->q->bytes > 0 && p->bytes > p->q->bytes; /* the answer ends before this one, and says so */

        rc = copy_fact(p, db_u64(st, 0));
        if (rc < 0 || is_enough) {
            db_end(st);
            return rc;
        }
        rc = 1;
    }
    return rc;
}

/* ---- all of it ---- */

static int find(struct past *p)
{
    int rc = begin(p);

    if (rc == 0)
        rc = query_find_session(p->db, p->q->session_id, &p->key, p->err);
    db_rollback(p->db);
    return rc;
}

static int look_back(struct past *p, query_answer_fn *ask, struct answer *a)
{
    int rc = db_open(&p->then, ":memory:", DB_DRAFT, p->err);
    struct session s;

    if (rc == 0)
        rc = schema_make(&p->then, p->err);
    if (rc < 0)
        return rc;
    p->replay = replay_new(&p->then, true);
    rc = read_log(p);
    s = *replay_session(p->replay);
    replay_free(p->replay);
    if (rc == 0)
        rc = begin(p);
    if (rc == 0)
        rc = bring_facts(p);
    db_rollback(p->db);
    if (rc == 0)
        rc = ask(&p->then, p->q, a, p->err);
    if (rc == 0 && p->q->kind == QUERY_SESSION && p->q->with_fold)
        session_row_take_fold(&a->sessions[0], &s);
    return rc;
}

int query_past(struct sqlite_store *st, struct db *db, const struct read_item *it, query_answer_fn *ask,
               struct answer *a, struct err *err)
{
    const struct query *q = &it->query;
    struct past p = {.st = st, .db = db, .q = q, .until_ms = it->until_ms, .err = err};
    int rc = find(&p);

    assert(q->kind == QUERY_SESSION || q->kind == QUERY_MESSAGES);
    if (rc < 0)
        return rc;
    if (q->at_seq > p.key.last_seq)
        a->no_such_fact = true;
    else
        rc = look_back(&p, ask, a);
    a->first_seq = 1;
    a->last_seq = p.key.last_seq;
    if (p.then.h != NULL)
        db_close(&p.then);
    return rc;
}
