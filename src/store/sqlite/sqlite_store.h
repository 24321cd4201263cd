/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The embedded store: one SQLite file (WAL, synchronous=FULL), one writer thread that owns every
 * write and every checkpoint and commits whatever has piled up, two reader threads with read-only
 * connections. A data directory has one owner at a time, by flock on `culm.lock`.
 */
#include "base/histogram.h"
#include "store/store.h"

struct sqlite_options {
    const char *data_dir; /* made (0700) where missing */
    bool read_only;       /* for commands beside no server: takes no lock, runs no writer */
    uint64_t feed_facts;  /* how far the account feed reaches back; 0: LIMIT_FEED_FACTS, which is the most */
};

/* ERR_LOCKED names the process that holds the directory; ERR_VERSION: the file is newer than this culm. */
NODISCARD int sqlite_store_open(const struct sqlite_options *o, struct store **out, struct err *err);

struct sqlite_stats {
    uint64_t appends, refused, failed; /* completed, by outcome */
    uint64_t queued;                   /* not completed yet */
    uint64_t commits, checkpoints;
    uint64_t reopened;              /* connections given up after an I/O error */
    uint64_t file_bytes;            /* database and write-ahead log */
    uint64_t disk_free_bytes;       /* for us, where the file is; 0: the file system does not say */
    struct histogram_reading flush; /* time of a commit */
};
void sqlite_store_stats(const struct store *st, struct sqlite_stats *out); /* any thread */
