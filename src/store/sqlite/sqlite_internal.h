/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the SQLite store share: the store itself and what travels between its
 * threads. The loop queues appends and partials for the writer, reads for the readers; all of
 * them leave a `struct item` for store_poll(), which hands it out on the loop thread.
 */
#include "base/histogram.h"
#include "base/list.h"
#include "base/map.h"
#include "store/sqlite/data_dir.h"
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

#include <pthread.h>
#include <stdatomic.h>

enum item_kind { ITEM_APPENDED, ITEM_OPENED, ITEM_ANSWER };

struct item {
    struct list link;
    enum item_kind kind;
};

/* An append from the call to its completion; what it points to lies behind it in the same block. */
struct append_item {
    struct item item;
    struct append a;
    struct appended done;
};

/* A reading from the call to its answer. */
struct read_item {
    struct item item;
    struct opened *opened; /* ITEM_OPENED */
    struct str session_id; /* ITEM_OPENED; lies behind */
    struct answer *answer; /* ITEM_ANSWER */
    struct query query;    /* its text lies behind */
    int64_t until_ms;      /* mono; a look into the past is given up then */
    query_fn *done;
    void *arg;
};

/* The newest text in flight of one session that is not written yet. */
struct partial_item {
    struct list link;
    int64_t sid;
    uint64_t epoch;
    struct partial p; /* points into `text` */
    char text[];
};

/* Two threads and what they take from, in the order of arrival; opening a session goes before everything else. */
#define READERS 2

struct sqlite_store {
    struct store store;
    struct data_dir dir;
    bool read_only, was_clean;
    uint64_t writer_number, feed_facts;
    _Atomic int64_t next_sid;

    pthread_mutex_t queue_lock; /* appends, partials, partial_of, stopping */
    pthread_cond_t queue_more;
    struct list appends;    /* append_item */
    struct list partials;   /* partial_item */
    struct map *partial_of; /* by sid */
    bool stopping;
    struct writer *writer; /* NULL: read only */

    pthread_mutex_t read_lock; /* opens, queries, reading, looks_back */
    pthread_cond_t read_more;
    struct list opens, queries; /* read_item */
    bool reading;
    bool looks_back; /* one of the readers is busy with a query of the past */
    unsigned n_readers;
    struct reader *readers[READERS];

    pthread_mutex_t done_lock; /* done, callbacks */
    struct list done;          /* item */
    struct store_callbacks callbacks;

    _Atomic uint64_t feed_newest; /* what the last commit put on the feed ends at this number; the writer sets it */
    uint64_t feed_told;           /* of that, what the loop was told */
    _Atomic uint64_t n_queued;    /* all appends ever given to the writer */
    _Atomic uint64_t n_appends, n_commits, n_refused, n_failed, n_checkpoints, n_reopened;
    struct histogram flush; /* of a commit; the writer adds */
};

/* Moves all of `items` (struct item links) to the answers and tells the owner. Any thread. */
void store_put_done(struct sqlite_store *st, struct list *items);
void item_free(struct item *it);

/* A thread that takes no signal: they belong to the loop. */
NODISCARD int store_start_thread(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err);
