/* SPDX-License-Identifier: MIT */
#include "store/sqlite/fact_row.h"

#include "store/sqlite/crc32c.h"

enum { SEQ, EPOCH, AT, KIND, CRC, BODY };

uint32_t fact_crc(int64_t sid, const struct fact *f, struct str kind, struct str body)
{
    uint32_t crc = crc32c_add_u64(0, (uint64_t)sid);

    crc = crc32c_add_u64(crc, f->seq);
    crc = crc32c_add_u64(crc, f->epoch);
    crc = crc32c_add_u64(crc, (uint64_t)f->at);
    crc = crc32c_add(crc, kind.p, kind.n);
    return crc32c_add(crc, body.p, body.n);
}

size_t fact_row_bytes(sqlite3_stmt *st, int column)
{
    return (size_t)sqlite3_column_bytes(st, column + BODY);
}

int fact_row_read(sqlite3_stmt *st, int column, int64_t sid, struct str id, struct arena *a, struct fact *out,
                  struct err *err)
{
    struct str kind = db_bytes(st, column + KIND);
    struct str body = arena_str(a, db_bytes(st, column + BODY));
    struct fact f = {.seq = db_u64(st, column + SEQ),
                     .epoch = db_u64(st, column + EPOCH),
                     .at = sqlite3_column_int64(st, column + AT)};

    if (fact_crc(sid, &f, kind, body) != db_u32(st, column + CRC))
        return err_set(err, ERR_CORRUPT, "session " STR_FMT ", fact %" PRIu64 ": the stored bytes are damaged",
                       STR_ARG(id), f.seq);
    if (fact_read(fact_kind_find(kind), body, a, &f, err) < 0) {
        err_wrap(err, "session " STR_FMT ", fact %" PRIu64, STR_ARG(id), f.seq);
        err->code = ERR_CORRUPT;
        return -ERR_CORRUPT;
    }
    *out = f;
    return 0;
}
