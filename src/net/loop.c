/* SPDX-License-Identifier: MIT */
#include "net/loop_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WATCHDOG_US = 20 * 1000 };

struct post {
    struct post *next;
    const char *name;
    loop_fn *fn;
    void *arg;
};

struct signal_watch {
    struct list link;
    struct loop *loop;
    struct event *event;
    loop_fn *fn;
    void *arg;
};

struct readable {
    struct loop *loop;
    struct event *event;
    loop_fn *fn;
    void *arg;
};

struct wakeup {
    struct event *event;
    loop_fn *fn;
    void *arg;
    int fd;
};

struct loop {
    struct event_base *base;
    struct event *defer_event;
    struct list deferred;
    struct list round_end; /* in deferred while it is run: what is added meanwhile comes behind it */
    struct list signals;
    struct wakeup *wakeup;
    bool stopping;
    struct loop_stats stats;
    int64_t stall_began_us, stall_us; /* the last one */
    pthread_mutex_t lock;             /* guards the posts */
    struct post *first_post, **last_post;
};

struct timer {
    struct loop *loop;
    struct event *event;
    const char *name;
    loop_fn *fn;
    void *arg;
};

/* --- watchdog --- */

int64_t watch_begin(void)
{
    return clock_mono_us();
}

static void on_stall(struct loop *l, int64_t began_us, int64_t took_us, const char *name)
{
    int64_t told_us = l->stall_began_us >= began_us ? l->stall_us : 0; /* from inside of this one */

    l->stall_began_us = began_us;
    l->stall_us = took_us;
    if (took_us - told_us <= WATCHDOG_US)
        return;
    l->stats.stalls++;
    LOG_WARN("loop.blocked", log_text("callback", name), log_int("ms", took_us / 1000));
}

void watch_end(struct loop *l, int64_t began_us, const char *name)
{
    int64_t took_us = clock_mono_us() - began_us;

    if (took_us > l->stats.longest_us) {
        l->stats.longest_us = took_us;
        l->stats.longest = name;
    }
    if (took_us > WATCHDOG_US)
        on_stall(l, began_us, took_us, name);
}

static void call_watched(struct loop *l, const char *name, loop_fn *fn, void *arg)
{
    int64_t began = watch_begin();

    fn(arg);
    watch_end(l, began, name);
}

void loop_stats(const struct loop *l, struct loop_stats *out)
{
    *out = l->stats;
}

/* --- deferred calls --- */

void defer_init(struct defer *d)
{
    *d = (struct defer){0};
    list_init(&d->link);
}

void defer_start(struct loop *l, struct defer *d, const char *name, loop_fn *fn, void *arg)
{
    list_remove(&d->link);
    d->name = name;
    d->fn = fn;
    d->arg = arg;
    /* Same priority as everything else: a lower one would starve while traffic keeps coming. */
    if (list_is_empty(&l->deferred))
        event_active(l->defer_event, EV_TIMEOUT, 0);
    list_add_tail(&l->deferred, &d->link);
}

void defer_stop(struct defer *d)
{
    list_remove(&d->link);
}

void loop_defer_named(struct loop *l, const char *name, loop_fn *fn, void *arg)
{
    struct defer *d = mem_alloc(sizeof(*d));

    defer_init(d);
    d->is_heap = true;
    defer_start(l, d, name, fn, arg);
}

static void run_deferred(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    struct loop *l = arg;

    list_add_tail(&l->deferred, &l->round_end);
    while (l->deferred.next != &l->round_end) {
        struct defer *d = LIST_ITEM(l->deferred.next, struct defer, link);
        const char *name = d->name;
        loop_fn *fn = d->fn;
        void *fn_arg = d->arg;

        list_remove(&d->link);
        if (d->is_heap)
            mem_free(d);
        call_watched(l, name, fn, fn_arg);
    }
    list_remove(&l->round_end);
    if (!list_is_empty(&l->deferred))
        event_active(l->defer_event, EV_TIMEOUT, 0);
}

/* --- wake-ups and posts --- */

static void on_wakeup(evutil_socket_t fd, short what UNUSED, void *arg)
{
    struct wakeup *w = arg;
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return;
    w->fn(w->arg);
}

int wakeup_new(struct loop *l, loop_fn *fn, void *arg, struct wakeup **out, struct err *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct wakeup *w;

    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "eventfd");
    w = mem_zalloc(sizeof(*w));
    *w = (struct wakeup){.fn = fn, .arg = arg, .fd = fd};
    w->event = event_new(l->base, fd, EV_READ | EV_PERSIST, on_wakeup, w);
    if (w->event == NULL || event_add(w->event, NULL) != 0) {
        wakeup_free(w);
        return err_set(err, ERR_INTERNAL, "cannot watch an eventfd");
    }
    *out = w;
    return 0;
}

void wakeup_signal(struct wakeup *w)
{
    const uint64_t one = 1;

    /* Only a counter near 2^64 could refuse the write; the wake-up is pending then anyway. */
    if (write(w->fd, &one, sizeof(one)) < 0)
        return;
}

void wakeup_free(struct wakeup *w)
{
    if (w == NULL)
        return;
    if (w->event != NULL)
        event_free(w->event);
    close(w->fd);
    mem_free(w);
}

void loop_post_named(struct loop *l, const char *name, loop_fn *fn, void *arg)
{
    struct post *p = mem_alloc(sizeof(*p));
    bool was_empty;

    *p = (struct post){.name = name, .fn = fn, .arg = arg};
    pthread_mutex_lock(&l->lock);
    was_empty = l->first_post == NULL;
    *l->last_post = p;
    l->last_post = &p->next;
    pthread_mutex_unlock(&l->lock);
    if (was_empty)
        wakeup_signal(l->wakeup);
}

static struct post *take_posts(struct loop *l)
{
    struct post *p;

    pthread_mutex_lock(&l->lock);
    p = l->first_post;
    l->first_post = NULL;
    l->last_post = &l->first_post;
    pthread_mutex_unlock(&l->lock);
    return p;
}

static void run_posts(void *arg)
{
    struct loop *l = arg;
    struct post *next;

    for (struct post *p = take_posts(l); p != NULL; p = next) {
        next = p->next;
        call_watched(l, p->name, p->fn, p->arg);
        mem_free(p);
    }
}

/* --- timers and signals --- */

static void on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    const struct timer *t = arg;

    call_watched(t->loop, t->name, t->fn, t->arg);
}

struct timer *timer_new(struct loop *l, const char *name, loop_fn *fn, void *arg)
{
    struct timer *t = mem_zalloc(sizeof(*t));

    *t = (struct timer){.loop = l, .name = name, .fn = fn, .arg = arg};
    t->event = evtimer_new(l->base, on_timer, t);
    return t;
}

void timer_start(struct timer *t, int64_t in_ms)
{
    int64_t ms = in_ms > 0 ? in_ms : 0;
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    evtimer_add(t->event, &tv);
}

void timer_stop(struct timer *t)
{
    evtimer_del(t->event);
}

void timer_free(struct timer *t)
{
    if (t == NULL)
        return;
    event_free(t->event);
    mem_free(t);
}

static void on_signal(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    const struct signal_watch *w = arg;

    call_watched(w->loop, "signal", w->fn, w->arg);
}

int loop_on_signal(struct loop *l, int signo, loop_fn *fn, void *arg, struct err *err)
{
    struct signal_watch *w = mem_zalloc(sizeof(*w));

    *w = (struct signal_watch){.loop = l, .fn = fn, .arg = arg};
    w->event = evsignal_new(l->base, signo, on_signal, w);
    if (w->event == NULL || event_add(w->event, NULL) != 0) {
        if (w->event != NULL)
            event_free(w->event);
        mem_free(w);
        return err_set(err, ERR_INTERNAL, "cannot watch signal %d", signo);
    }
    list_add_tail(&l->signals, &w->link);
    return 0;
}

/* --- descriptors of others --- */

static void on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    const struct readable *r = arg;

    call_watched(r->loop, "readable", r->fn, r->arg);
}

int readable_new(struct loop *l, int fd, loop_fn *fn, void *arg, struct readable **out, struct err *err)
{
    struct readable *r = mem_zalloc(sizeof(*r));

    *r = (struct readable){.loop = l, .fn = fn, .arg = arg};
    r->event = event_new(l->base, fd, EV_READ | EV_PERSIST, on_readable, r);
    if (r->event == NULL || event_add(r->event, NULL) != 0) {
        readable_free(r);
        return err_set(err, ERR_INTERNAL, "cannot watch descriptor %d", fd);
    }
    *out = r;
    return 0;
}

void readable_free(struct readable *r)
{
    if (r == NULL)
        return;
    if (r->event != NULL)
        event_free(r->event);
    mem_free(r);
}

/* --- the loop --- */

/* The library found no way on, and has said why: a death that is seen as one, not an exit. */
static void on_fatal(int code UNUSED)
{
    abort();
}

static struct event_base *base_new(void)
{
    struct event_config *config;
    struct event_base *base = NULL;

    event_set_mem_functions(mem_alloc, mem_realloc, mem_free);
    event_set_fatal_callback(on_fatal);
    config = event_config_new();
    if (config == NULL)
        return NULL;
    /* One thread owns the base; other threads come through the eventfd only. */
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

int loop_new(struct loop **out, struct err *err)
{
    struct loop *l = mem_zalloc(sizeof(*l));
    int rc;

    list_init(&l->deferred);
    list_init(&l->round_end);
    list_init(&l->signals);
    pthread_mutex_init(&l->lock, NULL);
    l->last_post = &l->first_post;
    l->base = base_new();
    if (l->base == NULL) {
        loop_free(l);
        return err_set(err, ERR_INTERNAL, "cannot make an event loop");
    }
    l->defer_event = event_new(l->base, -1, 0, run_deferred, l);
    rc = wakeup_new(l, run_posts, l, &l->wakeup, err);
    if (rc < 0) {
        loop_free(l);
        return rc;
    }
    /* bufferevents write with writev(), which cannot ask for silence. */
    signal(SIGPIPE, SIG_IGN);
    *out = l;
    return 0;
}

void loop_free(struct loop *l)
{
    struct post *next;

    if (l == NULL)
        return;
    for (struct post *p = take_posts(l); p != NULL; p = next) {
        next = p->next;
        mem_free(p);
    }
    LIST_EACH (it, tmp, &l->deferred) {
        struct defer *d = LIST_ITEM(it, struct defer, link);

        list_remove(it);
        if (d->is_heap)
            mem_free(d);
    }
    LIST_EACH (it, tmp, &l->signals) {
        struct signal_watch *w = LIST_ITEM(it, struct signal_watch, link);

        event_free(w->event);
        mem_free(w);
    }
    wakeup_free(l->wakeup);
    if (l->defer_event != NULL)
        event_free(l->defer_event);
    if (l->base != NULL)
        event_base_free(l->base);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    while (!l->stopping)
        if (event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
            break;
    l->stopping = false;
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
    event_base_loopbreak(l->base);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}
