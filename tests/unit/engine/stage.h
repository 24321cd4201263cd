/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A hub with its log beside it, and watchers that tell what they are given as one line:
 *
 *   5:budget 'Hel'@0 think'hm'@0 7:assistant empty
 *
 * A number and a kind is a fact, quoted text a piece of the message in flight with its offset. A line ends with
 * `empty`, `end` or `behind 3..9`. What a watcher was given is also kept whole and checked: facts in order and once,
 * no hole in a text, and a finished message that is what was shown of it.
 */
#include "engine/hub.h"

#define STAGE_FACTS 20000
struct stage {
    struct hub *hub;
    struct facts *log[STAGE_FACTS]; /* one fact each; seq - 1 is its place */
    size_t n;
    struct session fold;
    struct buf text, reasoning; /* of the message in flight */
    bool unfed;                 /* facts and pieces do not reach the hub for now */
};

void stage_open(struct stage *st, size_t capacity);  /* a hub that knows nothing */
void stage_begin(struct stage *st, size_t capacity); /* in the first model call of run 1: four facts, snapshot there */
void stage_close(struct stage *st);

void stage_fact(struct stage *st, struct fact f); /* numbered, logged, published */
void stage_facts(struct stage *st, size_t n);     /* n budget facts: they change nothing */
void stage_piece(struct stage *st, const char *piece);
void stage_think(struct stage *st, const char *piece);
void stage_answer(struct stage *st); /* the message in flight is finished as it is */
void stage_fail(struct stage *st);   /* it is void; the next try begins */
void stage_round(struct stage *st);
void stage_message_id(const struct stage *st, char out[ID_TEXT]); /* of the message in flight */
bool stage_snapshot(struct stage *st);                            /* of everything logged, with the text in flight */

struct watcher {
    struct subscriber *s;
    struct stage *stage;
    struct buf said;
    uint64_t seq;          /* last fact it was given */
    char message[ID_TEXT]; /* of which it has text */
    bool from_middle;      /* the test let it begin inside that message: its text is not whole */
    bool thoughtless; /* it came with a cursor into the text, which counts no reasoning: that message brings none */
    struct buf text, reasoning;
    unsigned wakes;
    uint64_t behind, upto; /* the last BEHIND */
};

void watcher_join(struct watcher *w, struct stage *st); /* without a cursor */
void watcher_join_after(struct watcher *w, struct stage *st, uint64_t after, struct str message, uint64_t offset);
void watcher_leave(struct watcher *w);
void watcher_rejoin(struct watcher *w); /* leaves and comes back with its own position */
void watcher_done(struct watcher *w);

const char *watcher_pump(struct watcher *w);                /* until EMPTY, BEHIND or END */
const char *watcher_page(struct watcher *w, uint64_t upto); /* from the log, from where it is */
void watcher_catch_up(struct watcher *w);                   /* pumps and pages until EMPTY */

size_t heap_bytes(void); /* in use now; coarse without a sanitizer */
