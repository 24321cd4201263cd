/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One session, many watchers. The publisher never waits: a watcher is a cursor into a ring of at
 * most `capacity` events and LIMIT_PAGE_BYTES (one event at least) and reads the log when it fell
 * out. The hub keeps the fold of what it has published and the text of the message in flight, so
 * that whoever arrives, whenever, can be given exactly what he lacks. It outlives runs, resets and
 * take-overs; it ends with its last watcher. Owned by the loop thread. An idle watcher costs its own
 * struct and no ring.
 */
#include "session/input.h"

struct hub;
struct subscriber;

/*
 * A watcher's position: all facts up to `after`, and of message `message_id` that much text. Who has any of it has had
 * the reasoning; who has none gets all of that anew.
 */
struct position {
    bool has_cursor; /* false: from the snapshot on */
    uint64_t after;
    struct str message_id; /* may be empty */
    uint64_t offset;
};

enum event_kind { EVENT_FACT, EVENT_DELTA };

/* Borrowed until the next call on the hub. */
struct event {
    enum event_kind kind;
    const struct fact *fact;
    int channel; /* delta: enum delta_channel */
    const char *message_id;
    uint64_t offset; /* bytes of this channel before the piece */
    struct str text;
    struct buf *frame; /* where its encoded form may be kept for the next watcher; NULL: made for this one alone */
};

enum hub_next { HUB_EVENT, HUB_EMPTY, HUB_BEHIND, HUB_END };

struct hub *hub_new(struct str session_id, size_t capacity);
void hub_free(struct hub *h); /* NULL is fine; subscribers see HUB_END */

/*
 * Feeding, by whoever knows: the engine, a snapshot of the store, one day a link to another node.
 * What is older than the hub knows is ignored; false: there is a gap (or no fold yet), so the hub
 * waits for a snapshot that is at least as new as what it was fed.
 */
bool hub_is_ready(const struct hub *h);
bool hub_set_snapshot(struct hub *h, const struct session *published, struct str text, struct str reasoning);
bool hub_publish(struct hub *h, struct facts *facts);
void hub_publish_delta(struct hub *h, uint32_t run, uint32_t round, uint32_t gen, int channel, uint64_t offset,
                       struct str piece);
/* True once after something was published: wake the subscribers with hub_wake(). */
bool hub_take_dirty(struct hub *h);
void hub_wake(struct hub *h);
const struct session *hub_session(const struct hub *h); /* the fold of what was published; ready hubs only */
struct str hub_session_id(const struct hub *h);
size_t hub_subscribers(const struct hub *h);

/* Watching. `wake` is called when there may be something new; never from within subscriber_next(). */
struct subscriber *subscriber_new(struct hub *h, const struct position *at, void (*wake)(void *arg), void *arg);
void subscriber_free(struct subscriber *s);
struct hub *subscriber_hub(const struct subscriber *s); /* NULL: the session is gone */
uint64_t subscriber_seq(const struct subscriber *s);    /* the last fact handed out */

/*
 * EVENT: *out is next. BEHIND: read facts seq..upto from the log and hand each to
 * subscriber_take(). EMPTY: nothing yet. END: the session is gone.
 */
NODISCARD enum hub_next subscriber_next(struct subscriber *s, struct event *out, uint64_t *seq, uint64_t *upto);
/*
 * A fact read from the log. First call this until it returns false: true means *out holds what
 * comes before the fact (text of the message that this watcher has only part of). Then the fact
 * itself may be shown, unless session_is_newest() says that it is outdated.
 */
NODISCARD bool subscriber_take(struct subscriber *s, const struct fact *f, struct event *out);
