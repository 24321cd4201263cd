/* SPDX-License-Identifier: MIT */
/*
 * Stopping a tree. When the stop of a session is stored, whatever has something to do below it is asked to stop too,
 * and who asked is told when that is stored as well: what was acknowledged holds for the whole tree. Where the session
 * itself is at rest, what is below it is stopped first: whether there was anything is then part of its reply, and of
 * the receipt of that. A stop that died on its way was told to nobody; it is asked for again, and who has stopped
 * already stops no more. Under a key it is then known as stored, and what was at work below when it was is stopped at
 * last; what has begun since has nothing to do with it.
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
    struct buf first;   /* encoded: the input that waits until what is below has been stopped; else empty */
    bool has_stopped;   /* something below */
    struct reply reply; /* for who asked, once it is known */
    size_t left;        /* sessions below that have not answered */
};

static void tree_stop_free(struct tree_stop *t)
{
    buf_done(&t->top);
    buf_done(&t->by);
    buf_done(&t->request);
    buf_done(&t->first);
    mem_free(t);
}

bool tree_concerns(const struct input *in)
{
    return in->kind == INPUT_CANCEL && in->run_id.n == 0 && in->from.token != 0;
}

void tree_expect_stop(struct engine *e, struct str top, const struct input *in)
{
    struct tree_stop *t = mem_zalloc(sizeof(*t));

    t->e = e;
    buf_add_str(&t->top, top);
    buf_add_str(&t->by, in->by);
    map_put_u64(e->tree_stops, in->from.token, t);
}

/* All that was at work below has been stopped: now the session. The reply may be told, and `t` be gone, in here. */
static void go_on(struct tree_stop *t)
{
    CLEANUP(buf_done) struct buf id = BUF_INIT, bytes = t->first;
    const struct reply below = t->reply;
    struct engine *e = t->e;
    struct arena arena;
    struct input in;

    t->first = BUF_INIT;
    arena_init(&arena);
    buf_add_str(&id, buf_str(&t->top));
    live_read_input(buf_str(&bytes), &arena, &in);
    in.stopped_below = t->has_stopped;
    if (below.kind == REPLY_UNAVAILABLE)
        live_refuse(e, &in, &below.err);
    else
        engine_admit(e, buf_str(&id), &in);
    arena_done(&arena);
}

static void one_is_over(struct tree_stop *t)
{
    if (--t->left > 0)
        return;
    if (t->first.n > 0) {
        go_on(t);
        return;
    }
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

/* What had something to do when fact `before` of the session above was stored; 0: what has now. */
static void look_below(struct tree_stop *t, uint64_t before)
{
    struct query q = {.kind = QUERY_BUSY, .session_id = buf_str(&t->top), .before = before};

    t->left = 1; /* the look itself */
    store_query(t->e->store, &q, on_busy, t);
}

/* As its machine knows it, which decides on this very input then. */
static bool is_at_work(const struct engine *e, struct str id)
{
    const struct live *l = map_find(e->lives, id);

    return l != NULL && l->state == LIVE_READY && session_is_at_work(&l->m.s);
}

void tree_submit(struct engine *e, struct str top, const struct input *in)
{
    struct tree_stop *t = map_find_u64(e->tree_stops, in->from.token);

    if (is_at_work(e, top)) {
        engine_admit(e, top, in);
        return;
    }
    t->reply.to = in->from;
    input_write(in, &t->first);
    look_below(t, 0);
}

static void on_stopped(struct tree_stop *t, const struct reply *r)
{
    t->reply = *r;
    buf_add_str(&t->request, r->request);
    t->reply.request = buf_str(&t->request);
    look_below(t, r->replayed ? r->seq : 0);
}

bool tree_takes_reply(struct engine *e, const struct reply *r)
{
    struct tree_stop *t = map_find_u64(e->tree_stops, r->to.token & ~BELOW);

    if (t == NULL)
        return false;
    if ((r->to.token & BELOW) != 0) {
        t->has_stopped = t->has_stopped || r->kind == REPLY_STOPPED;
        if (r->kind == REPLY_UNAVAILABLE)
            fail(t, &r->err);
        one_is_over(t);
        return true;
    }
    if (r->kind == REPLY_STOPPED) {
        on_stopped(t, r);
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
