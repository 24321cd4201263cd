/* SPDX-License-Identifier: MIT */
#include "app/small_file.h"

#include "base/directory.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 3000, LOCK_STEP_MS = 10 };

int small_file_read(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char part[16 * 1024];
    ssize_t n;
    int rc = 0;

    if (fd < 0)
        return err_sys(err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    while ((n = read(fd, part, sizeof(part))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(out, part, (size_t)n);
    if (n < 0)
        rc = err_sys(err, ERR_IO, errno, "%s", path);
    else if (out->full)
        rc = err_set(err, ERR_TOO_BIG, "%s: more than %zu bytes", path, out->max);
    close(fd);
    return rc;
}

/* What a system call does that was told to fail. */
static int fails(int sys)
{
    errno = sys;
    return -1;
}

static int sync_file(int fd)
{
    int sys = fault_fails(FAULT_SYNC);

    return sys == 0 ? fsync(fd) : fails(sys);
}

static int give_name(const char *draft, const char *path, bool replace)
{
    int sys = fault_fails(FAULT_RENAME);

    if (sys != 0)
        return fails(sys);
    return replace ? rename(draft, path) : link(draft, path);
}

static int write_all(int fd, struct str text)
{
    while (text.n > 0) {
        int sys = fault_fails(FAULT_WRITE);
        ssize_t n = sys == 0 ? write(fd, text.p, text.n) : fails(sys);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            text = str_skip(text, (size_t)n);
    }
    return 0;
}

static int write_draft(const char *draft, struct str text, struct err *err)
{
    int sys = fault_fails(FAULT_OPEN);
    int fd = sys == 0 ? open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : fails(sys);

    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "%s", draft);
    if (write_all(fd, text) != 0 || sync_file(fd) != 0)
        sys = errno;
    if (close(fd) != 0 && sys == 0)
        sys = errno;
    return sys == 0 ? 0 : err_sys(err, ERR_IO, sys, "%s", draft);
}

static int put(const char *path, struct str text, bool replace, struct err *err)
{
    CLEANUP(buf_done) struct buf draft = BUF_INIT, directory = BUF_INIT;
    char id[ID_TEXT];
    int rc;

    id_random(id);
    buf_addf(&draft, "%s.%s.new", path, id);
    rc = write_draft(draft.p, text, err);
    FAULT_POINT("small_file.draft");
    if (rc == 0 && give_name(draft.p, path, replace) != 0)
        rc = err_sys(err, errno == EEXIST && !replace ? ERR_CONFLICT : ERR_IO, errno, "%s", path);
    FAULT_POINT("small_file.named");
    if (rc < 0 || !replace)
        unlink(draft.p);
    directory_of(path, &directory);
    return rc < 0 ? rc : directory_sync(directory.p, err);
}

int small_file_write(const char *path, struct str text, struct err *err)
{
    return put(path, text, true, err);
}

int small_file_create(const char *path, struct str text, struct err *err)
{
    return put(path, text, false, err);
}

int small_file_lock(const char *path, int *out_fd, struct err *err)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000 * 1000};
    CLEANUP(buf_done) struct buf directory = BUF_INIT;
    int fd;

    directory_of(path, &directory);
    fd = open(directory.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "%s", directory.p);
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += LOCK_STEP_MS) {
        int sys = errno;

        if ((sys != EWOULDBLOCK && sys != EINTR) || waited >= LOCK_WAIT_MS) {
            close(fd);
            return err_sys(err, ERR_LOCKED, sys, "%s: another culm changes a file here", directory.p);
        }
        nanosleep(&step, NULL);
    }
    *out_fd = fd;
    return 0;
}

void small_file_unlock(int fd)
{
    close(fd);
}
