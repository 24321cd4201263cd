/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A receipt as a row, under the name of its session. Its CRC-32C covers everything but the place in
 * the file and is checked at every read.
 */
#include "store/sqlite/db.h"
#include "store/store.h"

uint32_t receipt_crc(struct str session, const struct receipt *r);
/* 1: the key has none yet; 0: it has this very one; -ERR_REFUSED: another. */
NODISCARD int receipt_row_compare(struct db *db, struct str session, const struct receipt *r, struct err *err);
NODISCARD int receipt_row_put(struct db *db, struct str session, const struct receipt *r, struct err *err);
/* A few of those that nobody is told of any more, as seen at `at`: no write pays for many. */
NODISCARD int receipt_row_forget(struct db *db, int64_t at, struct err *err);

/* For a reader: the answer of QUERY_RECEIPT. ERR_CORRUPT: it is damaged. */
NODISCARD int query_receipt(struct db *db, const struct query *q, struct answer *a, struct err *err);
