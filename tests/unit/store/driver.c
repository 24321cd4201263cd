/* SPDX-License-Identifier: MIT */
#include "store/driver.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAIT_S 60

struct driver {
    struct store *st;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool ready;
    unsigned notified;
    size_t sent, done;
    struct appended *completions;
    size_t cap, kept;
    uint64_t next_token, fed;
    struct opened *opened;
    struct answer *answer;
};

static void notify(void *arg)
{
    struct driver *d = arg;

    pthread_mutex_lock(&d->lock);
    d->ready = true;
    d->notified++;
    pthread_cond_signal(&d->told);
    pthread_mutex_unlock(&d->lock);
}

static void on_appended(void *arg, const struct appended *done)
{
    struct driver *d = arg;

    d->completions = mem_grow(d->completions, &d->cap, d->kept + 1, sizeof(*done));
    d->completions[d->kept++] = *done;
    d->done++;
}

static void on_opened(void *arg, struct opened *o)
{
    ((struct driver *)arg)->opened = o;
}

static void on_feed(void *arg, uint64_t newest)
{
    ((struct driver *)arg)->fed = newest;
}

static void on_answer(void *arg, struct answer *a)
{
    ((struct driver *)arg)->answer = a;
}

struct driver *driver_new(struct store *st)
{
    struct driver *d = mem_zalloc(sizeof(*d));
    struct store_callbacks cb = {
        .notify = notify, .on_appended = on_appended, .on_opened = on_opened, .on_feed = on_feed, .arg = d};

    d->st = st;
    d->next_token = 1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->told, NULL);
    store_set_callbacks(st, &cb);
    return d;
}

void driver_free(struct driver *d)
{
    if (d == NULL)
        return;
    store_close(d->st);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->told);
    mem_free(d->completions);
    mem_free(d);
}

struct store *driver_store(const struct driver *d)
{
    return d->st;
}

static void poll_once(struct driver *d)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&d->lock);
    while (!d->ready) {
        if (pthread_cond_timedwait(&d->told, &d->lock, &until) != 0) {
            fprintf(stderr, "the store did not answer in %d s\n", WAIT_S);
            abort();
        }
    }
    d->ready = false;
    pthread_mutex_unlock(&d->lock);
    store_poll(d->st);
}

void driver_send(struct driver *d, const struct append *a)
{
    d->sent++;
    store_append(d->st, a);
}

void driver_wait_appends(struct driver *d)
{
    while (d->done < d->sent)
        poll_once(d);
}

int driver_append(struct driver *d, const struct append *a, struct appended *out)
{
    struct appended last;

    driver_send(d, a);
    driver_wait_appends(d);
    last = d->completions[d->kept - 1];
    if (out != NULL)
        *out = last;
    return last.rc;
}

size_t driver_completions(const struct driver *d, const struct appended **out)
{
    *out = d->completions;
    return d->kept;
}

void driver_forget(struct driver *d)
{
    d->kept = 0;
}

struct opened *driver_open(struct driver *d, struct str id)
{
    struct opened *o;

    d->opened = NULL;
    store_open_session(d->st, id, d->next_token++);
    while (d->opened == NULL)
        poll_once(d);
    o = d->opened;
    d->opened = NULL;
    return o;
}

struct answer *driver_query(struct driver *d, const struct query *q)
{
    struct answer *a;

    d->answer = NULL;
    store_query(d->st, q, on_answer, d);
    while (d->answer == NULL)
        poll_once(d);
    a = d->answer;
    d->answer = NULL;
    return a;
}

uint64_t driver_fed(const struct driver *d)
{
    return d->fed;
}

unsigned driver_notified(const struct driver *d)
{
    return d->notified;
}
