/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The event stream of one watcher. It pulls: as long as the socket has room it takes the next
 * event of its subscriber, from the ring or, behind that, from the log; so a slow reader costs
 * nobody anything, and nothing is queued here. Owned by the face until it ends or the client
 * leaves.
 */
#include "face/cursor.h"
#include "face/exchange.h"

#define FIRST_SEQ 1 /* the log is kept whole for as long as the session lives */

struct event_stream;

/* Not open yet: it waits for the session to be found. */
struct event_stream *event_stream_new(struct exchange *x, const struct watch_wish *wish);
struct exchange *event_stream_exchange(const struct event_stream *s); /* the request, until it is open */
/*
 * Sends the headers and the first frame; takes the subscriber over. The exchange is gone
 * afterwards, the stream too if the client has left.
 */
void event_stream_open(struct event_stream *s, struct subscriber *sub);
void event_stream_wake(void *stream); /* for struct watch */
void event_stream_free(struct event_stream *s);
