/* SPDX-License-Identifier: MIT */
/* The account feed's hub between the store, which it asks, and the engine, which tells it what happens. */
#include "engine/live.h"

static void on_page(void *arg, struct answer *a)
{
    feed_hub_take_page(((struct engine *)arg)->feed, a);
}

static void on_state(void *arg, struct answer *a)
{
    feed_hub_take_state(((struct engine *)arg)->feed, a);
}

void feed_wants(void *engine)
{
    engine_defer(engine);
}

void feed_flush(struct engine *e)
{
    int64_t now = e->ports.mono(e->ports.arg), due;
    struct query page = {.kind = QUERY_FEED}, state = {.kind = QUERY_SESSION};

    if (feed_hub_wants_page(e->feed, &page.after))
        store_query(e->store, &page, on_page, e);
    if (feed_hub_wants_state(e->feed, now, &state.session_id))
        store_query(e->store, &state, on_state, e);
    feed_hub_wake(e->feed);
    due = feed_hub_due(e->feed);
    if (due == e->feed_due)
        return;
    e->feed_due = due;
    engine_arm(e);
}

void engine_on_feed(struct engine *e, uint64_t newest)
{
    feed_hub_set_newest(e->feed, newest);
}

struct feed_watcher *engine_feed_watch(struct engine *e, uint64_t seq, uint64_t last, void (*wake)(void *arg),
                                       void *arg)
{
    return feed_watcher_new(e->feed, seq, last, wake, arg);
}

void engine_feed_unwatch(struct engine *e UNUSED, struct feed_watcher *w)
{
    feed_watcher_free(w);
}
