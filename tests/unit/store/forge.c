/* SPDX-License-Identifier: MIT */
#include "store/forge.h"

#include "base/buf.h"
#include "base/str.h"
#include "store/sqlite/crc32c.h"
#include "store/sqlite/fact_row.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static void expect(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "forge: %s\n", what);
    abort();
}

static sqlite3 *open_place(const struct place *p)
{
    sqlite3 *h;

    expect(sqlite3_open_v2(p->database, &h, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, p->database);
    sqlite3_busy_timeout(h, 5000);
    sqlite3_db_config(h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return h;
}

static sqlite3_stmt *prepare(sqlite3 *h, const char *sql)
{
    sqlite3_stmt *st;

    expect(sqlite3_prepare_v2(h, sql, -1, &st, NULL) == SQLITE_OK, sqlite3_errmsg(h));
    return st;
}

struct row {
    struct fact f; /* seq, epoch, at */
    char kind[64];
    struct buf body;
};

static void read_row(sqlite3 *h, int64_t sid, uint64_t seq, struct row *out)
{
    sqlite3_stmt *st = prepare(h, "SELECT epoch, at, kind, body FROM fact WHERE sid = ? AND seq = ?");

    sqlite3_bind_int64(st, 1, sid);
    sqlite3_bind_int64(st, 2, (int64_t)seq);
    expect(sqlite3_step(st) == SQLITE_ROW, "no such fact");
    out->f =
        (struct fact){.seq = seq, .epoch = (uint64_t)sqlite3_column_int64(st, 0), .at = sqlite3_column_int64(st, 1)};
    snprintf(out->kind, sizeof(out->kind), "%s", (const char *)sqlite3_column_text(st, 2));
    out->body = BUF_INIT;
    buf_add(&out->body, sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3));
    sqlite3_finalize(st);
}

static void write_row(sqlite3 *h, int64_t sid, struct row *row)
{
    sqlite3_stmt *st = prepare(h, "UPDATE fact SET epoch = ?, kind = ?, body = ?, crc = ? WHERE sid = ? AND seq = ?");
    struct str body = buf_str(&row->body);

    sqlite3_bind_int64(st, 1, (int64_t)row->f.epoch);
    sqlite3_bind_text(st, 2, row->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, body.p, (int)body.n, SQLITE_STATIC);
    sqlite3_bind_int64(st, 4, fact_crc(sid, &row->f, str_of(row->kind), body));
    sqlite3_bind_int64(st, 5, sid);
    sqlite3_bind_int64(st, 6, (int64_t)row->f.seq);
    expect(sqlite3_step(st) == SQLITE_DONE, sqlite3_errmsg(h));
    sqlite3_finalize(st);
    buf_done(&row->body);
}

void forge_fact(const struct place *p, int64_t sid, uint64_t seq, const char *kind, const char *body)
{
    sqlite3 *h = open_place(p);
    struct row row;

    read_row(h, sid, seq, &row);
    snprintf(row.kind, sizeof(row.kind), "%s", kind);
    buf_clear(&row.body);
    buf_add_str(&row.body, str_of(body));
    write_row(h, sid, &row);
    sqlite3_close(h);
}

void forge_epoch(const struct place *p, int64_t sid, uint64_t seq, uint64_t epoch)
{
    sqlite3 *h = open_place(p);
    struct row row;

    read_row(h, sid, seq, &row);
    row.f.epoch = epoch;
    write_row(h, sid, &row);
    sqlite3_close(h);
}

void forge_head(const struct place *p, int64_t sid, void (*change)(struct session *s))
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    sqlite3 *h = open_place(p);
    sqlite3_stmt *st = prepare(h, "SELECT body FROM head WHERE sid = ?");
    struct session s;

    sqlite3_bind_int64(st, 1, sid);
    expect(sqlite3_step(st) == SQLITE_ROW, "no head");
    expect(session_read_head((struct str){sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)}, &s),
           "the head cannot be read");
    sqlite3_finalize(st);
    change(&s);
    session_write_head(&s, &body);
    st = prepare(h, "UPDATE head SET body = ?, crc = ? WHERE sid = ?");
    sqlite3_bind_blob(st, 1, body.p, (int)body.n, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, crc32c_add(0, body.p, body.n));
    sqlite3_bind_int64(st, 3, sid);
    expect(sqlite3_step(st) == SQLITE_DONE, sqlite3_errmsg(h));
    sqlite3_finalize(st);
    sqlite3_close(h);
}
