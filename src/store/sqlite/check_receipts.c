/* SPDX-License-Identifier: MIT */
/* What is kept for repeats of requests: whole, and of sessions that are there, but for those that say that there is
 * none. */
#include "base/str.h"
#include "store/sqlite/check_internal.h"
#include "store/sqlite/receipt_row.h"

static void check_receipt(struct checker *c, const struct receipt *r, bool is_whole, bool is_known)
{
    struct arena arena;
    struct reply reply;
    struct err why;

    arena_init(&arena);
    if (!is_whole)
        check_found(c, REMEDY_RECEIPT, "the reply kept under key " STR_FMT " is damaged", STR_ARG(r->key));
    else if (reply_read(r->reply, &arena, &reply, &why) < 0)
        check_found(c, REMEDY_RECEIPT, "under key " STR_FMT ": %s", STR_ARG(r->key), why.text);
    else if (!is_known && reply.kind != REPLY_NOT_FOUND)
        check_found(c, REMEDY_RECEIPT, "a reply is kept under key " STR_FMT ", and there is no such session",
                    STR_ARG(r->key));
    arena_done(&arena);
}

int check_receipts(struct checker *c)
{
    static const char sql[] = "SELECT r.session, r.key, r.fingerprint, r.at, r.crc, r.reply, s.sid IS NOT NULL"
                              " FROM receipt r LEFT JOIN session s ON s.id = r.session ORDER BY r.session, r.key";
    sqlite3_stmt *st = db_query(&c->visit.db, sql, NO_VALUES, c->err);
    int rc = st == NULL ? -(int)c->err->code : 1;

    while (rc > 0 && (rc = db_step(&c->visit.db, st, c->err)) > 0) {
        struct str session = db_bytes(st, 0);
        struct receipt r = {.key = db_bytes(st, 1),
                            .fingerprint = db_bytes(st, 2),
                            .at = sqlite3_column_int64(st, 3),
                            .reply = db_bytes(st, 5)};

        check_change_session(c, session);
        check_receipt(c, &r, receipt_crc(session, &r) == db_u64(st, 4), sqlite3_column_int64(st, 6) != 0);
        rc = 1;
    }
    check_change_session(c, STR_NULL);
    return check_take_damage(c, rc, REMEDY_REBUILD, "the replies kept for repeats cannot be read: ");
}
