/* SPDX-License-Identifier: MIT */
/* Hubs beside the live sessions: opened for the first watcher, fed by whoever knows, closed after the last. */
#include "base/mem.h"
#include "base/str.h"
#include "engine/live.h"

static void mark_dirty(struct engine *e, struct watched *w)
{
    if (w->dirty)
        return;
    w->dirty = true;
    list_add_tail(&e->dirty, &w->dirty_link);
    engine_defer(e);
}

static void ask_store(struct engine *e, struct watched *w)
{
    if (w->token != 0)
        return;
    w->token = e->next_token++;
    map_put_u64(e->hub_tokens, w->token, w);
    store_open_session(e->store, hub_session_id(w->hub), w->token);
}

/* A live session knows more than the store can tell. */
static bool ask_live(struct engine *e, struct watched *w)
{
    struct live *l = map_find(e->lives, hub_session_id(w->hub));
    struct str text = STR_NULL, reasoning = STR_NULL;
    const struct run_state *shown, *now;

    if (l == NULL || (l->state != LIVE_READY && l->state != LIVE_ERASING) || !session_exists(&l->published))
        return false;
    shown = &l->published.run;
    now = &l->m.s.run;
    if (shown->round_open && shown->number == now->number && shown->round == now->round && shown->gen == now->gen) {
        text = buf_str(&l->m.text);
        reasoning = buf_str(&l->m.reasoning);
    }
    return hub_set_snapshot(w->hub, &l->published, text, reasoning);
}

static bool ask_answer(struct watched *w, const struct opened *o)
{
    const struct partial *p = opened_partial(o);

    return hub_set_snapshot(w->hub, &o->session, p == NULL ? STR_NULL : p->text, p == NULL ? STR_NULL : p->reasoning);
}

static void watched_free(struct engine *e, struct watched *w)
{
    map_take(e->hubs, hub_session_id(w->hub));
    if (w->token != 0)
        map_take_u64(e->hub_tokens, w->token);
    list_remove(&w->dirty_link);
    hub_free(w->hub);
    mem_free(w);
}

static void free_if_unused(struct engine *e, struct watched *w)
{
    if (hub_subscribers(w->hub) == 0 && list_is_empty(&w->watchers))
        watched_free(e, w);
}

struct watching *engine_watch(struct engine *e, struct str session_id, const struct watch *given)
{
    struct watched *w = map_find(e->hubs, session_id);
    struct watching *one = mem_zalloc(sizeof(*one));
    struct str id = given->at.message_id;

    if (w == NULL) {
        w = mem_zalloc(sizeof(*w));
        w->hub = hub_new(session_id, e->ring);
        list_init(&w->watchers);
        list_init(&w->dirty_link);
        map_put(e->hubs, session_id, w);
    }
    one->watch = *given;
    one->message_id = (struct str){mem_strndup(id.p, id.n), id.n};
    one->watch.at.message_id = one->message_id;
    list_add_tail(&w->watchers, &one->link);
    if (!hub_is_ready(w->hub) && !ask_live(e, w))
        ask_store(e, w);
    if (hub_is_ready(w->hub))
        mark_dirty(e, w);
    return one;
}

static void watching_free(struct watching *one)
{
    list_remove(&one->link);
    mem_free((void *)(uintptr_t)one->message_id.p);
    mem_free(one);
}

void engine_watch_cancel(struct engine *e UNUSED, struct watching *one)
{
    watching_free(one); /* the hub goes with its next flush or answer */
}

void engine_unwatch(struct engine *e, struct subscriber *s)
{
    struct hub *h = subscriber_hub(s);
    struct watched *w = h == NULL ? NULL : map_find(e->hubs, hub_session_id(h));

    subscriber_free(s);
    e->subscribers--;
    /* Not freed here: the caller may be inside a wake-up of this very hub. */
    if (w != NULL)
        mark_dirty(e, w);
}

static void answer_watchers(struct engine *e, struct watched *w, const struct err *err)
{
    while (!list_is_empty(&w->watchers)) {
        struct watching *one = LIST_ITEM(w->watchers.next, struct watching, link);
        struct subscriber *s = NULL;

        list_remove(&one->link);
        if (err == NULL) {
            s = subscriber_new(w->hub, &one->watch.at, one->watch.wake, one->watch.arg);
            e->subscribers++;
        }
        one->watch.ready(one->watch.arg, s, err);
        watching_free(one);
    }
}

bool watch_on_opened(struct engine *e, struct opened *o)
{
    struct watched *w = map_take_u64(e->hub_tokens, o->token);
    struct err err = o->err;

    if (w == NULL)
        return false;
    w->token = 0;
    if (o->rc == 0 && !o->found)
        err_set(&err, ERR_NOT_FOUND, "session not found");
    if (o->rc != 0 || !o->found) {
        answer_watchers(e, w, &err);
        free_if_unused(e, w);
        return true;
    }
    /* Meanwhile somebody may have begun to work on it, and then knows better. */
    if (ask_live(e, w) || ask_answer(w, o))
        mark_dirty(e, w);
    else
        ask_store(e, w);
    return true;
}

void watch_publish(struct engine *e, struct live *l, struct facts *facts)
{
    struct watched *w = map_find(e->hubs, l->id);

    if (w == NULL)
        return;
    if (!hub_publish(w->hub, facts) && !ask_live(e, w))
        ask_store(e, w);
    mark_dirty(e, w);
}

void watch_delta(struct engine *e, struct live *l, const struct effect *f)
{
    struct watched *w = map_find(e->hubs, l->id);

    if (w == NULL)
        return;
    hub_publish_delta(w->hub, f->run, f->round, f->gen, f->channel, f->offset, f->text);
    mark_dirty(e, w);
}

void watch_gone(struct engine *e, struct str id)
{
    struct watched *w = map_find(e->hubs, id);
    struct err err;

    if (w == NULL)
        return;
    err_set(&err, ERR_NOT_FOUND, "session not found");
    answer_watchers(e, w, &err);
    watched_free(e, w);
}

void watch_flush(struct engine *e)
{
    while (!list_is_empty(&e->dirty)) {
        struct watched *w = LIST_ITEM(e->dirty.next, struct watched, dirty_link);

        list_remove(&w->dirty_link);
        w->dirty = false;
        if (hub_is_ready(w->hub)) {
            answer_watchers(e, w, NULL);
            if (hub_take_dirty(w->hub))
                hub_wake(w->hub);
        }
        free_if_unused(e, w);
    }
}

void watch_free_all(struct engine *e)
{
    size_t it = 0;
    struct watched *w;

    while ((w = map_any(e->hubs, &it)) != NULL) {
        while (!list_is_empty(&w->watchers))
            watching_free(LIST_ITEM(w->watchers.next, struct watching, link));
        watched_free(e, w);
    }
}
