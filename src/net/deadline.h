/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Many deadlines of one length with a single timer: the queue is ordered by its nature, so that
 * starting, moving and stopping cost O(1). No timer is armed while the queue is empty. Loop thread.
 */
#include "base/list.h"
#include "net/loop.h"

struct deadlines;

/* Lives inside its object; in one queue at a time. */
struct deadline {
    struct list link;
    struct deadlines *in;
    int64_t due_mono_ms;
};

struct deadlines {
    struct list items;
    struct timer *timer;
    int64_t after_ms;
    int64_t slack_ms; /* items that are due within so long are taken along: one wake-up for many; 0 from init */
    bool is_armed;
    void (*fn)(struct deadline *d); /* the item has left the queue; may start, stop or free any item */
};

void deadlines_init(struct deadlines *q, struct loop *l, const char *name, int64_t after_ms,
                    void (*fn)(struct deadline *d));
void deadlines_done(struct deadlines *q);
void deadline_init(struct deadline *d);
void deadline_start(struct deadline *d, struct deadlines *q); /* leaves the queue it was in */
void deadline_stop(struct deadline *d);
