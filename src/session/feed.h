/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The account feed: what happens in all sessions, in the order in which it was stored, under numbers
 * of its own that rise strictly and may skip. It is the log itself, read by place of arrival instead
 * of by session: a fact with a row below stands on the feed, and nothing is stored twice. A fact may
 * be several events; each has its part of the fact's range of numbers. Any thread.
 */
#include "session/fact.h"

#define FEED_PARTS 4 /* numbers of one place; cursors that clients hold depend on it */

/* X(event, stored kind of its fact, part, when): a new row may not change the part of another. */
#define FEED_EVENTS(X)                                                                                                 \
    X(SESSION_CREATED, SESSION_CREATED, 0, feed_always)                                                                \
    X(TITLE_UPDATED, SESSION_UPDATED, 0, feed_sets_title)                                                              \
    X(PINNED_UPDATED, SESSION_UPDATED, 1, feed_sets_pinned)                                                            \
    X(MODEL_UPDATED, SESSION_UPDATED, 2, feed_sets_model)                                                              \
    X(MESSAGE_POSTED, MESSAGE_POSTED, 0, feed_always)                                                                  \
    X(MESSAGE_EDITED, MESSAGE_EDITED, 0, feed_always)                                                                  \
    X(MESSAGES_REMOVED, MESSAGES_REMOVED, 0, feed_always)                                                              \
    X(SESSION_CLEARED, MESSAGES_REMOVED, 1, feed_clears)                                                               \
    X(RUN_STARTED, RUN_STARTED, 0, feed_always)                                                                        \
    X(ASSISTANT, ASSISTANT, 0, feed_always)                                                                            \
    X(BUDGET_EXCEEDED, BUDGET_EXCEEDED, 0, feed_always)                                                                \
    X(QUESTION_ASKED, QUESTION_ASKED, 0, feed_always)                                                                  \
    X(QUESTION_CLOSED, QUESTION_CLOSED, 0, feed_always)                                                                \
    X(RUN_ENDED, RUN_ENDED, 0, feed_always)                                                                            \
    X(HISTORY_COMMITTED, RUN_ENDED, 1, feed_always)

enum feed_event {
#define X(event, kind, part, when) FEED_##event,
    FEED_EVENTS(X)
#undef X
        FEED_EVENT_COUNT,
    FEED_SESSION_DELETED = FEED_EVENT_COUNT, /* no fact is left that could say it */
    FEED_UNREADABLE,                         /* the fact is damaged; what it was cannot be told */
};

struct feed_part {
    enum feed_event event;
    unsigned part;
};

bool feed_has(enum fact_kind kind); /* it may stand on the feed */
/* The events of a fact in the order of their parts; how many. */
unsigned feed_parts(const struct fact *f, struct feed_part out[FEED_PARTS]);

/* Places count from 1, and so do numbers; 0 is before everything. */
static inline uint64_t feed_number(uint64_t place, unsigned part)
{
    return (place - 1) * FEED_PARTS + part + 1;
}

/* The highest number up to and with this place. */
static inline uint64_t feed_last(uint64_t place)
{
    return place * FEED_PARTS;
}

/* The last place that has no number above `seq`. */
static inline uint64_t feed_passed(uint64_t seq)
{
    return seq / FEED_PARTS;
}
