/* SPDX-License-Identifier: MIT */
#include "net/workers.h"

#include "base/fault.h"
#include "base/mem.h"
#include "net/loop_internal.h"

#include <pthread.h>
#include <signal.h>

struct job {
    struct list link;
    work_fn *work;
    loop_fn *done;
    void *arg;
};

struct workers {
    struct loop *loop;
    struct wakeup *wakeup;
    pthread_mutex_t lock; /* guards both lists and is_closing */
    pthread_cond_t more;
    struct list queued, finished;
    bool is_closing;
    unsigned count;
    pthread_t threads[];
};

static struct job *take_first(struct list *from)
{
    struct list *link = from->next;

    list_remove(link);
    return LIST_ITEM(link, struct job, link);
}

static void *worker(void *arg)
{
    struct workers *w = arg;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct job *job;

        while (list_is_empty(&w->queued) && !w->is_closing)
            pthread_cond_wait(&w->more, &w->lock);
        if (list_is_empty(&w->queued))
            break;
        job = take_first(&w->queued);
        pthread_mutex_unlock(&w->lock);
        job->work(job->arg);
        pthread_mutex_lock(&w->lock);
        if (list_is_empty(&w->finished))
            wakeup_signal(w->wakeup);
        list_add_tail(&w->finished, &job->link);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void run_finished(void *arg)
{
    struct workers *w = arg;

    for (;;) {
        struct job *job = NULL;
        int64_t began;

        pthread_mutex_lock(&w->lock);
        if (!list_is_empty(&w->finished))
            job = take_first(&w->finished);
        pthread_mutex_unlock(&w->lock);
        if (job == NULL)
            return;
        began = watch_begin();
        job->done(job->arg);
        watch_end(w->loop, began, "workers.done");
        mem_free(job);
    }
}

static int start_threads(struct workers *w, unsigned threads, struct err *err)
{
    sigset_t all, before;
    int rc = 0;

    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; w->count < threads && rc == 0; w->count += rc == 0) {
        rc = fault_fails(FAULT_THREAD);
        if (rc == 0)
            rc = pthread_create(&w->threads[w->count], NULL, worker, w);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : err_sys(err, ERR_INTERNAL, rc, "cannot start a worker thread");
}

int workers_new(struct loop *l, unsigned threads, struct workers **out, struct err *err)
{
    struct workers *w = mem_zalloc(sizeof(*w) + threads * sizeof(w->threads[0]));
    int rc;

    assert(threads > 0);
    w->loop = l;
    list_init(&w->queued);
    list_init(&w->finished);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    rc = wakeup_new(l, run_finished, w, &w->wakeup, err);
    if (rc == 0)
        rc = start_threads(w, threads, err);
    if (rc < 0) {
        workers_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void workers_free(struct workers *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_closing = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    run_finished(w);
    wakeup_free(w->wakeup);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

void workers_submit(struct workers *w, work_fn *work, loop_fn *done, void *arg)
{
    struct job *job = mem_alloc(sizeof(*job));

    *job = (struct job){.work = work, .done = done, .arg = arg};
    pthread_mutex_lock(&w->lock);
    assert(!w->is_closing);
    list_add_tail(&w->queued, &job->link);
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}
