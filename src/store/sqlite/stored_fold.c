/* SPDX-License-Identifier: MIT */
#include "store/sqlite/stored_fold.h"

#include "base/str.h"
#include "store/sqlite/crc32c.h"
#include "store/sqlite/fact_row.h"

struct folding {
    struct db *db;
    int64_t sid;
    struct str id;
    uint64_t last_seq;
    struct session *s;
    struct err *err;
};

/* The fold at rest. A damaged one, or one of another version, is left alone: the log has everything. */
static int read_head(struct folding *c)
{
    static const char sql[] = "SELECT crc, body FROM head WHERE sid = ?";
    sqlite3_stmt *st = db_query(c->db, sql, VALUES(V_INT(c->sid)), c->err);
    int rc = st == NULL ? -(int)c->err->code : db_step(c->db, st, c->err);
    struct session head;
    struct str body;

    if (rc <= 0)
        return rc;
    body = db_bytes(st, 1);
    if (crc32c_add(0, body.p, body.n) == db_u64(st, 0) && session_read_head(body, &head) && head.seq <= c->last_seq)
        *c->s = head;
    db_end(st);
    return 0;
}

int stored_fold_has_hole(struct str id, uint64_t seq, uint64_t last_seq, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "session " STR_FMT ": fact %" PRIu64 " is missing, the log should reach %" PRIu64,
                   STR_ARG(id), seq, last_seq);
}

/* The fact comes from the disk: it may be anything that has the right checksum. */
static int fold_one(struct folding *c, const struct fact *f)
{
    const char *why;

    if (f->seq != c->s->seq + 1)
        return stored_fold_has_hole(c->id, c->s->seq + 1, c->last_seq, c->err);
    why = session_refuses(c->s, f);
    if (why != NULL)
        return err_set(c->err, ERR_CORRUPT,
                       "session " STR_FMT ": fact %" PRIu64 ", %s, does not fit what is before it: %s", STR_ARG(c->id),
                       f->seq, fact_kind_name(f->kind), why);
    session_fold(c->s, f);
    return 0;
}

/* From the head, or from nothing. */
static int fold_from(struct folding *c, const struct session *from)
{
    static const char sql[] = "SELECT " FACT_COLUMNS " FROM fact f WHERE f.sid = ? AND f.seq > ? ORDER BY f.seq";
    sqlite3_stmt *st;
    struct arena scratch;
    int rc;

    *c->s = *from;
    st = db_query(c->db, sql, VALUES(V_INT(c->sid), V_INT(from->seq)), c->err);
    rc = st == NULL ? -(int)c->err->code : 1;
    arena_init(&scratch);
    while (rc > 0 && (rc = db_step(c->db, st, c->err)) > 0) {
        struct fact f;

        arena_reset(&scratch);
        rc = fact_row_read(st, 0, c->sid, c->id, &scratch, &f, c->err);
        if (rc == 0)
            rc = fold_one(c, &f);
        if (rc < 0) {
            db_end(st);
            break;
        }
        rc = 1;
    }
    arena_done(&scratch);
    return rc == 0 && c->s->seq != c->last_seq ? stored_fold_has_hole(c->id, c->s->seq + 1, c->last_seq, c->err) : rc;
}

/* Where the log does not go on from the head, the head is what is wrong, unless the log alone says the same. */
int stored_fold(struct db *db, int64_t sid, struct str id, uint64_t last_seq, struct session *out, struct err *err)
{
    struct folding c = {.db = db, .sid = sid, .id = id, .last_seq = last_seq, .s = out, .err = err};
    struct session head, nothing;
    int rc;

    session_init(&nothing);
    *out = nothing;
    rc = read_head(&c);
    if (rc < 0)
        return rc;
    head = *out;
    rc = fold_from(&c, &head);
    if (rc != -ERR_CORRUPT || !session_exists(&head))
        return rc;
    return fold_from(&c, &nothing);
}
