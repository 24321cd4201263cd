/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How somebody wants to watch: the words of the request, and what they mean. Last-Event-ID wins
 * over ?after=; neither means "from now on". Pure.
 */
#include "engine/hub.h"

#define BATCH_MS_MAX 1000

/* STR_NULL: absent. */
struct watch_words {
    struct str last_event_id, after, message_id, offset, follow, deltas, batch_ms;
};

struct watch_wish {
    struct position at; /* message_id borrows from the words */
    bool follow;        /* never ends by itself */
    bool deltas;        /* text in flight is wanted */
    uint32_t batch_ms;  /* deltas of so long become one; 0: each by itself */
};

/* ERR_BAD_REQUEST names the parameter. */
NODISCARD int watch_wish_parse(const struct watch_words *w, struct watch_wish *out, struct err *err);
/* A cursor of the account feed: Last-Event-ID, else ?since=, else 0, the beginning of what is kept. */
NODISCARD int feed_cursor_parse(struct str last_event_id, struct str since, uint64_t *out, struct err *err);
/* Whether the log holds what comes after the cursor. ERR_BAD_REQUEST: above the newest; ERR_GONE: below the first. */
NODISCARD int cursor_check(const struct position *at, uint64_t first_seq, uint64_t last_seq, struct err *err);
