/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The states of sessions that changed, for the account feed: which to ask for and when, and what was
 * told last of each. Each telling has a version, one higher than the one before; a watcher is the
 * version up to which it was told. Of a session only the newest is kept, as long as somebody has
 * not seen it; who is slow costs a name for each session that changed meanwhile. Part of the feed's hub.
 */
#include "session/query.h"

struct feed_states;

struct feed_states *feed_states_new(void);
void feed_states_free(struct feed_states *f);
void feed_states_clear(struct feed_states *f); /* nobody watches any more; an answer on its way is dropped */

/* It changed; not to be told before the events up to `after`. */
void feed_states_touch(struct feed_states *f, struct str session_id, uint64_t after);
void feed_states_forget(struct feed_states *f, struct str session_id);

/* The next session to ask for, where events have been read up to `head`; one at a time. The name until the answer. */
NODISCARD bool feed_states_ask(struct feed_states *f, uint64_t head, int64_t mono_ms, struct str *session_id);
/* The answer becomes ours. True: there is something new to tell. */
bool feed_states_take(struct feed_states *f, struct answer *a);
int64_t feed_states_due(const struct feed_states *f); /* mono ms of the next look; -1: none */

uint64_t feed_states_version(const struct feed_states *f); /* the newest */
/* What follows *version, which moves. One of *row and a frame that was made before; false: nothing. */
NODISCARD bool feed_states_next(struct feed_states *f, uint64_t *version, const struct session_row **row,
                                struct buf **frame);
bool feed_states_want(const struct feed_states *f); /* there is something to ask for */
/* Everybody was told up to this version. */
void feed_states_seen(struct feed_states *f, uint64_t version);
