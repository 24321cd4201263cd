/* SPDX-License-Identifier: MIT */
/* Time, chance, life and death. */
#include "sim.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_event {
    int64_t at;
    uint64_t order;
    sim_fn *fn;
    void *arg;
    uint64_t a;
};

static uint64_t draw(uint64_t *rng)
{
    uint64_t z = (*rng += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t *rng, uint64_t n)
{
    return draw(rng) % n;
}

uint64_t sim_random(struct sim *w)
{
    return draw(&w->rng);
}

uint64_t sim_below(struct sim *w, uint64_t n)
{
    return below(&w->rng, n);
}

uint64_t sim_feed_below(struct sim *w, uint64_t n)
{
    return below(&w->feed_rng, n);
}

bool sim_chance(struct sim *w, unsigned percent)
{
    return sim_below(w, 100) < percent;
}

void sim_fail(struct sim *w, const char *invariant, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "FAILED seed %" PRIu64 " at %" PRId64 " ms (life %" PRIu64 "): %s: ", w->seed, w->now, w->life,
            invariant);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n");
    abort();
}

void sim_tell(struct sim *w, const char *fmt, ...)
{
    va_list args;

    if (!w->verbose)
        return;
    fprintf(stderr, "%8" PRId64 " life %" PRIu64 "  ", w->now, w->life);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n");
}

/* ---- the heap of what will happen ---- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event t = *a;

    *a = *b;
    *b = t;
}

void sim_after(struct sim *w, int64_t delay_ms, sim_fn *fn, void *arg, uint64_t a)
{
    size_t i = w->heap_n++;

    w->heap = mem_grow(w->heap, &w->heap_cap, w->heap_n, sizeof(*w->heap));
    w->heap[i] = (struct sim_event){w->now + (delay_ms < 0 ? 0 : delay_ms), w->order++, fn, arg, a};
    for (; i > 0 && earlier(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct sim_event take_first(struct sim *w)
{
    struct sim_event first = w->heap[0];
    size_t i = 0;

    w->heap[0] = w->heap[--w->heap_n];
    for (;;) {
        size_t least = i;

        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < w->heap_n; k++)
            if (earlier(&w->heap[k], &w->heap[least]))
                least = k;
        if (least == i)
            return first;
        swap(&w->heap[i], &w->heap[least]);
        i = least;
    }
}

bool sim_turn(struct sim *w, int64_t until)
{
    struct sim_event e;

    if (w->heap_n == 0 || w->heap[0].at > until)
        return false;
    e = take_first(w);
    w->now = e.at;
    w->events++;
    e.fn(w, e.arg, e.a);
    if (w->dead && w->engine != NULL)
        sim_die(w);
    return true;
}

/* ---- ports that need nobody else ---- */

static int64_t port_now(void *arg)
{
    const struct sim *w = arg;

    return 1700000000000 + w->now + w->clock_off;
}

static int64_t port_mono(void *arg)
{
    return ((struct sim *)arg)->now;
}

/* Somebody sets the clock: by seconds, hours or years, back and forth. Nothing may come of it. */
static void fire_clock(struct sim *w, void *arg UNUSED, uint64_t a UNUSED)
{
    static const int64_t steps[] = {1000, -1000, 3600 * 1000, -3600 * 1000, 315360000000, -315360000000, 0};

    if (w->now >= SIM_FAULTS_MS)
        return;
    w->clock_off = steps[below(&w->clock_rng, ARRAY_LEN(steps))];
    sim_tell(w, "the clock is %" PRId64 " ms off", w->clock_off);
    sim_clock(w);
}

void sim_clock(struct sim *w)
{
    sim_after(w, (int64_t)below(&w->clock_rng, 1000), fire_clock, NULL, 0);
}

static bool port_trusted(void *arg)
{
    return !((struct sim *)arg)->dead;
}

struct planned_input {
    struct sim *w;
    struct str id;
    struct input in;
};

static void fire_timer(struct sim *w, void *arg, uint64_t life)
{
    struct planned_input *p = arg;

    if (life == w->life && !w->dead)
        engine_submit(w->engine, p->id, &p->in);
    mem_free((void *)(uintptr_t)p->id.p);
    mem_free(p);
}

static void port_timer(void *arg, struct str session_id, int64_t in_ms, const struct input *in)
{
    struct sim *w = arg;
    struct planned_input *p;

    if (!sim_port(w))
        return;
    p = mem_zalloc(sizeof(*p));
    p->id = (struct str){mem_strndup(session_id.p, session_id.n), session_id.n};
    p->in = *in;
    sim_after(w, in_ms, fire_timer, p, w->life);
}

static void fire_flush(struct sim *w, void *arg UNUSED, uint64_t life)
{
    if (life == w->life && !w->dead)
        engine_flush(w->engine);
}

static void port_defer(void *arg)
{
    struct sim *w = arg;

    if (!w->dead)
        sim_after(w, 0, fire_flush, NULL, w->life);
}

static void fire_alarm(struct sim *w, void *arg UNUSED, uint64_t no)
{
    if (no == w->alarm_no && !w->dead && w->engine != NULL)
        engine_tick(w->engine);
}

static void port_alarm(void *arg, int64_t in_ms)
{
    struct sim *w = arg;

    w->alarm_no++;
    if (in_ms >= 0 && !w->dead)
        sim_after(w, in_ms, fire_alarm, NULL, w->alarm_no);
}

static void port_reply(void *arg, const struct reply *r)
{
    struct sim *w = arg;

    if (sim_port(w) && !keys_reply(w->keys, r))
        people_reply(w->people, r);
}

/* ---- life ---- */

bool sim_port(struct sim *w)
{
    if (w->port_calls_left == 0)
        w->dead = true;
    if (!w->dead && w->port_calls_left > 0)
        w->port_calls_left--;
    return !w->dead;
}

static void plan_death(struct sim *w)
{
    w->port_calls_left = -1;
    if (!w->faults.deaths || w->now >= SIM_FAULTS_MS)
        return;
    if (sim_chance(w, 60))
        w->port_calls_left = (int64_t)sim_below(w, 300);
}

static void fire_death(struct sim *w, void *arg UNUSED, uint64_t life)
{
    if (life == w->life && w->now < SIM_FAULTS_MS)
        w->dead = true;
}

/* Now and then the engine compares what it works on with what is stored: nothing may come of it. */
static void fire_audit(struct sim *w, void *arg UNUSED, uint64_t life)
{
    if (life != w->life || w->dead || w->now >= SIM_FAULTS_MS)
        return;
    engine_recover(w->engine);
    sim_after(w, 3000, fire_audit, NULL, life);
}

static void fire_boot(struct sim *w, void *arg UNUSED, uint64_t a UNUSED)
{
    sim_boot(w);
}

void sim_boot(struct sim *w)
{
    struct ports ports = {.arg = w,
                          .now = port_now,
                          .mono = port_mono,
                          .timer = port_timer,
                          .reply = port_reply,
                          .defer = port_defer,
                          .alarm = port_alarm,
                          .trusted = port_trusted};
    struct engine_options options = {.ring = 12};
    struct store *st;

    w->life++;
    w->dead = false;
    w->alarm_no++;
    actors_fill(w->actors, &ports);
    st = disk_mount(w->disk);
    w->engine = engine_new(st, &ports, &options);
    plan_death(w);
    if (w->faults.deaths)
        sim_after(w, (int64_t)sim_below(w, 20000), fire_death, NULL, w->life);
    engine_recover(w->engine);
    sim_after(w, 3000, fire_audit, NULL, w->life);
    watchers_start(w);
    overseers_start(w);
}

void sim_die(struct sim *w)
{
    w->dead = true;
    w->deaths++;
    sim_tell(w, "the server dies");
    memset(w->shown, 0, sizeof(w->shown)); /* stored text may be older than what people saw, until it is discarded */
    watchers_server_died(w);
    overseers_server_died(w);
    engine_free(w->engine);
    w->engine = NULL;
    disk_server_died(w->disk);
    actors_server_died(w->actors);
    people_server_died(w->people);
    keys_server_died(w->keys);
    sim_after(w, 100 + (int64_t)sim_below(w, 2000), fire_boot, NULL, 0);
}

struct str sim_session_name(unsigned i)
{
    static const char *const names[SIM_SESSIONS] = {"alpha", "beta", "gamma", "delta", "epsilon"};

    return str_of(names[i]);
}

bool sim_is_child(unsigned i)
{
    return i >= SIM_SESSIONS - SIM_CHILDREN;
}

void sim_put_family(unsigned session, struct input *in)
{
    if (!sim_is_child(session))
        return;
    in->parent = in->root = sim_session_name(0);
    in->depth = 1;
}
