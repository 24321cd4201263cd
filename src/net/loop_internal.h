/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the other files of src/net need from the loop and nobody else: deferred calls that cost
 * no allocation and can be taken back, a wake-up from other threads, and the watchdog.
 */
#include "base/list.h"
#include "net/loop.h"

/* A deferred call that lives inside its object. Loop thread. */
struct defer {
    struct list link;
    const char *name;
    loop_fn *fn;
    void *arg;
    bool is_heap;
};

void defer_init(struct defer *d);
void defer_start(struct loop *l, struct defer *d, const char *name, loop_fn *fn,
                 void *arg);      /* replaces a pending one */
void defer_stop(struct defer *d); /* harmless if none pends */

/* fn runs on the loop thread soon after one or more signals. */
struct wakeup;
NODISCARD int wakeup_new(struct loop *l, loop_fn *fn, void *arg, struct wakeup **out, struct err *err);
void wakeup_signal(struct wakeup *w); /* any thread */
void wakeup_free(struct wakeup *w);

/* Around every call into code that is not ours. One that blocked is told by the innermost name. */
int64_t watch_begin(void);
void watch_end(struct loop *l, int64_t began_us, const char *name);
