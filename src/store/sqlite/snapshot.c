/* SPDX-License-Identifier: MIT */
#include "store/sqlite/snapshot.h"

#include "store/sqlite/new_file.h"
#include "store/sqlite/visit.h"
#include "store/sqlite/wal.h"

#define STEP_PAGES 1024
#define TRIES 3

struct copy {
    struct visit from;
    struct db to;
    const struct snapshot_options *o;
    int64_t page_bytes;
    struct err *err;
};

static void tell(const struct copy *c, sqlite3_backup *backup)
{
    uint64_t total = (uint64_t)sqlite3_backup_pagecount(backup), left = (uint64_t)sqlite3_backup_remaining(backup);

    if (c->o->progress != NULL)
        c->o->progress(c->o->arg, (total - left) * (uint64_t)c->page_bytes, total * (uint64_t)c->page_bytes);
}

/* In steps for the sake of progress only: the transaction keeps what is copied as it is. */
static int copy_pages(struct copy *c)
{
    static const char sql[] = "PRAGMA page_size";
    int rc = db_number(&c->from.db, sql, NO_VALUES, &c->page_bytes, c->err);
    sqlite3_backup *backup;

    if (rc < 0)
        return rc;
    backup = sqlite3_backup_init(c->to.h, "main", c->from.db.h, "main");
    if (backup == NULL)
        return db_fail(&c->to, sqlite3_errcode(c->to.h), c->err);
    do {
        rc = sqlite3_backup_step(backup, STEP_PAGES);
        tell(c, backup);
    } while (rc == SQLITE_OK);
    sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE ? 0 : db_fail(&c->to, rc, c->err);
}

/* The draft is empty before, also where an earlier try has left something in it. */
static int copy_to(struct copy *c, const char *from, const char *draft)
{
    int rc = visit_begin(&c->from, from, c->err), end;
    struct err ignored;

    if (rc < 0)
        return rc;
    rc = db_open(&c->to, draft, DB_DRAFT, c->err);
    if (rc == 0) {
        rc = copy_pages(c);
        db_close(&c->to);
    }
    end = visit_end(&c->from, rc < 0 ? &ignored : c->err);
    return rc < 0 ? rc : end;
}

static int check_log(const char *from, struct err *err)
{
    struct wal w;
    int rc = wal_open(&w, from, false, err);

    if (rc == 0 && w.lost_commits > 0)
        rc = err_set(err, ERR_CORRUPT,
                     "%s: its write-ahead log is damaged and commits are lost; `culm db check` says more", from);
    wal_close(&w);
    return rc;
}

int store_snapshot(const char *from, const char *to, const struct snapshot_options *o, struct err *err)
{
    struct copy c = {.o = o, .err = err};
    struct new_file file;
    int rc = check_log(from, err);

    if (rc < 0)
        return rc;
    rc = new_file_begin(&file, to, err);
    if (rc < 0)
        return rc;
    rc = -ERR_LOCKED;
    for (int i = 0; i < TRIES && rc == -ERR_LOCKED; i++)
        rc = copy_to(&c, from, file.draft);
    if (rc == 0)
        rc = new_file_publish(&file, err);
    new_file_done(&file);
    return rc;
}
