/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A session as it was right after one of its facts. Its log up to there is replayed into a database in
 * memory, which is then asked like the real one: what a query shows of the past is what it would have
 * shown then, whatever kinds of facts there are. Takes some microseconds for each fact. On a reader
 * thread, in transactions of its own: facts never change, so no snapshot is held for the whole of it.
 */
#include "store/sqlite/reader.h"

/*
 * The answer of `ask` as of q->at_seq. A number that the log does not have, yet or ever, is `no_such_fact` with the
 * numbers that it has. Outside of a transaction. ERR_NOT_FOUND; ERR_UNAVAILABLE: the store is being closed;
 * ERR_TIMEOUT: it->until_ms has passed, by waiting for the look back before this one too.
 */
NODISCARD int query_past(struct sqlite_store *st, struct db *db, const struct read_item *it, query_answer_fn *ask,
                         struct answer *a, struct err *err);
