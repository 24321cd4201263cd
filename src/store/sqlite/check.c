/* SPDX-License-Identifier: MIT */
#include "store/sqlite/check.h"

#include "base/str.h"
#include "base/utf8.h"
#include "store/sqlite/check_internal.h"
#include "store/sqlite/crc32c.h"
#include "store/sqlite/schema.h"

#include <stdarg.h>
#include <stdio.h>

#define SAID_MOST 8 /* of one session: what is wrong with it is clear by then */

/* ---- findings ---- */

static const char *const remedies[] = {
#define X(remedy, text) [REMEDY_##remedy] = (text),
    REMEDIES(X)
#undef X
};

/* Bytes of a damaged file may be anything. */
static void report(struct checker *c, const char *remedy, struct str what)
{
    CLEANUP(buf_done) struct buf session = BUF_INIT, text = BUF_INIT;
    struct check_finding f = {.remedy = remedy};

    utf8_add_line(buf_str(&c->session), &session);
    utf8_add_line(what, &text);
    f.session = buf_str(&session);
    f.what = buf_str(&text);
    c->report->findings++;
    c->o->found(c->o->arg, &f);
}

void check_found(struct checker *c, enum remedy remedy, const char *fmt, ...)
{
    char text[480];
    va_list args;

    if (c->session.n > 0 && ++c->said > SAID_MOST)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    report(c, remedies[remedy], str_of(text));
}

int check_take_damage(struct checker *c, int rc, enum remedy remedy, const char *what)
{
    /* A statement of ours that makes no sense here is one more word for a schema that is not ours. */
    bool is_schema = rc == -ERR_STORAGE && (c->visit.db.failed & 0xff) == SQLITE_ERROR;

    if (rc != -ERR_CORRUPT && !is_schema)
        return rc;
    check_found(c, remedy, "%s%s", what, c->err->text);
    return 0;
}

static void enter_session(struct checker *c, struct str id)
{
    buf_clear(&c->session);
    buf_add_str(&c->session, id);
    c->said = 0;
}

static void leave_session(struct checker *c)
{
    char text[64];

    if (c->said > SAID_MOST) {
        snprintf(text, sizeof(text), "and %u findings more", c->said - SAID_MOST);
        report(c, remedies[REMEDY_REBUILD], str_of(text));
    }
    enter_session(c, STR_NULL);
}

void check_change_session(struct checker *c, struct str id)
{
    if (str_eq(buf_str(&c->session), id))
        return;
    leave_session(c);
    enter_session(c, id);
}

/* ---- one session ---- */

struct one {
    int64_t sid;
    bool has_row, has_head, met_head, damaged;
    uint64_t epoch, owner, last_seq; /* of the row */
    uint64_t seq, newest_epoch;      /* of the newest fact that was read */
    uint64_t pos;                    /* its place of arrival */
    struct session head;
};

static int read_row(struct checker *c, struct one *s)
{
    static const char sql[] = "SELECT id, epoch, owner, last_seq FROM session WHERE sid = ?";
    sqlite3_stmt *st = db_query(&c->visit.db, sql, VALUES(V_INT(s->sid)), c->err);
    int rc = st == NULL ? -(int)c->err->code : db_step(&c->visit.db, st, c->err);

    if (rc > 0) {
        enter_session(c, db_bytes(st, 0));
        s->has_row = true;
        s->epoch = db_u64(st, 1);
        s->owner = db_u64(st, 2);
        s->last_seq = db_u64(st, 3);
        db_end(st);
        rc = 0;
    }
    if (c->session.n == 0)
        buf_addf(&c->session, "number %" PRId64, s->sid);
    rc = check_take_damage(c, rc, REMEDY_REBUILD, "its row cannot be read: ");
    if (rc == 0 && !s->has_row)
        check_found(c, REMEDY_REBUILD, "there are facts of it, and no row");
    return rc;
}

static int read_head(struct checker *c, struct one *s)
{
    static const char sql[] = "SELECT crc, body FROM head WHERE sid = ?";
    sqlite3_stmt *st = db_query(&c->visit.db, sql, VALUES(V_INT(s->sid)), c->err);
    int rc = st == NULL ? -(int)c->err->code : db_step(&c->visit.db, st, c->err);
    struct str body;

    if (rc <= 0)
        return check_take_damage(c, rc, REMEDY_UNHARMED, "its head cannot be read: ");
    body = db_bytes(st, 1);
    if (crc32c_add(0, body.p, body.n) != db_u64(st, 0))
        check_found(c, REMEDY_UNHARMED, "the stored bytes of its head are damaged");
    else if (session_read_head(body, &s->head))
        s->has_head = true;
    else if (session_head_is_current(body))
        check_found(c, REMEDY_UNHARMED, "its head is no session");
    db_end(st);
    return 0;
}

static void compare_head(struct checker *c, struct one *s)
{
    const struct session *fold = replay_session(c->replay);
    const char *field;

    if (!s->has_head || fold->seq != s->head.seq)
        return;
    s->met_head = true;
    field = session_differs(fold, &s->head);
    if (field != NULL)
        check_found(c, REMEDY_REBUILD, "its head disagrees with the log at fact %" PRIu64 ": %s", fold->seq, field);
}

/* What the append refuses is damage of the file, also where only a key of the tables says so. */
static int take_refusal(struct checker *c, struct one *s, int rc)
{
    bool is_key = rc == -ERR_STORAGE && (c->scratch.failed & 0xff) == SQLITE_CONSTRAINT;

    if (rc == 0)
        return 0;
    s->damaged = true;
    if (is_key)
        c->err->code = ERR_CORRUPT;
    return check_take_damage(c, is_key ? -ERR_CORRUPT : rc, REMEDY_SALVAGE, "");
}

static void check_epoch(struct checker *c, const struct one *s, const struct fact_row *row)
{
    uint64_t writer = row->epoch & WRITER_MASK;

    if (row->epoch == s->newest_epoch || (writer > 0 && writer <= c->last_writer))
        return;
    check_found(c, REMEDY_REBUILD, "fact %" PRIu64 " was written in life %" PRIu64 ", and the newest one is %" PRIu64,
                row->seq, writer, c->last_writer);
}

/* What the account feed tells in its order. */
static void check_place(struct checker *c, struct one *s, uint64_t seq, uint64_t pos)
{
    if (pos <= s->pos)
        check_found(c, REMEDY_REBUILD, "fact %" PRIu64 " stands at place %" PRIu64 ", before the one that it follows",
                    seq, pos);
    s->pos = pos;
}

static int take_fact(struct checker *c, struct one *s, const struct fact_row *row)
{
    const struct fact *f;
    int rc;

    c->report->facts++;
    check_epoch(c, s, row);
    if (row->seq > s->seq + 1) {
        check_found(c, REMEDY_SALVAGE, "facts %" PRIu64 " to %" PRIu64 " are missing", s->seq + 1, row->seq - 1);
        s->damaged = true;
    }
    s->seq = row->seq;
    s->newest_epoch = row->epoch;
    if (s->damaged) { /* what follows cannot be added up any more */
        if (!fact_row_is_intact(row, s->sid))
            check_found(c, REMEDY_SALVAGE, "fact %" PRIu64 ": the stored bytes are damaged", row->seq);
        return 0;
    }
    rc = replay_add(c->replay, row, &f, c->err);
    if (rc < 0)
        return take_refusal(c, s, rc);
    if (f->kind == FACT_SESSION_CREATED && s->has_row && !str_eq(f->id, buf_str(&c->session)))
        check_found(c, REMEDY_REBUILD, "its row has another id than its first fact, which says " STR_FMT,
                    STR_ARG(f->id));
    compare_head(c, s);
    return 0;
}

static int read_facts(struct checker *c, struct one *s)
{
    static const char sql[] = "SELECT " FACT_COLUMNS ", f.pos FROM fact f WHERE f.sid = ? ORDER BY f.seq";
    sqlite3_stmt *st = db_query(&c->visit.db, sql, VALUES(V_INT(s->sid)), c->err);
    int rc = st == NULL ? -(int)c->err->code : 1;

    replay_begin(c->replay, s->sid, buf_str(&c->session));
    while (rc > 0 && (rc = db_step(&c->visit.db, st, c->err)) > 0) {
        struct fact_row row = fact_row_of(st, 0);

        check_place(c, s, row.seq, db_u64(st, FACT_N_COLUMNS));
        rc = take_fact(c, s, &row);
        if (rc < 0)
            db_end(st);
        else
            rc = 1;
    }
    s->damaged |= rc == -ERR_CORRUPT;
    rc = check_take_damage(c, rc, REMEDY_SALVAGE, "its facts cannot be read: ");
    if (rc == 0 && !s->damaged && s->seq == 0 && s->last_seq == 0) {
        check_found(c, REMEDY_REBUILD, "there is a row of it, and no facts");
        s->damaged = true;
    }
    if (rc == 0 && !s->damaged && s->has_row && s->seq < s->last_seq) {
        check_found(c, REMEDY_SALVAGE, "facts %" PRIu64 " to %" PRIu64 " are missing", s->seq + 1, s->last_seq);
        s->damaged = true;
    }
    if (rc == 0 && !s->damaged && s->has_head && !s->met_head)
        check_found(c, REMEDY_REBUILD, "its head stands at fact %" PRIu64 ", which the log does not have", s->head.seq);
    return rc;
}

static void check_row(struct checker *c, const struct one *s)
{
    uint64_t newest = replay_epoch(c->replay), writer = s->epoch & WRITER_MASK;

    if (s->epoch < newest)
        check_found(c, REMEDY_REBUILD, "its row has epoch %" PRIu64 ", which is older than that of its newest fact",
                    s->epoch);
    else if (writer == 0 || writer > c->last_writer)
        check_found(c, REMEDY_REBUILD, "its row was written in life %" PRIu64 ", and the newest one is %" PRIu64,
                    writer, c->last_writer);
    if (s->owner != 0 && s->owner != writer)
        check_found(c, REMEDY_REBUILD, "its owner is life %" PRIu64 ", and its epoch is that of life %" PRIu64,
                    s->owner, writer);
}

/* Text may be stored a little before the round that it is of (it rides along with commits), never behind its end. */
static int check_partial(struct checker *c, const struct one *s)
{
    static const char sql[] = "SELECT run, round, gen, epoch FROM partial WHERE sid = ?";
    const struct session *fold = replay_session(c->replay);
    const struct run_state *r = &fold->run;
    sqlite3_stmt *st = db_query(&c->visit.db, sql, VALUES(V_INT(s->sid)), c->err);
    int rc = st == NULL ? -(int)c->err->code : db_step(&c->visit.db, st, c->err);
    uint32_t run, round, gen;
    bool is_open, is_later;

    if (rc <= 0)
        return check_take_damage(c, rc, REMEDY_UNHARMED, "its text in flight cannot be read: ");
    run = db_u32(st, 0);
    round = db_u32(st, 1);
    gen = db_u32(st, 2);
    is_open = r->active && r->round_open && run == r->number && round == r->round && gen == r->gen;
    is_later = run > fold->runs || (r->active && run == r->number &&
                                    (round > r->round || (r->round_open && round == r->round && gen > r->gen)));
    if (!is_open && !is_later)
        check_found(c, REMEDY_UNHARMED, "there is text in flight of call %u.%u.%u, which is over", run, round, gen);
    else if (db_u64(st, 3) > s->epoch || (is_open && (db_u64(st, 3) & WRITER_MASK) != (s->epoch & WRITER_MASK)))
        check_found(c, REMEDY_UNHARMED, "its text in flight is of another epoch");
    db_end(st);
    return 0;
}

static int check_session(struct checker *c, int64_t sid)
{
    struct one s = {.sid = sid};
    int rc = read_row(c, &s);

    c->report->sessions++;
    if (rc == 0)
        rc = read_head(c, &s);
    if (rc == 0)
        rc = read_facts(c, &s);
    if (rc == 0 && !s.damaged)
        rc = take_refusal(c, &s, replay_end(c->replay, s.epoch, s.owner, c->err));
    if (rc == 0 && !s.damaged && s.has_row) {
        check_row(c, &s);
        rc = check_partial(c, &s);
        if (rc == 0)
            rc = check_tables(c, sid);
    }
    leave_session(c);
    return rc < 0 ? rc : check_clear_scratch(c);
}

/* ---- all sessions ---- */

/* The next number in one of the tables that have it; what cannot be read ends it there. */
struct numbers {
    const char *sql, *unreadable;
    int64_t next;
    bool over;
};

static int advance(struct checker *c, struct numbers *n, int64_t after)
{
    int rc;

    if (n->over || n->next > after)
        return 0;
    rc = db_number(&c->visit.db, n->sql, VALUES(V_INT(after)), &n->next, c->err);
    n->over = rc <= 0 || n->next <= after; /* in a damaged tree anything may be found: never go back */
    if (rc > 0 && n->over)
        check_found(c, REMEDY_READABLE, "%sit is not in order", n->unreadable);
    return rc < 0 ? check_take_damage(c, rc, REMEDY_READABLE, n->unreadable) : 0;
}

static int check_sessions(struct checker *c)
{
    static const char count_sql[] = "SELECT count(*) FROM session";
    struct numbers rows = {.sql = "SELECT sid FROM session WHERE sid > ? ORDER BY sid LIMIT 1",
                           .unreadable = "table session cannot be read to its end: ",
                           .next = INT64_MIN};
    struct numbers facts = {.sql = "SELECT sid FROM fact WHERE sid > ? ORDER BY sid, seq LIMIT 1",
                            .unreadable = "the index of the facts cannot be read to its end: ",
                            .next = INT64_MIN};
    int64_t total = 0, sid = INT64_MIN;
    int rc = db_number(&c->visit.db, count_sql, NO_VALUES, &total, c->err);

    rc = check_take_damage(c, rc < 0 ? rc : 0, REMEDY_READABLE, "the sessions cannot be counted: ");
    while (rc == 0) {
        rc = advance(c, &rows, sid);
        if (rc == 0)
            rc = advance(c, &facts, sid);
        if (rc < 0 || (rows.over && facts.over))
            return rc;
        sid = rows.over || (!facts.over && facts.next < rows.next) ? facts.next : rows.next;
        rc = check_session(c, sid);
        if (c->o->progress != NULL)
            c->o->progress(c->o->arg, c->report->sessions, (uint64_t)total);
    }
    return rc;
}

/* ---- all of it ---- */

static int measure(struct checker *c)
{
    static const char pages[] = "PRAGMA page_count", size[] = "PRAGMA page_size";
    int64_t n = 0, bytes = 0;
    int rc = db_number(&c->visit.db, pages, NO_VALUES, &n, c->err);

    if (rc >= 0)
        rc = db_number(&c->visit.db, size, NO_VALUES, &bytes, c->err);
    c->report->bytes = (uint64_t)n * (uint64_t)bytes;
    return rc < 0 ? rc : 0;
}

static int check_open(struct checker *c)
{
    int (*const parts[])(struct checker *) = {measure,        check_structure, check_pages,    check_lives,
                                              check_sessions, check_orphans,   check_receipts, check_feed};
    int rc = db_open(&c->scratch, ":memory:", DB_DRAFT, c->err);

    if (rc == 0)
        rc = schema_make(&c->scratch, c->err);
    if (rc < 0)
        return rc;
    c->replay = replay_new(&c->scratch, true);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
        rc = check_take_damage(c, parts[i](c), REMEDY_READABLE, "");
    replay_free(c->replay);
    return rc;
}

int store_check(const char *path, const struct check_options *o, struct check_report *out, struct err *err)
{
    struct checker c = {.o = o, .report = out, .err = err};
    struct err ignored;
    int rc, end;

    *out = (struct check_report){0};
    rc = check_log_of_writes(&c, path);
    if (rc == 0)
        rc = visit_begin(&c.visit, path, err);
    if (rc == -ERR_VERSION && out->findings > 0) { /* it may be all there was */
        check_found(&c, REMEDY_LAST_COMMITS, "without these commits the file is none of culm's");
        return 0;
    }
    if (rc < 0)
        return check_take_damage(&c, rc, REMEDY_READABLE, "");
    rc = check_open(&c);
    if (c.scratch.h != NULL)
        db_close(&c.scratch);
    buf_done(&c.session);
    end = visit_end(&c.visit, rc < 0 ? &ignored : err);
    return rc < 0 ? rc : end;
}
