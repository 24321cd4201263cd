/* SPDX-License-Identifier: MIT */
/*
 * What a run may use, and what its session may. Looked at before each call of the model and of a tool; the first limit
 * that is met leaves one round to end with, if there is enough left for that.
 */
#include "run/step.h"

#include "base/str.h"

#define LEAST_OUTPUT_TOKENS 256

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value == 0 ? otherwise : value;
}

int64_t budget_prompt_tokens(const struct session *s)
{
    return session_estimate_tokens(s->context_bytes + s->inbox_bytes) + 4 * (int64_t)(s->messages + s->inbox);
}

bool budget_limits_money(const struct run_limits *run, const struct run_limits *session)
{
    return run->max_cost > 0 || session->max_cost > 0;
}

bool budget_is_unpriced(const struct session *s)
{
    const struct run_state *r = &s->run;

    return budget_limits_money(&r->limits, &s->limits) && !r->price.known && !r->limits.unpriced && !s->limits.unpriced;
}

int64_t budget_worst_cost(const struct session *s)
{
    return price_worst_case(&s->run.price, budget_prompt_tokens(s), LIMIT_OUTPUT_TOKENS);
}

/* Tokens that the answer may have, so that it keeps within what is left; 0: whatever the provider allows. */
int64_t budget_output_tokens(const struct session *s)
{
    const struct run_state *r = &s->run;
    int64_t most = budget_limits_money(&r->limits, &s->limits) ? LIMIT_OUTPUT_TOKENS : 0;
    int64_t left = r->limits.max_tokens - r->used_tokens;

    if (r->limits.max_tokens == 0 || left > LIMIT_OUTPUT_TOKENS)
        return most;
    return left > LEAST_OUTPUT_TOKENS ? left : LEAST_OUTPUT_TOKENS;
}

/* Asked while what the call has reserved is not settled: that was so when its answer was limited. */
bool budget_shortens_answer(const struct session *s)
{
    const struct run_state *r = &s->run;

    return r->closing || (r->limits.max_tokens > 0 && r->limits.max_tokens - r->used_tokens < LIMIT_OUTPUT_TOKENS);
}

/* ---- which limit is met ---- */

struct hit {
    const char *kind; /* NULL: none */
    int64_t limit, actual;
    int64_t needed; /* of money: what must be left beside `actual` */
};

/* A limit of 0 is none. */
static bool is_met(int64_t limit, int64_t actual, const char *kind, struct hit *out)
{
    if (limit <= 0 || actual < limit)
        return false;
    *out = (struct hit){.kind = kind, .limit = limit, .actual = actual};
    return true;
}

static bool run_meets(const struct session *s, struct hit *out)
{
    const struct run_state *r = &s->run;

    return is_met(r->limits.max_tokens, r->used_tokens, "max_total_tokens", out) ||
           is_met(or_default(r->limits.max_rounds, LIMIT_ROUNDS), r->round, "max_rounds", out);
}

static bool session_meets(const struct session *s, struct hit *out)
{
    struct spent spent = session_spent(s);
    const struct run_limits *l = &s->limits;

    return is_met(l->max_tokens, spent.tokens, "session_max_total_tokens", out) ||
           is_met(l->max_rounds, spent.rounds, "session_max_rounds", out) ||
           is_met(l->max_ms, spent.ms, "session_max_wall_ms", out) ||
           is_met(l->max_calls, spent.calls, "session_max_tool_calls", out);
}

/* `back`: of what counts as spent, so much is not. */
static bool money_is_short(const struct session *s, int64_t back, int64_t need, struct hit *out)
{
    int64_t of_run = amount_add(s->run.used_cost, -back), of_all = amount_add(session_spent(s).cost, -back);

    *out = (struct hit){"max_cost_micros", s->run.limits.max_cost, of_run, need};
    if (out->limit > 0 && amount_add(of_run, need) > out->limit)
        return true;
    *out = (struct hit){"session_max_cost_micros", s->limits.max_cost, of_all, need};
    return out->limit > 0 && amount_add(of_all, need) > out->limit;
}

/* Beside this round there must be money for the one that ends the run. */
static bool meets(const struct session *s, struct hit *out)
{
    int64_t worst = budget_worst_cost(s);

    return run_meets(s, out) || session_meets(s, out) || money_is_short(s, 0, amount_add(worst, worst), out);
}

static void exceed(struct ctx *c, const struct hit *hit)
{
    const struct run_state *r = &c->s->run;

    if (r->over)
        return;
    step_fact(c, (struct fact){.kind = FACT_BUDGET_EXCEEDED,
                               .run = r->number,
                               .round = r->round,
                               .gen = r->gen,
                               .tool = str_of(hit->kind),
                               .limit = hit->limit,
                               .actual = hit->actual,
                               .cost = hit->needed});
}

bool budget_allows_round(struct ctx *c)
{
    struct hit hit = {0};

    if (!c->s->run.over && !meets(c->s, &hit))
        return true;
    exceed(c, &hit);
    return false;
}

/*
 * A session that had its last round in an earlier run has none in this one. A run that goes on after an answer is the
 * work of the one that asked, which had no last round; but where the time is up, there is none to end in.
 */
static bool has_closed_before(const struct session *s)
{
    struct hit hit;

    if (s->run.round > 0 || !session_meets(s, &hit))
        return false;
    return s->run.origin != ORIGIN_ANSWER || is_met(s->limits.max_ms, session_spent(s).ms, "", &hit);
}

bool budget_allows_closing(const struct ctx *c)
{
    const struct session *s = c->s;
    struct hit hit;

    if (has_closed_before(s))
        return false;
    return !money_is_short(s, 0, budget_worst_cost(s), &hit);
}

int64_t budget_failed_cost(const struct ctx *c)
{
    const struct run_state *r = &c->s->run;

    return price_of_failed(&r->price, &c->in->usage, r->reserved_tokens, r->reserved_cost);
}

/* Of the reservation of the call that failed; nothing where nobody saw its end, and below zero where it was more. */
static struct spent given_back(const struct ctx *c)
{
    const struct run_state *r = &c->s->run;
    const struct usage *counted = &c->in->usage;
    struct spent back = {0};

    if (c->in->kind != INPUT_MODEL_FAILED)
        return back;
    back.cost = r->reserved_cost - budget_failed_cost(c);
    if (counted->reported)
        back.tokens = amount_add(r->reserved_tokens, -usage_total(counted));
    return back;
}

static bool try_meets(const struct session *s, struct spent back, struct hit *out)
{
    return is_met(s->run.limits.max_tokens, amount_add(s->run.used_tokens, -back.tokens), "max_total_tokens", out) ||
           money_is_short(s, back.cost, budget_worst_cost(s), out);
}

bool budget_has_try(const struct session *s)
{
    struct hit hit;

    return !try_meets(s, (struct spent){0}, &hit);
}

bool budget_allows_try(struct ctx *c)
{
    struct hit hit;

    if (!try_meets(c->s, given_back(c), &hit))
        return true;
    exceed(c, &hit);
    return false;
}

bool budget_allows_call(struct ctx *c)
{
    const struct session *s = c->s;
    struct hit hit;

    if (s->run.over || s->run.closing)
        return false;
    if (!is_met(or_default(s->run.limits.max_calls, LIMIT_CALLS), s->run.calls, "max_tool_calls", &hit) &&
        !is_met(s->limits.max_calls, session_spent(s).calls, "session_max_tool_calls", &hit))
        return true;
    exceed(c, &hit);
    return false;
}

void budget_tell_tokens(struct ctx *c)
{
    const struct run_state *r = &c->s->run;

    exceed(c, &(struct hit){.kind = "max_total_tokens", .limit = r->limits.max_tokens, .actual = r->used_tokens});
}

/* ---- time ---- */

static void arm(struct ctx *c, int64_t in_ms)
{
    step_timer(c, INPUT_TIMER_RUN, in_ms);
}

/* How long the run may be at work: its own limit, or what earlier runs have left of the session's; 0: any time. */
static int64_t time_of_run(const struct session *s)
{
    int64_t own = s->run.limits.max_ms, left = amount_add(s->limits.max_ms, -s->spent.ms);

    if (s->limits.max_ms == 0 || (own > 0 && own <= left))
        return own;
    return left > 0 ? left : 1;
}

static void exceed_time(struct ctx *c, int64_t most, int64_t passed)
{
    const struct session *s = c->s;

    if (most == s->run.limits.max_ms)
        exceed(c, &(struct hit){.kind = "max_wall_ms", .limit = most, .actual = passed});
    else
        exceed(c, &(struct hit){.kind = "session_max_wall_ms",
                                .limit = s->limits.max_ms,
                                .actual = amount_add(s->spent.ms, passed)});
}

/* To end with: as much time again, and no more than a minute. */
static void arm_closing(struct ctx *c, int64_t most)
{
    arm(c, most < LIMIT_CLOSING_MS ? most : LIMIT_CLOSING_MS);
}

void budget_start_clock(struct ctx *c)
{
    int64_t most = time_of_run(c->s);

    c->m->run_began = c->in->steady;
    if (most > 0)
        arm(c, most);
}

/* After a restart nobody has measured: what the wall clock says is left, and never more than there was. */
void budget_recover_clock(struct ctx *c)
{
    const struct run_state *r = &c->s->run;
    int64_t most = time_of_run(c->s), passed = c->in->now > r->started_at ? c->in->now - r->started_at : 0;

    if (passed > most)
        passed = most;
    c->m->run_began = c->in->steady - passed;
    if (most == 0)
        return;
    if (r->over)
        arm_closing(c, most);
    else
        arm(c, most - passed);
}

/* The first time leaves a round to end with; the second is the end. */
void budget_time_is_up(struct ctx *c)
{
    struct run_state *r = &c->s->run;
    int64_t most = time_of_run(c->s), passed = c->in->steady - c->m->run_began;

    if (!r->active || r->cancelling || c->in->run != r->number || most == 0)
        return;
    if (passed < most) { /* a long time comes in parts; the session's may have grown meanwhile */
        arm(c, most - passed);
        return;
    }
    if (!r->over) {
        exceed_time(c, most, passed);
        arm_closing(c, most);
        return;
    }
    round_abort(c);
    questions_withdraw(c);
    calls_stop_running(c);
    calls_end_proposed(c, OUTCOME_CANCELLED, STR("Not run: the time of the run was up."));
    run_end(c, END_BUDGET);
}
