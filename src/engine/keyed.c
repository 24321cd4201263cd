/* SPDX-License-Identifier: MIT */
/*
 * Requests with an Idempotency-Key: done once, told the same each time. What is on its way is known here, from the
 * first arrival until its reply was given, which is when its receipt is stored; before that the store was asked. Either
 * alone would miss some: a table does not know what is on its way to it, and a list in memory neither what was before
 * the last start nor what is older than its length.
 */
#include "engine/live.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

/* One request, while the store is asked; later one that waits for the reply of the first. */
struct arrival {
    struct list link;
    struct reply_to from;
    struct buf fingerprint;
    struct buf input; /* encoded; empty where it only waits */
};

struct keyed {
    struct engine *e;
    struct buf name; /* in e->keyed: session, newline, key; a session's name has no newline */
    struct str id, key;
    bool is_asked;         /* the store is; nothing is decided about any arrival */
    bool is_stale;         /* the session was erased meanwhile: what the store says may be of before */
    struct reply_to first; /* else: the request that is carried out, */
    struct buf fingerprint, request;
    struct list arrivals; /* and those that will be told what it is told */
};

/* ---- the table ---- */

static struct str name_of(struct str id, struct str key, struct buf *out)
{
    buf_add_str(out, id);
    buf_add_char(out, '\n');
    buf_add_str(out, key);
    return buf_str(out);
}

static struct keyed *find(struct engine *e, struct str id, struct str key)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;

    return map_find(e->keyed, name_of(id, key, &name));
}

static struct keyed *keyed_new(struct engine *e, struct str id, struct str key)
{
    struct keyed *k = mem_zalloc(sizeof(*k));

    k->e = e;
    map_put(e->keyed, name_of(id, key, &k->name), k);
    k->id = (struct str){k->name.p, id.n};
    k->key = (struct str){k->name.p + id.n + 1, key.n};
    list_init(&k->arrivals);
    return k;
}

static void arrival_free(struct arrival *a)
{
    list_remove(&a->link);
    buf_done(&a->fingerprint);
    buf_done(&a->input);
    mem_free(a);
}

static struct arrival *take_arrival(struct list *arrivals)
{
    struct arrival *a = LIST_ITEM(arrivals->next, struct arrival, link);

    list_remove(&a->link);
    return a;
}

static void keyed_free(struct keyed *k)
{
    map_take(k->e->keyed, buf_str(&k->name));
    if (k->first.token != 0)
        map_take_u64(k->e->keyed_by_token, k->first.token);
    while (!list_is_empty(&k->arrivals))
        arrival_free(take_arrival(&k->arrivals));
    buf_done(&k->name);
    buf_done(&k->fingerprint);
    buf_done(&k->request);
    mem_free(k);
}

static struct arrival *add_arrival(struct keyed *k, const struct input *in)
{
    struct arrival *a = mem_zalloc(sizeof(*a));

    a->from = in->from;
    buf_add_str(&a->fingerprint, in->fingerprint);
    list_add_tail(&k->arrivals, &a->link);
    return a;
}

static void tell(struct engine *e, struct reply_to to, enum reply_kind kind)
{
    const struct reply r = {.kind = kind, .to = to};

    engine_tell(e, &r);
}

/* ---- no receipt is stored: what is known here decides ---- */

static void admit(struct engine *e, struct str id, const struct input *in)
{
    struct keyed *k = find(e, id, in->key);

    if (k != NULL && !str_eq(buf_str(&k->fingerprint), in->fingerprint)) {
        tell(e, in->from, REPLY_KEY_REUSED);
    } else if (k != NULL) {
        (void)add_arrival(k, in);
    } else if (in->recall) {
        tell(e, in->from, REPLY_NO_RECEIPT);
    } else {
        k = keyed_new(e, id, in->key);
        k->first = in->from;
        map_put_u64(e->keyed_by_token, k->first.token, k);
        buf_add_str(&k->fingerprint, in->fingerprint);
        buf_add_str(&k->request, in->request);
        engine_take(e, id, in);
    }
}

/* Gives the input of an arrival to `take`. */
static void pass_on(struct engine *e, struct str id, const struct arrival *a,
                    void (*take)(struct engine *, struct str, const struct input *))
{
    struct arena arena;
    struct input in;

    arena_init(&arena);
    live_read_input(buf_str(&a->input), &arena, &in);
    take(e, id, &in);
    arena_done(&arena);
}

/* ---- the store was asked ---- */

static void refuse(struct engine *e, struct reply_to to, const struct err *why)
{
    const struct reply r = {.kind = REPLY_UNAVAILABLE, .to = to, .err = *why};

    engine_tell(e, &r);
}

static void replay(struct engine *e, const struct arrival *a, const struct receipt *receipt)
{
    struct arena arena;
    struct reply r;
    struct err err;

    arena_init(&arena);
    if (reply_read(receipt->reply, &arena, &r, &err) < 0) {
        refuse(e, a->from, &err);
    } else {
        r.to = a->from;
        engine_tell(e, &r);
    }
    arena_done(&arena);
}

static void tell_by(struct engine *e, const struct arrival *a, const struct receipt *receipt)
{
    switch (receipt_judge(receipt, buf_str(&a->fingerprint), engine_steady_now(e))) {
    case RECEIPT_REPLAY:
        replay(e, a, receipt);
        break;
    case RECEIPT_OTHER:
        tell(e, a->from, REPLY_KEY_REUSED);
        break;
    case RECEIPT_EXPIRED:
        tell(e, a->from, REPLY_KEY_EXPIRED);
        break;
    }
}

static void on_receipt(void *arg, struct answer *answer)
{
    struct keyed *k = arg;
    struct engine *e = k->e;
    CLEANUP(buf_done) struct buf id = BUF_INIT;
    struct list arrivals;
    bool is_stale = k->is_stale;

    FAULT_POINT("engine.receipt");
    list_init(&arrivals);
    list_move_all(&arrivals, &k->arrivals);
    buf_add_str(&id, k->id);
    keyed_free(k);
    while (!list_is_empty(&arrivals)) {
        struct arrival *a = take_arrival(&arrivals);

        if (answer->rc < 0)
            refuse(e, a->from, &answer->err);
        else if (is_stale)
            pass_on(e, buf_str(&id), a, keyed_submit);
        else if (answer->n > 0)
            tell_by(e, a, &answer->receipts[0]);
        else
            pass_on(e, buf_str(&id), a, admit);
        arrival_free(a);
    }
    answer_free(answer);
}

static void ask(struct engine *e, struct str id, const struct input *in)
{
    struct keyed *k = keyed_new(e, id, in->key);
    struct query q = {.kind = QUERY_RECEIPT, .session_id = id, .key = in->key};

    k->is_asked = true;
    input_write(in, &add_arrival(k, in)->input);
    store_query(e->store, &q, on_receipt, k);
}

void keyed_submit(struct engine *e, struct str id, const struct input *in)
{
    struct keyed *k = find(e, id, in->key);

    if (k == NULL)
        ask(e, id, in);
    else if (k->is_asked)
        input_write(in, &add_arrival(k, in)->input);
    else
        admit(e, id, in);
}

void keyed_erased(struct engine *e, struct str id)
{
    size_t it = 0;
    void *value;

    while (map_next(e->keyed, &it, NULL, &value)) {
        struct keyed *k = value;

        k->is_stale = k->is_stale || (k->is_asked && str_eq(k->id, id));
    }
}

/* ---- the reply ---- */

bool keyed_receipt(struct engine *e, const struct reply *r, struct buf *bytes, struct receipt *out)
{
    const struct keyed *k = map_find_u64(e->keyed_by_token, r->to.token);

    if (k == NULL || !reply_is_kept(r))
        return false;
    reply_write(r, buf_str(&k->request), bytes);
    *out = (struct receipt){
        .key = k->key, .fingerprint = buf_str(&k->fingerprint), .at = engine_steady_now(e), .reply = buf_str(bytes)};
    return true;
}

void keyed_told(struct engine *e, const struct reply *r)
{
    struct keyed *k = map_find_u64(e->keyed_by_token, r->to.token);
    struct reply again = *r;
    struct list arrivals;

    if (k == NULL)
        return;
    again.replayed = reply_is_kept(r);
    again.request = buf_str(&k->request);
    list_init(&arrivals);
    list_move_all(&arrivals, &k->arrivals);
    while (!list_is_empty(&arrivals)) {
        struct arrival *a = take_arrival(&arrivals);

        again.to = a->from;
        engine_tell(e, &again);
        arrival_free(a);
    }
    keyed_free(k);
}

void keyed_forget(struct engine *e, uint64_t token)
{
    struct keyed *k = map_find_u64(e->keyed_by_token, token);

    if (k != NULL)
        keyed_free(k);
}

void keyed_free_all(struct engine *e)
{
    size_t it = 0;
    struct keyed *k;

    while ((k = map_any(e->keyed, &it)) != NULL)
        keyed_free(k);
}
