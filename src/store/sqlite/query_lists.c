/* SPDX-License-Identifier: MIT */
/* Answers from rows of sessions and runs. */
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/sqlite/fact_row.h"
#include "store/sqlite/feed.h"
#include "store/sqlite/reader.h"

#define DOING_BYTES 160 /* of a question: it is shown in one line */

/* Fills the next item of a growing list from a row. */
typedef int take_fn(struct answer *a, void *item, sqlite3_stmt *st, struct err *err);

/* All rows of a bound statement into an array in the arena; NULL where there are none. */
static int collect(struct db *db, sqlite3_stmt *st, take_fn *take, size_t size, struct answer *a, void **out,
                   struct err *err)
{
    char *items = NULL;
    size_t n = 0, cap = 0;
    int rc = st == NULL ? -(int)err->code : 1;

    while (rc > 0 && (rc = db_step(db, st, err)) > 0) {
        items = mem_grow(items, &cap, n + 1, size);
        memset(items + n * size, 0, size);
        rc = take(a, items + n * size, st, err);
        n++;
        if (rc < 0)
            db_end(st);
        else
            rc = 1;
    }
    a->n = rc == 0 ? n : 0;
    if (a->n > 0) {
        *out = arena_alloc(&a->arena, n * size);
        memcpy(*out, items, n * size);
    }
    mem_free(items);
    return rc;
}

/* To be asked for: one more than the page may have tells that there is another page. */
static int64_t one_more(uint32_t limit)
{
    return (int64_t)limit + 1;
}

static bool cut(struct answer *a, uint32_t limit)
{
    bool more = a->n > limit;

    if (more)
        a->n = limit;
    return more;
}

static struct str text(struct answer *a, sqlite3_stmt *st, int column)
{
    return arena_str(&a->arena, db_bytes(st, column));
}

/* ---- runs ---- */

/* What an active run has cost so far says its newest budget; the row has it when the run has ended. */
#define RUN_COLUMNS                                                                                                    \
    "r.id, s.id, r.parent_run, r.status, r.end, r.error, r.failure, r.origin, r.provider, r.model, r.started_at,"      \
    " r.ended_at, r.number, r.rounds, r.crashes, r.calls, r.prompt_tokens, r.completion_tokens, r.reasoning_tokens,"   \
    " r.cached_tokens, r.reported, CASE WHEN r.ended_at <> 0 THEN r.cost ELSE (SELECT"                                 \
    " json_extract(f.body, '$.budget.cost_micros') FROM fact f WHERE f.sid = s.sid AND f.seq = s.budget_seq) END"

static int take_run(struct answer *a, void *item, sqlite3_stmt *st, struct err *err UNUSED)
{
    struct run_row *r = item;
    int c = 0;

    r->id = text(a, st, c++);
    r->session_id = text(a, st, c++);
    r->parent_run = text(a, st, c++);
    r->status = text(a, st, c++);
    r->end = text(a, st, c++);
    r->error = text(a, st, c++);
    r->failure = text(a, st, c++);
    r->origin = text(a, st, c++);
    r->provider = text(a, st, c++);
    r->model = text(a, st, c++);
    r->started_at = sqlite3_column_int64(st, c++);
    r->ended_at = sqlite3_column_int64(st, c++);
    r->number = db_u32(st, c++);
    r->rounds = db_u32(st, c++);
    r->crashes = db_u32(st, c++);
    r->calls = db_u32(st, c++);
    r->usage.prompt_tokens = sqlite3_column_int64(st, c++);
    r->usage.completion_tokens = sqlite3_column_int64(st, c++);
    r->usage.reasoning_tokens = sqlite3_column_int64(st, c++);
    r->usage.cached_tokens = sqlite3_column_int64(st, c++);
    r->usage.reported = sqlite3_column_int(st, c++) != 0;
    r->cost = sqlite3_column_int64(st, c++);
    return 0;
}

static int collect_runs(struct db *db, sqlite3_stmt *st, struct answer *a, struct err *err)
{
    void *runs = NULL;
    int rc = collect(db, st, take_run, sizeof(struct run_row), a, &runs, err);

    a->runs = runs;
    return rc;
}

int query_run(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    static const char sql[] =
        "SELECT " RUN_COLUMNS " FROM run r JOIN session s ON s.sid = r.sid WHERE r.id = ? LIMIT 1";
    int rc = collect_runs(db, db_query(db, sql, VALUES(V_TEXT(q->run_id)), err), a, err);

    if (rc == 0 && a->n == 0)
        return err_set(err, ERR_NOT_FOUND, "run " STR_FMT " not found", STR_ARG(q->run_id));
    return rc;
}

int query_runs(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM run r JOIN session s ON s.sid = r.sid WHERE r.sid = ?"
                              " ORDER BY r.number DESC LIMIT ?";
    uint32_t limit = q->limit == 0 ? LIMIT_PAGE_FACTS : q->limit;
    struct session_key key = {0};
    int rc = query_find_session(db, q->session_id, &key, err);

    if (rc == 0)
        rc = collect_runs(db, db_query(db, sql, VALUES(V_INT(key.sid), V_INT(one_more(limit))), err), a, err);
    a->more = cut(a, limit);
    return rc;
}

int query_active(struct db *db, const struct query *q UNUSED, struct answer *a, struct err *err)
{
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM run r JOIN session s ON s.sid = r.sid"
                              " WHERE r.ended_at = 0 ORDER BY r.started_at";

    return collect_runs(db, db_query(db, sql, NO_VALUES, err), a, err);
}

/* ---- sessions to recover, or to stop ---- */

static int take_id(struct answer *a, void *item, sqlite3_stmt *st, struct err *err UNUSED)
{
    *(struct str *)item = text(a, st, 0);
    return 0;
}

static int collect_ids(struct db *db, sqlite3_stmt *st, struct answer *a, struct err *err)
{
    void *ids = NULL;
    int rc = collect(db, st, take_id, sizeof(struct str), a, &ids, err);

    a->session_ids = ids;
    return rc;
}

int query_unfinished(struct db *db, const struct query *q UNUSED, struct answer *a, struct err *err)
{
    static const char sql[] = "SELECT id FROM session WHERE unfinished <> 0 ORDER BY sid";

    return collect_ids(db, db_query(db, sql, NO_VALUES, err), a, err);
}

int query_busy(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    /* Places of facts are in the order in which they were stored, over all sessions. */
    static const char sql[] =
        "WITH RECURSIVE tree AS MATERIALIZED (SELECT sid, id, parent, active_run, active_run <> 0 OR open_questions <> "
        "0 AS busy FROM session WHERE root = (SELECT root FROM session WHERE id = ?1)),"
        " below AS (SELECT sid, id, active_run, busy FROM tree WHERE parent = ?1"
        " UNION SELECT t.sid, t.id, t.active_run, t.busy FROM tree t JOIN below b ON t.parent = b.id)"
        " SELECT id FROM below b WHERE busy AND (?2 = 0 OR"
        " (SELECT pos FROM fact WHERE sid = (SELECT sid FROM session WHERE id = ?1) AND seq = ?2) >"
        " CASE WHEN active_run <> 0"
        " THEN (SELECT f.pos FROM fact f WHERE f.sid = b.sid AND f.kind = 'run_started' ORDER BY f.seq DESC LIMIT 1)"
        " ELSE (SELECT min(f.pos) FROM question o JOIN fact f ON f.sid = o.sid AND f.seq = o.seq WHERE o.sid = b.sid)"
        " END) ORDER BY sid";

    return collect_ids(db, db_query(db, sql, VALUES(V_TEXT(q->session_id), V_INT(q->before)), err), a, err);
}

/* ---- sessions ---- */

/* What the row of its last run says stands there once; the newest budget is a fact. */
#define SESSION_COLUMNS                                                                                                \
    "s.sid, s.id, s.title, s.parent, s.root, s.provider, s.model, s.effort, s.workspace, s.state, s.last_seq,"         \
    " s.metadata_version, s.title_version, s.created_at, s.updated_at, s.depth, s.message_count, s.inbox, s.pinned,"   \
    " s.title_set, s.open_questions, s.cost, s.source, s.source_seq, s.active_run, r.id, r.status, r.end, r.error, "   \
    "r.provider, r.model, "                                                                                            \
    "r.effort, "                                                                                                       \
    "r.rounds, " FACT_COLUMNS
#define SESSION_PARTS                                                                                                  \
    " LEFT JOIN run r ON r.sid = s.sid AND r.number = s.last_run"                                                      \
    " LEFT JOIN fact f ON f.sid = s.sid AND f.seq = s.budget_seq"

static void take_last_run(struct answer *a, struct session_row *s, sqlite3_stmt *st, int c)
{
    bool suspended = str_is(db_bytes(st, c + 2), run_end_names[END_SUSPENDED]);

    s->last_run_id = text(a, st, c);
    s->last_run_status = text(a, st, suspended ? c + 2 : c + 1);
    s->last_error = text(a, st, c + 3);
    if (s->model.n == 0) { /* not pinned: what its last run used */
        s->provider = text(a, st, c + 4);
        s->model = text(a, st, c + 5);
    }
    if (s->effort.n == 0)
        s->effort = text(a, st, c + 6);
    if (s->is_running && db_u32(st, c + 7) > 0)
        s->doing = arena_strf(&a->arena, "round %u", db_u32(st, c + 7));
}

static int take_budget(struct answer *a, struct session_row *s, sqlite3_stmt *st, int c, struct err *err)
{
    struct fact f;
    int rc;

    if (sqlite3_column_type(st, c) == SQLITE_NULL)
        return 0;
    rc = fact_row_read(st, c, s->sid, s->id, &a->arena, &f, err);
    if (rc < 0)
        return rc;
    s->has_budget = true;
    s->budget = f.budget;
    return 0;
}

static int take_session(struct answer *a, void *item, sqlite3_stmt *st, struct err *err)
{
    struct session_row *s = item;
    int c = 0;

    s->sid = sqlite3_column_int64(st, c++);
    s->id = text(a, st, c++);
    s->title = text(a, st, c++);
    s->parent = text(a, st, c++);
    s->root = text(a, st, c++);
    s->provider = text(a, st, c++);
    s->model = text(a, st, c++);
    s->effort = text(a, st, c++);
    s->workspace = text(a, st, c++);
    s->state = text(a, st, c++);
    s->last_seq = db_u64(st, c++);
    s->metadata_version = db_u64(st, c++);
    s->title_version = db_u64(st, c++);
    s->created_at = sqlite3_column_int64(st, c++);
    s->updated_at = sqlite3_column_int64(st, c++);
    s->depth = db_u32(st, c++);
    s->message_count = db_u32(st, c++);
    s->inbox = db_u32(st, c++);
    s->pinned = db_u32(st, c++) != 0;
    s->title_set = db_u32(st, c++) != 0;
    s->open_questions = db_u32(st, c++);
    s->cost = sqlite3_column_int64(st, c++);
    s->source = text(a, st, c++);
    s->source_seq = db_u64(st, c++);
    s->is_running = db_u32(st, c++) != 0;
    take_last_run(a, s, st, c);
    return take_budget(a, s, st, c + 8, err);
}

static int collect_sessions(struct db *db, sqlite3_stmt *st, struct answer *a, struct err *err)
{
    void *sessions = NULL;
    int rc = collect(db, st, take_session, sizeof(struct session_row), a, &sessions, err);

    a->sessions = sessions;
    return rc;
}

/* What the session asks first, in one line that fits where people look. */
static int tell_question(struct db *db, struct answer *a, struct session_row *s, struct err *err)
{
    static const char sql[] = "SELECT " FACT_COLUMNS " FROM question q JOIN fact f ON f.sid = q.sid AND f.seq = q.seq"
                              " WHERE q.sid = ? ORDER BY q.at, q.call LIMIT 1";
    sqlite3_stmt *st = db_query(db, sql, VALUES(V_INT(s->sid)), err);
    int rc = st == NULL ? -(int)err->code : db_step(db, st, err);
    struct str line = STR_NULL, rest;
    struct fact f;

    if (rc <= 0)
        return rc;
    rc = fact_row_read(st, 0, s->sid, s->id, &a->arena, &f, err);
    db_end(st);
    if (rc < 0)
        return rc;
    rest = str_trim(f.text);
    str_next(&rest, '\n', &line);
    line = str_trim(line);
    s->doing =
        line.n <= DOING_BYTES ? line : arena_strf(&a->arena, "%.*s…", (int)utf8_floor(line, DOING_BYTES), line.p);
    return 0;
}

static int tell_questions(struct db *db, struct answer *a, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < a->n; i++)
        if (a->sessions[i].open_questions > 0 && !a->sessions[i].is_running)
            rc = tell_question(db, a, &a->sessions[i], err);
    return rc;
}

int query_session(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    static const char sql[] = "SELECT " SESSION_COLUMNS " FROM session s" SESSION_PARTS " WHERE s.id = ?";
    int rc = collect_sessions(db, db_query(db, sql, VALUES(V_TEXT(q->session_id)), err), a, err);

    if (rc == 0 && a->n == 0)
        return err_set(err, ERR_NOT_FOUND, "session " STR_FMT " not found", STR_ARG(q->session_id));
    return rc == 0 ? tell_questions(db, a, err) : rc;
}

/*
 * ?1 state, ?2 child (-1: either), ?3 root, ?4 text in lower case; empty means whatever. The first is answered from the
 * index of the list alone, the second from the index of trees; only a search reads every row. ASCII letters are equal
 * in either case, others as they are written.
 */
#define BY_STATE " WHERE (?1 = '' OR s.state = ?1) AND (?2 < 0 OR s.child = ?2)"
#define BY_ROOT BY_STATE " AND s.root = ?3"
#define BY_TEXT                                                                                                        \
    BY_STATE " AND (?3 = '' OR s.root = ?3) AND (instr(lower(s.title), ?4) > 0 OR instr(lower(s.id), ?4) > 0)"

/* The page is found first, and only then are its rows looked up. */
#define COUNT(filter) "SELECT count(*) FROM session s" filter
#define PAGE(filter)                                                                                                   \
    "SELECT " SESSION_COLUMNS " FROM (SELECT s.sid AS page_sid FROM session s" filter                                  \
    " AND (s.updated_at, s.sid) < (?5, ?6) ORDER BY s.updated_at DESC, s.sid DESC LIMIT ?7 OFFSET ?8) p"               \
    " JOIN session s ON s.sid = p.page_sid" SESSION_PARTS " ORDER BY s.updated_at DESC, s.sid DESC"

struct list_sql {
    const char *count, *page;
    size_t values; /* of the count */
};
static const struct list_sql everything = {COUNT(""), PAGE(BY_STATE), 0};
static const struct list_sql by_state = {COUNT(BY_STATE), PAGE(BY_STATE), 2};
static const struct list_sql by_root = {COUNT(BY_ROOT), PAGE(BY_ROOT), 3};
static const struct list_sql by_text = {COUNT(BY_TEXT), PAGE(BY_TEXT), 4};

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        p[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
    return (struct str){p, s.n};
}

/* A cursor is the place of the last row in the order of the list: "updated_at.sid". */
struct place {
    int64_t updated_at, sid;
};

static int read_cursor(struct str cursor, struct place *out, struct err *err)
{
    struct str rest = cursor, first;

    *out = (struct place){INT64_MAX, INT64_MAX};
    if (cursor.n == 0)
        return 0;
    if (!str_next(&rest, '.', &first) || !str_to_i64(first, &out->updated_at) || !str_to_i64(rest, &out->sid))
        return err_set(err, ERR_BAD_REQUEST, "query: cursor: not one that this server gave");
    return 0;
}

int query_sessions(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    const struct list_sql *sql = q->search.n > 0                           ? &by_text
                                 : q->root.n > 0                           ? &by_root
                                 : q->state.n > 0 || q->session_kind.n > 0 ? &by_state
                                                                           : &everything;
    int64_t total = 0;
    uint64_t newest = 0;
    uint32_t limit = q->limit == 0 ? LIMIT_PAGE_FACTS : q->limit;
    int64_t child = str_is(q->session_kind, "child") ? 1 : str_is(q->session_kind, "root") ? 0 : -1;
    struct place at;
    int rc = read_cursor(q->cursor, &at, err);
    const struct value values[] = {
        V_TEXT(q->state),     V_INT(child),  V_TEXT(q->root),        V_TEXT(lower(&a->arena, q->search)),
        V_INT(at.updated_at), V_INT(at.sid), V_INT(one_more(limit)), V_INT(q->offset)};

    if (rc == 0)
        rc = db_number(db, sql->count, values, sql->values, &total, err);
    if (rc > 0 && total > 0)
        rc = collect_sessions(db, db_query(db, sql->page, values, ARRAY_LEN(values), err), a, err);
    else if (rc > 0)
        rc = 0;
    if (rc == 0)
        rc = tell_questions(db, a, err);
    if (rc == 0)
        rc = feed_newest(db, &newest, err);
    a->last_seq = feed_last(newest);
    a->total = (uint64_t)total;
    a->more = cut(a, limit);
    if (a->more) {
        const struct session_row *last = &a->sessions[limit - 1];

        a->next = arena_strf(&a->arena, "%" PRId64 ".%" PRId64, last->updated_at, last->sid);
    }
    return rc;
}
