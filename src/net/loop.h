/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one event loop of the process (libevent underneath). Everything here belongs to the loop
 * thread but loop_post(), the only way in from another thread. A callback that blocks for more
 * than 20 ms is logged with its name. No timer runs that nobody armed. SIGPIPE is ignored from
 * loop_new() on.
 */
#include "base/err.h"

struct loop;
struct timer;
typedef void loop_fn(void *arg);

NODISCARD int loop_new(struct loop **out, struct err *err);
void loop_free(struct loop *l); /* what was posted or deferred and has not run is dropped */
void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l); /* also before loop_run(): it then returns at once */

/* Runs fn on the loop thread, in the order of the posts. Any thread. The name is for the log. */
#define loop_post(l, fn, arg) loop_post_named((l), #fn, (fn), (arg))
void loop_post_named(struct loop *l, const char *name, loop_fn *fn, void *arg);
/* Runs fn once after the current callbacks of this turn, before the loop sleeps. Loop thread. */
#define loop_defer(l, fn, arg) loop_defer_named((l), #fn, (fn), (arg))
void loop_defer_named(struct loop *l, const char *name, loop_fn *fn, void *arg);

struct timer *timer_new(struct loop *l, const char *name, loop_fn *fn, void *arg); /* not armed */
void timer_start(struct timer *t, int64_t in_ms);                                  /* once; starting again moves it */
void timer_stop(struct timer *t);
void timer_free(struct timer *t); /* NULL is fine; also from its own callback */

/* fn runs on the loop for each arrival of the signal. */
NODISCARD int loop_on_signal(struct loop *l, int signo, loop_fn *fn, void *arg, struct err *err);

/* fn runs on the loop whenever the descriptor can be read. ERR_INTERNAL: it is none that can be waited for, as a file.
 */
struct readable;
NODISCARD int readable_new(struct loop *l, int fd, loop_fn *fn, void *arg, struct readable **out, struct err *err);
void readable_free(struct readable *r); /* NULL is fine; the descriptor stays open */

/* Since the start; of the calls that the loop watches. */
struct loop_stats {
    uint64_t stalls; /* calls that blocked for more than 20 ms */
    int64_t longest_us;
    const char *longest; /* its name; NULL: nothing was called yet */
};
void loop_stats(const struct loop *l, struct loop_stats *out);

struct event_base;                            /* libevent's */
struct event_base *loop_base(struct loop *l); /* for src/net only */
