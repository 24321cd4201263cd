/* SPDX-License-Identifier: MIT */
/*
 * Messages whose id their sender chose: of two under one id in a session the second is refused. Those that are stored
 * the store finds by an index; the one that is on its way is known here, from the question to the store until its reply
 * was given, which is when it is stored. Whoever comes with the same id meanwhile waits for that reply, and is asked
 * for then. When the server dies nothing is left of this, and nothing has to be: what was not stored was told to
 * nobody.
 */
#include "engine/live.h"

#include "base/mem.h"
#include "base/str.h"

/* A message that has not been looked at. */
struct arrival {
    struct list link;
    struct buf input; /* encoded */
};

struct chosen {
    struct engine *e;
    struct buf name; /* in e->chosen: session, newline, id; a session's name has no newline */
    struct str id, message_id;
    uint64_t token;       /* of the reply to the one that is carried out; 0: the store is asked for the first of: */
    struct list arrivals; /* never empty then */
};

static void arrival_free(struct arrival *a)
{
    list_remove(&a->link);
    buf_done(&a->input);
    mem_free(a);
}

static struct arrival *first_arrival(struct chosen *k)
{
    return list_is_empty(&k->arrivals) ? NULL : LIST_ITEM(k->arrivals.next, struct arrival, link);
}

static void chosen_free(struct chosen *k)
{
    map_take(k->e->chosen, buf_str(&k->name));
    if (k->token != 0)
        map_take_u64(k->e->chosen_by_token, k->token);
    while (first_arrival(k) != NULL)
        arrival_free(first_arrival(k));
    buf_done(&k->name);
    mem_free(k);
}

static struct chosen *chosen_of(struct engine *e, struct str id, struct str message_id)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    struct chosen *k;

    buf_add_str(&name, id);
    buf_add_char(&name, '\n');
    buf_add_str(&name, message_id);
    k = map_find(e->chosen, buf_str(&name));
    if (k != NULL)
        return k;
    k = mem_zalloc(sizeof(*k));
    k->e = e;
    k->name = name;
    name = BUF_INIT;
    k->id = (struct str){k->name.p, id.n};
    k->message_id = (struct str){k->name.p + id.n + 1, message_id.n};
    list_init(&k->arrivals);
    map_put(e->chosen, buf_str(&k->name), k);
    return k;
}

/* ---- the store is asked ---- */

/* The reply may be told, and `k` be gone, before this returns. */
static void carry_out(struct chosen *k, struct str bytes, const struct answer *answer)
{
    CLEANUP(buf_done) struct buf id = BUF_INIT;
    struct engine *e = k->e;
    struct arena arena;
    struct input in;

    arena_init(&arena);
    live_read_input(bytes, &arena, &in);
    buf_add_str(&id, k->id);
    in.is_taken = answer->is_taken;
    k->token = in.from.token;
    map_put_u64(e->chosen_by_token, k->token, k);
    if (answer->rc < 0)
        live_refuse(e, &in, &answer->err);
    else
        engine_admit(e, buf_str(&id), &in);
    arena_done(&arena);
}

static void on_answer(void *arg, struct answer *answer)
{
    struct chosen *k = arg;
    struct arrival *a = first_arrival(k);

    assert(a != NULL); /* that of the first asked */
    list_remove(&a->link);
    carry_out(k, buf_str(&a->input), answer);
    arrival_free(a);
    answer_free(answer);
}

static void ask(struct chosen *k)
{
    struct query q = {.kind = QUERY_HAS_MESSAGE, .session_id = k->id, .after_message = k->message_id};

    store_query(k->e->store, &q, on_answer, k);
}

/* ---- what comes and goes ---- */

bool chosen_concerns(const struct input *in)
{
    return in->kind == INPUT_POST && in->message_id.n > 0 && in->from.token != 0;
}

void chosen_submit(struct engine *e, struct str id, const struct input *in)
{
    struct chosen *k = chosen_of(e, id, in->message_id);
    struct arrival *a = mem_zalloc(sizeof(*a));
    bool is_first = k->token == 0 && first_arrival(k) == NULL;

    input_write(in, &a->input);
    list_add_tail(&k->arrivals, &a->link);
    if (is_first)
        ask(k);
}

void chosen_told(struct engine *e, uint64_t token)
{
    struct chosen *k = map_take_u64(e->chosen_by_token, token);

    if (k == NULL)
        return;
    k->token = 0;
    if (first_arrival(k) == NULL)
        chosen_free(k);
    else
        ask(k);
}

void chosen_free_all(struct engine *e)
{
    size_t it = 0;
    struct chosen *k;

    while ((k = map_any(e->chosen, &it)) != NULL)
        chosen_free(k);
}
