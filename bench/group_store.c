/* SPDX-License-Identifier: MIT */
/* The store alone: how much a commit carries when many sessions want to write, and what a flush takes. */
#include "base/str.h"
#include "bench.h"
#include "fail.h"
#include "now.h"
#include "talks.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMORY_DIR "/dev/shm" /* a tmpfs wherever there is glibc */

enum { TEXT_BYTES = 400 };

static void measure_load(struct bench *b, struct talks *t, const char *where, unsigned in_flight, unsigned appends)
{
    struct sqlite_stats before, after;
    int64_t began;
    double wall_s, commits, flush_us;
    char prefix[32];

    bench_say(b, "store: %s, %u sessions", where, in_flight);
    snprintf(prefix, sizeof(prefix), "load-%u", in_flight);
    sqlite_store_stats(talks_store(t), &before);
    began = now_ns();
    talks_append(t, prefix, in_flight, appends);
    wall_s = (double)(now_ns() - began) / 1e9;
    sqlite_store_stats(talks_store(t), &after);
    commits = (double)(after.commits - before.commits);
    figures_add(b->figures, appends / wall_s, "/s", NO_TARGET, "%s, %u sessions: appends", where, in_flight);
    figures_add(b->figures, appends / commits, "", NO_TARGET, "%s, %u sessions: appends in a commit", where, in_flight);
    figures_add(b->figures, wall_s * 1e6 / commits, "us", NO_TARGET, "%s, %u sessions: time between commits", where,
                in_flight);
    flush_us = (double)(after.flush.sum_us - before.flush.sum_us) / commits;
    figures_add(b->figures, flush_us, "us", NO_TARGET, "%s, %u sessions: a flush, mean", where, in_flight);
}

static void measure(struct bench *b, const char *dir, const char *where)
{
    static const struct {
        unsigned in_flight, appends;
    } loads[] = {{1, 3000}, {16, 30000}, {256, 60000}};
    struct talks *t = talks_open(dir, TEXT_BYTES);

    for (size_t i = 0; i < ARRAY_LEN(loads); i++)
        measure_load(b, t, where, loads[i].in_flight, b->quick ? 2 * loads[i].in_flight : loads[i].appends);
    talks_close(t);
}

void group_store(struct bench *b)
{
    CLEANUP(buf_done) struct buf dir = BUF_INIT;
    char memory_dir[] = MEMORY_DIR "/culm-bench-XXXXXX";

    bench_make_dir(b, "store", &dir);
    measure(b, dir.p, "disk");
    bench_remove_dir(dir.p);
    if (mkdtemp(memory_dir) == NULL)
        fail_sys("%s", memory_dir);
    measure(b, memory_dir, "tmpfs");
    bench_remove_dir(memory_dir);
}
