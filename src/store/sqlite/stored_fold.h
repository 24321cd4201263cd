/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The fold of a session as it is stored: its head, where that is whole, and the facts behind it, else the whole log.
 * At rest that is one row; while a run is active it takes some microseconds for each fact of the run. Inside of a
 * reading; *out is what was folded so far also on failure.
 */
#include "store/sqlite/db.h"
#include "store/store.h"

/* `last_seq` is that of the row. ERR_CORRUPT: the log does not add up to a session that reaches it. */
NODISCARD int stored_fold(struct db *db, int64_t sid, struct str id, uint64_t last_seq, struct session *out,
                          struct err *err);
/* ERR_CORRUPT: fact `seq` is not there. */
NODISCARD int stored_fold_has_hole(struct str id, uint64_t seq, uint64_t last_seq, struct err *err);
