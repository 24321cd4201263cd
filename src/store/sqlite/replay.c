/* SPDX-License-Identifier: MIT */
#include "store/sqlite/replay.h"

#include "base/mem.h"
#include "base/str.h"

#define BATCH_FACTS 256
#define BATCH_BYTES (1024 * 1024)

struct replay {
    struct db *to;
    bool forgets_facts;
    int64_t sid;
    struct buf id;
    struct session s;
    uint64_t epoch;     /* of the newest fact */
    uint64_t row_epoch; /* of the row; 0: not there yet */
    uint64_t appended;  /* facts that are */
    struct fact facts[BATCH_FACTS];
    struct fact_row rows[BATCH_FACTS];
    uint32_t n;
    size_t bytes;
    struct arena arena; /* of the batch */
    struct append_scratch scratch;
};

struct replay *replay_new(struct db *to, bool forgets_facts)
{
    struct replay *r = mem_zalloc(sizeof(*r));

    r->to = to;
    r->forgets_facts = forgets_facts;
    arena_init(&r->arena);
    return r;
}

void replay_free(struct replay *r)
{
    if (r == NULL)
        return;
    arena_done(&r->arena);
    buf_done(&r->id);
    buf_done(&r->scratch.body);
    mem_free(r);
}

static void empty_batch(struct replay *r)
{
    r->n = 0;
    r->bytes = 0;
    arena_reset(&r->arena);
}

void replay_begin(struct replay *r, int64_t sid, struct str id)
{
    r->sid = sid;
    buf_clear(&r->id);
    buf_add_str(&r->id, id);
    session_init(&r->s);
    r->epoch = r->row_epoch = r->appended = 0;
    empty_batch(r);
}

/* What the row says of it besides its facts. */
static struct append append_of(const struct replay *r, uint64_t epoch)
{
    return (struct append){.sid = r->sid,
                           .session_id = buf_str(&r->id),
                           .expect = r->row_epoch,
                           .epoch = epoch,
                           .unfinished = session_is_unfinished(&r->s),
                           .state = session_state_word(&r->s),
                           .first = r->appended + 1};
}

static int append(struct replay *r, const struct append *a, const struct fact_row *rows, struct err *err)
{
    static const char forget[] = "DELETE FROM fact";
    int rc = append_rows(r->to, a, rows, &r->scratch, err);

    if (rc == 0 && r->forgets_facts)
        rc = db_run(r->to, forget, NO_VALUES, err);
    if (rc < 0)
        return rc;
    r->row_epoch = a->epoch;
    r->appended += a->facts == NULL ? 0 : a->facts->n;
    return 0;
}

static int flush(struct replay *r, struct err *err)
{
    struct facts facts = {.refs = 1, .n = r->n, .items = r->facts};
    struct append a = append_of(r, r->epoch);
    int rc;

    if (r->n == 0)
        return 0;
    a.facts = &facts;
    rc = append(r, &a, r->rows, err);
    empty_batch(r);
    return rc;
}

static int does_not_fit(const struct fact_row *row, const char *why, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "fact %" PRIu64 " (" STR_FMT ") does not fit what is before it: %s", row->seq,
                   STR_ARG(row->kind), why);
}

int replay_add(struct replay *r, const struct fact_row *row, const struct fact **out, struct err *err)
{
    struct fact *f;
    const char *why;
    int rc = 0;

    if (r->n == BATCH_FACTS || (r->n > 0 && r->bytes + row->body.n > BATCH_BYTES))
        rc = flush(r, err);
    if (rc < 0)
        return rc;
    f = &r->facts[r->n];
    r->rows[r->n] = *row;
    r->rows[r->n].kind = arena_str(&r->arena, row->kind);
    r->rows[r->n].body = arena_str(&r->arena, row->body);
    rc = fact_row_parse(&r->rows[r->n], r->sid, &r->arena, f, err);
    if (rc < 0)
        return rc;
    why = row->epoch < r->epoch || row->epoch == 0 ? "its epoch falls" : session_refuses(&r->s, f);
    if (why != NULL)
        return does_not_fit(row, why, err);
    session_fold(&r->s, f);
    r->epoch = f->epoch;
    r->bytes += row->body.n;
    r->n++;
    if (out != NULL)
        *out = f;
    return 0;
}

int replay_add_own(struct replay *r, struct facts *facts, uint64_t epoch, struct err *err)
{
    struct append a;
    int rc = flush(r, err);

    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < facts->n; i++) {
        facts->items[i].epoch = epoch;
        session_fold(&r->s, &facts->items[i]);
    }
    r->epoch = epoch;
    a = append_of(r, epoch);
    a.facts = facts;
    return append(r, &a, NULL, err);
}

int replay_end(struct replay *r, uint64_t epoch, uint64_t owner, struct err *err)
{
    int rc = flush(r, err);
    struct append a;

    if (rc < 0 || r->row_epoch == 0)
        return rc;
    a = append_of(r, epoch > r->epoch ? epoch : r->epoch);
    a.owner = owner;
    a.head = a.unfinished ? NULL : &r->s;
    return append(r, &a, NULL, err);
}

const struct session *replay_session(const struct replay *r)
{
    return &r->s;
}

uint64_t replay_epoch(const struct replay *r)
{
    return r->epoch;
}
