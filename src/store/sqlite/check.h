/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether a database keeps what the store promises, and what to do where it does not. Reads one
 * snapshot, also beside a running server (from another process), and writes nothing:
 *   the file     its write-ahead log, pages and indexes, tables
 *   the log      every checksum, numbers dense from 1, epochs that never fall, each fact fits those before it
 *   the rest     all tables are again what the store's own append makes of the facts, session by session
 *   receipts     every checksum, and that their session is there
 * Memory stays within one batch of facts and the rows of one session. Text in flight and letters
 * have no checksum: of them only the place is looked at. Damage in the last commit of a log
 * may look like one that was never finished (wal.h).
 */
#include "base/err.h"

struct check_finding {
    struct str session; /* its id; empty: the file as a whole */
    struct str what;    /* one line of UTF-8, as the id is */
    const char *remedy;
};

struct check_options {
    void (*found)(void *arg, const struct check_finding *f);
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* sessions; NULL is fine */
    void *arg;
};

struct check_report {
    uint64_t sessions, facts, bytes, findings;
};

/* 0: all of it was looked at, damage included. Else it could not be: ERR_NOT_FOUND, ERR_VERSION, ERR_LOCKED, … */
NODISCARD int store_check(const char *path, const struct check_options *o, struct check_report *out, struct err *err);
