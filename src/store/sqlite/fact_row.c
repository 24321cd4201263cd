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

struct fact_row fact_row_of(sqlite3_stmt *st, int column)
{
    return (struct fact_row){.seq = db_u64(st, column + SEQ),
                             .epoch = db_u64(st, column + EPOCH),
                             .at = sqlite3_column_int64(st, column + AT),
                             .crc = db_u64(st, column + CRC),
                             .kind = db_bytes(st, column + KIND),
                             .body = db_bytes(st, column + BODY)};
}

static struct fact header_of(const struct fact_row *row)
{
    return (struct fact){.seq = row->seq, .epoch = row->epoch, .at = row->at};
}

bool fact_row_is_intact(const struct fact_row *row, int64_t sid)
{
    struct fact f = header_of(row);

    return fact_crc(sid, &f, row->kind, row->body) == row->crc;
}

int fact_row_parse(const struct fact_row *row, int64_t sid, struct arena *a, struct fact *out, struct err *err)
{
    struct fact f = header_of(row);

    if (!fact_row_is_intact(row, sid))
        return err_set(err, ERR_CORRUPT, "fact %" PRIu64 ": the stored bytes are damaged", row->seq);
    if (fact_read(fact_kind_find(row->kind), row->body, a, &f, err) < 0) {
        err_wrap(err, "fact %" PRIu64, row->seq);
        err->code = ERR_CORRUPT;
        return -ERR_CORRUPT;
    }
    *out = f;
    return 0;
}

int fact_row_read(sqlite3_stmt *st, int column, int64_t sid, struct str id, struct arena *a, struct fact *out,
                  struct err *err)
{
    struct fact_row row = fact_row_of(st, column);
    int rc;

    row.body = arena_str(a, row.body);
    rc = fact_row_parse(&row, sid, a, out, err);
    return rc < 0 ? err_wrap(err, "session " STR_FMT, STR_ARG(id)) : 0;
}
