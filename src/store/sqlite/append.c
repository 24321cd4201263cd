/* SPDX-License-Identifier: MIT */
#include "store/sqlite/append.h"

#include "base/clock.h"
#include "base/str.h"
#include "session/feed.h"
#include "store/sqlite/crc32c.h"
#include "store/sqlite/feed.h"
#include "store/sqlite/project.h"
#include "store/sqlite/receipt_row.h"

struct row {
    bool found;
    uint64_t epoch, last_seq;
};

static uint64_t last_of(const struct append *a)
{
    return a->first - 1 + (a->facts == NULL ? 0 : a->facts->n);
}

static int load_row(struct projection *p, struct row *row)
{
    static const char sql[] = "SELECT epoch, last_seq, " PROJECT_COLUMNS " FROM session WHERE sid = ?";
    sqlite3_stmt *st = db_query(p->db, sql, VALUES(V_INT(p->sid)), p->err);
    int rc = st == NULL ? -(int)p->err->code : db_step(p->db, st, p->err);

    if (rc <= 0)
        return rc;
    row->found = true;
    row->epoch = db_u64(st, 0);
    row->last_seq = db_u64(st, 1);
    project_load(p, st, 2);
    db_end(st);
    return 0;
}

/* ---- the check ---- */

static int refuse(const struct append *a, const struct row *row, struct err *err)
{
    if (!row->found)
        return err_set(err, ERR_REFUSED, "session " STR_FMT " is not there (any more)", STR_ARG(a->session_id));
    return err_set(err, ERR_REFUSED,
                   "session " STR_FMT ": expected epoch %" PRIu64 " and seq %" PRIu64 ", found %" PRIu64
                   " and %" PRIu64,
                   STR_ARG(a->session_id), a->expect, a->first - 1, row->epoch, row->last_seq);
}

/*
 * What does not fit may be what was stored already, sent again: an epoch has one writer, who never gives a number
 * twice. 1: it is.
 */
static int is_there(struct db *db, const struct append *a, const struct row *row, struct err *err)
{
    static const char sql[] = "SELECT epoch FROM fact WHERE sid = ? AND seq = ?";
    int64_t epoch = 0;
    int rc;

    if (a->erase)
        return !row->found;
    if (!row->found || row->last_seq < last_of(a))
        return 0;
    if (a->facts == NULL && a->receipt != NULL) {
        rc = receipt_row_compare(db, a->session_id, a->receipt, err);
        return rc == 0 ? 1 : rc == 1 || rc == -ERR_REFUSED ? 0 : rc;
    }
    if (a->facts == NULL)
        return row->epoch == a->epoch && row->last_seq == a->first - 1;
    rc = db_number(db, sql, VALUES(V_INT(a->sid), V_INT(last_of(a))), &epoch, err);
    return rc <= 0 ? rc : (uint64_t)epoch == a->epoch;
}

static int id_is_taken(struct db *db, struct str id, struct err *err)
{
    static const char sql[] = "SELECT sid FROM session WHERE id = ?";
    int64_t sid;

    return db_number(db, sql, VALUES(V_TEXT(id)), &sid, err);
}

/* Of a session that is not there, and stays so. */
static bool is_receipt_alone(const struct append *a)
{
    return a->expect == 0 && a->facts == NULL && a->receipt != NULL;
}

/* 1: its key has none yet, or it brings none; 0: it is there; -ERR_REFUSED: the key has another one. */
static int check_receipt(struct db *db, const struct append *a, struct err *err)
{
    int rc = a->receipt == NULL ? 1 : receipt_row_compare(db, a->session_id, a->receipt, err);

    if (rc == 0 && a->facts != NULL)
        return err_set(err, ERR_REFUSED, "session " STR_FMT ": there is a receipt of facts that are not",
                       STR_ARG(a->session_id));
    return rc;
}

/* 1: to be applied; 0: it is there already; -ERR_REFUSED, or the database's failure. */
static int check(struct db *db, const struct append *a, const struct row *row, struct err *err)
{
    bool is_new = !row->found && a->first == 1 && (a->facts != NULL || is_receipt_alone(a)) && !a->erase;
    bool fits = a->expect == 0 ? is_new : row->found && row->epoch == a->expect && row->last_seq == a->first - 1;
    int rc;

    if (!fits) {
        rc = is_there(db, a, row, err);
        return rc < 0 ? rc : rc > 0 ? 0 : refuse(a, row, err);
    }
    rc = check_receipt(db, a, err);
    if (rc <= 0 || a->expect != 0)
        return rc;
    rc = id_is_taken(db, a->session_id, err);
    if (rc > 0)
        return err_set(err, ERR_REFUSED, "session " STR_FMT " exists already", STR_ARG(a->session_id));
    return rc < 0 ? rc : 1;
}

/* ---- the writes ---- */

static int insert_row(struct db *db, const struct append *a, struct err *err)
{
    static const char sql[] =
        "INSERT INTO session(sid, id, epoch, owner, last_seq, unfinished) VALUES(?, ?, ?, ?, 0, ?)";

    return db_run(db, sql,
                  VALUES(V_INT(a->sid), V_TEXT(a->session_id), V_INT(a->epoch), V_INT(a->owner), V_INT(a->unfinished)),
                  err);
}

/* Its place is ours to give: the database would give that of an erased fact once more. */
static int insert_fact(struct db *db, uint64_t pos, int64_t sid, const struct fact_row *row, struct err *err)
{
    static const char sql[] =
        "INSERT INTO fact(pos, sid, seq, epoch, kind, at, crc, body) VALUES(?, ?, ?, ?, ?, ?, ?, ?)";

    return db_run(db, sql,
                  VALUES(V_INT(pos), V_INT(sid), V_INT(row->seq), V_INT(row->epoch), V_TEXT(row->kind), V_INT(row->at),
                         V_INT(row->crc), V_TEXT(row->body)),
                  err);
}

static struct fact_row row_of(const struct append *a, const struct fact *f, struct append_scratch *scratch)
{
    struct fact_row row = {.seq = f->seq, .epoch = f->epoch, .at = f->at, .kind = str_of(fact_kind_name(f->kind))};

    buf_clear(&scratch->body);
    fact_write(f, &scratch->body);
    row.body = buf_str(&scratch->body);
    row.crc = fact_crc(a->sid, f, row.kind, row.body);
    return row;
}

static int write_letters(struct db *db, const struct append *a, struct err *err)
{
    static const char consume[] = "DELETE FROM letter WHERE id = ?";
    static const char insert[] = "INSERT OR IGNORE INTO letter(id, dst, src, body) VALUES(?, ?, ?, ?)";
    int rc = a->consumed == 0 ? 0 : db_run(db, consume, VALUES(V_INT(a->consumed)), err);

    for (size_t i = 0; rc == 0 && i < a->n_letters; i++) {
        const struct letter *l = &a->letters[i];

        rc = db_run(db, insert, VALUES(V_INT(l->id), V_TEXT(l->to), V_INT(a->sid), V_BLOB(l->body)), err);
    }
    return rc;
}

static int write_receipt(struct db *db, const struct append *a, struct err *err)
{
    int rc;

    if (a->receipt == NULL)
        return 0;
    rc = receipt_row_put(db, a->session_id, a->receipt, err);
    return rc < 0 ? rc : receipt_row_forget(db, a->receipt->at, err);
}

static int write_head(struct db *db, const struct append *a, struct append_scratch *scratch, struct err *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO head(sid, crc, body) VALUES(?, ?, ?)";
    struct str body;

    buf_clear(&scratch->body);
    session_write_head(a->head, &scratch->body);
    body = buf_str(&scratch->body);
    return db_run(db, sql, VALUES(V_INT(a->sid), V_INT(crc32c_add(0, body.p, body.n)), V_BLOB(body)), err);
}

/* Every table that knows a session. secure_delete overwrites what was there. That it is gone stays on the feed. */
static int erase(struct db *db, const struct append *a, struct append_scratch *scratch, struct err *err)
{
    static const char fact[] = "DELETE FROM fact WHERE sid = ?", message[] = "DELETE FROM message WHERE sid = ?",
                      question[] = "DELETE FROM question WHERE sid = ?", inbox[] = "DELETE FROM inbox WHERE sid = ?",
                      run[] = "DELETE FROM run WHERE sid = ?", head[] = "DELETE FROM head WHERE sid = ?",
                      partial[] = "DELETE FROM partial WHERE sid = ?", sent[] = "DELETE FROM letter WHERE src = ?",
                      session[] = "DELETE FROM session WHERE sid = ?",
                      received[] = "DELETE FROM letter WHERE dst = (SELECT id FROM session WHERE sid = ?)",
                      receipt[] = "DELETE FROM receipt WHERE session = (SELECT id FROM session WHERE sid = ?)";
    const char *const by_sid[] = {fact, message, inbox, question, run, head, partial, sent, received, receipt, session};
    int rc = feed_put_erased(db, ++scratch->pos, clock_wall_ms(), a->sid, err);

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(by_sid); i++)
        rc = db_run(db, by_sid[i], VALUES(V_INT(a->sid)), err);
    scratch->told = scratch->pos;
    return rc;
}

static int write_facts(struct projection *p, const struct append *a, const struct fact_row *rows,
                       struct append_scratch *scratch)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && a->facts != NULL && i < a->facts->n; i++) {
        const struct fact *f = &a->facts->items[i];
        struct fact_row row = rows != NULL ? rows[i] : row_of(a, f, scratch);

        scratch->bytes += row.body.n;
        scratch->pos++;
        if (feed_has(f->kind))
            scratch->told = scratch->pos;
        rc = insert_fact(p->db, scratch->pos, a->sid, &row, p->err);
        if (rc == 0)
            rc = project_fact(p, f);
    }
    return rc;
}

int append_rows(struct db *db, const struct append *a, const struct fact_row *rows, struct append_scratch *scratch,
                struct err *err)
{
    struct projection p = {.db = db, .sid = a->sid, .err = err};
    struct row row = {0};
    int rc = load_row(&p, &row);

    if (rc == 0)
        rc = check(db, a, &row, err);
    if (rc <= 0)
        return rc;
    if (a->erase)
        return erase(db, a, scratch, err);
    if (is_receipt_alone(a))
        return write_receipt(db, a, err);
    rc = a->expect == 0 ? insert_row(db, a, err) : 0;
    if (rc == 0)
        rc = write_facts(&p, a, rows, scratch);
    if (rc == 0)
        rc = write_letters(db, a, err);
    if (rc == 0)
        rc = write_receipt(db, a, err);
    if (rc == 0 && a->head != NULL)
        rc = write_head(db, a, scratch, err);
    return rc < 0 ? rc : project_finish(&p, a, last_of(a));
}

int append_apply(struct db *db, const struct append *a, struct append_scratch *scratch, struct err *err)
{
    return append_rows(db, a, NULL, scratch, err);
}

int append_partial(struct db *db, int64_t sid, uint64_t epoch, const struct partial *p, struct err *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO partial(sid, epoch, run, round, gen, text, reasoning)"
                              " SELECT sid, epoch, ?3, ?4, ?5, ?6, ?7 FROM session WHERE sid = ?1 AND epoch = ?2";

    return db_run(db, sql,
                  VALUES(V_INT(sid), V_INT(epoch), V_INT(p->run), V_INT(p->round), V_INT(p->gen), V_BLOB(p->text),
                         V_BLOB(p->reasoning)),
                  err);
}
