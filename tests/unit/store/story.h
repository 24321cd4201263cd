/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One session as an owner would drive it: facts are decided, numbered and folded here, collected
 * into a step, and sent as one append. Texts of facts are literals or live as long as the test.
 */
#include "store/driver.h"

#define STORY_FACTS 64

struct story {
    struct str id;
    int64_t sid;
    uint64_t writer, generation;
    uint64_t row_epoch; /* what the row has; 0: no row */
    uint64_t epoch;     /* 0: nothing claimed yet */
    int64_t now;
    struct session s;
    uint64_t sent_seq; /* of the steps made so far */
    struct fact facts[STORY_FACTS];
    uint32_t n;
    const struct letter *letters; /* of the next step */
    size_t n_letters;
    uint64_t consumed;
    const struct receipt *receipt; /* of the next step; alone it takes a new epoch, as owners do */
    bool no_head;
};

/* Opens the session (which may not exist) and takes what the store says. */
void story_open(struct story *t, struct driver *d, struct str id);

void story_add(struct story *t, struct fact f);
void story_create(struct story *t, struct str title, struct str system);
void story_post(struct story *t, struct str message_id, struct str text);
void story_run(struct story *t, struct str run_id);
void story_round(struct story *t); /* admits the whole inbox */
void story_answer(struct story *t, struct str message_id, struct str text, const struct call *calls, size_t n);
void story_call(struct story *t, uint32_t index); /* of the last answer */
void story_result(struct story *t, uint32_t index, struct str id, struct str text);
void story_end(struct story *t, enum run_end end);

/* The facts collected so far as an append; facts_unref(a.facts) is the caller's. */
struct append story_step(struct story *t);
int story_commit(struct story *t, struct driver *d); /* step, send, wait; the rc */
void story_send(struct story *t, struct driver *d);  /* step, send */
/* A whole turn in the three appends it takes. */
void story_turn(struct story *t, struct driver *d, struct str text, struct str answer);
