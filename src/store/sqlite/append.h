/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One append inside the writer's transaction: the check of epoch and seq, then facts, letters,
 * head and tables. The check comes before the first write, so a refused append writes nothing and
 * needs no savepoint.
 */
#include "base/buf.h"
#include "store/sqlite/db.h"
#include "store/sqlite/fact_row.h"

struct append_scratch {
    struct buf body; /* of one fact or head */
    size_t bytes;    /* of bodies written; the caller clears it */
    uint64_t pos;    /* place given last, to a fact or to an erasure: it only rises, also over what was undone */
    uint64_t told;   /* the last of them that the feed tells of; 0: none. The caller clears it */
};

/*
 * 0: applied, or found to be there already; -ERR_REFUSED: nothing was written; anything else: the transaction is of no
 * use any more.
 */
NODISCARD int append_apply(struct db *db, const struct append *a, struct append_scratch *scratch, struct err *err);
/* The same with the words and bytes that the facts have in another file, one row each: nothing is written anew. */
NODISCARD int append_rows(struct db *db, const struct append *a, const struct fact_row *rows,
                          struct append_scratch *scratch, struct err *err);
/* Text in flight, if the row still has this epoch. */
NODISCARD int append_partial(struct db *db, int64_t sid, uint64_t epoch, const struct partial *p, struct err *err);
