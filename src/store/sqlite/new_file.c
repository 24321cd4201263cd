/* SPDX-License-Identifier: MIT */
#include "store/sqlite/new_file.h"

#include "base/directory.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int taken(const char *path, struct err *err)
{
    return err_set(err, ERR_CONFLICT, "%s is there already and is not overwritten; name another file, or move it away",
                   path);
}

int new_file_begin(struct new_file *f, const char *path, struct err *err)
{
    CLEANUP(buf_done) struct buf draft = BUF_INIT;
    int sys = fault_fails(FAULT_OPEN), fd;
    char id[ID_TEXT];

    *f = (struct new_file){0};
    if (access(path, F_OK) == 0)
        return taken(path, err);
    id_random(id);
    buf_addf(&draft, "%s.%.8s.new", path, id);
    fd = sys == 0 ? open(draft.p, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (fd < 0)
        return err_sys(err, ERR_IO, sys == 0 ? errno : sys, "%s", path);
    close(fd);
    f->path = mem_strdup(path);
    f->draft = mem_strdup(draft.p);
    return 0;
}

static int sync_draft(const struct new_file *f, struct err *err)
{
    int sys = fault_fails(FAULT_SYNC);
    int fd = open(f->draft, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || (sys == 0 && fsync(fd) != 0))
        sys = errno;
    if (fd >= 0)
        close(fd);
    return sys == 0 ? 0 : err_sys(err, ERR_IO, sys, "%s", f->path);
}

/* Not every file system has the first way, and not every one the second. */
static int give_name(const struct new_file *f)
{
    int sys = fault_fails(FAULT_RENAME);

    if (sys != 0)
        return sys;
    if (renameat2(AT_FDCWD, f->draft, AT_FDCWD, f->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (link(f->draft, f->path) != 0)
        return errno;
    unlink(f->draft);
    return 0;
}

int new_file_publish(struct new_file *f, struct err *err)
{
    CLEANUP(buf_done) struct buf directory = BUF_INIT;
    int rc = sync_draft(f, err), sys;

    if (rc < 0)
        return rc;
    sys = give_name(f);
    if (sys != 0)
        return sys == EEXIST ? taken(f->path, err) : err_sys(err, ERR_IO, sys, "%s", f->path);
    mem_free(f->draft);
    f->draft = NULL;
    directory_of(f->path, &directory);
    return directory_sync(directory.p, err);
}

void new_file_done(struct new_file *f)
{
    if (f->draft != NULL)
        unlink(f->draft);
    mem_free(f->draft);
    mem_free(f->path);
    *f = (struct new_file){0};
}
