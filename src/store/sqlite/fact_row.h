/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A fact as a row. Its CRC-32C covers everything but the place in the file: (sid, seq, epoch, at,
 * kind, body). It is checked at every read; a row that does not fit is ERR_CORRUPT with the number
 * of the fact.
 */
#include "store/sqlite/db.h"
#include "store/store.h"

#define FACT_COLUMNS "f.seq, f.epoch, f.at, f.kind, f.crc, f.body"
#define FACT_N_COLUMNS 6

/* What stands in the file, believed or not. The text is borrowed. */
struct fact_row {
    uint64_t seq, epoch;
    int64_t at;
    uint64_t crc; /* all of the column: what is above 32 bits is damage too */
    struct str kind, body;
};

uint32_t fact_crc(int64_t sid, const struct fact *f, struct str kind, struct str body);
/* The row's columns begin at `column`; text until the next step. */
struct fact_row fact_row_of(sqlite3_stmt *st, int column);
bool fact_row_is_intact(const struct fact_row *row, int64_t sid);
/* The fact that it is; strings live in the row or in the arena. */
NODISCARD int fact_row_parse(const struct fact_row *row, int64_t sid, struct arena *a, struct fact *out,
                             struct err *err);
/* Both, with the body copied into the arena; `id` is for messages. */
NODISCARD int fact_row_read(sqlite3_stmt *st, int column, int64_t sid, struct str id, struct arena *a, struct fact *out,
                            struct err *err);
/* How many bytes the body has; without reading it. */
size_t fact_row_bytes(sqlite3_stmt *st, int column);
