/* SPDX-License-Identifier: MIT */
#include "face/stand_feed.h"

#include "engine/engine.h"

static struct feed_hub *hub;
static bool wanted;

static void on_wants(void *arg UNUSED)
{
    wanted = true;
}

void stand_feed_begin(void)
{
    hub = feed_hub_new(LIMIT_RING_EVENTS, on_wants, NULL);
    wanted = false;
}

void stand_feed_end(void)
{
    feed_hub_free(hub);
    hub = NULL;
}

struct feed_hub *stand_feed_hub(void)
{
    return hub;
}

static void on_page(void *arg UNUSED, struct answer *a)
{
    feed_hub_take_page(hub, a);
}

static void on_state(void *arg UNUSED, struct answer *a)
{
    feed_hub_take_state(hub, a);
}

bool stand_feed_serve(int64_t now)
{
    struct query page = {.kind = QUERY_FEED}, state = {.kind = QUERY_SESSION};

    if (!wanted)
        return false;
    wanted = false;
    if (feed_hub_wants_page(hub, &page.after))
        engine_query(NULL, &page, on_page, NULL);
    if (feed_hub_wants_state(hub, now, &state.session_id))
        engine_query(NULL, &state, on_state, NULL);
    feed_hub_wake(hub);
    return true;
}

/* ---- doubles of engine/engine.h ---- */

struct feed_watcher *engine_feed_watch(struct engine *e UNUSED, uint64_t seq, uint64_t last, void (*wake)(void *arg),
                                       void *arg)
{
    return feed_watcher_new(hub, seq, last, wake, arg);
}

void engine_feed_unwatch(struct engine *e UNUSED, struct feed_watcher *w)
{
    feed_watcher_free(w);
}
