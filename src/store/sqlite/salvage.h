/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All that can still be read of a database, page by page, with no tree and no index believed. Facts
 * are known by their checksum; other rows, which have none, by their columns. What was erased is not
 * found again: its bytes were overwritten (but see `lost_commits` of wal.h: an erasure may be among
 * them). Costs about 48 bytes of memory a fact; facts stay in the file and are read when asked for.
 * One thread.
 */
#include "store/sqlite/fact_row.h"
#include "store/sqlite/leaf.h"

/* Where a fact stands. */
struct salvaged_fact {
    int64_t sid;
    uint64_t seq, epoch;
    uint64_t image;
    uint16_t cell;
    bool intact; /* false: the checksum does not fit, or it cannot be parsed */
};

/* The row of a session. */
struct salvaged_session {
    int64_t sid;
    uint64_t last_seq;
    struct str id;
};

struct salvaged_life {
    int64_t writer, started_at;
    bool clean;
    struct str boot;
};

struct salvaged_letter {
    int64_t ord, id, src;
    struct str dst, body;
};

/* Only those whose checksum fits. */
struct salvaged_receipt {
    struct str session;
    struct receipt receipt;
};

struct salvage {
    struct pages pages;
    struct arena arena; /* text of sessions, lives, letters and receipts */
    struct salvaged_fact *facts;
    struct salvaged_session *sessions;
    struct salvaged_life *lives;
    struct salvaged_letter *letters;
    struct salvaged_receipt *receipts;
    size_t n_facts, n_sessions, n_lives, n_letters, n_receipts;
    size_t cap_facts, cap_sessions, cap_lives, cap_letters, cap_receipts;
    uint64_t newest_place; /* on the account feed, of a fact or an erased session; 0: none */
    struct row_bytes row;  /* of the fact read last */
    uint8_t *page;         /* the image in memory */
    uint64_t image;        /* its number */
};

typedef void salvage_progress_fn(void *arg, uint64_t done, uint64_t total); /* pages; NULL is fine */

/*
 * Afterwards facts are sorted by session and number, intact ones first, of those the newest epoch; sessions by number,
 * each once; lives by writer, each once; receipts with the newest first.
 */
NODISCARD int salvage_open(struct salvage *s, const char *path, salvage_progress_fn *progress, void *arg,
                           struct err *err);
void salvage_close(struct salvage *s);
/* Text until the next call. */
NODISCARD int salvage_read(struct salvage *s, const struct salvaged_fact *f, struct fact_row *out, struct err *err);
