/* SPDX-License-Identifier: MIT */
#include "store/sqlite/receipt_row.h"

#include "base/str.h"
#include "store/sqlite/crc32c.h"

#define FORGOTTEN_AT_ONCE 4 /* more than one comes in, so that they do not pile up */

/* Texts of any length side by side: each brings its own. */
static uint32_t add_text(uint32_t crc, struct str s)
{
    return crc32c_add(crc32c_add_u64(crc, s.n), s.p, s.n);
}

uint32_t receipt_crc(struct str session, const struct receipt *r)
{
    uint32_t crc = crc32c_add_u64(0, (uint64_t)r->at);

    crc = add_text(crc, session);
    crc = add_text(crc, r->key);
    crc = add_text(crc, r->fingerprint);
    return add_text(crc, r->reply);
}

/* 1: *out is it, its texts until the next step; end the statement then. */
static int find(struct db *db, struct str session, struct str key, sqlite3_stmt **st, struct receipt *out,
                struct err *err)
{
    static const char sql[] = "SELECT at, fingerprint, reply, crc FROM receipt WHERE session = ? AND key = ?";
    int rc;

    *st = db_query(db, sql, VALUES(V_TEXT(session), V_TEXT(key)), err);
    rc = *st == NULL ? -(int)err->code : db_step(db, *st, err);
    if (rc <= 0)
        return rc;
    *out = (struct receipt){
        .key = key, .at = sqlite3_column_int64(*st, 0), .fingerprint = db_bytes(*st, 1), .reply = db_bytes(*st, 2)};
    if (receipt_crc(session, out) == db_u64(*st, 3))
        return 1;
    db_end(*st);
    return err_set(err, ERR_CORRUPT,
                   "session " STR_FMT ": the reply kept under key " STR_FMT " is damaged; whether it is to be done "
                   "again, only its sender can say: under another key",
                   STR_ARG(session), STR_ARG(key));
}

int receipt_row_compare(struct db *db, struct str session, const struct receipt *r, struct err *err)
{
    struct receipt there;
    sqlite3_stmt *st;
    int rc = find(db, session, r->key, &st, &there, err);
    bool same;

    if (rc == -ERR_CORRUPT)
        return err_set(err, ERR_REFUSED, "session " STR_FMT ": its key has a receipt, which is damaged",
                       STR_ARG(session));
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    same = r->at == there.at && str_eq(r->fingerprint, there.fingerprint) && str_eq(r->reply, there.reply);
    db_end(st);
    return same ? 0
                : err_set(err, ERR_REFUSED, "session " STR_FMT ": its key has another receipt already",
                          STR_ARG(session));
}

int receipt_row_put(struct db *db, struct str session, const struct receipt *r, struct err *err)
{
    static const char sql[] = "INSERT INTO receipt(session, key, fingerprint, at, crc, reply) VALUES(?, ?, ?, ?, ?, ?)";

    return db_run(db, sql,
                  VALUES(V_TEXT(session), V_TEXT(r->key), V_TEXT(r->fingerprint), V_INT(r->at),
                         V_INT(receipt_crc(session, r)), V_TEXT(r->reply)),
                  err);
}

int receipt_row_forget(struct db *db, int64_t at, struct err *err)
{
    static const char sql[] =
        "DELETE FROM receipt WHERE ord IN (SELECT ord FROM receipt WHERE at < ? ORDER BY at LIMIT ?)";

    return db_run(db, sql, VALUES(V_INT(at - LIMIT_RECEIPT_MS - LIMIT_RECEIPT_GONE_MS), V_INT(FORGOTTEN_AT_ONCE)), err);
}

int query_receipt(struct db *db, const struct query *q, struct answer *a, struct err *err)
{
    struct receipt found, *r;
    sqlite3_stmt *st;
    int rc = find(db, q->session_id, q->key, &st, &found, err);

    if (rc <= 0)
        return rc;
    r = arena_alloc(&a->arena, sizeof(*r));
    *r = (struct receipt){.key = arena_str(&a->arena, found.key),
                          .fingerprint = arena_str(&a->arena, found.fingerprint),
                          .at = found.at,
                          .reply = arena_str(&a->arena, found.reply)};
    db_end(st);
    a->receipts = r;
    a->n = 1;
    return 0;
}
