/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An engine with one session, before a store that answers when the test says so. What the engine does is told as one
 * line, in its order:
 *
 *   load store(run_started 2 round_started budget)
 *   model(2.1.0) reply(started run 2)
 *
 * `load` and `look` are questions to the store, `store` an append, the rest are the ports. A watcher's facts are told
 * apart.
 */
#include "engine/engine.h"

#define HOUSE_ENTRIES 16
struct house {
    struct store store;
    struct engine *e;
    int64_t mono;

    /* as it is stored */
    struct session row;
    uint64_t epoch;
    struct facts *log[HOUSE_ENTRIES * 4]; /* one block per append */
    size_t n_log;

    /* on its way */
    struct append appends[HOUSE_ENTRIES]; /* each holds a reference to its facts */
    size_t n_appends;
    struct house_open {
        uint64_t token;
        bool is_other; /* of another session: there is none */
    } opens[HOUSE_ENTRIES];
    size_t n_opens;
    bool broken;       /* the store cannot be read */
    const char *below; /* a session that is at work below this one, as the store says; NULL: none */
    bool is_blind;     /* it cannot say */
    bool is_slow;      /* whether there is a message of some id it says when it is told to: house_found() */
    struct house_look {
        query_fn *done;
        void *arg;
    } looks[HOUSE_ENTRIES];
    size_t n_looks;

    struct subscriber *watcher;
    const struct input *next; /* what is asked for from within the next reply; NULL: nothing */
    struct input timer;       /* the newest that was set */
    int64_t timer_ms;
    int64_t retries; /* alarm of the engine: ms until it wants to look again; -1: none */
    struct buf said;
    struct buf handed, shown; /* facts: to the store, and to the watcher */
};

void house_open(struct house *h);
void house_close(struct house *h);
void house_die(struct house *h);   /* the server is killed, and another begins on the same store */
void house_watch(struct house *h); /* from now on; the session exists */

/* Each tells what happens because of it; the line is borrowed until the next call. */
const char *house_feed(struct house *h, const struct input *in); /* a timer: the newest that was set, when it is due */
const char *house_recover(struct house *h);
const char *house_stored(struct house *h);               /* all appends on their way are */
const char *house_refused(struct house *h);              /* none of them is */
const char *house_found(struct house *h, bool is_taken); /* the oldest question is answered */
const char *house_later(struct house *h);                /* the pause is over that the engine wanted */
