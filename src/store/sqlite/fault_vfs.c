/* SPDX-License-Identifier: MIT */
#include "store/sqlite/fault_vfs.h"

#include "base/fault.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

/* The real file stands behind ours in the memory SQLite gives. */
struct file {
    sqlite3_file base;
};

static sqlite3_vfs ours, *real;

/* What SQLite says of that errno. */
static int fault(enum fault_kind kind, int code)
{
    int sys = fault_fails(kind);

    if (sys == 0)
        return SQLITE_OK;
    return sys == ENOSPC && kind == FAULT_WRITE ? SQLITE_FULL : code;
}

static sqlite3_file *under(sqlite3_file *f)
{
    return (sqlite3_file *)(void *)((struct file *)(void *)f + 1);
}

static int do_close(sqlite3_file *f)
{
    return under(f)->pMethods->xClose(under(f));
}

static int do_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return under(f)->pMethods->xRead(under(f), p, n, at);
}

static int do_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc = fault(FAULT_WRITE, SQLITE_IOERR_WRITE);

    return rc != SQLITE_OK ? rc : under(f)->pMethods->xWrite(under(f), p, n, at);
}

static int do_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = fault(FAULT_WRITE, SQLITE_IOERR_TRUNCATE);

    return rc != SQLITE_OK ? rc : under(f)->pMethods->xTruncate(under(f), size);
}

static int do_sync(sqlite3_file *f, int flags)
{
    int rc = fault(FAULT_SYNC, SQLITE_IOERR_FSYNC);

    return rc != SQLITE_OK ? rc : under(f)->pMethods->xSync(under(f), flags);
}

static int do_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return under(f)->pMethods->xFileSize(under(f), size);
}

static int do_lock(sqlite3_file *f, int how)
{
    return under(f)->pMethods->xLock(under(f), how);
}

static int do_unlock(sqlite3_file *f, int how)
{
    return under(f)->pMethods->xUnlock(under(f), how);
}

static int do_check(sqlite3_file *f, int *out)
{
    return under(f)->pMethods->xCheckReservedLock(under(f), out);
}

static int do_control(sqlite3_file *f, int op, void *arg)
{
    return under(f)->pMethods->xFileControl(under(f), op, arg);
}

static int do_sector(sqlite3_file *f)
{
    return under(f)->pMethods->xSectorSize(under(f));
}

static int do_traits(sqlite3_file *f)
{
    return under(f)->pMethods->xDeviceCharacteristics(under(f));
}

static int do_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return under(f)->pMethods->xShmMap(under(f), page, size, extend, out);
}

static int do_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return under(f)->pMethods->xShmLock(under(f), at, n, flags);
}

static void do_shm_barrier(sqlite3_file *f)
{
    under(f)->pMethods->xShmBarrier(under(f));
}

static int do_shm_unmap(sqlite3_file *f, int del)
{
    return under(f)->pMethods->xShmUnmap(under(f), del);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = do_close,
    .xRead = do_read,
    .xWrite = do_write,
    .xTruncate = do_truncate,
    .xSync = do_sync,
    .xFileSize = do_size,
    .xLock = do_lock,
    .xUnlock = do_unlock,
    .xCheckReservedLock = do_check,
    .xFileControl = do_control,
    .xSectorSize = do_sector,
    .xDeviceCharacteristics = do_traits,
    .xShmMap = do_shm_map,
    .xShmLock = do_shm_lock,
    .xShmBarrier = do_shm_barrier,
    .xShmUnmap = do_shm_unmap,
};

static int do_open(sqlite3_vfs *v UNUSED, const char *name, sqlite3_file *f, int flags, int *out)
{
    int rc = fault(FAULT_OPEN, SQLITE_CANTOPEN);

    f->pMethods = NULL;
    if (rc == SQLITE_OK)
        rc = real->xOpen(real, name, under(f), flags, out);
    if (rc == SQLITE_OK)
        f->pMethods = &methods;
    return rc;
}

void fault_vfs_install(void)
{
    if (real != NULL)
        return;
    real = sqlite3_vfs_find(NULL);
    ours = *real;
    ours.zName = "faults";
    ours.pNext = NULL;
    ours.szOsFile = (int)sizeof(struct file) + real->szOsFile;
    ours.xOpen = do_open;
    if (sqlite3_vfs_register(&ours, 1) != SQLITE_OK)
        abort();
}
