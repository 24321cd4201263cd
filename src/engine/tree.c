/* SPDX-License-Identifier: MIT */
/*
 * Stopping a tree. When the stop of a session is stored, whatever has something to do below it is asked to stop too,
 * and who asked is told when that is stored as well: what was acknowledged holds for the whole tree. A stop that died
 * on its way was told to nobody; it is asked for again, and who has stopped already stops no more. Under a key it is
 * then known as stored, and what was at work below when it was is stopped at last; what has begun since has nothing to
 * do with it.
 */
#include "engine/live.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

/* In the token of a reply: it is that of a session below, and goes to the stop of the tree. */
#define BELOW (UINT64_C(1) << 63)

struct tree_stop {
    struct engine *e;
    struct buf top, by, request;
    struct reply reply; /* for who asked, once it is known */
    size_t left;        /* sessions below that have not answered */
};

static void tree_stop_free(struct tree_stop *t)
{
    buf_done(&t->top);
    buf_done(&t->by);
    buf_done(&t->request);
    mem_free(t);
}

void tree_expect_stop(struct engine *e, struct str top, const struct input *in)
{
    struct tree_stop *t = mem_zalloc(sizeof(*t));

    t->e = e;
    buf_add_str(&t->top, top);
    buf_add_str(&t->by, in->by);
    map_put_u64(e->tree_stops, in->from.token, t);
}

static void one_is_over(struct tree_stop *t)
{
    if (--t->left > 0)
        return;
    map_take_u64(t->e->tree_stops, t->reply.to.token);
    t->e->ports.reply(t->e->ports.arg, &t->reply);
    tree_stop_free(t);
}

static void fail(struct tree_stop *t, const struct err *why)
{
    t->reply = (struct reply){.kind = REPLY_UNAVAILABLE, .to = t->reply.to, .err = *why};
}

static void stop_below(struct tree_stop *t, struct str id)
{
    const struct reply_to to = t->reply.to;
    const struct input in = {
        .kind = INPUT_CANCEL, .by = buf_str(&t->by), .from = {.node = to.node, .token = to.token | BELOW}};

    t->left++;
    engine_admit(t->e, id, &in);
}

static void on_busy(void *arg, struct answer *answer)
{
    struct tree_stop *t = arg;

    FAULT_POINT("engine.below");
    if (answer->rc < 0)
        fail(t, &answer->err);
    for (size_t i = 0; i < answer->n; i++)
        stop_below(t, answer->session_ids[i]);
    answer_free(answer);
    one_is_over(t);
}

static void look_below(struct tree_stop *t, const struct reply *r)
{
    struct query q = {.kind = QUERY_BUSY, .session_id = buf_str(&t->top), .before = r->replayed ? r->seq : 0};

    t->reply = *r;
    buf_add_str(&t->request, r->request);
    t->reply.request = buf_str(&t->request);
    t->left = 1; /* the look itself */
    store_query(t->e->store, &q, on_busy, t);
}

bool tree_takes_reply(struct engine *e, const struct reply *r)
{
    struct tree_stop *t = map_find_u64(e->tree_stops, r->to.token & ~BELOW);

    if (t == NULL)
        return false;
    if ((r->to.token & BELOW) != 0) {
        if (r->kind == REPLY_UNAVAILABLE)
            fail(t, &r->err);
        one_is_over(t);
        return true;
    }
    if (r->kind == REPLY_STOPPED) {
        look_below(t, r);
        return true;
    }
    map_take_u64(e->tree_stops, r->to.token);
    tree_stop_free(t);
    return false;
}

void tree_free_all(struct engine *e)
{
    size_t it = 0;
    void *value;

    while (map_next(e->tree_stops, &it, NULL, &value))
        tree_stop_free(value);
}
