/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include "base/str.h"
#include "fail.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_DIRS = 16 };

void bench_say(const struct bench *b, const char *fmt, ...)
{
    va_list args;

    if (!b->shows)
        return;
    fprintf(stderr, "\r\033[K");
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fflush(stderr);
}

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *at UNUSED)
{
    return remove(path);
}

void bench_remove_dir(const char *path)
{
    if (nftw(path, remove_one, OPEN_DIRS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        fail_sys("%s", path);
}

void bench_make_dir(const struct bench *b, const char *name, struct buf *out)
{
    buf_addf(out, "%s/%s", b->dir, name);
    bench_remove_dir(out->p);
    if (mkdir(out->p, 0700) != 0)
        fail_sys("%s", out->p);
}
