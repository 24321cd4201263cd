/* SPDX-License-Identifier: MIT */
#include "net/deadline.h"

#include "base/clock.h"

static void arm(struct deadlines *q, int64_t in_ms)
{
    timer_start(q->timer, in_ms);
    q->is_armed = true;
}

static struct deadline *first(const struct deadlines *q)
{
    return list_is_empty(&q->items) ? NULL : LIST_ITEM(q->items.next, struct deadline, link);
}

static void on_due(void *arg)
{
    struct deadlines *q = arg;
    int64_t now = clock_mono_ms();
    struct deadline *d;

    q->is_armed = true; /* an item that starts anew must not set the timer past those that wait before it */
    while ((d = first(q)) != NULL && d->due_mono_ms <= now + q->slack_ms) {
        list_remove(&d->link);
        d->in = NULL;
        q->fn(d);
    }
    q->is_armed = false;
    if (d != NULL)
        arm(q, d->due_mono_ms - now);
}

void deadlines_init(struct deadlines *q, struct loop *l, const char *name, int64_t after_ms,
                    void (*fn)(struct deadline *d))
{
    *q = (struct deadlines){.after_ms = after_ms, .fn = fn};
    list_init(&q->items);
    q->timer = timer_new(l, name, on_due, q);
}

void deadlines_done(struct deadlines *q)
{
    assert(q->timer == NULL || list_is_empty(&q->items));
    timer_free(q->timer);
    q->timer = NULL;
}

void deadline_init(struct deadline *d)
{
    *d = (struct deadline){0};
    list_init(&d->link);
}

void deadline_start(struct deadline *d, struct deadlines *q)
{
    if (d->in != q)
        deadline_stop(d);
    else
        list_remove(&d->link);
    d->in = q;
    d->due_mono_ms = clock_mono_ms() + q->after_ms;
    list_add_tail(&q->items, &d->link);
    /* An armed timer may be early for the new head; it then arms itself for the rest. */
    if (!q->is_armed)
        arm(q, q->after_ms);
}

void deadline_stop(struct deadline *d)
{
    struct deadlines *q = d->in;

    if (q == NULL)
        return;
    list_remove(&d->link);
    d->in = NULL;
    if (list_is_empty(&q->items) && q->is_armed) {
        timer_stop(q->timer);
        q->is_armed = false;
    }
}
