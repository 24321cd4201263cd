/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The account feed in the file: the facts by their place of arrival, and one small table for what no
 * fact tells. A place is given once and never again, also when what stood there was erased. How far
 * the feed reaches back is counted in places, so nothing has to be removed for it.
 */
#include "store/sqlite/db.h"
#include "store/store.h"

/* The highest place that was ever given; 0: none. */
NODISCARD int feed_newest(struct db *db, uint64_t *pos, struct err *err);
/* Before the session's row goes: its id stays, under this place. Drops a few of those that the feed does not reach. */
NODISCARD int feed_put_erased(struct db *db, uint64_t pos, int64_t at, int64_t sid, struct err *err);
/* The feed begins behind this place: for a file whose facts do not stand in the order of their arrival. */
NODISCARD int feed_put_mark(struct db *db, uint64_t pos, int64_t at, struct err *err);
/* QUERY_FEED, on a reader; `reach` is how many places back. */
NODISCARD int feed_query(struct db *db, const struct query *q, uint64_t reach, struct answer *a, struct err *err);
