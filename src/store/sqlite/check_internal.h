/* SPDX-License-Identifier: MIT */
#pragma once
/* What the parts of a check share. */
#include "base/buf.h"
#include "store/sqlite/check.h"
#include "store/sqlite/replay.h"
#include "store/sqlite/visit.h"

#define WRITER_MASK 0xffffff /* the low bits of an epoch are the number of a life */

/* X(remedy, text) */
#define REMEDIES(X)                                                                                                    \
    X(REBUILD, "`culm db repair FILE` builds it anew from the log")                                                    \
    X(SALVAGE, "restore a snapshot, or `culm db repair FILE` keeps what comes before the damage")                      \
    X(READABLE, "restore a snapshot, or `culm db repair FILE` keeps what can be read")                                 \
    X(LAST_COMMITS, "start no server on it; restore a snapshot, or `culm db repair FILE` keeps what came before")      \
    X(RECEIPT, "its key is answered with an error; `culm db repair FILE` lets go of it")                               \
    X(UNHARMED, "nothing is lost, the log has everything; `culm db repair FILE` builds it anew")

enum remedy {
#define X(remedy, text) REMEDY_##remedy,
    REMEDIES(X)
#undef X
};

struct checker {
    const struct check_options *o;
    struct check_report *report;
    struct visit visit;
    struct db scratch; /* what the facts of one session add up to */
    struct replay *replay;
    uint64_t last_writer; /* of the table of lives */
    struct buf session;   /* id of the one at hand; empty: the file */
    uint32_t said;        /* findings of it */
    struct err *err;
};

/* One finding of the session at hand, or of the file. */
void check_found(struct checker *c, enum remedy remedy, const char *fmt, ...) PRINTF(3, 4);
/* A failure to read that is damage becomes a finding (`what` says where) and 0; others stay. */
NODISCARD int check_take_damage(struct checker *c, int rc, enum remedy remedy, const char *what);

/* What is found from here on is of this session; STR_NULL: of the file. Nothing happens where it is the same. */
void check_change_session(struct checker *c, struct str id);

/* check_receipts.c */
NODISCARD int check_receipts(struct checker *c);

/* check_file.c */
NODISCARD int check_log_of_writes(struct checker *c, const char *path);
NODISCARD int check_structure(struct checker *c);
NODISCARD int check_pages(struct checker *c);
NODISCARD int check_lives(struct checker *c);
NODISCARD int check_orphans(struct checker *c);
NODISCARD int check_feed(struct checker *c);

/* check_tables.c: the rows of the session in both databases; those in the scratch are taken out. */
NODISCARD int check_tables(struct checker *c, int64_t sid);
NODISCARD int check_clear_scratch(struct checker *c);
