/* SPDX-License-Identifier: MIT */
/* The course of a run that has begun: what is next, how it is stopped and recovered, and how it ends. */
#include "run/step.h"

#include "base/str.h"

/* ---- the end ---- */

/* What the run has cost. A call whose end was seen, or that was not made yet, is not charged for an answer. */
static int64_t cost_at_end(const struct ctx *c)
{
    const struct run_state *r = &c->s->run;
    int64_t open_call = r->reserved_cost;

    if (r->round_open && c->in->kind == INPUT_MODEL_FAILED)
        open_call = budget_failed_cost(c);
    else if (r->round_open && c->m->pausing)
        open_call = 0;
    return amount_add(r->used_cost - r->reserved_cost, open_call);
}

static void put_end(struct ctx *c, enum run_end end, enum failure failure, struct str text)
{
    const struct run_state *r = &c->s->run;
    struct fact f = {.kind = FACT_RUN_ENDED, .run = r->number, .end = end, .failure = failure, .text = text};
    char id[ID_TEXT];

    f.cost = cost_at_end(c);
    round_tell_cost(c, f.cost);
    session_run_id(c->s, r->number, id);
    f.id = step_copy(c, id);
    f.usage = r->usage;
    if (r->round_open && c->in->kind == INPUT_MODEL_FAILED && c->in->usage.reported)
        usage_add(&f.usage, &c->in->usage);
    f.rounds = r->round;
    f.ms = c->in->steady - c->m->run_began;
    if (end == END_CANCELLED)
        f.by = step_copy(c, r->stopped_by);
    if (end == END_BUDGET)
        f.reason = step_copy(c, r->over_kind);
    if (end == END_SUSPENDED)
        f.reason = STR("question");
    step_fact(c, f);
}

static void finish(struct ctx *c, enum run_end how, enum failure failure, struct str text)
{
    struct run_wish next = c->s->next;
    bool queued = c->s->run.queued, had_rounds = c->s->run.round > 0;

    put_end(c, how, failure, text);
    if (had_rounds || queued) /* else another one would end as this one did */
        door_successor(c, how, queued ? &next : NULL);
}

void run_end(struct ctx *c, enum run_end how)
{
    finish(c, how, FAILURE_NONE, STR_NULL);
}

void run_fail(struct ctx *c, enum failure failure, struct str text)
{
    finish(c, END_ERROR, failure, text);
}

/* ---- what is next ---- */

/* Round after round the same, or nothing that works: true, and the run is ended. */
static bool is_stuck(struct ctx *c)
{
    const struct session *s = c->s;
    struct arena *a = &c->out->arena;
    struct str why;

    if (s->inbox > 0 || (s->run.round == 0 && s->run.origin != ORIGIN_ANSWER))
        return false; /* there is something new to look at */
    if (session_repeats(s) >= LIMIT_REPEATS)
        why = arena_strf(a, "The model made the same calls %u times in a row, with the same results.",
                         session_repeats(s));
    else if (session_fruitless(s) >= LIMIT_FRUITLESS)
        why = arena_strf(a, "In %u rounds in a row not one call of the model went well.", session_fruitless(s));
    else
        return false;
    run_fail(c, FAILURE_NO_PROGRESS, why);
    return true;
}

static void next_round(struct ctx *c)
{
    if (budget_is_unpriced(c->s)) {
        run_fail(c, FAILURE_PRICE,
                 STR("Money is limited, and nobody has said what this model costs: see \"models\" in the "
                     "configuration."));
        return;
    }
    if (budget_allows_round(c)) {
        if (!is_stuck(c))
            round_begin(c);
    } else if (budget_allows_closing(c)) {
        round_begin(c);
    } else {
        run_end(c, END_BUDGET);
    }
}

/* Looks at the fold only. Called with the round closed, at the end of most inputs. */
void run_advance(struct ctx *c)
{
    const struct session *s = c->s;

    if (!s->run.active)
        return;
    if (s->run.cancelling) {
        questions_withdraw(c);
        calls_end_proposed(c, OUTCOME_CANCELLED, STR("Not run: the run was stopped."));
        if (session_open_calls(s, CALL_RUNNING) == 0)
            run_end(c, END_CANCELLED);
        return;
    }
    calls_start(c);
    if (session_open_calls(s, CALL_RUNNING) > 0)
        return;
    if (s->n_questions > 0) {
        run_end(c, END_SUSPENDED);
        return;
    }
    if (s->run.closing) {
        run_end(c, END_BUDGET);
        return;
    }
    if (!s->unread && s->inbox == 0) {
        run_end(c, END_COMPLETED);
        return;
    }
    next_round(c);
}

/* ---- a stop ---- */

void run_cancel(struct ctx *c, struct str by)
{
    struct session *s = c->s;

    step_fact(c, (struct fact){.kind = FACT_CANCEL_REQUESTED, .run = s->run.number, .by = by});
    round_abort(c);
    calls_cancel_running(c);
    run_advance(c);
}

void run_cancel_bound(struct ctx *c)
{
    if (!c->s->run.cancelling || c->in->run != c->s->run.number)
        return;
    calls_give_up(c, OUTCOME_UNKNOWN);
    run_advance(c);
}

/* ---- after a crash ---- */

void run_recover(struct ctx *c)
{
    struct session *s = c->s;
    struct run_state *r = &s->run;
    struct fact f = {.kind = FACT_RUN_RECOVERED, .run = r->number, .round = r->round, .gen = r->gen};
    bool in_model = r->round_open, give_up, goes_on = true;
    char id[ID_TEXT];

    questions_recover(c);
    if (!r->active)
        return;
    f.charged = c->in->charged;
    give_up = r->crashes + (f.charged ? 1 : 0) >=
              (uint32_t)(in_model ? LIMIT_GIVE_UP_MODEL_CRASHES : LIMIT_GIVE_UP_TOOL_CRASHES);
    if (in_model) {
        session_message_id(s, r->number, r->round, r->gen, id);
        f.discarded = step_copy(c, id);
        goes_on = !give_up && budget_has_try(s);
        f.tokens = goes_on ? budget_prompt_tokens(s) : 0;
        f.cost = goes_on ? budget_worst_cost(s) : 0;
    }
    budget_recover_clock(c);
    step_fact(c, f); /* first of all: watchers have read more than the stored text, so it gets a new name */
    if (!in_model) {
        calls_recover(c, give_up);
        run_advance(c);
    } else if (give_up) {
        round_keep_text(c);
        run_fail(c, FAILURE_CRASH_LOOP, STR("The server stopped again and again during this run; it was given up."));
    } else if (!goes_on) {
        budget_allows_try(c); /* says which limit it is */
        round_keep_text(c);
        run_end(c, END_BUDGET);
    } else {
        buf_clear(&c->m->text);
        buf_clear(&c->m->reasoning);
        round_start_model(c);
    }
}

void run_lose(struct ctx *c)
{
    calls_give_up(c, OUTCOME_UNKNOWN);
    calls_end_proposed(c, OUTCOME_CANCELLED, STR("Not run: the run was ended."));
    put_end(c, END_ERROR, FAILURE_INTERNAL,
            STR("What came next was lost when the store was damaged; the run was ended by its repair."));
}
