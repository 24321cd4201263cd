/* SPDX-License-Identifier: MIT */
/* One round's model call: begin, text, end, failure, the next try. */
#include "run/step.h"

#include "base/str.h"

static struct str message_id(struct ctx *c, uint32_t gen)
{
    char id[ID_TEXT];

    session_message_id(c->s, c->s->run.number, c->s->run.round, gen, id);
    return step_copy(c, id);
}

static struct fact of_round(const struct ctx *c, enum fact_kind kind)
{
    const struct run_state *r = &c->s->run;

    return (struct fact){.kind = kind, .run = r->number, .round = r->round, .gen = r->gen};
}

static bool is_current(const struct ctx *c)
{
    const struct run_state *r = &c->s->run;
    const struct input *in = c->in;

    return r->active && r->round_open && !r->cancelling && in->run == r->number && in->round == r->round &&
           in->gen == r->gen;
}

/* ---- begin ---- */

static void tell_budget(struct ctx *c, const struct usage *counted, int64_t spent, int64_t reserved)
{
    const struct session *s = c->s;
    struct fact f = of_round(c, FACT_BUDGET);
    struct budget *b = &f.budget;

    b->system_tokens = session_estimate_tokens(s->system_bytes);
    b->window_tokens = budget_prompt_tokens(s) - b->system_tokens;
    b->total_tokens = b->system_tokens + b->window_tokens;
    b->max_context_tokens = LIMIT_CONTEXT_TOKENS;
    b->budget_limit = LIMIT_CONTEXT_TOKENS - LIMIT_OUTPUT_TOKENS;
    b->used_tokens = s->run.used_tokens;
    b->cost_micros = spent;
    b->reserved_micros = reserved;
    b->limit_micros = s->run.limits.max_cost;
    if (counted != NULL) {
        b->provider_input_tokens = counted->prompt_tokens;
        b->cache_read_input_tokens = counted->cached_tokens;
        b->thinking_tokens = counted->reasoning_tokens;
    }
    step_fact(c, f);
}

void round_tell_cost(struct ctx *c, int64_t cost)
{
    const struct session *s = c->s;
    bool was_told = s->run.reserved_cost == 0 && !s->run.round_open && s->budget_seq > s->assistant_seq;

    if (s->run.price.known && s->budget_seq > 0 && !was_told)
        tell_budget(c, NULL, cost, 0);
}

void round_start_model(struct ctx *c)
{
    struct effect *e = step_effect(c, EFFECT_MODEL_START);

    c->m->pausing = false;
    e->provider = step_copy(c, c->s->run_provider);
    e->model = step_copy(c, c->s->run_model);
    e->effort = step_copy(c, c->s->run_effort);
    e->closing = c->s->run.closing;
    e->max_output = budget_output_tokens(c->s);
}

/* The text of the call that is over belongs to the step from here on: its facts may point to it. */
static void release_text(struct ctx *c)
{
    buf_done(&c->out->text);
    buf_done(&c->out->reasoning);
    c->out->text = c->m->text;
    c->out->reasoning = c->m->reasoning;
    c->m->text = BUF_INIT;
    c->m->reasoning = BUF_INIT;
}

void round_begin(struct ctx *c)
{
    struct fact f = of_round(c, FACT_ROUND_STARTED);

    f.round++;
    f.gen = 0;
    f.admitted = c->s->inbox;
    f.tokens = budget_prompt_tokens(c->s);
    f.cost = budget_worst_cost(c->s);
    f.closing = c->s->run.over;
    step_fact(c, f);
    tell_budget(c, NULL, c->s->run.used_cost - c->s->run.reserved_cost, c->s->run.reserved_cost);
    round_start_model(c);
}

/* ---- text ---- */

void round_delta(struct ctx *c)
{
    struct buf *text = c->in->channel == DELTA_REASONING ? &c->m->reasoning : &c->m->text;
    struct effect *e;

    if (!is_current(c) || c->in->text.n == 0)
        return;
    e = step_effect(c, EFFECT_DELTA);
    e->channel = c->in->channel;
    e->offset = text->n;
    e->text = c->in->text;
    buf_add_str(text, c->in->text);
}

/* ---- ends ---- */

static void put_answer(struct ctx *c, const struct input *in, bool interrupted)
{
    struct fact f = of_round(c, FACT_ASSISTANT);

    release_text(c);
    f.id = message_id(c, c->s->run.gen);
    f.text = buf_str(&c->out->text);
    f.reasoning = buf_str(&c->out->reasoning);
    f.place = c->s->messages;
    f.interrupted = interrupted;
    if (!interrupted) {
        f.calls = in->calls;
        f.stop = in->stop;
        f.repaired = in->repaired;
        c->calls = in->calls.items;
    }
    if (c->in->usage.reported) {
        f.usage = c->in->usage;
    } else {
        f.usage.prompt_tokens = c->s->run.reserved_tokens;
        f.usage.completion_tokens = session_estimate_tokens((int64_t)(f.text.n + f.reasoning.n));
    }
    f.cost = price_of_usage(&c->s->run.price, &f.usage);
    step_fact(c, f);
}

void round_keep_text(struct ctx *c)
{
    if (c->s->run.round_open && (c->m->text.n > 0 || c->m->reasoning.n > 0))
        put_answer(c, NULL, true);
}

void round_abort(struct ctx *c)
{
    if (!c->s->run.round_open)
        return;
    step_effect(c, EFFECT_MODEL_ABORT);
    round_keep_text(c);
}

/* The run ends without a whole answer: another try would be cut too. */
static void end_cut(struct ctx *c, bool by_budget, struct str text)
{
    if (by_budget) {
        budget_tell_tokens(c);
        run_end(c, END_BUDGET);
    } else {
        run_fail(c, FAILURE_LENGTH, text);
    }
}

/* Calls of an answer that was cut may be cut too: the model is told. Without any the run is over: false. */
static bool end_cut_answer(struct ctx *c, bool by_budget)
{
    if (c->s->n_calls == 0) {
        end_cut(c, by_budget,
                STR("The answer was cut by the limit of its length; ask for a shorter one, or raise the limit."));
        return false;
    }
    calls_end_proposed(c, OUTCOME_ERROR,
                       STR("Not run: the answer was cut by the limit of its length. Make it shorter."));
    return true;
}

/* Neither a word nor a call: no answer. */
static void fail_empty(struct ctx *c)
{
    const struct input *in = c->in;
    struct input failed = *in;

    failed.kind = INPUT_MODEL_FAILED;
    failed.failure = FAILURE_EMPTY;
    failed.text = STR("the model gave an empty answer");
    if (in->stop == STOP_FILTER) {
        failed.failure = FAILURE_FILTER;
        failed.text = STR("the provider's content filter stopped the answer");
    } else if (in->stop == STOP_LENGTH) {
        failed.failure = FAILURE_LENGTH;
        failed.text = STR("The limit of its length was reached before the answer had begun; raise the limit.");
    }
    c->in = &failed;
    round_failed(c);
    c->in = in;
}

void round_done(struct ctx *c)
{
    const struct input *in = c->in;
    bool by_budget;

    if (!is_current(c))
        return;
    if (c->m->text.n == 0 && in->calls.count == 0) {
        fail_empty(c);
        return;
    }
    by_budget = budget_shortens_answer(c->s);
    put_answer(c, in, false);
    tell_budget(c, &in->usage, c->s->run.used_cost, 0);
    if (in->stop == STOP_LENGTH && !end_cut_answer(c, by_budget))
        return;
    run_advance(c);
}

/* Half fixed, half drawn from the name of the try: many runs that failed together come back apart. */
static int64_t retry_pause(const struct session *s, int64_t asked_ms)
{
    uint32_t doublings = s->run.failures < 10 ? s->run.failures : 10;
    int64_t pause = (int64_t)LIMIT_MODEL_RETRY_MS << doublings;
    uint64_t draw = (s->nonce ^ s->run.number) * 0x9e3779b97f4a7c15u + s->run.round * 31u + s->run.gen;

    if (pause > LIMIT_MODEL_RETRY_MAX_MS)
        pause = LIMIT_MODEL_RETRY_MAX_MS;
    draw ^= draw >> 29;
    pause = pause / 2 + (int64_t)(draw % (uint64_t)(pause / 2 + 1));
    return pause > asked_ms ? pause : asked_ms;
}

static bool may_retry(const struct ctx *c)
{
    const struct run_state *r = &c->s->run;

    return failure_is_retryable((enum failure)c->in->failure) && r->failures + 1 < LIMIT_MODEL_TRIES &&
           c->in->wait_ms <= LIMIT_MODEL_RETRY_AFTER_MAX_MS;
}

/* No other try: the run ends with its failure, or for want of tokens or money where only they are missing. */
static void give_up(struct ctx *c, bool is_short)
{
    bool by_budget = budget_shortens_answer(c->s);

    round_keep_text(c);
    if (c->in->failure == FAILURE_LENGTH)
        end_cut(c, by_budget, c->in->text);
    else if (is_short)
        run_end(c, END_BUDGET);
    else
        run_fail(c, (enum failure)c->in->failure, c->in->text);
}

void round_failed(struct ctx *c)
{
    struct fact f;

    if (!is_current(c))
        return;
    if (!may_retry(c) || !budget_allows_try(c)) {
        give_up(c, may_retry(c));
        return;
    }
    f = of_round(c, FACT_MODEL_FAILED);
    f.failure = c->in->failure;
    f.text = c->in->text;
    f.usage = c->in->usage;
    f.retry = true;
    f.due = c->in->now + retry_pause(c->s, c->in->wait_ms);
    f.tokens = budget_prompt_tokens(c->s);
    f.cost = budget_worst_cost(c->s);
    if (c->m->text.n > 0 || c->m->reasoning.n > 0)
        f.discarded = message_id(c, f.gen);
    step_fact(c, f);
    release_text(c);
    c->m->pausing = true;
    step_timer(c, INPUT_TIMER_RETRY, f.due - c->in->now);
}

void round_retry(struct ctx *c)
{
    if (is_current(c))
        round_start_model(c);
}
