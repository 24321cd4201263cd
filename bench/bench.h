/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What every group of figures is given, and the list of groups. A group measures one thing and
 * adds its figures; in between it may do what it likes in `dir`. Each starts servers of its own.
 */
#include "figures.h"
#include "poller.h"

#define GROUPS(X)                                                                                                      \
    X(start, "from exec to the first healthy answer; idle memory; with 0 and with 100,000 sessions")                   \
    X(watchers, "memory of an idle watcher")                                                                           \
    X(feed, "watchers of the account feed: what they add to a turn; memory of an idle one")                            \
    X(creates, "sessions created per second")                                                                          \
    X(turns, "whole turns of 50 pieces, 1 to 1,000 at once; beside them the driver against the stand-in alone")        \
    X(long_run, "one run of 20,000 pieces")                                                                            \
    X(pace, "256 to 5,000 runs at a model's pace: 150 pieces, one every 20 ms")                                        \
    X(delay, "from the provider's piece to the watcher's event")                                                       \
    X(history, "a turn on 10, 1,000 and 5,000 messages")                                                               \
    X(first_event, "from execute to its durable answer")                                                               \
    X(store, "appends, commits and flushes of the store alone, on the disk and on tmpfs")                              \
    X(queries, "opening sessions and asking for lists among 100,000 sessions")

struct bench {
    const char *culm; /* the binary that is measured */
    const char *self; /* ours, for the stand-in */
    const char *dir;  /* for data directories and logs; on a real disk */
    bool quick;       /* small counts: to see that everything works */
    bool shows;       /* stderr is a terminal: say what is going on */
    struct poller poller;
    struct figures *figures;
};

#define X(name, doc) void group_##name(struct bench *b);
GROUPS(X)
#undef X

void bench_say(const struct bench *b, const char *fmt, ...) PRINTF(2, 3); /* one line that overwrites the last */
/* An empty directory of that name in `dir`. */
void bench_make_dir(const struct bench *b, const char *name, struct buf *out);
void bench_remove_dir(const char *path);
