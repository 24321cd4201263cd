/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "net/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { JOBS = 2000 };

struct board {
    struct loop *loop;
    pthread_t home;
    int done, wrong_thread;
    int stop_at;
};

struct job {
    struct board *board;
    int in, out;
    bool was_at_home;
};

static void work(void *arg)
{
    struct job *job = arg;

    job->was_at_home = pthread_equal(pthread_self(), job->board->home);
    job->out = job->in * 2;
}

static void done(void *arg)
{
    struct job *job = arg;
    struct board *b = job->board;

    if (job->was_at_home || !pthread_equal(pthread_self(), b->home) || job->out != job->in * 2)
        b->wrong_thread++;
    if (++b->done == b->stop_at)
        loop_stop(b->loop);
    mem_free(job);
}

static void submit(struct workers *w, struct board *b, int n)
{
    for (int i = 0; i < n; i++) {
        struct job *job = mem_zalloc(sizeof(*job));

        *job = (struct job){.board = b, .in = i};
        workers_submit(w, work, done, job);
    }
}

static void work_is_done_elsewhere_and_ends_on_the_loop(void **state UNUSED)
{
    struct board b = {.home = pthread_self(), .stop_at = JOBS};
    struct workers *w;

    assert_int_equal(loop_new(&b.loop, NULL), 0);
    assert_int_equal(workers_new(b.loop, 3, &w, NULL), 0);
    submit(w, &b, JOBS);
    loop_run(b.loop);
    assert_int_equal(b.done, JOBS);
    assert_int_equal(b.wrong_thread, 0);
    workers_free(w);
    loop_free(b.loop);
}

/* One job after the other finds the others asleep, and a while of no work all of them. */
static void a_sleeping_worker_is_woken(void **state UNUSED)
{
    struct board b = {.home = pthread_self()};
    struct workers *w;

    assert_int_equal(loop_new(&b.loop, NULL), 0);
    assert_int_equal(workers_new(b.loop, 3, &w, NULL), 0);
    for (int round = 1; round <= 500; round++) {
        b.stop_at = round;
        submit(w, &b, 1);
        loop_run(b.loop);
        assert_int_equal(b.done, round);
    }
    workers_free(w);
    loop_free(b.loop);
}

static void the_end_leaves_no_job_undone(void **state UNUSED)
{
    struct board b = {.home = pthread_self(), .stop_at = -1};
    struct workers *w;

    assert_int_equal(loop_new(&b.loop, NULL), 0);
    assert_int_equal(workers_new(b.loop, 2, &w, NULL), 0);
    submit(w, &b, JOBS);
    workers_free(w);
    assert_int_equal(b.done, JOBS);
    assert_int_equal(b.wrong_thread, 0);
    loop_free(b.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_elsewhere_and_ends_on_the_loop),
        cmocka_unit_test(a_sleeping_worker_is_woken),
        cmocka_unit_test(the_end_leaves_no_job_undone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
