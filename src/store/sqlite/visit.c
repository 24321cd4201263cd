/* SPDX-License-Identifier: MIT */
#include "store/sqlite/visit.h"

#include "store/sqlite/schema.h"
#include "store/sqlite/wal.h"

#include <errno.h>
#include <stdio.h>

/* The one moment in which a file of ours has a journal of the other kind is before it has a log. */
static bool is_in_the_making(const char *path)
{
    struct stat journal;
    char name[4096];

    return snprintf(name, sizeof(name), "%s-journal", path) < (int)sizeof(name) && stat(name, &journal) == 0 &&
           journal.st_size > 0;
}

static int find(struct visit *v, struct err *err)
{
    if (stat(v->path, &v->before) < 0)
        return err_sys(err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, errno, "%s", v->path);
    if (!S_ISREG(v->before.st_mode))
        return err_set(err, ERR_NOT_FOUND, "%s is not a file", v->path);
    if (is_in_the_making(v->path))
        return err_set(err, ERR_VERSION, "%s was left when it was just being made; start `culm serve` once", v->path);
    if (v->before.st_size == 0 && !wal_is_there(v->path))
        return err_set(err, ERR_VERSION,
                       "%s is empty: just being made, or lost; if it held something, restore a snapshot", v->path);
    return 0;
}

static int open_as(const struct visit *v, struct db *db, enum db_mode mode, struct err *err)
{
    return v->still ? db_open_still(db, v->path, mode, err) : db_open(db, v->path, mode, err);
}

int visit_as_server(const struct visit *v, struct err *err)
{
    static const char sql[] = "SELECT count(*) FROM sqlite_schema";
    int64_t n;
    struct db db;
    int rc = open_as(v, &db, DB_READER, err);

    if (rc < 0)
        return rc;
    rc = db_number(&db, sql, NO_VALUES, &n, err);
    db_close(&db);
    return rc < 0 ? rc : 0;
}

int visit_begin(struct visit *v, const char *path, struct err *err)
{
    int rc;

    *v = (struct visit){.path = path, .still = !wal_is_there(path)};
    rc = find(v, err);
    if (rc == 0)
        rc = open_as(v, &v->db, DB_VISITOR, err);
    if (rc < 0)
        return rc;
    rc = db_exec(&v->db, "BEGIN", err);
    if (rc == 0)
        rc = schema_check(&v->db, path, err);
    if (rc < 0) {
        db_rollback(&v->db);
        db_close(&v->db);
    }
    return rc;
}

static bool is_unchanged(const struct visit *v)
{
    struct stat now;

    return stat(v->path, &now) == 0 && now.st_ino == v->before.st_ino && now.st_size == v->before.st_size &&
           now.st_mtim.tv_sec == v->before.st_mtim.tv_sec && now.st_mtim.tv_nsec == v->before.st_mtim.tv_nsec &&
           !wal_is_there(v->path);
}

int visit_end(struct visit *v, struct err *err)
{
    bool still = v->still, unchanged = !still || is_unchanged(v);

    if (v->db.h != NULL) {
        db_rollback(&v->db);
        db_close(&v->db);
    }
    return unchanged ? 0 : err_set(err, ERR_LOCKED, "%s: somebody began to write to it meanwhile; try again", v->path);
}
