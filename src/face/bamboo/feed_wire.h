/* SPDX-License-Identifier: MIT */
#pragma once
/* Frames of the account feed: {"seq","ts","session_id","event":{…}}, and its notices, which have no number. Pure. */
#include "base/buf.h"
#include "session/query.h"

/* What an event is on the feed is what it is on its session's stream, but for the rows of a table in feed_wire.c. */
void feed_frame_event(const struct feed_row *row, struct buf *out);
/* The session as it is now: as an item of the list of sessions. */
void feed_frame_state(const struct session_row *s, struct buf *out);
/* What followed `from_seq` is not kept any more; live events follow. */
void feed_frame_reset(uint64_t from_seq, struct buf *out);
