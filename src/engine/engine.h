/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Live sessions: inputs to the machine, facts to the store, effects to the ports when durable. A
 * session is in memory while it is worked on; a hub while somebody watches. A step's facts are one
 * append; what the step wants done waits in the session's queue until everything decided so far
 * is durable (deltas alone may overtake). A refused append is a crash of that one session: it is
 * dropped, loaded again and fed `recovered`. Loop thread only.
 */
#include "engine/feed_hub.h"
#include "engine/hub.h"
#include "engine/ports.h"
#include "engine/stats.h"
#include "store/store.h"

struct engine;

struct engine_options {
    size_t ring;   /* 0: LIMIT_RING_EVENTS */
    uint64_t node; /* goes into reply addresses */
};

struct engine *engine_new(struct store *st, const struct ports *ports, const struct engine_options *o);
void engine_free(struct engine *e); /* what is still queued is lost, as in a crash; the store decides what that means */

/*
 * Takes up every unfinished session that nobody works on: once before the first request, and now
 * and then as a check (a stuck session is seen and recovered).
 */
void engine_recover(struct engine *e);
bool engine_is_recovered(const struct engine *e); /* the first look has been answered */

/* Copies; decided at once, or when the session has been loaded. The reply comes by ports.reply. */
void engine_submit(struct engine *e, struct str session_id, const struct input *in);

/* Watching: `ready` is called once, later: with a subscriber to be freed by engine_unwatch(), or with an error. */
struct watch {
    struct position at;
    void (*ready)(void *arg, struct subscriber *s, const struct err *err);
    void (*wake)(void *arg);
    void *arg;
};
struct watching; /* handle for cancelling before ready */
struct watching *engine_watch(struct engine *e, struct str session_id, const struct watch *w);
void engine_watch_cancel(struct engine *e, struct watching *w); /* before ready was called */
void engine_unwatch(struct engine *e, struct subscriber *s);

/* The account feed, see feed_hub.h; `last` is what the store has just said. To be freed by engine_feed_unwatch(). */
struct feed_watcher *engine_feed_watch(struct engine *e, uint64_t seq, uint64_t last, void (*wake)(void *arg),
                                       void *arg);
void engine_feed_unwatch(struct engine *e, struct feed_watcher *w);

/* Reads go straight to the store. */
void engine_query(struct engine *e, const struct query *q, query_fn *done, void *arg);

/* What has been shown of a session that is worked on, until the next call; NULL: it is not, or is being loaded. */
const struct session *engine_shown(const struct engine *e, struct str session_id);

/* From the store's callbacks and the ports' promises. */
void engine_on_appended(struct engine *e, const struct appended *done);
void engine_on_opened(struct engine *e, struct opened *o);
void engine_on_feed(struct engine *e, uint64_t newest);
void engine_flush(struct engine *e);
void engine_tick(struct engine *e);

/* Shutdown: no new model call or tool starts, those at work are abandoned; runs go on at the next start. */
void engine_park(struct engine *e);
bool engine_is_idle(const struct engine *e); /* nothing waits for the disk */
