/* SPDX-License-Identifier: MIT */
#include "store/sqlite/reader.h"

#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/fact_row.h"
#include "store/sqlite/feed.h"
#include "store/sqlite/past.h"
#include "store/sqlite/receipt_row.h"
#include "store/sqlite/stored_fold.h"

#define WRITER_MASK 0xffffff /* the low bits of an epoch are the number of a life */

struct reader {
    struct sqlite_store *st;
    pthread_t thread;
    struct db db;
};

/* ---- opening a session ---- */

struct opening {
    struct db *db;
    struct opened *o;
    struct str id;
    uint64_t last_seq;
    struct err *err;
};

static int find_row(struct opening *c)
{
    static const char sql[] = "SELECT sid, epoch, owner, last_seq FROM session WHERE id = ?";
    sqlite3_stmt *st = db_query(c->db, sql, VALUES(V_TEXT(c->id)), c->err);
    int rc = st == NULL ? -(int)c->err->code : db_step(c->db, st, c->err);

    if (rc <= 0)
        return rc;
    c->o->found = true;
    c->o->sid = sqlite3_column_int64(st, 0);
    c->o->epoch = db_u64(st, 1);
    c->o->owner = db_u64(st, 2);
    c->last_seq = db_u64(st, 3);
    db_end(st);
    return 0;
}

static int read_fold(struct opening *c)
{
    return stored_fold(c->db, c->o->sid, c->id, c->last_seq, &c->o->session, c->err);
}

/* Its epoch was looked at when it was written; whether it still is of the call in flight says its key. */
static int read_partial(struct opening *c)
{
    static const char sql[] = "SELECT run, round, gen, text, reasoning FROM partial WHERE sid = ?";
    sqlite3_stmt *st = db_query(c->db, sql, VALUES(V_INT(c->o->sid)), c->err);
    int rc = st == NULL ? -(int)c->err->code : db_step(c->db, st, c->err);

    if (rc <= 0)
        return rc;
    c->o->has_partial = true;
    c->o->partial = (struct partial){.run = db_u32(st, 0),
                                     .round = db_u32(st, 1),
                                     .gen = db_u32(st, 2),
                                     .text = arena_str(&c->o->arena, db_bytes(st, 3)),
                                     .reasoning = arena_str(&c->o->arena, db_bytes(st, 4))};
    db_end(st);
    return 0;
}

static int read_letters(struct opening *c)
{
    static const char count[] = "SELECT count(*) FROM letter WHERE dst = ?";
    static const char sql[] = "SELECT id, body FROM letter WHERE dst = ? ORDER BY ord";
    struct opened *o = c->o;
    int64_t n = 0;
    sqlite3_stmt *st;
    int rc = db_number(c->db, count, VALUES(V_TEXT(c->id)), &n, c->err);

    if (rc < 0 || n == 0)
        return rc < 0 ? rc : 0;
    o->letters = arena_zalloc(&o->arena, (size_t)n * sizeof(*o->letters));
    st = db_query(c->db, sql, VALUES(V_TEXT(c->id)), c->err);
    rc = st == NULL ? -(int)c->err->code : 1;
    while (rc > 0 && (rc = db_step(c->db, st, c->err)) > 0) {
        assert(o->n_letters < (size_t)n); /* one snapshot */
        o->letters[o->n_letters++] = (struct letter){
            .id = db_u64(st, 0), .to = arena_str(&o->arena, c->id), .body = arena_str(&o->arena, db_bytes(st, 1))};
    }
    return rc;
}

/* The answer of the model whose calls are not all over. */
static int read_calls(struct opening *c)
{
    static const char sql[] = "SELECT " FACT_COLUMNS " FROM fact f WHERE f.sid = ? AND f.seq = ?";
    const struct session *s = &c->o->session;
    struct arena scratch;
    struct fact f;
    sqlite3_stmt *st;
    int rc;

    if (!session_has_open_calls(s))
        return 0;
    st = db_query(c->db, sql, VALUES(V_INT(c->o->sid), V_INT(s->assistant_seq)), c->err);
    rc = st == NULL ? -(int)c->err->code : db_step(c->db, st, c->err);
    if (rc <= 0)
        return rc < 0 ? rc : stored_fold_has_hole(c->id, s->assistant_seq, c->last_seq, c->err);
    arena_init(&scratch);
    rc = fact_row_read(st, 0, c->o->sid, c->id, &scratch, &f, c->err);
    if (rc == 0 && (f.kind != FACT_ASSISTANT || f.calls.count != s->n_calls))
        rc =
            err_set(c->err, ERR_CORRUPT, "session " STR_FMT ": fact %" PRIu64 " is not the answer whose calls are open",
                    STR_ARG(c->id), f.seq);
    if (rc == 0)
        c->o->calls = facts_new(&f, 1);
    arena_done(&scratch);
    db_end(st);
    return rc;
}

static int read_end_of_life(struct opening *c)
{
    static const char sql[] = "SELECT clean FROM boot WHERE writer = ?";
    int64_t clean = 0;
    int rc = db_number(c->db, sql, VALUES(V_INT(c->o->epoch & WRITER_MASK)), &clean, c->err);

    c->o->ended_in_order = clean != 0;
    return rc < 0 ? rc : 0;
}

static int open_session(struct reader *r, struct opening *c)
{
    int (*const parts[])(struct opening *) = {read_fold, read_partial, read_calls, read_end_of_life};
    int rc = find_row(c);

    if (rc == 0)
        rc = read_letters(c);
    if (rc < 0)
        return rc;
    if (!c->o->found) {
        c->o->sid = r->st->next_sid++;
        c->o->ended_in_order = true;
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
        rc = parts[i](c);
    return rc;
}

/* ---- the thread ---- */

/* The feed is none of them: how far it reaches is the store's. */
static query_answer_fn *const answers[] = {
    [QUERY_FACTS] = query_facts,
    [QUERY_MESSAGES] = query_messages,
    [QUERY_INBOX] = query_inbox,
    [QUERY_SESSION] = query_session,
    [QUERY_SESSIONS] = query_sessions,
    [QUERY_RUN] = query_run,
    [QUERY_RUNS] = query_runs,
    [QUERY_ACTIVE] = query_active,
    [QUERY_UNFINISHED] = query_unfinished,
    [QUERY_BUSY] = query_busy,
    [QUERY_QUESTIONS] = query_questions,
    [QUERY_RECEIPT] = query_receipt,
    [QUERY_HAS_MESSAGE] = query_has_message,
};

static int connect(struct reader *r, struct err *err)
{
    if (r->db.h != NULL && (r->db.failed & 0xff) == SQLITE_IOERR)
        db_close(&r->db);
    return r->db.h != NULL ? 0 : db_open(&r->db, r->st->dir.db_path, DB_READER, err);
}

static bool is_of_past(const struct read_item *it)
{
    return it->item.kind == ITEM_ANSWER && it->query.at_seq > 0;
}

/* A session whose log is damaged is shown all the same, without what only the log knows. */
static int add_fold(struct db *db, struct session_row *row, struct err *err)
{
    struct session s;
    int rc = stored_fold(db, row->sid, row->id, row->last_seq, &s, err);

    if (rc == 0)
        session_row_take_fold(row, &s);
    return rc == -ERR_CORRUPT ? 0 : rc;
}

static int answer(struct reader *r, struct read_item *it, struct err *err)
{
    int rc;

    if (it->query.kind == QUERY_FEED)
        return feed_query(&r->db, &it->query, r->st->feed_facts, it->answer, err);
    if (is_of_past(it))
        return query_past(r->st, &r->db, it, answers[it->query.kind], it->answer, err);
    rc = answers[it->query.kind](&r->db, &it->query, it->answer, err);
    return rc == 0 && it->query.kind == QUERY_SESSION && it->query.with_fold
               ? add_fold(&r->db, &it->answer->sessions[0], err)
               : rc;
}

static void serve(struct reader *r, struct read_item *it)
{
    static const char sql[] = "BEGIN";
    struct err err;
    int rc = connect(r, &err);

    if (rc == 0 && !is_of_past(it))
        rc = db_run(&r->db, sql, NO_VALUES, &err);
    if (it->item.kind == ITEM_OPENED) {
        struct opening c = {.db = &r->db, .o = it->opened, .id = it->session_id, .err = &err};

        rc = rc < 0 ? rc : open_session(r, &c);
        it->opened->rc = rc;
        if (rc < 0)
            it->opened->err = err;
    } else {
        rc = rc < 0 ? rc : answer(r, it, &err);
        it->answer->rc = rc;
        if (rc < 0)
            it->answer->err = err;
    }
    db_rollback(&r->db); /* nothing was written: this lets go of the snapshot */
}

/* A look into the past takes as long as the log is: one at a time, so that a reader is left for all else. */
static struct read_item *take(struct sqlite_store *st)
{
    struct list *from = list_is_empty(&st->opens) ? &st->queries : &st->opens;

    LIST_EACH (link, tmp, from) {
        struct read_item *it = CONTAINER_OF(LIST_ITEM(link, struct item, link), struct read_item, item);

        if (is_of_past(it) && st->looks_back)
            continue;
        list_remove(link);
        st->looks_back |= is_of_past(it);
        return it;
    }
    return NULL;
}

static void *run(void *arg)
{
    struct reader *r = arg;
    struct sqlite_store *st = r->st;
    struct list one;

    list_init(&one);
    pthread_mutex_lock(&st->read_lock);
    while (st->reading) {
        struct read_item *it = take(st);
        bool of_past = it != NULL && is_of_past(it);

        if (it == NULL) {
            pthread_cond_wait(&st->read_more, &st->read_lock);
            continue;
        }
        pthread_mutex_unlock(&st->read_lock);
        serve(r, it);
        list_add_tail(&one, &it->item.link);
        store_put_done(st, &one);
        pthread_mutex_lock(&st->read_lock);
        if (of_past)
            st->looks_back = false; /* the next one in the queue is taken by this thread at the latest */
    }
    pthread_mutex_unlock(&st->read_lock);
    return NULL;
}

int reader_start(struct sqlite_store *st, struct reader **out, struct err *err)
{
    struct reader *r = mem_zalloc(sizeof(*r));
    int rc;

    r->st = st;
    rc = db_open(&r->db, st->dir.db_path, DB_READER, err);
    if (rc == 0)
        rc = store_start_thread(&r->thread, run, r, err);
    if (rc < 0) {
        db_close(&r->db);
        mem_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void reader_join(struct reader *r)
{
    pthread_join(r->thread, NULL);
    db_close(&r->db);
    mem_free(r);
}
