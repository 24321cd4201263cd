/* SPDX-License-Identifier: MIT */
#include "store/sqlite/schema.h"

#include "base/fault.h"
#include "base/str.h"

#include <stdio.h>

#define APPLICATION_ID 0x63756c6d /* "culm" */

/*
 * `fact` is the truth, in the order of arrival; all else is folded from it in the same transaction. Rows of `message`
 * and `inbox` point at facts, so that text is stored once. The head (the fold of a session at rest) has a table of its
 * own, so that a list of sessions does not read past it.
 */
static const char version_1[] =
    "CREATE TABLE boot(writer INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, started_at INTEGER NOT NULL,"
    " clean INTEGER NOT NULL DEFAULT 0);"

    "CREATE TABLE session(sid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " epoch INTEGER NOT NULL, owner INTEGER NOT NULL, last_seq INTEGER NOT NULL, unfinished INTEGER NOT NULL,"
    " state TEXT NOT NULL DEFAULT 'idle', active_run INTEGER NOT NULL DEFAULT 0, last_run INTEGER NOT NULL DEFAULT 0,"
    " last_end TEXT NOT NULL DEFAULT '', next_place INTEGER NOT NULL DEFAULT 0,"
    " message_count INTEGER NOT NULL DEFAULT 0, inbox INTEGER NOT NULL DEFAULT 0,"
    " metadata_version INTEGER NOT NULL DEFAULT 0, title_version INTEGER NOT NULL DEFAULT 0,"
    " budget_seq INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL DEFAULT 0,"
    " updated_at INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0, title_set INTEGER NOT NULL DEFAULT 0,"
    " child INTEGER NOT NULL DEFAULT 0, depth INTEGER NOT NULL DEFAULT 0, title TEXT NOT NULL DEFAULT '',"
    " parent TEXT NOT NULL DEFAULT '', root TEXT NOT NULL DEFAULT '', provider TEXT NOT NULL DEFAULT '',"
    " model TEXT NOT NULL DEFAULT '', effort TEXT NOT NULL DEFAULT '', workspace TEXT NOT NULL DEFAULT '');"
    /* Lists by state and kind, and their counts, are answered from this index alone. */
    "CREATE INDEX session_updated ON session(updated_at, sid, state, child);"
    "CREATE INDEX session_unfinished ON session(sid) WHERE unfinished <> 0;"
    "CREATE INDEX session_root ON session(root);"

    "CREATE TABLE head(sid INTEGER PRIMARY KEY, crc INTEGER NOT NULL, body BLOB NOT NULL);"

    "CREATE TABLE fact(pos INTEGER PRIMARY KEY, sid INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " kind TEXT NOT NULL, at INTEGER NOT NULL, crc INTEGER NOT NULL, body TEXT NOT NULL);"
    "CREATE UNIQUE INDEX fact_seq ON fact(sid, seq);"

    "CREATE TABLE message(sid INTEGER NOT NULL, place INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL,"
    " PRIMARY KEY(sid, place)) WITHOUT ROWID;"
    "CREATE TABLE inbox(sid INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL,"
    " PRIMARY KEY(sid, seq)) WITHOUT ROWID;"

    "CREATE TABLE run(sid INTEGER NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL,"
    " end TEXT NOT NULL DEFAULT '', failure TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '',"
    " origin TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, effort TEXT NOT NULL,"
    " parent_run TEXT NOT NULL DEFAULT '', started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL DEFAULT 0,"
    " rounds INTEGER NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0,"
    " prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0,"
    " reasoning_tokens INTEGER NOT NULL DEFAULT 0, cached_tokens INTEGER NOT NULL DEFAULT 0,"
    " reported INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(sid, number)) WITHOUT ROWID;"
    "CREATE INDEX run_id ON run(id);"
    "CREATE INDEX run_active ON run(started_at) WHERE ended_at = 0;"

    "CREATE TABLE partial(sid INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, run INTEGER NOT NULL,"
    " round INTEGER NOT NULL, gen INTEGER NOT NULL, text BLOB NOT NULL, reasoning BLOB NOT NULL);"

    "CREATE TABLE letter(ord INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, dst TEXT NOT NULL,"
    " src INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE INDEX letter_dst ON letter(dst);"
    "CREATE INDEX letter_src ON letter(src);";

/*
 * A receipt has a number of its own and the name of its session: it may say that there is none.
 *
 * `feed` is what the account feed tells and no fact does: a session that was erased, under its place of arrival among
 * the facts. A row without a session: the feed begins behind it.
 *
 * `question` has those that are open, `inbox.later` marks messages for after the active run, costs are in micros.
 */
static const char version_2[] =
    "CREATE TABLE receipt(ord INTEGER PRIMARY KEY, session TEXT NOT NULL, key TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, at INTEGER NOT NULL, crc INTEGER NOT NULL, reply TEXT NOT NULL);"
    "CREATE UNIQUE INDEX receipt_key ON receipt(session, key);"
    "CREATE INDEX receipt_at ON receipt(at);"

    "CREATE TABLE feed(pos INTEGER PRIMARY KEY, at INTEGER NOT NULL, session TEXT NOT NULL);"

    "ALTER TABLE session ADD COLUMN open_questions INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE session ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE session ADD COLUMN source TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE session ADD COLUMN source_seq INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE inbox ADD COLUMN later INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE question(sid INTEGER NOT NULL, call INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,"
    " due INTEGER NOT NULL, PRIMARY KEY(sid, call)) WITHOUT ROWID;"
    "CREATE INDEX question_at ON question(at, sid, call);";

/* A message by its id: its sender may have chosen it, and names it again. */
static const char version_3[] = "CREATE INDEX message_id ON message(sid, id);";

/* steps[v] brings a file of version v to v + 1. Released steps never change. */
static const char *const steps[] = {version_1, version_2, version_3};

#define VERSION ((int64_t)ARRAY_LEN(steps))

static int read_version(struct db *db, const char *path, int64_t *version, struct err *err)
{
    static const char id_sql[] = "PRAGMA application_id", version_sql[] = "PRAGMA user_version",
                      tables_sql[] = "SELECT count(*) FROM sqlite_schema";
    int64_t id = 0, tables = 0;
    int rc;

    *version = 0;
    rc = db_number(db, id_sql, NO_VALUES, &id, err);
    if (rc >= 0)
        rc = db_number(db, version_sql, NO_VALUES, version, err);
    if (rc >= 0)
        rc = db_number(db, tables_sql, NO_VALUES, &tables, err);
    if (rc < 0)
        return err_wrap(err, "%s", path);
    if (id != APPLICATION_ID && (id != 0 || tables > 0))
        return err_set(err, ERR_VERSION, "%s is not a database of culm; use another --data-dir", path);
    if (*version > VERSION)
        return err_set(err, ERR_VERSION,
                       "%s has format %" PRId64 ", this culm knows formats up to %" PRId64
                       "; start the newer culm that wrote it, or use another --data-dir",
                       path, *version, VERSION);
    return 0;
}

static int upgrade_step(struct db *db, int64_t from, struct err *err)
{
    char marks[96];
    int rc;

    snprintf(marks, sizeof(marks), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", APPLICATION_ID,
             (int)from + 1);
    rc = db_exec(db, "BEGIN IMMEDIATE", err);
    if (rc == 0)
        rc = db_exec(db, steps[from], err);
    FAULT_POINT("store.schema.before");
    if (rc == 0)
        rc = db_exec(db, marks, err);
    FAULT_POINT("store.schema.after");
    db_rollback(db);
    return rc;
}

/* Kept in the file from then on. Not before the file is known to be ours. */
static int set_journal(struct db *db, const char *path, struct err *err)
{
    static const char sql[] = "PRAGMA journal_mode=WAL";
    sqlite3_stmt *st = db_query(db, sql, NO_VALUES, err);
    int rc = st == NULL ? -(int)err->code : db_step(db, st, err);

    if (rc < 0)
        return err_wrap(err, "%s", path);
    if (!str_is(db_bytes(st, 0), "wal"))
        rc = err_set(err, ERR_STORAGE, "%s: this file system cannot keep a write-ahead log; use another --data-dir",
                     path);
    db_end(st);
    return rc < 0 ? rc : 0;
}

int schema_upgrade(struct db *db, const char *path, struct err *err)
{
    int64_t version;
    int rc = read_version(db, path, &version, err);

    if (rc == 0)
        rc = set_journal(db, path, err);
    for (; rc == 0 && version < VERSION; version++) {
        rc = upgrade_step(db, version, err);
        if (rc < 0)
            err_wrap(err, "%s: bringing format %" PRId64 " to %" PRId64, path, version, version + 1);
    }
    return rc;
}

int schema_make(struct db *db, struct err *err)
{
    int rc = 0;

    for (int64_t version = 0; rc == 0 && version < VERSION; version++)
        rc = upgrade_step(db, version, err);
    return rc;
}

int schema_check(struct db *db, const char *path, struct err *err)
{
    int64_t version;
    int rc = read_version(db, path, &version, err);

    if (rc == 0 && version < VERSION)
        return err_set(err, ERR_VERSION, "%s has the older format %" PRId64 "; start `culm serve` once to bring it up",
                       path, version);
    return rc;
}
