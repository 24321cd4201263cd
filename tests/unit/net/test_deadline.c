/* SPDX-License-Identifier: MIT */
/* The queue of deadlines over a clock and a timer that obey the test. */
#include "base/clock.h"
#include "net/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the doubles ---- */

struct timer {
    loop_fn *fn;
    void *arg;
    int64_t due; /* -1: not armed */
};

static int64_t now;
static struct timer the_timer;
static unsigned wakeups;

int64_t clock_mono_ms(void)
{
    return now;
}

struct timer *timer_new(struct loop *l UNUSED, const char *name UNUSED, loop_fn *fn, void *arg)
{
    the_timer = (struct timer){fn, arg, -1};
    return &the_timer;
}

void timer_start(struct timer *t, int64_t in_ms)
{
    t->due = now + in_ms;
}

void timer_stop(struct timer *t)
{
    t->due = -1;
}

void timer_free(struct timer *t UNUSED)
{
}

static void pass_until(int64_t then)
{
    while (the_timer.due >= 0 && the_timer.due <= then) {
        now = the_timer.due;
        the_timer.due = -1;
        wakeups++;
        the_timer.fn(the_timer.arg);
    }
    now = then;
}

/* ---- the items ---- */

struct item {
    struct deadline deadline;
    struct deadlines *again; /* starts anew there when it was due */
    int64_t at[8];
    size_t n;
};

static struct deadlines queue;

static void on_item(struct deadline *d)
{
    struct item *it = CONTAINER_OF(d, struct item, deadline);

    it->at[it->n++] = now;
    if (it->again != NULL)
        deadline_start(d, it->again);
}

static void begin(int64_t after_ms)
{
    now = 1000;
    wakeups = 0;
    deadlines_init(&queue, NULL, "test", after_ms, on_item);
}

static void start(struct item *it, struct deadlines *again)
{
    *it = (struct item){.again = again};
    deadline_init(&it->deadline);
    deadline_start(&it->deadline, &queue);
}

/* ---- the tests ---- */

static void one_that_starts_anew_does_not_delay_the_others(void **state UNUSED)
{
    struct item a, b;

    begin(100);
    start(&a, &queue);
    pass_until(1030);
    start(&b, NULL);
    pass_until(1250);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.at[0], 1100);
    assert_int_equal(a.at[1], 1200);
    assert_int_equal(b.n, 1);
    assert_int_equal(b.at[0], 1130);
    deadline_stop(&a.deadline);
    deadlines_done(&queue);
}

static void those_that_are_nearly_due_are_taken_along_and_stay_together(void **state UNUSED)
{
    struct item a, b, c;

    begin(100);
    queue.slack_ms = 10;
    start(&a, &queue);
    pass_until(1006);
    start(&b, &queue);
    pass_until(1050);
    start(&c, &queue);
    pass_until(1320);
    assert_int_equal(a.n, 3);
    assert_int_equal(b.n, 3);
    assert_int_equal(b.at[0], 1100);
    assert_int_equal(c.at[0], 1150);
    assert_int_equal(wakeups, 5);
    deadline_stop(&a.deadline);
    deadline_stop(&b.deadline);
    deadline_stop(&c.deadline);
    deadlines_done(&queue);
}

static void an_empty_queue_has_no_timer(void **state UNUSED)
{
    struct item a, b;

    begin(100);
    start(&a, NULL);
    start(&b, NULL);
    deadline_stop(&a.deadline);
    assert_int_equal(the_timer.due, 1100);
    deadline_stop(&b.deadline);
    assert_int_equal(the_timer.due, -1);
    start(&a, NULL);
    pass_until(2000);
    assert_int_equal(a.n, 1);
    assert_int_equal(the_timer.due, -1);
    deadlines_done(&queue);
}

/* As a stream that ends because of its own heartbeat. */
static void stop_all(struct deadline *d UNUSED)
{
    while (!list_is_empty(&queue.items))
        deadline_stop(LIST_ITEM(queue.items.next, struct deadline, link));
}

static void an_item_that_is_due_may_stop_the_others(void **state UNUSED)
{
    struct item a, b;

    begin(100);
    queue.fn = stop_all;
    start(&a, NULL);
    start(&b, NULL);
    pass_until(2000);
    assert_int_equal(wakeups, 1);
    assert_int_equal(the_timer.due, -1);
    deadlines_done(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_starts_anew_does_not_delay_the_others),
        cmocka_unit_test(those_that_are_nearly_due_are_taken_along_and_stay_together),
        cmocka_unit_test(an_empty_queue_has_no_timer),
        cmocka_unit_test(an_item_that_is_due_may_stop_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
