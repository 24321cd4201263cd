/* SPDX-License-Identifier: MIT */
/* A step being made: facts are folded as they enter it, so that whatever decides next sees them. */
#include "run/step.h"

#include "base/mem.h"
#include "base/str.h"

#define FACTS_KEPT 64 /* room for so many stays with a step; a copy of a session has thousands */

void step_init(struct step *st)
{
    memset(st, 0, sizeof(*st));
    arena_init(&st->arena);
}

void step_begin(struct step *st)
{
    arena_reset(&st->arena);
    if (st->facts_cap > FACTS_KEPT) {
        mem_free(st->facts);
        st->facts = NULL;
        st->facts_cap = 0;
    }
    st->n_facts = 0;
    st->n_effects = 0;
    st->erase = false;
    buf_done(&st->text);
    buf_done(&st->reasoning);
}

void step_done(struct step *st)
{
    arena_done(&st->arena);
    mem_free(st->facts);
    mem_free(st->effects);
    buf_done(&st->text);
    buf_done(&st->reasoning);
}

void step_fact(struct ctx *c, struct fact f)
{
    struct step *out = c->out;
    size_t cap = out->facts_cap;

    f.seq = c->s->seq + 1;
    f.at = c->in->now;
    session_fold(c->s, &f);
    out->facts = mem_grow(out->facts, &cap, out->n_facts + 1, sizeof(f));
    out->facts_cap = (uint32_t)cap;
    out->facts[out->n_facts++] = f;
}

struct str step_copy(struct ctx *c, const char *text)
{
    return arena_str(&c->out->arena, str_of(text));
}

struct effect *step_effect(struct ctx *c, enum effect_kind kind)
{
    struct step *out = c->out;
    size_t cap = out->effects_cap;
    struct effect *e;

    out->effects = mem_grow(out->effects, &cap, out->n_effects + 1, sizeof(*out->effects));
    out->effects_cap = (uint32_t)cap;
    e = &out->effects[out->n_effects++];
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    e->run = c->s->run.number;
    e->round = c->s->run.round;
    e->gen = c->s->run.gen;
    return e;
}

struct effect *step_timer(struct ctx *c, enum input_kind timer, int64_t in_ms)
{
    struct effect *e = step_effect(c, EFFECT_TIMER);

    e->timer = timer;
    e->in_ms = in_ms;
    return e;
}

struct reply *step_reply(struct ctx *c, enum reply_kind kind)
{
    const struct session *s = c->s;
    const char *last;
    struct reply *r;

    if (c->in->from.token == 0)
        return NULL;
    r = &step_effect(c, EFFECT_REPLY)->reply;
    r->kind = kind;
    r->to = c->in->from;
    r->seq = s->seq;
    if (s->run.active)
        session_run_id(s, s->run.number, r->run_id);
    session_view(s, &r->message_count, &last);
    str_copy(r->last_message_id, sizeof(r->last_message_id), str_of(last));
    r->has_pending_message = session_has_work(s);
    r->has_question = s->n_questions > 0;
    if (r->has_question)
        str_copy(r->pending_call_id, sizeof(r->pending_call_id),
                 calls_details(c, session_find_call(s, s->questions[0].call))->id);
    r->metadata_version = s->metadata_version;
    return r;
}
