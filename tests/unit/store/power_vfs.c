/* SPDX-License-Identifier: MIT */
#include "store/power_vfs.h"

#include "base/mem.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Stands behind the real file in the memory SQLite gives. The file keeps its own methods but for those that change
 * what is on the disk, so nothing has to be passed through.
 */
struct recorder {
    const sqlite3_io_methods *real;
    sqlite3_io_methods ours;
    size_t file;
    bool syncs_directory; /* at its next sync */
};

static sqlite3_vfs ours, *real;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what follows */
static struct power_tape *tape;
static size_t holder[POWER_NAMES]; /* file of a name, NOBODY: none */

#define NOBODY SIZE_MAX

static struct recorder *of(sqlite3_file *f)
{
    size_t at = ((size_t)real->szOsFile + 15) & ~(size_t)15;

    return (struct recorder *)(void *)((char *)f + at);
}

/* ---- the tape ---- */

static void put(enum power_kind kind, size_t file, size_t at, const void *bytes, size_t n)
{
    struct power_event *e;

    tape->events = mem_grow(tape->events, &tape->cap, tape->n + 1, sizeof(*e));
    e = &tape->events[tape->n++];
    *e = (struct power_event){.kind = kind, .file = file, .at = at, .n = n};
    if (n > 0)
        e->bytes = memcpy(mem_alloc(n), bytes, n);
}

static void record(enum power_kind kind, size_t file, size_t at, const void *bytes, size_t n)
{
    pthread_mutex_lock(&lock);
    put(kind, file, at, bytes, n);
    pthread_mutex_unlock(&lock);
}

static size_t name_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    size_t i = 0;

    while (i < tape->n_names && strcmp(tape->names[i], name) != 0)
        i++;
    if (i < tape->n_names)
        return i;
    if (i == POWER_NAMES || strlen(name) >= sizeof(tape->names[0])) {
        fprintf(stderr, "power_vfs: %s is not a file this records\n", name);
        abort();
    }
    snprintf(tape->names[i], sizeof(tape->names[0]), "%s", name);
    holder[i] = NOBODY;
    return tape->n_names++;
}

static size_t create(const char *path)
{
    size_t name = name_of(path);

    if (holder[name] != NOBODY)
        return holder[name];
    tape->files = mem_grow(tape->files, &tape->files_cap, tape->n_files + 1, sizeof(struct power_file));
    tape->files[tape->n_files] = (struct power_file){.name = name};
    holder[name] = tape->n_files++;
    put(POWER_CREATE, holder[name], 0, NULL, 0);
    return holder[name];
}

void power_tape_free(struct power_tape *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        mem_free(t->events[i].bytes);
    mem_free(t->events);
    mem_free(t->files);
    mem_free(t);
}

/* ---- the calls that change what is on the disk ---- */

static int do_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc = of(f)->real->xWrite(f, p, n, at);

    if (rc == SQLITE_OK)
        record(POWER_WRITE, of(f)->file, (size_t)at, p, (size_t)n);
    return rc;
}

static int do_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = of(f)->real->xTruncate(f, size);

    if (rc == SQLITE_OK)
        record(POWER_TRUNCATE, of(f)->file, (size_t)size, NULL, 0);
    return rc;
}

static int do_sync(sqlite3_file *f, int flags)
{
    struct recorder *r = of(f);
    int rc = r->real->xSync(f, flags);

    if (rc != SQLITE_OK)
        return rc;
    record(POWER_SYNC, r->file, 0, NULL, 0);
    if (r->syncs_directory)
        record(POWER_SYNC_DIRECTORY, r->file, 0, NULL, 0);
    r->syncs_directory = false;
    return rc;
}

static int do_open(sqlite3_vfs *v UNUSED, const char *name, sqlite3_file *f, int flags, int *out)
{
    const int logs = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;
    int rc = real->xOpen(real, name, f, flags, out);
    struct recorder *r = of(f);

    if (rc != SQLITE_OK || (flags & (SQLITE_OPEN_MAIN_DB | logs)) == 0)
        return rc;
    pthread_mutex_lock(&lock);
    r->file = create(name);
    pthread_mutex_unlock(&lock);
    r->syncs_directory = (flags & logs) != 0 && (flags & SQLITE_OPEN_CREATE) != 0;
    r->real = f->pMethods;
    r->ours = *r->real;
    r->ours.iVersion = 2; /* no writes past us through a mapping */
    r->ours.xWrite = do_write;
    r->ours.xTruncate = do_truncate;
    r->ours.xSync = do_sync;
    f->pMethods = &r->ours;
    return rc;
}

static int do_delete(sqlite3_vfs *v UNUSED, const char *path, int sync_directory)
{
    int rc = real->xDelete(real, path, sync_directory);
    size_t name;

    if (rc != SQLITE_OK)
        return rc;
    pthread_mutex_lock(&lock);
    name = name_of(path);
    if (holder[name] != NOBODY) {
        put(POWER_DELETE, holder[name], 0, NULL, 0);
        if (sync_directory != 0)
            put(POWER_SYNC_DIRECTORY, holder[name], 0, NULL, 0);
        holder[name] = NOBODY;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

/* ---- begin and end ---- */

static void take_base(const char *dir, const char *name)
{
    char path[512], block[4096];
    size_t n = sizeof(block), at = 0, file;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "rb");
    if (f == NULL)
        return;
    file = create(path);
    while (n == sizeof(block)) { /* a short read is the end */
        n = fread(block, 1, sizeof(block), f);
        put(POWER_WRITE, file, at, block, n);
        at += n;
    }
    fclose(f);
    put(POWER_SYNC, file, 0, NULL, 0);
    put(POWER_SYNC_DIRECTORY, file, 0, NULL, 0);
}

static void install(void)
{
    real = sqlite3_vfs_find(NULL);
    ours = *real;
    ours.zName = "power";
    ours.pNext = NULL;
    ours.szOsFile = real->szOsFile + 16 + (int)sizeof(struct recorder);
    ours.xOpen = do_open;
    ours.xDelete = do_delete;
}

void power_vfs_start(const char *dir)
{
    if (real == NULL)
        install();
    tape = mem_zalloc(sizeof(*tape));
    take_base(dir, "culm.db");
    take_base(dir, "culm.db-journal");
    take_base(dir, "culm.db-wal");
    tape->begin = tape->n;
    if (sqlite3_vfs_register(&ours, 1) != SQLITE_OK)
        abort();
}

size_t power_vfs_events(void)
{
    size_t n;

    pthread_mutex_lock(&lock);
    n = tape->n;
    pthread_mutex_unlock(&lock);
    return n;
}

struct power_tape *power_vfs_stop(void)
{
    struct power_tape *t = tape;

    if (sqlite3_vfs_register(real, 1) != SQLITE_OK)
        abort();
    tape = NULL;
    return t;
}
