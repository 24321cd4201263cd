/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The log, as a port with two implementations (SQLite here, PostgreSQL for several nodes; the
 * simulator has one in memory). An append is a compare-and-swap, all or nothing:
 *   (session, expected epoch, first seq) -> (new epoch, facts, letters, receipt, owner, head)
 * It is refused when the epoch is not the row's or the seq not the next, and idempotent: the same
 * append sent twice is stored once. A key has one receipt: an append with another one for it is
 * refused. A receipt alone may be of a session that is not there (expected epoch 0, no facts), which
 * it does not make. Old ones are forgotten, a few at a time, when another is written. Tables are folded from the facts
 * in the same transaction. Completions and answers arrive on the loop thread, appends of one session in their order:
 * the store calls `notify` (any thread) and the owner calls store_poll() on the loop.
 */
#include "session/query.h"

struct store;

/* A letter to another session: written with the sender's facts, deleted with the receiver's. */
struct letter {
    uint64_t id; /* from sender, seq and index: the same when sent again */
    struct str to;
    struct str body;
};

/* The text of a model call in flight; newest wins, rides along with commits. */
struct partial {
    uint32_t run, round, gen;
    struct str text, reasoning;
};

/* Opening a session: one answer with everything needed to own it. */
struct opened {
    uint64_t token;
    int rc;
    struct err err;
    int64_t sid; /* also for a session that does not exist yet: the number it will have */
    bool found;
    uint64_t epoch;      /* of the row; 0: no row */
    uint64_t owner;      /* writer number, 0: nobody */
    bool ended_in_order; /* the life whose epoch this is (its low 24 bits) marked its end; also when there is no row */
    struct session session;
    bool has_partial;
    struct partial partial;
    struct facts *calls; /* the assistant fact whose calls are not all over; else NULL */
    struct letter *letters;
    size_t n_letters;
    struct arena arena; /* what the views point into */
};

struct append {
    int64_t sid;
    uint64_t token;        /* of the live object; comes back with the completion */
    struct str session_id; /* used when the row does not exist */
    uint64_t expect;       /* epoch the row has; 0: no row yet */
    uint64_t epoch;        /* epoch it gets: (generation << 24) | writer */
    uint64_t owner;        /* 0: released */
    bool unfinished;
    const char *state;            /* session_state_word() of the fold after this step; static */
    bool erase;                   /* remove every trace of the session instead of adding facts */
    uint64_t first;               /* seq of the first fact, also when there is none */
    struct facts *facts;          /* a reference is taken; NULL: a claim or release alone */
    const struct letter *letters; /* copied */
    size_t n_letters;
    const struct receipt *receipt; /* of the request under a key that this step answers; NULL: none. Copied */
    uint64_t consumed;             /* letter folded by this step; 0: none */
    const struct session *head;    /* fold after this step, where the session rests; NULL: keep the old. Copied */
};

struct appended {
    uint64_t token;
    int64_t sid;
    uint64_t epoch, last_seq;
    int rc; /* 0; -ERR_REFUSED: epoch or seq; -ERR_STORAGE: not stored, room or disk */
    struct err err;
};

struct store_callbacks {
    void (*notify)(void *arg); /* any thread: call store_poll() soon */
    void (*on_appended)(void *arg, const struct appended *done);
    void (*on_opened)(void *arg, struct opened *o); /* the receiver calls opened_free() */
    /* The account feed is stored up to this number: before the completions of the same commit. May be NULL. */
    void (*on_feed)(void *arg, uint64_t newest);
    void *arg;
};

struct store_ops {
    void (*set_callbacks)(struct store *st, const struct store_callbacks *cb);
    void (*open_session)(struct store *st, struct str session_id, uint64_t token);
    void (*append)(struct store *st, const struct append *a);
    void (*put_partial)(struct store *st, int64_t sid, uint64_t epoch, const struct partial *p);
    void (*query)(struct store *st, const struct query *q, query_fn *done, void *arg);
    void (*poll)(struct store *st);
    void (*close)(struct store *st);
    uint64_t (*writer)(const struct store *st);
    bool (*was_clean)(const struct store *st);
};

/* An implementation embeds this first. */
struct store {
    const struct store_ops *ops;
};

void store_set_callbacks(struct store *st, const struct store_callbacks *cb); /* before anything else */
uint64_t store_writer(const struct store *st); /* number of this life, never used before; below 2^24 */
bool store_was_clean(const struct store *st);  /* the life before ended in order */
void store_open_session(struct store *st, struct str session_id, uint64_t token);
void store_append(struct store *st, const struct append *a); /* queued; copies what it needs */
void store_put_partial(struct store *st, int64_t sid, uint64_t epoch, const struct partial *p); /* queued, no answer */
void store_query(struct store *st, const struct query *q, query_fn *done, void *arg);
void store_poll(struct store *st);
/* Flushes what is queued, marks the life as ended in order; answers not handed out yet are dropped. NULL is fine. */
void store_close(struct store *st);

struct opened *opened_new(void);
/* The text of the model call that is open; NULL: there is none, or it is of an earlier try. */
const struct partial *opened_partial(const struct opened *o);
void opened_free(struct opened *o);
