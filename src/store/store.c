/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "base/mem.h"

void store_set_callbacks(struct store *st, const struct store_callbacks *cb)
{
    st->ops->set_callbacks(st, cb);
}

uint64_t store_writer(const struct store *st)
{
    return st->ops->writer(st);
}

bool store_was_clean(const struct store *st)
{
    return st->ops->was_clean(st);
}

void store_open_session(struct store *st, struct str session_id, uint64_t token)
{
    st->ops->open_session(st, session_id, token);
}

/* The owner numbers its facts: dense from `first`, all under the epoch of the append. */
static void check_numbers(const struct append *a)
{
    for (uint32_t i = 0; a->facts != NULL && i < a->facts->n; i++) {
        assert(a->facts->items[i].seq == a->first + i);
        assert(a->facts->items[i].epoch == a->epoch);
    }
    assert(a->epoch != 0 && a->first > 0 && a->state != NULL);
}

void store_append(struct store *st, const struct append *a)
{
    check_numbers(a);
    st->ops->append(st, a);
}

void store_put_partial(struct store *st, int64_t sid, uint64_t epoch, const struct partial *p)
{
    st->ops->put_partial(st, sid, epoch, p);
}

void store_query(struct store *st, const struct query *q, query_fn *done, void *arg)
{
    st->ops->query(st, q, done, arg);
}

void store_poll(struct store *st)
{
    st->ops->poll(st);
}

void store_close(struct store *st)
{
    if (st != NULL)
        st->ops->close(st);
}

struct opened *opened_new(void)
{
    struct opened *o = mem_zalloc(sizeof(*o));

    arena_init(&o->arena);
    session_init(&o->session);
    return o;
}

const struct partial *opened_partial(const struct opened *o)
{
    const struct run_state *r = &o->session.run;
    const struct partial *p = &o->partial;
    bool is_open = r->round_open && p->run == r->number && p->round == r->round && p->gen == r->gen;

    return o->has_partial && is_open ? p : NULL;
}

void opened_free(struct opened *o)
{
    if (o == NULL)
        return;
    facts_unref(o->calls);
    arena_done(&o->arena);
    mem_free(o);
}

void session_row_take_fold(struct session_row *row, const struct session *s)
{
    row->has_fold = true;
    row->limits = s->limits;
    row->spent = session_spent(s);
}

struct answer *answer_new(void)
{
    struct answer *a = mem_zalloc(sizeof(*a));

    arena_init(&a->arena);
    return a;
}

void answer_free(struct answer *a)
{
    if (a == NULL)
        return;
    facts_unref(a->facts);
    arena_done(&a->arena);
    mem_free(a);
}
