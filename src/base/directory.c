/* SPDX-License-Identifier: MIT */
#include "base/directory.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void directory_of(const char *path, struct buf *out)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        buf_add_char(out, '.');
    else
        buf_add(out, path, slash == path ? 1 : (size_t)(slash - path));
}

int directory_sync(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int sys;

    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "%s", path);
    sys = fault_fails(FAULT_SYNC);
    if (sys == 0 && fsync(fd) != 0)
        sys = errno;
    close(fd);
    return sys == 0 ? 0 : err_sys(err, ERR_IO, sys, "%s", path);
}

/* A directory may be written to by those who may not read it: then nobody can ask for more. */
static int sync_holder(const char *path, struct err *err)
{
    CLEANUP(buf_done) struct buf holder = BUF_INIT;

    directory_of(path, &holder);
    return access(holder.p, R_OK) == 0 ? directory_sync(holder.p, err) : 0;
}

/* What could not be synced is not left there, where the next one would take it for good. */
static int make_one(const char *path, struct err *err)
{
    int rc;

    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? 0 : err_sys(err, ERR_IO, errno, "cannot make the directory %s", path);
    rc = sync_holder(path, err);
    if (rc < 0)
        rmdir(path);
    return rc;
}

int directory_make(const char *path, struct err *err)
{
    CLEANUP(mem_free_at) char *copy = mem_strdup(path);
    size_t n = strlen(copy);

    while (n > 1 && copy[n - 1] == '/')
        copy[--n] = '\0';
    for (char *p = copy + (n > 0); *p != '\0'; p++) {
        int rc;

        if (*p != '/')
            continue;
        *p = '\0';
        rc = access(copy, F_OK) == 0 ? 0 : make_one(copy, err); /* mkdir() may be refused for one that is there */
        if (rc < 0)
            return rc;
        *p = '/';
    }
    return make_one(copy, err);
}
