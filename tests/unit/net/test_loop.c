/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/loop_internal.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct trail {
    struct loop *loop;
    char text[32];
    struct timer *timer;
};

static struct trail *trail_new(void)
{
    struct trail *t = mem_zalloc(sizeof(*t));

    assert_int_equal(loop_new(&t->loop, NULL), 0);
    return t;
}

static void trail_free(struct trail *t)
{
    loop_free(t->loop);
    mem_free(t);
}

static void mark(struct trail *t, const char *what)
{
    size_t n = strlen(t->text);

    assert_true(str_copy(t->text + n, sizeof(t->text) - n, str_of(what)));
}

static void stop(void *arg)
{
    struct trail *t = arg;

    mark(t, "s");
    loop_stop(t->loop);
}

static void third(void *arg)
{
    mark(arg, "c");
}

static void second(void *arg)
{
    struct trail *t = arg;

    mark(t, "b");
    loop_defer(t->loop, third, t);
}

static void first(void *arg)
{
    struct trail *t = arg;

    loop_defer(t->loop, second, t);
    loop_defer(t->loop, second, t);
    timer_start(t->timer, 0);
    mark(t, "a");
}

static void deferred_calls_run_in_the_same_turn_and_in_order(void **state UNUSED)
{
    struct trail *t = trail_new();

    t->timer = timer_new(t->loop, "stop", stop, t);
    loop_post(t->loop, first, t);
    loop_run(t->loop);
    assert_string_equal(t->text, "abbccs");
    timer_free(t->timer);
    trail_free(t);
}

static void free_itself(void *arg)
{
    struct trail *t = arg;

    timer_free(t->timer);
    t->timer = NULL;
    loop_defer(t->loop, stop, t);
}

static void a_timer_may_free_itself(void **state UNUSED)
{
    struct trail *t = trail_new();

    t->timer = timer_new(t->loop, "free", free_itself, t);
    timer_start(t->timer, 1000 * 1000);
    timer_start(t->timer, 1); /* moved */
    loop_run(t->loop);
    assert_null(t->timer);
    trail_free(t);
}

static void a_stopped_timer_does_not_come(void **state UNUSED)
{
    struct trail *t = trail_new();
    struct timer *other = timer_new(t->loop, "third", third, t);

    t->timer = timer_new(t->loop, "stop", stop, t);
    timer_start(other, 0);
    timer_start(t->timer, 0);
    timer_stop(other);
    loop_run(t->loop);
    assert_string_equal(t->text, "s");
    timer_free(other);
    timer_free(t->timer);
    trail_free(t);
}

static void a_stop_before_the_run_counts(void **state UNUSED)
{
    struct trail *t = trail_new();

    loop_stop(t->loop);
    loop_run(t->loop);
    loop_post(t->loop, third, t); /* dropped by the end of the loop, not leaked */
    loop_defer(t->loop, third, t);
    trail_free(t);
}

static void a_signal_reaches_its_callback(void **state UNUSED)
{
    struct trail *t = trail_new();

    assert_int_equal(loop_on_signal(t->loop, SIGUSR1, stop, t, NULL), 0);
    kill(getpid(), SIGUSR1);
    loop_run(t->loop);
    assert_string_equal(t->text, "s");
    trail_free(t);
}

/* --- posts from many threads --- */

enum { THREADS = 4, POSTS = 5000 };

struct counter {
    struct loop *loop;
    int next[THREADS];
    int total;
    bool is_in_order;
};

struct item {
    struct counter *counter;
    int thread, number;
};

static void count(void *arg)
{
    struct item *item = arg;
    struct counter *c = item->counter;

    if (c->next[item->thread]++ != item->number)
        c->is_in_order = false;
    if (++c->total == THREADS * POSTS)
        loop_stop(c->loop);
    mem_free(item);
}

struct poster {
    struct counter *counter;
    int thread;
};

static void *post_many(void *arg)
{
    const struct poster *p = arg;

    for (int i = 0; i < POSTS; i++) {
        struct item *item = mem_alloc(sizeof(*item));

        *item = (struct item){.counter = p->counter, .thread = p->thread, .number = i};
        loop_post(p->counter->loop, count, item);
    }
    return NULL;
}

static void posts_of_many_threads_all_arrive_in_order(void **state UNUSED)
{
    struct counter c = {.is_in_order = true};
    struct poster posters[THREADS];
    pthread_t threads[THREADS];

    assert_int_equal(loop_new(&c.loop, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.counter = &c, .thread = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    loop_run(c.loop);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(c.total, THREADS * POSTS);
    assert_true(c.is_in_order);
    loop_free(c.loop);
}

/* ---- descriptors of others ---- */

struct reading {
    struct loop *loop;
    int fd;
    char text[8];
    size_t n;
};

static void read_one(void *arg)
{
    struct reading *r = arg;

    assert_int_equal(read(r->fd, r->text + r->n, 1), 1);
    if (r->text[r->n++] == '!')
        loop_stop(r->loop);
}

static void what_can_be_read_is_told_until_it_is_read(void **state UNUSED)
{
    struct readable *readable;
    struct reading r = {0};
    int fds[2];

    assert_int_equal(loop_new(&r.loop, NULL), 0);
    assert_int_equal(pipe(fds), 0);
    r.fd = fds[0];
    assert_int_equal(readable_new(r.loop, fds[0], read_one, &r, &readable, NULL), 0);
    assert_int_equal(write(fds[1], "abc!", 4), 4);
    loop_run(r.loop);
    assert_string_equal(r.text, "abc!");
    readable_free(readable);
    readable_free(NULL);
    close(fds[0]);
    close(fds[1]);
    loop_free(r.loop);
}

static void a_file_cannot_be_waited_for(void **state UNUSED)
{
    char path[] = "/tmp/culm-loop-XXXXXX";
    int fd = mkstemp(path);
    struct readable *readable;
    struct loop *l;
    struct err err;

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(loop_new(&l, NULL), 0);
    assert_int_equal(readable_new(l, fd, read_one, NULL, &readable, &err), -ERR_INTERNAL);
    close(fd);
    loop_free(l);
}

/* ---- the watchdog ---- */

static struct loop_stats after_call(struct loop *l, int64_t took_ms, const char *name)
{
    struct loop_stats stats;

    watch_end(l, clock_mono_us() - took_ms * 1000, name);
    loop_stats(l, &stats);
    return stats;
}

static void a_call_that_blocks_is_counted_once_by_the_innermost_name(void **state UNUSED)
{
    struct loop *l;

    assert_int_equal(loop_new(&l, NULL), 0);
    assert_int_equal(after_call(l, 10, "quick").stalls, 0);
    assert_string_equal(after_call(l, 9, "quicker").longest, "quick");
    assert_int_equal(after_call(l, 300, "inner").stalls, 1);
    assert_int_equal(after_call(l, 310, "around it").stalls, 1);
    assert_true(after_call(l, 1, "quick").longest_us >= 310000);
    assert_string_equal(after_call(l, 1, "quick").longest, "around it");
    assert_int_equal(after_call(l, 900, "around it, and slow itself").stalls, 2);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deferred_calls_run_in_the_same_turn_and_in_order),
        cmocka_unit_test(a_timer_may_free_itself),
        cmocka_unit_test(a_stopped_timer_does_not_come),
        cmocka_unit_test(a_stop_before_the_run_counts),
        cmocka_unit_test(a_signal_reaches_its_callback),
        cmocka_unit_test(what_can_be_read_is_told_until_it_is_read),
        cmocka_unit_test(a_file_cannot_be_waited_for),
        cmocka_unit_test(a_call_that_blocks_is_counted_once_by_the_innermost_name),
        cmocka_unit_test(posts_of_many_threads_all_arrive_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
