/* SPDX-License-Identifier: MIT */
#include "store/sqlite/glance.h"

#include "base/clock.h"
#include "base/str.h"
#include "store/sqlite/data_dir.h"
#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"

#include <stdio.h>
#include <sys/stat.h>

enum { STEPS = 10000 }; /* of SQLite's machine between two looks at the clock: well under a millisecond */

static int is_over(void *until)
{
    return clock_mono_ms() >= *(const int64_t *)until;
}

static uint64_t bytes_of(const char *path, const char *suffix)
{
    char name[4096];
    struct stat st;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int count_sessions(struct db *db, struct sqlite_glance *out, struct err *err)
{
    static const char count_sql[] = "SELECT count(*) FROM session",
                      newest_sql[] = "SELECT updated_at FROM session ORDER BY updated_at DESC LIMIT 1";
    int64_t sessions = 0;
    int rc = db_number(db, count_sql, NO_VALUES, &sessions, err);

    if (rc >= 0)
        rc = db_number(db, newest_sql, NO_VALUES, &out->newest_at, err);
    out->sessions = (uint64_t)sessions;
    return rc < 0 ? rc : 0;
}

/* SQLite's word is "ok", or the first thing that is wrong. */
static int check_pages(struct db *db, int64_t ms, struct sqlite_glance *out, struct err *err)
{
    static const char sql[] = "PRAGMA quick_check(1)";
    int64_t until = clock_mono_ms() + ms;
    sqlite3_stmt *st;
    int rc;

    sqlite3_progress_handler(db->h, STEPS, is_over, &until);
    st = db_query(db, sql, NO_VALUES, err);
    rc = st == NULL ? -(int)err->code : db_step(db, st, err);
    if (rc < 0 && (db->failed & 0xff) == SQLITE_INTERRUPT)
        rc = 0;
    else if (rc > 0 && !str_is(db_bytes(st, 0), "ok"))
        rc = err_set(err, ERR_CORRUPT, STR_FMT, STR_ARG(db_bytes(st, 0)));
    out->is_whole = rc > 0;
    if (st != NULL)
        db_end(st);
    sqlite3_progress_handler(db->h, 0, NULL, NULL);
    return rc < 0 ? rc : 0;
}

static int look(struct db *db, const char *path, int64_t ms, struct sqlite_glance *out, struct err *err)
{
    int rc = schema_check(db, path, err);

    if (rc == 0)
        rc = count_sessions(db, out, err);
    return rc < 0 ? rc : check_pages(db, ms, out, err);
}

int sqlite_glance(const char *data_dir, int64_t ms, struct sqlite_glance *out, struct err *err)
{
    struct sqlite_glance seen = {0};
    struct data_dir d;
    struct db db;
    int rc;

    data_dir_init(&d, data_dir);
    rc = data_dir_visit(&d, err);
    if (rc == 0)
        rc = db_open(&db, d.db_path, DB_READER, err);
    if (rc == 0) {
        seen.file_bytes = bytes_of(d.db_path, "") + bytes_of(d.db_path, "-wal");
        rc = look(&db, d.db_path, ms, &seen, err);
        db_close(&db);
    }
    data_dir_done(&d);
    if (rc == 0)
        *out = seen;
    return rc;
}
