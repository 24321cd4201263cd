/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The account feed and its watchers. The publisher never waits: it tells a number or a session, and
 * the hub reads what is new from the store, once for all watchers, into a ring of at most
 * `capacity` events; who fell out of it reads by himself. The state of a session that changed is
 * told as it is then, at most once in LIMIT_STATE_MS and the last one always, and never before the
 * events that led to it. Pure: it says what it wants to ask and when. Without watchers it does and
 * holds nothing. Owned by the loop thread.
 */
#include "session/query.h"

struct feed_hub;
struct feed_watcher;

/* `wants` is called when there may be something to ask or somebody to wake: do all of "serving" soon, not from there.
 */
struct feed_hub *feed_hub_new(size_t capacity, void (*wants)(void *arg), void *arg);
void feed_hub_free(struct feed_hub *h); /* NULL is fine; its watchers are gone */
size_t feed_hub_watchers(const struct feed_hub *h);

/* What happened. */
void feed_hub_set_newest(struct feed_hub *h, uint64_t newest); /* the store has events up to this number */
void feed_hub_touch(struct feed_hub *h, struct str session_id);
void feed_hub_forget(struct feed_hub *h, struct str session_id); /* it was erased */

/* Serving. True: ask the store (QUERY_FEED, QUERY_SESSION) and hand the answer over, good or bad; it becomes the hub's.
 */
NODISCARD bool feed_hub_wants_page(struct feed_hub *h, uint64_t *after);
void feed_hub_take_page(struct feed_hub *h, struct answer *a);
NODISCARD bool feed_hub_wants_state(struct feed_hub *h, int64_t mono_ms, struct str *session_id);
void feed_hub_take_state(struct feed_hub *h, struct answer *a);
void feed_hub_wake(struct feed_hub *h);         /* those who wait, if there is something new */
int64_t feed_hub_due(const struct feed_hub *h); /* mono ms: when to serve again of its own accord; -1: never */

/* Watching: everything after `seq`, which is not above `last`, the newest number as the store has just told it. */
struct feed_watcher *feed_watcher_new(struct feed_hub *h, uint64_t seq, uint64_t last, void (*wake)(void *arg),
                                      void *arg);
void feed_watcher_free(struct feed_watcher *w);          /* NULL is fine */
uint64_t feed_watcher_seq(const struct feed_watcher *w); /* everything up to here was handed out or skipped */
void feed_watcher_skip(struct feed_watcher *w, uint64_t seq);

/* Borrowed until the next call on the hub. One of `row` and `session`; none where the frame is there already. */
struct feed_item {
    const struct feed_row *row;
    const struct session_row *session;
    struct buf *frame; /* where its encoded form is kept for the next watcher */
};

/*
 * ITEM: *out is next. BEHIND: read what follows feed_watcher_seq() from the store, and skip to where the page ends.
 * EMPTY: nothing yet. END: the feed cannot be read now.
 */
enum feed_next { FEED_ITEM, FEED_BEHIND, FEED_EMPTY, FEED_END };
NODISCARD enum feed_next feed_watcher_next(struct feed_watcher *w, struct feed_item *out);
