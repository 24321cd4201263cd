/* SPDX-License-Identifier: MIT */
#include "store/sqlite/db.h"

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/sqlite/fault_vfs.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

int db_fail(struct db *db, int rc, struct err *err)
{
    int sys = db->h == NULL ? 0 : sqlite3_system_errno(db->h);
    int extended = db->h == NULL ? rc : sqlite3_extended_errcode(db->h);

    db->failed = (extended & 0xff) == (rc & 0xff) ? extended : rc;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return err_sys(err, ERR_STORAGE, ENOSPC, "the database cannot grow");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        if (sys != 0)
            return err_sys(err, ERR_STORAGE, sys, "the database: %s", sqlite3_errstr(rc));
        return err_set(err, ERR_STORAGE, "the database: %s (SQLite code %d)", sqlite3_errstr(rc), db->failed);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_CORRUPT, "the database is damaged: %s", sqlite3_errmsg(db->h));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_LOCKED, "the database is in use by another program");
    default:
        return err_set(err, ERR_STORAGE, "the database: %s (SQLite code %d)", sqlite3_errmsg(db->h), db->failed);
    }
}

/*
 * What holds for every connection. No mmap (an I/O error would be a signal), no checkpoint but the writer's own (two
 * connections that checkpoint at once are the precondition of SQLite's WAL-reset race before 3.51.3).
 */
static const char pragmas_common[] = "PRAGMA foreign_keys=OFF; PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0;"
                                     "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;";
/* What a mode wants besides, after `first`, which must come before anything of the file is read. */
static const struct {
    int flags;
    const char *first, *pragmas;
} modes[] = {
    [DB_WRITER] = {SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL,
                   "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA cache_size=-2048;"},
    [DB_READER] = {SQLITE_OPEN_READONLY, NULL, "PRAGMA query_only=ON; PRAGMA cache_size=-512;"},
    /* With a schema that may be written (it cannot) SQLite reads on in a file that is shorter than it says. */
    [DB_VISITOR] = {SQLITE_OPEN_READONLY, "PRAGMA writable_schema=ON; PRAGMA cell_size_check=ON;",
                    "PRAGMA query_only=ON; PRAGMA cache_size=-8192;"},
    [DB_DRAFT] = {SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL,
                  "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192;"},
};

/* ---- faults asked for by tests ---- */

static void *memory_take(int n)
{
    return mem_try((size_t)n);
}

static void *memory_resize(void *p, int n)
{
    return mem_try_realloc(p, (size_t)n);
}

static int memory_size(void *p)
{
    return (int)malloc_usable_size(p);
}

static int memory_round(int n)
{
    return (n + 7) & ~7;
}

static int memory_begin(void *arg UNUSED)
{
    return SQLITE_OK;
}

static void memory_end(void *arg UNUSED)
{
}

static void use_faults(void)
{
    const sqlite3_mem_methods memory = {.xMalloc = memory_take,
                                        .xFree = mem_free,
                                        .xRealloc = memory_resize,
                                        .xSize = memory_size,
                                        .xRoundup = memory_round,
                                        .xInit = memory_begin,
                                        .xShutdown = memory_end};

    if (fault_is_armed(FAULT_SQL_MEMORY))
        sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    if (fault_is_armed(FAULT_OPEN) || fault_is_armed(FAULT_WRITE) || fault_is_armed(FAULT_SYNC))
        fault_vfs_install();
}

/* A statement that was not carried out, or whose outcome is not known. */
static int fail_on_demand(struct db *db, enum fault_kind kind, struct err *err)
{
    int sys = fault_fails(kind);

    if (sys == 0)
        return 0;
    db->failed = sys == ENOSPC ? SQLITE_FULL : sys == ENOMEM ? SQLITE_NOMEM : SQLITE_IOERR;
    return err_sys(err, ERR_STORAGE, sys, "the database");
}

/* ---- a connection ---- */

/* Else every allocation of every thread takes one lock, to count. Refused where SQLite is in use already: no harm. */
static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    use_faults();
}

static int open_name(struct db *db, const char *name, const char *path, enum db_mode mode, int flags, struct err *err)
{
    int rc;

    pthread_once(&once, configure);
    memset(db, 0, sizeof(*db));
    rc =
        sqlite3_open_v2(name, &db->h, flags | modes[mode].flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (rc != SQLITE_OK) {
        rc = db_fail(db, rc, err);
        err_wrap(err, "%s", path);
        db_close(db);
        return rc;
    }
    sqlite3_extended_result_codes(db->h, 1);
    sqlite3_busy_timeout(db->h, DB_BUSY_MS);
    sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = modes[mode].first == NULL ? 0 : db_exec(db, modes[mode].first, err);
    if (rc == 0)
        rc = db_exec(db, pragmas_common, err);
    if (rc == 0)
        rc = db_exec(db, modes[mode].pragmas, err);
    if (rc < 0) {
        err_wrap(err, "%s", path);
        db_close(db);
    }
    return rc;
}

int db_open(struct db *db, const char *path, enum db_mode mode, struct err *err)
{
    return open_name(db, path, path, mode, 0, err);
}

int db_open_still(struct db *db, const char *path, enum db_mode mode, struct err *err)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;

    buf_add_str(&name, path[0] == '/' ? STR("file://") : STR("file:"));
    for (const char *p = path; *p != '\0'; p++) {
        if (strchr("%?#", *p) != NULL)
            buf_addf(&name, "%%%02x", (unsigned char)*p);
        else
            buf_add_char(&name, *p);
    }
    buf_add_str(&name, STR("?immutable=1"));
    return open_name(db, name.p, path, mode, SQLITE_OPEN_URI, err);
}

void db_close(struct db *db)
{
    int rc UNUSED;

    for (unsigned i = 0; i < db->n; i++)
        sqlite3_finalize(db->cache[i].st);
    db->n = 0;
    rc = sqlite3_close(db->h);
    assert(rc == SQLITE_OK); /* BUSY would be a statement that is not in the cache */
    db->h = NULL;
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
    int rc = fail_on_demand(db, FAULT_SQL, err);

    if (rc < 0)
        return rc;
    rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? fail_on_demand(db, FAULT_SQL_LATE, err) : db_fail(db, rc, err);
}

static sqlite3_stmt *prepared(struct db *db, const char *sql, struct err *err)
{
    sqlite3_stmt *st;
    int rc;

    for (unsigned i = 0; i < db->n; i++)
        if (db->cache[i].sql == sql)
            return db->cache[i].st;
    assert(db->n < DB_STATEMENTS);
    rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK) {
        db_fail(db, rc, err);
        return NULL;
    }
    db->cache[db->n].sql = sql;
    db->cache[db->n++].st = st;
    return st;
}

static int bind(sqlite3_stmt *st, int at, const struct value *v)
{
    const char *p = v->bytes.p == NULL ? "" : v->bytes.p; /* a NULL pointer would bind NULL */

    switch (v->type) {
    case VALUE_INT:
        return sqlite3_bind_int64(st, at, v->number);
    case VALUE_TEXT:
        return sqlite3_bind_text64(st, at, p, v->bytes.n, SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(st, at, p, v->bytes.n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

sqlite3_stmt *db_query(struct db *db, const char *sql, const struct value *values, size_t n, struct err *err)
{
    sqlite3_stmt *st = prepared(db, sql, err);

    if (st == NULL)
        return NULL;
    assert(!sqlite3_stmt_busy(st) && sqlite3_bind_parameter_count(st) == (int)n);
    for (size_t i = 0; i < n; i++) {
        int rc = bind(st, (int)i + 1, &values[i]);

        if (rc != SQLITE_OK) { /* TOOBIG or NOMEM */
            db_fail(db, rc, err);
            return NULL;
        }
    }
    return st;
}

int db_step(struct db *db, sqlite3_stmt *st, struct err *err)
{
    int rc = fail_on_demand(db, FAULT_SQL, err);

    if (rc == 0) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            return 1;
        if (rc != SQLITE_DONE)
            rc = db_fail(db, rc, err); /* before the reset: it forgets the errno */
        else
            rc = fail_on_demand(db, FAULT_SQL_LATE, err);
    }
    sqlite3_reset(st);
    return rc;
}

void db_end(sqlite3_stmt *st)
{
    sqlite3_reset(st);
}

int db_run(struct db *db, const char *sql, const struct value *values, size_t n, struct err *err)
{
    sqlite3_stmt *st = db_query(db, sql, values, n, err);
    int rc;

    if (st == NULL)
        return -(int)err->code;
    do
        rc = db_step(db, st, err);
    while (rc > 0);
    return rc;
}

int db_number(struct db *db, const char *sql, const struct value *values, size_t n, int64_t *out, struct err *err)
{
    sqlite3_stmt *st = db_query(db, sql, values, n, err);
    int rc;

    if (st == NULL)
        return -(int)err->code;
    rc = db_step(db, st, err);
    if (rc > 0) {
        *out = sqlite3_column_int64(st, 0);
        db_end(st);
    }
    return rc;
}

void db_rollback(struct db *db)
{
    static const char sql[] = "ROLLBACK";
    struct err ignored = {0};

    if (db->h != NULL && !sqlite3_get_autocommit(db->h) && db_run(db, sql, NO_VALUES, &ignored) < 0)
        db_close(db);
}

struct str db_bytes(sqlite3_stmt *st, int column)
{
    const char *p = sqlite3_column_blob(st, column); /* for text: its bytes, as UTF-8 is the file's encoding */

    return (struct str){p, (size_t)sqlite3_column_bytes(st, column)};
}

uint64_t db_u64(sqlite3_stmt *st, int column)
{
    return (uint64_t)sqlite3_column_int64(st, column);
}

uint32_t db_u32(sqlite3_stmt *st, int column)
{
    return (uint32_t)sqlite3_column_int64(st, column);
}
