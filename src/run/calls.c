/* SPDX-License-Identifier: MIT */
/* Tool calls of the last answer: which may start, and how each gets exactly one result. */
#include "run/step.h"

#include "base/str.h"

const struct call *calls_details(const struct ctx *c, int i)
{
    if (c->calls != NULL)
        return &c->calls[i];
    assert(c->m->answer != NULL);
    for (uint32_t k = 0; k < c->m->answer->n; k++) {
        const struct fact *f = &c->m->answer->items[k];

        if (f->kind == FACT_ASSISTANT && f->seq == c->s->assistant_seq)
            return &((const struct call *)f->calls.items)[i];
    }
    assert(!"the answer that proposed these calls is not here");
    return NULL;
}

struct fact calls_fact(const struct ctx *c, enum fact_kind kind, int i)
{
    const struct run_state *r = &c->s->run;
    const struct call *call = calls_details(c, i);

    return (struct fact){.kind = kind,
                         .run = r->number,
                         .round = r->round,
                         .gen = r->gen,
                         .call = c->s->first_call + (uint32_t)i,
                         .call_id = call->id,
                         .tool = call->name};
}

void calls_end(struct ctx *c, int i, enum call_outcome outcome, struct str text)
{
    struct fact f = calls_fact(c, FACT_CALL_ENDED, i);
    char id[ID_TEXT];

    session_result_id(c->s, f.call, id);
    f.id = step_copy(c, id);
    f.outcome = outcome;
    f.text = text;
    f.place = c->s->calls_place + (uint32_t)i;
    step_fact(c, f);
}

/* Call id and arguments are views into the answer, which the machine keeps while a call is open. */
static void start_tool(struct ctx *c, int i)
{
    const struct call *call = calls_details(c, i);
    uint32_t number = c->s->first_call + (uint32_t)i;
    struct effect *e = step_effect(c, EFFECT_TOOL_START);

    e->call = number;
    e->call_id = call->id;
    e->tool = call->name;
    e->args = call->args;
    step_timer(c, INPUT_TIMER_CALL, LIMIT_TOOL_MS)->call = number;
}

void calls_begin(struct ctx *c, int i)
{
    struct fact f = calls_fact(c, FACT_CALL_STARTED, i);

    f.args = calls_details(c, i)->args;
    step_fact(c, f);
}

/*
 * In the order of the answer: neighbours that only read go together, everything else alone. A
 * call that cannot run gets its result at once and holds up nobody. Questions are asked together; what comes after them
 * waits for the answers.
 */
void calls_start(struct ctx *c)
{
    const struct session *s = c->s;
    uint32_t running = 0;

    for (int i = 0; i < s->n_calls; i++) {
        bool reads = s->calls[i].effect == EFFECT_READ;

        if (s->calls[i].state == CALL_OVER || s->calls[i].state == CALL_ASKED)
            continue;
        if (s->calls[i].state == CALL_RUNNING) {
            if (!reads)
                return;
            running++;
        } else if (!budget_allows_call(c)) {
            calls_end(c, i, OUTCOME_DENIED, STR("Not run: the budget of this run is used up."));
        } else if (s->calls[i].effect == EFFECT_UNKNOWN_TOOL) {
            calls_begin(c, i);
            calls_end(c, i, OUTCOME_NO_TOOL,
                      arena_strf(&c->out->arena, "There is no tool named \"" STR_FMT "\".",
                                 STR_ARG(calls_details(c, i)->name)));
        } else if (s->calls[i].effect == EFFECT_ASK) {
            questions_ask(c, i);
        } else if (s->n_questions > 0 || (running > 0 && (!reads || running >= LIMIT_PARALLEL_TOOLS))) {
            return;
        } else {
            calls_begin(c, i);
            start_tool(c, i);
            running++;
            if (!reads)
                return;
        }
    }
}

static int running_call(const struct ctx *c)
{
    int i = session_find_call(c->s, c->in->call);

    return c->s->run.active && i >= 0 && c->s->calls[i].state == CALL_RUNNING ? i : -1;
}

void calls_done(struct ctx *c)
{
    int i = running_call(c);

    if (i < 0)
        return;
    calls_end(c, i, (enum call_outcome)c->in->outcome, c->in->text);
    run_advance(c);
}

static void cancel_tool(struct ctx *c, int i)
{
    step_effect(c, EFFECT_TOOL_CANCEL)->call = c->s->first_call + (uint32_t)i;
}

void calls_timeout(struct ctx *c)
{
    int i = running_call(c);

    if (i < 0)
        return;
    cancel_tool(c, i);
    calls_end(c, i, OUTCOME_TIMEOUT, STR("The tool did not finish before its deadline; it may have had effects."));
    run_advance(c);
}

static void cancel_running(struct ctx *c)
{
    for (int i = 0; i < c->s->n_calls; i++)
        if (c->s->calls[i].state == CALL_RUNNING)
            cancel_tool(c, i);
}

void calls_cancel_running(struct ctx *c)
{
    cancel_running(c);
    if (session_open_calls(c->s, CALL_RUNNING) > 0)
        step_timer(c, INPUT_TIMER_CANCEL, LIMIT_CANCEL_MS);
}

void calls_give_up(struct ctx *c, enum call_outcome outcome)
{
    for (int i = 0; i < c->s->n_calls; i++)
        if (c->s->calls[i].state == CALL_RUNNING)
            calls_end(c, i, outcome, STR("The call was interrupted; it may or may not have happened."));
}

void calls_end_proposed(struct ctx *c, enum call_outcome outcome, struct str why)
{
    for (int i = 0; i < c->s->n_calls; i++)
        if (c->s->calls[i].state == CALL_PROPOSED)
            calls_end(c, i, outcome, why);
}

void calls_stop_running(struct ctx *c)
{
    cancel_running(c);
    calls_give_up(c, OUTCOME_UNKNOWN);
}

void calls_recover(struct ctx *c, bool give_up)
{
    for (int i = 0; i < c->s->n_calls; i++) {
        bool again = c->s->calls[i].effect == EFFECT_READ || c->s->calls[i].effect == EFFECT_KEYED;

        if (c->s->calls[i].state != CALL_RUNNING)
            continue;
        if (again && !give_up && !c->s->run.cancelling)
            start_tool(c, i);
        else
            calls_end(c, i, OUTCOME_UNKNOWN,
                      STR("The server stopped during this call; it may or may not have happened."));
    }
}
