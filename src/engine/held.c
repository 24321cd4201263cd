/* SPDX-License-Identifier: MIT */
/*
 * The queue of a session: what a step wants done, its facts shown included, waits here in its order until all that was
 * decided before is stored; then it is carried out.
 */
#include "engine/live.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

static void held_free(struct engine *e, struct held *h)
{
    list_remove(&h->link);
    facts_unref(h->facts);
    mem_free(h);
    e->queued--;
}

/* ---- in ---- */

void held_publish(struct engine *e, struct live *l, struct facts *facts)
{
    struct held *h = mem_zalloc(sizeof(*h));

    h->kind = HELD_PUBLISH;
    h->needs = l->sent;
    h->facts = facts; /* the reference moves in */
    list_add_tail(&l->queue, &h->link);
    e->queued++;
}

void held_effect(struct engine *e, struct live *l, const struct effect *f)
{
    struct str texts[] = {f->text, f->call_id, f->tool, f->args, f->provider, f->model, f->effort};
    size_t n = 0;
    struct held *h;
    char *at;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        n += texts[i].n;
    h = mem_alloc(sizeof(*h) + n);
    h->kind = HELD_EFFECT;
    h->needs = l->sent;
    h->facts = NULL;
    h->effect = *f;
    at = h->text;
    h->effect.text = str_put(f->text, &at);
    h->effect.call_id = str_put(f->call_id, &at);
    h->effect.tool = str_put(f->tool, &at);
    h->effect.args = str_put(f->args, &at);
    h->effect.provider = str_put(f->provider, &at);
    h->effect.model = str_put(f->model, &at);
    h->effect.effort = str_put(f->effort, &at);
    list_add_tail(&l->queue, &h->link);
    e->queued++;
}

/* ---- out ---- */

static void publish(struct engine *e, struct live *l, struct facts *facts)
{
    FAULT_POINT("engine.publish");
    for (uint32_t i = 0; i < facts->n; i++) {
        run_log_fact(l, &facts->items[i]);
        session_fold(&l->published, &facts->items[i]);
        engine_count_fact(e, l, &facts->items[i]);
    }
    watch_publish(e, l, facts);
    feed_hub_touch(e->feed, l->id);
}

static void start_model(struct engine *e, struct live *l, const struct effect *f)
{
    struct model_call call = {.session_id = l->id,
                              .run = f->run,
                              .round = f->round,
                              .gen = f->gen,
                              .provider = f->provider,
                              .model = f->model,
                              .effort = f->effort,
                              .max_output = f->max_output,
                              .closing = f->closing};

    e->ports.model_start(e->ports.arg, &call);
}

static void start_tool(struct engine *e, struct live *l, const struct effect *f)
{
    struct tool_call call = {
        .session_id = l->id, .run = f->run, .call = f->call, .call_id = f->call_id, .tool = f->tool, .args = f->args};

    e->ports.tool_start(e->ports.arg, &call);
}

/* How many timers run for the questions of this session. */
static void deadline_armed(struct engine *e, struct str id)
{
    uintptr_t n = (uintptr_t)map_find(e->deadlines, id);

    map_put(e->deadlines, id, (void *)(n + 1));
}

void held_deadline_fired(struct engine *e, struct str id)
{
    uintptr_t n = (uintptr_t)map_take(e->deadlines, id);

    if (n > 1)
        map_put(e->deadlines, id, (void *)(n - 1));
}

static void set_timer(struct engine *e, struct live *l, const struct effect *f)
{
    struct input in = {
        .kind = f->timer, .run = f->run, .round = f->round, .gen = f->gen, .call = f->call, .set_by = l->token};

    in.wait_ms = f->in_ms > LIMIT_TIMER_MS ? f->in_ms - LIMIT_TIMER_MS : 0;
    if (f->timer == INPUT_TIMER_QUESTION) { /* until then the session may be out of memory and in again */
        in.set_by = 0;
        in.nonce = l->m.s.nonce;
        deadline_armed(e, l->id);
    }
    e->ports.timer(e->ports.arg, l->id, f->in_ms - in.wait_ms, &in);
}

static void carry_out(struct engine *e, struct live *l, const struct effect *f)
{
    switch (f->kind) {
    case EFFECT_REPLY:
        FAULT_POINT("engine.reply");
        engine_tell(e, &f->reply);
        break;
    case EFFECT_MODEL_START:
        FAULT_POINT("engine.model_start");
        if (!e->parked)
            start_model(e, l, f);
        break;
    case EFFECT_MODEL_ABORT:
        e->ports.model_abort(e->ports.arg, l->id);
        break;
    case EFFECT_TOOL_START:
        if (!e->parked)
            start_tool(e, l, f);
        break;
    case EFFECT_TOOL_CANCEL:
        e->ports.tool_cancel(e->ports.arg, l->id, f->call);
        break;
    case EFFECT_TIMER:
        FAULT_POINT("engine.timer");
        set_timer(e, l, f);
        break;
    case EFFECT_DELTA:
        assert(!"deltas are not held");
        break;
    }
}

void held_drain(struct engine *e, struct live *l)
{
    if (l->draining)
        return; /* somebody was told, and asked for the next thing at once: the one who told him goes on with it */
    l->draining = true;
    while (!list_is_empty(&l->queue)) {
        struct held *h = LIST_ITEM(l->queue.next, struct held, link);

        if (h->needs > l->stored || !e->ports.trusted(e->ports.arg))
            break;
        if (h->kind == HELD_PUBLISH)
            publish(e, l, h->facts);
        else
            carry_out(e, l, &h->effect);
        held_free(e, h);
    }
    l->draining = false;
}

/* ---- it will not be stored ---- */

static void forget_reply(struct engine *e, uint64_t token)
{
    keyed_forget(e, token);
    chosen_told(e, token);
}

void held_drop(struct engine *e, struct live *l)
{
    while (!list_is_empty(&l->queue)) {
        struct held *h = LIST_ITEM(l->queue.next, struct held, link);

        if (h->kind == HELD_EFFECT && h->effect.kind == EFFECT_REPLY)
            forget_reply(e, h->effect.reply.to.token);
        held_free(e, h);
    }
}

void held_refuse(struct engine *e, struct live *l, const struct err *why)
{
    while (!list_is_empty(&l->queue)) {
        struct held *h = LIST_ITEM(l->queue.next, struct held, link);

        if (h->kind == HELD_EFFECT && h->effect.kind == EFFECT_REPLY) {
            struct reply r = {.kind = REPLY_UNAVAILABLE, .to = h->effect.reply.to, .err = *why};

            engine_tell(e, &r);
        }
        held_free(e, h);
    }
}
