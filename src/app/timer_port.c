/* SPDX-License-Identifier: MIT */
#include "app/timer_port.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define DAY_MS (24 * 3600 * (int64_t)1000)

struct timer_port {
    struct loop *loop;
    struct engine *engine;
    struct map *by_session; /* struct session_timers */
};

/* Those of one session; gone with the last. */
struct session_timers {
    struct timer_port *port;
    struct str session_id;
    struct list pending;
};

struct pending {
    struct list link;
    struct session_timers *of;
    struct timer *timer;
    struct input in; /* its numbers */
};

struct timer_port *timer_port_new(struct loop *l)
{
    struct timer_port *p = mem_zalloc(sizeof(*p));

    p->loop = l;
    p->by_session = map_new();
    return p;
}

static void pending_free(struct pending *t)
{
    list_remove(&t->link);
    timer_free(t->timer);
    mem_free(t);
}

static void timers_free(struct session_timers *s)
{
    map_take(s->port->by_session, s->session_id);
    LIST_EACH (it, tmp, &s->pending)
        pending_free(LIST_ITEM(it, struct pending, link));
    mem_free((void *)(uintptr_t)s->session_id.p);
    mem_free(s);
}

void timer_port_free(struct timer_port *p)
{
    size_t it = 0;
    struct session_timers *s;

    if (p == NULL)
        return;
    while ((s = map_any(p->by_session, &it)) != NULL)
        timers_free(s);
    map_free(p->by_session);
    mem_free(p);
}

void timer_port_set_engine(struct timer_port *p, struct engine *e)
{
    p->engine = e;
}

static void on_due(void *arg)
{
    struct pending *t = arg;
    struct session_timers *s = t->of;
    struct timer_port *p = s->port;
    struct input in = t->in;
    struct str id = {mem_strndup(s->session_id.p, s->session_id.n), s->session_id.n};

    pending_free(t);
    if (list_is_empty(&s->pending))
        timers_free(s);
    engine_submit(p->engine, id, &in); /* may start timers, and abandon the session */
    mem_free((void *)(uintptr_t)id.p);
}

static struct session_timers *timers_of(struct timer_port *p, struct str session_id)
{
    struct session_timers *s = map_find(p->by_session, session_id);

    if (s != NULL)
        return s;
    s = mem_zalloc(sizeof(*s));
    s->port = p;
    s->session_id = (struct str){mem_strndup(session_id.p, session_id.n), session_id.n};
    list_init(&s->pending);
    map_put(p->by_session, s->session_id, s);
    return s;
}

void timer_port_start(struct timer_port *p, struct str session_id, int64_t in_ms, const struct input *in)
{
    struct pending *t = mem_zalloc(sizeof(*t));

    t->of = timers_of(p, session_id);
    t->in = *in;
    list_add_tail(&t->of->pending, &t->link);
    t->timer = timer_new(p->loop, "engine.timer", on_due, t);
    timer_start(t->timer, in_ms < 0 ? 0 : in_ms > DAY_MS ? DAY_MS : in_ms);
}

void timer_port_abandon(struct timer_port *p, struct str session_id)
{
    struct session_timers *s = map_find(p->by_session, session_id);

    if (s != NULL)
        timers_free(s);
}
