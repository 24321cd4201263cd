/* SPDX-License-Identifier: MIT */
/* Which part of the machine takes an input. What is only about the session itself, and no run, is done here. */
#include "run/machine.h"

#include "base/str.h"
#include "run/step.h"

void machine_init(struct machine *m, const struct session *s)
{
    memset(m, 0, sizeof(*m));
    m->s = *s;
}

void machine_done(struct machine *m)
{
    buf_done(&m->text);
    buf_done(&m->reasoning);
    facts_unref(m->answer);
    m->answer = NULL;
}

void machine_keep(struct machine *m, struct facts *facts)
{
    if (!session_has_open_calls(&m->s)) {
        facts_unref(m->answer);
        m->answer = NULL;
        return;
    }
    for (uint32_t i = 0; facts != NULL && i < facts->n; i++) {
        if (facts->items[i].kind == FACT_ASSISTANT && facts->items[i].seq == m->s.assistant_seq) {
            facts_unref(m->answer);
            m->answer = facts_ref(facts);
        }
    }
}

/* ---- a session is made, changed, removed, stopped ---- */

void machine_create_session(struct ctx *c)
{
    const struct input *in = c->in;
    struct fact f = {.kind = FACT_SESSION_CREATED,
                     .id = in->session_id,
                     .nonce = in->nonce,
                     .title = in->title,
                     .system = in->system,
                     .workspace = in->workspace,
                     .parent = in->parent,
                     .root = in->root.n > 0 ? in->root : in->session_id,
                     .depth = in->depth,
                     .limits = in->session_limits,
                     .source = in->source,
                     .of_seq = in->of_seq};

    if (in->set_model) {
        f.provider = in->provider;
        f.model = in->model;
    }
    if (in->set_effort)
        f.effort = in->effort;
    step_fact(c, f);
    transcript_import(c);
}

static void on_create(struct ctx *c)
{
    if (session_exists(c->s)) {
        step_reply(c, REPLY_EXISTS);
        return;
    }
    machine_create_session(c);
    step_reply(c, REPLY_CREATED);
}

/* What the session uses from its next run on; nothing where nothing changes. */
void machine_pin_model(struct ctx *c)
{
    const struct input *in = c->in;
    const struct session *s = c->s;
    struct fact f = {.kind = FACT_SESSION_UPDATED,
                     .set_model = in->set_model && !(str_is(in->model, s->model) && str_is(in->provider, s->provider)),
                     .set_effort = in->set_effort && !str_is(in->effort, s->effort)};

    if (f.set_model) {
        f.provider = in->provider;
        f.model = in->model;
    }
    if (f.set_effort)
        f.effort = in->effort;
    if (f.set_model || f.set_effort)
        step_fact(c, f);
}

static void on_update(struct ctx *c)
{
    const struct input *in = c->in;

    if (!session_exists(c->s)) {
        step_reply(c, REPLY_NOT_FOUND);
        return;
    }
    if (in->if_match != 0 && in->if_match != c->s->metadata_version) {
        step_reply(c, REPLY_STALE);
        return;
    }
    if (in->set_limits)
        step_fact(c, (struct fact){.kind = FACT_SESSION_UPDATED, .set_limits = true, .limits = in->session_limits});
    /* One fact is at most one frame, so title and pin are facts of their own. */
    if (in->set_title)
        step_fact(c, (struct fact){.kind = FACT_SESSION_UPDATED, .set_title = true, .title = in->title});
    if (in->set_pinned)
        step_fact(c, (struct fact){.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = in->pinned});
    machine_pin_model(c);
    step_reply(c, REPLY_UPDATED);
}

static void on_delete(struct ctx *c)
{
    if (!session_exists(c->s)) {
        step_reply(c, REPLY_NOT_FOUND);
        return;
    }
    if (c->in->change.seen != 0 && c->in->change.seen != c->s->seq) {
        step_reply(c, REPLY_MOVED);
        return;
    }
    c->out->erase = true;
    step_reply(c, REPLY_DELETED);
}

/* The run that is active, or the one whose question is open; false: another one is named. */
static bool names_run(const struct ctx *c, char id[ID_TEXT])
{
    const struct input *in = c->in;

    session_run_id(c->s, c->s->runs, id);
    return (in->run_id.n == 0 || str_is(in->run_id, id)) && (in->run == 0 || in->run == c->s->runs);
}

static void on_cancel(struct ctx *c)
{
    struct session *s = c->s;
    char id[ID_TEXT];
    struct reply *r;

    if (!session_is_at_work(s)) {
        step_reply(c, !session_exists(s) ? REPLY_NOT_FOUND : c->in->stopped_below ? REPLY_STOPPED : REPLY_NO_RUN);
        return;
    }
    if (!names_run(c, id)) {
        step_reply(c, REPLY_OTHER_RUN);
        return;
    }
    if (!s->run.active) {
        session_run_id(s, s->runs + 1, id);
        door_stop_waiting(c);
    } else if (!s->run.cancelling) {
        run_cancel(c, c->in->by);
    }
    r = step_reply(c, REPLY_STOPPED);
    if (r != NULL)
        memcpy(r->run_id, id, sizeof(r->run_id));
}

/* ---- one step ---- */

void run_step(struct machine *m, const struct input *in, struct step *out)
{
    static void (*const handlers[INPUT_KIND_COUNT])(struct ctx *) = {
        [INPUT_CREATE] = on_create,
        [INPUT_POST] = door_post,
        [INPUT_RESUME] = door_resume,
        [INPUT_CANCEL] = on_cancel,
        [INPUT_ANSWER] = questions_answer,
        [INPUT_TIMER_QUESTION] = questions_expire,
        [INPUT_TIMER_RUN] = budget_time_is_up,
        [INPUT_WITHDRAW] = transcript_withdraw,
        [INPUT_EDIT] = transcript_edit,
        [INPUT_REMOVE] = transcript_remove,
        [INPUT_UPDATE] = on_update,
        [INPUT_DELETE] = on_delete,
        [INPUT_RECOVERED] = run_recover,
        [INPUT_DELTA] = round_delta,
        [INPUT_MODEL_DONE] = round_done,
        [INPUT_MODEL_FAILED] = round_failed,
        [INPUT_TOOL_DONE] = calls_done,
        [INPUT_TIMER_RETRY] = round_retry,
        [INPUT_TIMER_CALL] = calls_timeout,
        [INPUT_TIMER_CANCEL] = run_cancel_bound,
    };
    struct ctx c = {.m = m, .s = &m->s, .in = in, .out = out};

    step_begin(out);
    handlers[in->kind](&c);
}

void run_abandon(struct machine *m, int64_t now, struct step *out)
{
    const struct input in = {.now = now};
    struct ctx c = {.m = m, .s = &m->s, .in = &in, .out = out};

    step_begin(out);
    if (m->s.run.active)
        run_lose(&c);
}
