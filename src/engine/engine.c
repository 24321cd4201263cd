/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/live.h"

struct engine *engine_new(struct store *st, const struct ports *ports, const struct engine_options *o)
{
    struct engine *e = mem_zalloc(sizeof(*e));

    e->store = st;
    e->ports = *ports;
    e->ring = o->ring == 0 ? LIMIT_RING_EVENTS : o->ring;
    e->node = o->node;
    e->next_token = 1;
    e->lives = map_new();
    e->by_token = map_new();
    e->deadlines = map_new();
    e->hubs = map_new();
    e->hub_tokens = map_new();
    e->keyed = map_new();
    e->keyed_by_token = map_new();
    e->chosen = map_new();
    e->chosen_by_token = map_new();
    e->tree_stops = map_new();
    e->began_wall = ports->now(ports->arg);
    e->began_mono = ports->mono(ports->arg);
    list_init(&e->waiting);
    list_init(&e->dirty);
    e->feed = feed_hub_new(e->ring, feed_wants, e);
    e->feed_due = -1;
    e->alarm_at = -1;
    step_init(&e->step);
    return e;
}

void engine_free(struct engine *e)
{
    size_t it = 0;
    struct live *l;

    if (e == NULL)
        return;
    watch_free_all(e);
    feed_hub_free(e->feed);
    chosen_free_all(e);
    while ((l = map_any(e->lives, &it)) != NULL)
        live_free(e, l);
    keyed_free_all(e);
    tree_free_all(e);
    map_free(e->keyed);
    map_free(e->keyed_by_token);
    map_free(e->chosen);
    map_free(e->chosen_by_token);
    map_free(e->tree_stops);
    map_free(e->lives);
    map_free(e->by_token);
    map_free(e->deadlines);
    map_free(e->hubs);
    map_free(e->hub_tokens);
    step_done(&e->step);
    mem_free(e);
}

int64_t engine_steady_now(const struct engine *e)
{
    return e->began_wall + e->ports.mono(e->ports.arg) - e->began_mono;
}

void engine_defer(struct engine *e)
{
    if (e->deferred)
        return;
    e->deferred = true;
    e->ports.defer(e->ports.arg);
}

void engine_flush(struct engine *e)
{
    e->deferred = false;
    watch_flush(e);
    feed_flush(e);
}

/* ---- inputs and replies ---- */

void engine_submit(struct engine *e, struct str session_id, const struct input *in)
{
    if (tree_concerns(in))
        tree_expect_stop(e, session_id, in);
    if (in->key.n > 0 && in->fingerprint.n > 0 && in->from.token != 0 && !e->parked)
        keyed_submit(e, session_id, in);
    else
        engine_take(e, session_id, in);
}

void engine_take(struct engine *e, struct str session_id, const struct input *in)
{
    if (chosen_concerns(in) && !e->parked)
        chosen_submit(e, session_id, in);
    else if (tree_concerns(in) && !e->parked)
        tree_submit(e, session_id, in);
    else
        engine_admit(e, session_id, in);
}

void engine_admit(struct engine *e, struct str session_id, const struct input *in)
{
    struct live *l = map_find(e->lives, session_id);
    struct err err;

    if (e->parked || !e->ports.trusted(e->ports.arg)) {
        err_set(&err, ERR_UNAVAILABLE, "the server is stopping");
        live_refuse(e, in, &err);
        return;
    }
    if (in->kind == INPUT_TIMER_QUESTION)
        held_deadline_fired(e, session_id);
    if (l == NULL) {
        if (!input_is_personal(in->kind))
            return; /* late: its session was let go */
        l = live_new(e, session_id);
        live_queue_input(l, in);
        live_open(e, l);
        return;
    }
    if (in->set_by != 0 && in->set_by != l->token)
        return; /* a timer of before a reset, or of a session of this name that was deleted */
    if (l->state == LIVE_WAITING && !l->suspect && in->kind != INPUT_TIMER_QUESTION) {
        live_refuse(e, in, &l->refused);
        return;
    }
    if (l->state != LIVE_READY) {
        live_queue_input(l, in);
        return;
    }
    live_feed(e, l, in);
    live_drop_if_idle(e, l);
}

void engine_tell(struct engine *e, const struct reply *r)
{
    uint64_t token = r->to.token;

    if (!tree_takes_reply(e, r))
        e->ports.reply(e->ports.arg, r);
    keyed_told(e, r);
    chosen_told(e, token);
}

void engine_query(struct engine *e, const struct query *q, query_fn *done, void *arg)
{
    store_query(e->store, q, done, arg);
}

const struct session *engine_shown(const struct engine *e, struct str session_id)
{
    const struct live *l = map_find(e->lives, session_id);

    return l == NULL || l->state != LIVE_READY ? NULL : &l->published;
}

/* ---- recovery ---- */

static void recover(struct engine *e, struct live *l)
{
    struct input in = {.kind = INPUT_RECOVERED, .charged = l->charged};

    l->state = LIVE_READY;
    l->unfinished = false;
    list_remove(&l->link);
    FAULT_POINT("engine.recover");
    live_feed(e, l, &in);
    live_feed_queued(e, l);
    live_drop_if_idle(e, l);
}

/*
 * Deadlines alone are looked after by their timers, one of which may be why it was opened; but for those of an earlier
 * life, whoever opens it first. Recovering asks the wall clock, which may have been set since.
 */
static bool needs_recovery(const struct engine *e, const struct live *l)
{
    bool has_fired = l->timed && !l->unfinished;

    if (l->m.s.run.active)
        return true;
    return session_is_unfinished(&l->m.s) && !has_fired && map_find(e->deadlines, l->id) == NULL;
}

static void take_over(struct engine *e, struct live *l, struct opened *o)
{
    const struct partial *p = opened_partial(o);

    machine_done(&l->m);
    machine_init(&l->m, &o->session);
    l->m.price = e->ports.price;
    l->m.price_arg = e->ports.arg;
    l->sid = o->sid;
    l->row_epoch = o->epoch;
    l->published = o->session;
    if (o->calls != NULL)
        machine_keep(&l->m, o->calls);
    if (p != NULL) {
        buf_add_str(&l->m.text, p->text);
        buf_add_str(&l->m.reasoning, p->reasoning);
    }
}

void engine_on_opened(struct engine *e, struct opened *o)
{
    struct live *l;

    if (watch_on_opened(e, o))
        return;
    l = map_find_u64(e->by_token, o->token);
    if (l == NULL || l->state != LIVE_OPENING)
        return;
    if (o->rc != 0) {
        live_reset(e, l, &o->err);
        return;
    }
    take_over(e, l, o);
    if (!needs_recovery(e, l)) {
        l->state = LIVE_READY;
        live_feed_queued(e, l);
        live_drop_if_idle(e, l);
        return;
    }
    /* Each life is charged once for each run it let go on and did not end in order. */
    l->charged = l->resets == 0 && !o->ended_in_order;
    if (session_is_suspect(&l->m.s)) {
        l->state = LIVE_WAITING;
        l->suspect = true;
        list_add_tail(&e->waiting, &l->link);
        engine_tick(e);
        return;
    }
    recover(e, l);
}

static void on_unfinished(void *arg, struct answer *answer)
{
    struct engine *e = arg;

    e->scanned = e->scanned || answer->rc == 0;
    for (size_t i = 0; i < answer->n; i++) {
        struct live *l = map_find(e->lives, answer->session_ids[i]);

        if (l != NULL || map_find(e->deadlines, answer->session_ids[i]) != NULL)
            continue;
        l = live_new(e, answer->session_ids[i]);
        l->unfinished = true;
        live_open(e, l);
    }
    answer_free(answer);
}

void engine_recover(struct engine *e)
{
    struct query q = {.kind = QUERY_UNFINISHED};

    store_query(e->store, &q, on_unfinished, e);
}

bool engine_is_recovered(const struct engine *e)
{
    return e->scanned;
}

/* ---- the store answers ---- */

static void on_erased(struct engine *e, struct live *l)
{
    struct list inputs;
    struct str id;

    FAULT_POINT("engine.erased");
    keyed_erased(e, l->id);
    held_drain(e, l);
    e->ports.abandon(e->ports.arg, l->id);
    map_take(e->deadlines, l->id);
    watch_gone(e, l->id);
    feed_hub_forget(e->feed, l->id);
    if (list_is_empty(&l->inputs)) {
        live_free(e, l);
        return;
    }
    /* Whoever wrote meanwhile meets a session that does not exist (any more). */
    list_init(&inputs);
    list_move_all(&inputs, &l->inputs);
    id = (struct str){mem_strndup(l->id.p, l->id.n), l->id.n};
    live_free(e, l);
    l = live_new(e, id);
    list_move_all(&l->inputs, &inputs);
    live_open(e, l);
    mem_free((void *)(uintptr_t)id.p);
}

void engine_on_appended(struct engine *e, const struct appended *done)
{
    struct live *l = map_find_u64(e->by_token, done->token);

    if (l == NULL)
        return;
    if (done->rc < 0) {
        live_reset(e, l, &done->err);
        return;
    }
    FAULT_POINT("engine.stored");
    l->stored++;
    l->resets = 0;
    if (l->state == LIVE_ERASING && l->stored == l->sent) {
        on_erased(e, l);
        return;
    }
    if (l->state == LIVE_NOTING && l->stored == l->sent) {
        l->state = LIVE_READY;
        held_drain(e, l);
        live_feed_queued(e, l);
        live_drop_if_idle(e, l);
        return;
    }
    if (l->suspect && l->m.s.run.crashes == 0) {
        l->suspect = false;
        e->suspect_at = e->ports.mono(e->ports.arg); /* it made progress: the next one may go on */
        engine_arm(e);
    }
    held_drain(e, l);
    live_drop_if_idle(e, l);
}

/* ---- time ---- */

void engine_arm(struct engine *e)
{
    int64_t now = e->ports.mono(e->ports.arg), next = e->feed_due;

    LIST_EACH (it, tmp, &e->waiting) {
        struct live *l = LIST_ITEM(it, struct live, link);
        int64_t at = l->suspect ? e->suspect_at : l->wake_at;

        if (next < 0 || at < next)
            next = at;
    }
    e->alarm_at = next;
    e->ports.alarm(e->ports.arg, next < 0 ? -1 : next > now ? next - now : 0);
}

void engine_wake_at(struct engine *e, int64_t at)
{
    if (e->alarm_at >= 0 && e->alarm_at <= at)
        return;
    e->alarm_at = at;
    e->ports.alarm(e->ports.arg, at - e->ports.mono(e->ports.arg));
}

void engine_tick(struct engine *e)
{
    int64_t now = e->ports.mono(e->ports.arg);

    if (e->feed_due >= 0 && now >= e->feed_due)
        feed_flush(e);
    LIST_EACH (it, tmp, &e->waiting) {
        struct live *l = LIST_ITEM(it, struct live, link);

        if (e->parked)
            break;
        if (!l->suspect && now >= l->wake_at) {
            list_remove(it);
            live_open(e, l);
        } else if (l->suspect && now >= e->suspect_at) {
            e->suspect_at = now + LIMIT_SUSPECT_MS;
            recover(e, l);
        }
    }
    engine_arm(e);
}

/* ---- end ---- */

void engine_park(struct engine *e)
{
    size_t it = 0;
    void *value;

    e->parked = true;
    while (map_next(e->lives, &it, NULL, &value)) {
        struct live *l = value;

        e->ports.abandon(e->ports.arg, l->id);
    }
}

bool engine_is_idle(const struct engine *e)
{
    size_t it = 0;
    void *value;

    while (map_next(e->lives, &it, NULL, &value)) {
        const struct live *l = value;

        if (l->sent > l->stored || !list_is_empty(&l->queue))
            return false;
    }
    return true;
}
