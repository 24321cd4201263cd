/* SPDX-License-Identifier: MIT */
#include "store/sqlite/data_dir.h"

#include "base/clock.h"
#include "base/directory.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = mem_alloc(n);

    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

void data_dir_init(struct data_dir *d, const char *path)
{
    memset(d, 0, sizeof(*d));
    d->lock = -1;
    d->path = mem_strdup(path);
    d->db_path = join(path, "culm.db");
    d->started_at = clock_wall_ms();
    id_random(d->boot);
}

void data_dir_done(struct data_dir *d)
{
    if (d->lock >= 0)
        close(d->lock);
    d->lock = -1;
    mem_free(d->path);
    mem_free(d->db_path);
}

static struct str line_of(struct str text, struct str name)
{
    struct str line;

    while (str_next(&text, '\n', &line))
        if (str_has_prefix(line, name))
            return str_skip(line, name.n);
    return STR("unknown");
}

static int held_by(const struct data_dir *d, int fd, struct err *err)
{
    char bytes[256];
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
    struct str text = {bytes, n < 0 ? 0 : (size_t)n};
    struct str pid = line_of(text, STR("pid ")), since = line_of(text, STR("since "));

    return err_set(err, ERR_LOCKED,
                   "data directory %s is held by process " STR_FMT " since " STR_FMT
                   "; stop it, or use another --data-dir",
                   d->path, STR_ARG(pid), STR_ARG(since));
}

/* A full disk does not keep the text from being short: the lock is what counts. */
static void sign(const struct data_dir *d)
{
    char since[CLOCK_TEXT], text[160];
    ssize_t written UNUSED;
    int n;

    clock_text(d->started_at, since);
    n = snprintf(text, sizeof(text), "pid %d\nboot %s\nsince %s\n", (int)getpid(), d->boot, since);
    if (ftruncate(d->lock, 0) == 0)
        written = pwrite(d->lock, text, (size_t)n, 0);
}

static int open_private(const char *path)
{
    int sys = fault_fails(FAULT_OPEN);

    if (sys == 0)
        return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    errno = sys;
    return -1;
}

static int take_lock(struct data_dir *d, struct err *err)
{
    char *path = join(d->path, "culm.lock");
    int fd = open_private(path);
    int rc = 0;

    if (fd < 0)
        rc = err_sys(err, ERR_IO, errno, "%s", path);
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK ? held_by(d, fd, err) : err_sys(err, ERR_IO, errno, "%s", path);
    mem_free(path);
    if (rc < 0) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    d->lock = fd;
    sign(d);
    FAULT_POINT("store.lock.after");
    return 0;
}

/* SQLite would make it readable for others; its companions (-wal, -shm) take their mode from it. */
static int make_db_file(const struct data_dir *d, struct err *err)
{
    int fd = open_private(d->db_path);

    if (fd < 0)
        return err_sys(err, ERR_STORAGE, errno, "%s", d->db_path);
    close(fd);
    return 0;
}

int data_dir_own(struct data_dir *d, struct err *err)
{
    int rc = directory_make(d->path, err);

    if (rc < 0)
        return err_wrap(err, "the data directory");
    rc = take_lock(d, err);
    if (rc == 0)
        rc = make_db_file(d, err);
    return rc;
}

int data_dir_visit(const struct data_dir *d, struct err *err)
{
    if (access(d->db_path, R_OK) == 0)
        return 0;
    if (errno == ENOENT || errno == ENOTDIR)
        return err_set(err, ERR_NOT_FOUND, "%s does not exist; start `culm serve` first, or name the right --data-dir",
                       d->db_path);
    return err_sys(err, ERR_IO, errno, "%s", d->db_path);
}

int data_dir_hold(struct data_dir *d, struct err *err)
{
    int rc = data_dir_visit(d, err);

    return rc < 0 ? rc : take_lock(d, err);
}
