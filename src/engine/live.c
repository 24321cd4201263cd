/* SPDX-License-Identifier: MIT */
/*
 * A session that is worked on: opened, fed, its steps appended, dropped when idle; after a refused append it starts
 * anew.
 */
#include "engine/live.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/engine_tools.h"

#define EPOCH_WRITER_BITS 24

struct live *live_new(struct engine *e, struct str id)
{
    struct live *l = mem_zalloc(sizeof(*l));

    l->id = (struct str){mem_strndup(id.p, id.n), id.n};
    list_init(&l->queue);
    list_init(&l->inputs);
    list_init(&l->link);
    map_put(e->lives, l->id, l);
    return l;
}

static struct waiting *first_input(struct live *l)
{
    return list_is_empty(&l->inputs) ? NULL : LIST_ITEM(l->inputs.next, struct waiting, link);
}

static void waiting_free(struct waiting *w)
{
    list_remove(&w->link);
    buf_done(&w->bytes);
    mem_free(w);
}

void live_free(struct engine *e, struct live *l)
{
    map_take(e->lives, l->id);
    if (l->token != 0)
        map_take_u64(e->by_token, l->token);
    held_drop(e, l);
    while (first_input(l) != NULL)
        waiting_free(first_input(l));
    list_remove(&l->link);
    machine_done(&l->m);
    mem_free(l->request);
    mem_free((void *)(uintptr_t)l->id.p);
    mem_free(l);
}

void live_open(struct engine *e, struct live *l)
{
    if (l->token != 0)
        map_take_u64(e->by_token, l->token);
    l->token = e->next_token++;
    l->state = LIVE_OPENING;
    l->epoch = 0;
    l->sent = l->stored = 0;
    map_put_u64(e->by_token, l->token, l);
    store_open_session(e->store, l->id, l->token);
}

/* ---- inputs that wait ---- */

void live_queue_input(struct live *l, const struct input *in)
{
    struct waiting *w;

    if (!input_is_personal(in->kind))
        return; /* late, or its session starts anew: the key would not fit any more */
    l->timed = l->timed || in->kind == INPUT_TIMER_QUESTION;
    w = mem_zalloc(sizeof(*w));
    input_write(in, &w->bytes);
    list_add_tail(&l->inputs, &w->link);
}

void live_read_input(struct str bytes, struct arena *a, struct input *out)
{
    struct err err;
    int rc = input_read(bytes, a, out, &err);

    assert(rc == 0); /* we wrote it */
}

/* The next one; all of it lives in the arena. False: none waits. */
static bool take_input(struct live *l, struct arena *a, struct input *out)
{
    struct waiting *w = first_input(l);

    if (w == NULL)
        return false;
    arena_reset(a);
    live_read_input(arena_str(a, buf_str(&w->bytes)), a, out);
    waiting_free(w);
    return true;
}

void live_feed_queued(struct engine *e, struct live *l)
{
    struct arena arena;
    struct input in;

    arena_init(&arena);
    while (l->state == LIVE_READY && take_input(l, &arena, &in))
        live_feed(e, l, &in);
    arena_done(&arena);
}

void live_refuse(struct engine *e, const struct input *in, const struct err *why)
{
    struct reply r = {.kind = REPLY_UNAVAILABLE, .to = in->from, .err = *why};

    if (in->from.token == 0)
        return;
    engine_tell(e, &r);
}

static void refuse_inputs(struct engine *e, struct live *l, const struct err *why)
{
    struct arena arena;
    struct input in;

    arena_init(&arena);
    while (take_input(l, &arena, &in))
        live_refuse(e, &in, why);
    arena_done(&arena);
}

/* ---- a step ---- */

/* Every attempt to claim has an epoch of its own, refused ones included: no epoch ever has two writers. */
static uint64_t new_epoch(struct engine *e, const struct live *l)
{
    uint64_t row = l->row_epoch >> EPOCH_WRITER_BITS;

    e->generation = (row > e->generation ? row : e->generation) + 1;
    return e->generation << EPOCH_WRITER_BITS | store_writer(e->store);
}

/* Of the session as it is after the step; nothing of the step itself but its receipt. */
static struct append append_of(struct engine *e, const struct live *l, uint64_t first, const struct receipt *receipt)
{
    bool unfinished = session_is_unfinished(&l->m.s);

    return (struct append){.sid = l->sid,
                           .token = l->token,
                           .session_id = l->id,
                           .expect = l->epoch != 0 ? l->epoch : l->row_epoch,
                           .owner = unfinished ? store_writer(e->store) : 0,
                           .unfinished = unfinished,
                           .state = session_state_word(&l->m.s),
                           .first = first,
                           .receipt = receipt};
}

static void append_now(struct engine *e, struct live *l, const struct append *a)
{
    l->sent++;
    FAULT_POINT("engine.append");
    store_append(e->store, a);
}

/* Without facts no number tells what comes after it whether it got there: its epoch does. */
static void append_receipt(struct engine *e, struct live *l, const struct receipt *receipt)
{
    struct append a = append_of(e, l, l->m.s.seq + 1, receipt);

    a.epoch = new_epoch(e, l);
    if (session_exists(&l->m.s))
        l->epoch = a.epoch;
    else
        l->state = LIVE_NOTING;
    append_now(e, l, &a);
}

static void append_step(struct engine *e, struct live *l, struct step *st, uint64_t seq_before,
                        const struct receipt *receipt)
{
    struct append a = append_of(e, l, seq_before + 1, receipt);

    a.erase = st->erase;
    a.head = l->m.s.run.active ? NULL : &l->m.s;
    if (l->epoch == 0)
        l->epoch = new_epoch(e, l);
    a.epoch = l->epoch;
    for (uint32_t i = 0; i < st->n_facts; i++)
        st->facts[i].epoch = l->epoch;
    if (st->n_facts > 0)
        a.facts = facts_new(st->facts, st->n_facts);
    append_now(e, l, &a);
    if (a.facts != NULL) {
        machine_keep(&l->m, a.facts);
        held_publish(e, l, a.facts);
    }
    if (st->erase)
        l->state = LIVE_ERASING;
}

static void put_partial(struct engine *e, struct live *l, int64_t now)
{
    const struct run_state *r = &l->m.s.run;
    struct partial p = {.run = r->number,
                        .round = r->round,
                        .gen = r->gen,
                        .text = buf_str(&l->m.text),
                        .reasoning = buf_str(&l->m.reasoning)};

    if (now - l->partial_at < LIMIT_PARTIAL_MS)
        return;
    l->partial_at = now;
    FAULT_POINT("engine.partial");
    store_put_partial(e->store, l->sid, l->epoch, &p);
}

/* The run's own tools go before those of the toolbox: nobody can stand in for the person. */
static void resolve_tools(struct engine *e, const struct input *in)
{
    struct call *calls = in->calls.items;

    for (size_t i = 0; i < in->calls.count; i++) {
        const struct engine_tool *own = engine_tool_find(calls[i].name);

        calls[i].effect = own != NULL ? (int)own->effect : e->ports.tool_effect(e->ports.arg, calls[i].name);
    }
}

/* What the step tells whoever asked under a key is stored with what it does. */
static bool receipt_of(struct engine *e, const struct step *st, struct buf *bytes, struct receipt *out)
{
    for (uint32_t i = 0; i < st->n_effects; i++)
        if (st->effects[i].kind == EFFECT_REPLY && keyed_receipt(e, &st->effects[i].reply, bytes, out))
            return true;
    return false;
}

static void append_if_any(struct engine *e, struct live *l, struct step *st, uint64_t seq_before)
{
    CLEANUP(buf_done) struct buf bytes = BUF_INIT;
    struct receipt receipt;
    bool is_kept = receipt_of(e, st, &bytes, &receipt);

    if (st->n_facts > 0 || st->erase)
        append_step(e, l, st, seq_before, is_kept ? &receipt : NULL);
    else if (is_kept)
        append_receipt(e, l, &receipt);
}

void live_feed(struct engine *e, struct live *l, const struct input *given)
{
    uint64_t seq_before = l->m.s.seq;
    struct input in = *given;
    struct step *st = &e->step;

    in.now = e->ports.now(e->ports.arg);
    in.steady = engine_steady_now(e);
    if (in.kind == INPUT_MODEL_DONE)
        resolve_tools(e, &in);
    run_step(&l->m, &in, st);
    run_log_request(l, &in, st);
    append_if_any(e, l, st, seq_before);
    for (uint32_t i = 0; i < st->n_effects; i++) {
        /* A delta belongs to a call whose beginning has been shown: it need not wait behind a person's post. */
        if (st->effects[i].kind == EFFECT_DELTA) {
            engine_count_piece(e, l, st->effects[i].text.n, in.steady);
            watch_delta(e, l, &st->effects[i]);
            put_partial(e, l, in.steady);
        } else {
            held_effect(e, l, &st->effects[i]);
        }
    }
    held_drain(e, l);
}

bool live_drop_if_idle(struct engine *e, struct live *l)
{
    if (l->state != LIVE_READY || l->sent > l->stored || !list_is_empty(&l->queue) || !list_is_empty(&l->inputs) ||
        l->m.s.run.active)
        return false;
    live_free(e, l);
    return true;
}

/* ---- a refused append is a crash of this one session ---- */

static int64_t reset_pause(uint32_t resets)
{
    int64_t pause = (int64_t)LIMIT_RESET_MS << (resets < 10 ? resets : 10);

    return pause < LIMIT_RESET_MAX_MS ? pause : LIMIT_RESET_MAX_MS;
}

void live_reset(struct engine *e, struct live *l, const struct err *why)
{
    bool unfinished = l->unfinished || l->timed || session_is_unfinished(&l->published);

    e->ports.abandon(e->ports.arg, l->id);
    map_take(e->deadlines, l->id); /* its timers are gone */
    l->refused = *why;
    l->state = LIVE_WAITING; /* before anybody is told, who may ask again at once */
    l->suspect = false;
    held_refuse(e, l, why);
    refuse_inputs(e, l, why);
    machine_done(&l->m);
    if (!unfinished) {
        live_free(e, l);
        return;
    }
    if (l->resets == 0) /* the next ones of the same trouble say nothing new */
        run_log_reset(l, why);
    map_take_u64(e->by_token, l->token);
    l->token = 0;
    l->unfinished = true;
    l->charged = false;
    l->wake_at = e->ports.mono(e->ports.arg) + reset_pause(l->resets++);
    list_remove(&l->link);
    list_add_tail(&e->waiting, &l->link);
    engine_wake_at(e, l->wake_at); /* thousands may be reset at once: none looks at the others */
}
