/* SPDX-License-Identifier: MIT */
#include "store/place.h"

#include "base/buf.h"
#include "base/fault.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void place_make(struct place *p)
{
    const char *tmp = getenv("TMPDIR");

    if (tmp == NULL) /* in memory where it can be: no test here needs a disk */
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(p->dir, sizeof(p->dir), "%s/culm-store-XXXXXX", tmp);
    if (mkdtemp(p->dir) == NULL) {
        perror(p->dir);
        abort();
    }
    snprintf(p->database, sizeof(p->database), "%s/culm.db", p->dir);
    snprintf(p->log, sizeof(p->log), "%s/culm.db-wal", p->dir);
    snprintf(p->index, sizeof(p->index), "%s/culm.db-shm", p->dir);
}

static void path_of(const struct place *p, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", p->dir, name);
}

void place_clear(const struct place *p)
{
    DIR *dir = opendir(p->dir);
    struct dirent *e;
    char path[512];

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        path_of(p, e->d_name, path, sizeof(path));
        unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
}

void place_remove(struct place *p)
{
    place_clear(p);
    rmdir(p->dir);
}

int place_try(const struct place *p, bool read_only, struct store **out, struct err *err)
{
    struct sqlite_options o = {.data_dir = p->dir, .read_only = read_only};

    return sqlite_store_open(&o, out, err);
}

struct store *place_open(const struct place *p)
{
    struct store *st;
    struct err err;

    if (place_try(p, false, &st, &err) < 0) {
        fprintf(stderr, "%s: %s\n", p->dir, err.text);
        abort();
    }
    return st;
}

int64_t place_sql(const struct place *p, const char *sql)
{
    int64_t value = -1;
    sqlite3_stmt *st;
    sqlite3 *h;
    int rc = sqlite3_open_v2(p->database, &h, SQLITE_OPEN_READWRITE, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(h, 5000);
        sqlite3_db_config(h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        rc = sqlite3_prepare_v2(h, sql, -1, &st, NULL);
    }
    if (rc != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(h));
        abort();
    }
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        value = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(h);
    return value;
}

static size_t count_in_file(const char *path, struct str needle)
{
    FILE *f = fopen(path, "rb");
    struct buf all = BUF_INIT;
    char block[65536];
    size_t n = f == NULL ? 0 : sizeof(block), found = 0;
    struct str text;

    while (n == sizeof(block)) { /* a short read is the end */
        n = fread(block, 1, sizeof(block), f);
        buf_add(&all, block, n);
    }
    if (f != NULL)
        fclose(f);
    text = buf_str(&all);
    for (size_t i = 0; i + needle.n <= text.n; i++) /* memmem() costs the square of it under a sanitizer */
        found += text.p[i] == needle.p[0] && memcmp(text.p + i, needle.p, needle.n) == 0;
    buf_done(&all);
    return found;
}

size_t place_count_bytes(const struct place *p, struct str needle)
{
    DIR *dir = opendir(p->dir);
    struct dirent *e;
    char path[512];
    size_t n = 0;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        path_of(p, e->d_name, path, sizeof(path));
        n += count_in_file(path, needle);
    }
    if (dir != NULL)
        closedir(dir);
    return n;
}

size_t place_count_files(const struct place *p)
{
    DIR *dir = opendir(p->dir);
    struct dirent *e;
    size_t n = 0;

    while (dir != NULL && (e = readdir(dir)) != NULL)
        n += e->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return n;
}

struct sqlite_stats place_stats(const struct driver *d)
{
    struct sqlite_stats s;

    sqlite_store_stats(driver_store(d), &s);
    return s;
}

void place_make_version_1(const struct place *p)
{
    static const char *const undo[] = {"DROP INDEX message_id",
                                       "DROP TABLE receipt",
                                       "DROP TABLE feed",
                                       "DROP TABLE question",
                                       "ALTER TABLE session DROP COLUMN open_questions",
                                       "ALTER TABLE session DROP COLUMN cost",
                                       "ALTER TABLE session DROP COLUMN source",
                                       "ALTER TABLE session DROP COLUMN source_seq",
                                       "ALTER TABLE run DROP COLUMN cost",
                                       "ALTER TABLE inbox DROP COLUMN later",
                                       "PRAGMA user_version=1"};

    for (size_t i = 0; i < ARRAY_LEN(undo); i++)
        place_sql(p, undo[i]);
}

/* ---- of the test that runs ---- */

struct place place;

int place_begin(void **state)
{
    place_make(&place);
    *state = NULL;
    return 0;
}

int place_begin_open(void **state)
{
    place_make(&place);
    *state = driver_new(place_open(&place));
    return 0;
}

int place_end(void **state)
{
    fault_disarm();
    driver_free(*state);
    place_remove(&place);
    return 0;
}
