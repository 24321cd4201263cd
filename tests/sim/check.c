/* SPDX-License-Identifier: MIT */
/* Invariants of one fact against what was stored before it. Ids are used in failure messages. */
#include "sim.h"

#include "base/str.h"

/* Every byte of every field, what is behind the end of a text included. */
bool check_same_fold(const struct session *a, const struct session *b)
{
    struct buf left = BUF_INIT, right = BUF_INIT;
    bool same;

    session_write_head(a, &left);
    session_write_head(b, &right);
    same = str_eq(buf_str(&left), buf_str(&right));
    buf_done(&left);
    buf_done(&right);
    return same;
}

static void check_calls(struct sim *w, const struct session *s, const struct fact *f)
{
    int i = session_find_call(s, f->call);
    bool reads;

    if (i < 0)
        sim_fail(w, "I-PAIR", "seq %" PRIu64 " is about call %u, which nobody proposed", f->seq, f->call);
    if (f->kind == FACT_CALL_ENDED) {
        if (s->calls[i].state == CALL_ASKED && s->n_questions > 0)
            for (int q = 0; q < s->n_questions; q++)
                if (s->questions[q].call == f->call)
                    sim_fail(w, "I-ASK", "call %u has a result while its question is open", f->call);
        if (s->calls[i].state == CALL_OVER || f->place != s->calls_place + (uint32_t)i)
            sim_fail(w, "I-PAIR", "call %u: second result, or in the wrong place", f->call);
        return;
    }
    reads = s->calls[i].effect == EFFECT_READ || s->calls[i].effect == EFFECT_ASK ||
            s->calls[i].effect == EFFECT_UNKNOWN_TOOL;
    for (int k = 0; k < s->n_calls; k++)
        if (s->calls[k].state == CALL_RUNNING && (!reads || s->calls[k].effect != EFFECT_READ))
            sim_fail(w, "I-ORDER", "call %u started beside one that must run alone", f->call);
}

/* No round but the closing one begins with a limit reached, and no call of a tool. */
static void check_limit(struct sim *w, const char *name, int64_t used, int64_t limit)
{
    if (limit > 0 && used >= limit)
        sim_fail(w, "I-BUDGET", "work begins with %" PRId64 " of %" PRId64 " used of %s", used, limit, name);
}

static void check_round(struct sim *w, const struct session *s, const struct fact *f)
{
    uint32_t most = s->run.limits.max_rounds == 0 ? LIMIT_ROUNDS : s->run.limits.max_rounds;
    struct spent all = session_spent(s);

    if (session_has_open_calls(s))
        sim_fail(w, "I-PAIR", "round %u begins with calls that have no result", f->round);
    if (f->round > most + 1)
        sim_fail(w, "I-BUDGET", "round %u of %u", f->round, most);
    if (f->closing)
        return;
    check_limit(w, "max_rounds", f->round - 1, most);
    check_limit(w, "max_total_tokens", s->run.used_tokens, s->run.limits.max_tokens);
    check_limit(w, "session_max_rounds", all.rounds, s->limits.max_rounds);
    check_limit(w, "session_max_total_tokens", all.tokens, s->limits.max_tokens);
    check_limit(w, "session_max_tool_calls", all.calls, s->limits.max_calls);
    check_limit(w, "session_max_wall_ms", all.ms, s->limits.max_ms);
}

static void check_call_limits(struct sim *w, const struct session *s)
{
    uint32_t most = s->run.limits.max_calls == 0 ? LIMIT_CALLS : s->run.limits.max_calls;

    check_limit(w, "max_tool_calls", s->run.calls, most);
    check_limit(w, "session_max_tool_calls", session_spent(s).calls, s->limits.max_calls);
}

/* What a call may cost at most is reserved before it is made, and there is as much. */
static void check_money(struct sim *w, const struct session *before, const struct fact *f)
{
    struct session s = *before;
    int64_t all;

    if (!s.run.price.known)
        return;
    session_fold(&s, f);
    all = session_spent(&s).cost;
    if (s.run.limits.max_cost > 0 && s.run.used_cost > s.run.limits.max_cost)
        sim_fail(w, "I-BUDGET", "%s: %" PRId64 " micros of %" PRId64, fact_kind_name(f->kind), s.run.used_cost,
                 s.run.limits.max_cost);
    if (f->cost > 0 && s.limits.max_cost > 0 && all > s.limits.max_cost)
        sim_fail(w, "I-BUDGET", "%s: %" PRId64 " micros of the session's %" PRId64, fact_kind_name(f->kind), all,
                 s.limits.max_cost);
}

void check_fact(struct sim *w, const struct session *s, const struct fact *f)
{
    bool begins = f->kind == FACT_ROUND_STARTED || f->kind == FACT_CALL_STARTED || f->kind == FACT_MODEL_FAILED;

    if (f->kind == FACT_RUN_STARTED && s->run.active)
        sim_fail(w, "I-ONEACTIVE", "run %u begins while %u is active", f->run, s->run.number);
    if (f->run != 0 && f->kind != FACT_RUN_STARTED && (!s->run.active || f->run != s->run.number))
        sim_fail(w, "I-TERM", "seq %" PRIu64 " (%s) of run %u comes after its end", f->seq, fact_kind_name(f->kind),
                 f->run);
    if (f->kind == FACT_RUN_ENDED && f->end != END_SUSPENDED && f->end != END_ERROR &&
        session_open_calls(s, CALL_PROPOSED) > 0)
        sim_fail(w, "I-PAIR", "run %u ended with calls that have no result", f->run);
    if (begins && s->run.cancelling)
        sim_fail(w, "I-CANCEL", "%s after an acknowledged stop", fact_kind_name(f->kind));
    if (f->kind == FACT_RUN_ENDED && f->end != END_SUSPENDED && s->n_questions > 0)
        sim_fail(w, "I-ASK", "run %u ended as %s and leaves a question open", f->run, run_end_names[f->end]);
    if (f->kind == FACT_RUN_STARTED && f->origin != ORIGIN_STOP && s->n_questions > 0)
        sim_fail(w, "I-ASK", "run %u begins while a question is open", f->run);
    if ((f->kind == FACT_MESSAGE_EDITED || f->kind == FACT_MESSAGES_REMOVED) && (s->run.active || s->n_questions > 0))
        sim_fail(w, "I-MSG", "the transcript is changed under a run");
    if (f->kind == FACT_CALL_STARTED || f->kind == FACT_CALL_ENDED)
        check_calls(w, s, f);
    if (f->kind == FACT_ROUND_STARTED)
        check_round(w, s, f);
    if (f->kind == FACT_CALL_STARTED)
        check_call_limits(w, s);
    if (f->kind == FACT_ROUND_STARTED || f->kind == FACT_MODEL_FAILED || f->kind == FACT_RUN_RECOVERED)
        check_money(w, s, f);
    if (f->kind == FACT_ASSISTANT && f->place != s->messages)
        sim_fail(w, "I-MSG", "an answer takes place %u of %u", f->place, s->messages);
}

static bool begins_call(const struct fact *f, const struct model_call *call)
{
    if (f->run != call->run || f->round != call->round)
        return false;
    if (f->kind == FACT_ROUND_STARTED)
        return call->gen == 0;
    return (f->kind == FACT_MODEL_FAILED || f->kind == FACT_RUN_RECOVERED) && f->gen + 1 == call->gen;
}

/* I-INTENT for model calls: the fact that begins this very try is stored. */
void check_model_call(struct sim *w, const struct model_call *call)
{
    const struct session *s = disk_fold(w->disk, call->session_id);

    for (uint64_t seq = s == NULL ? 0 : s->seq; seq > 0; seq--)
        if (begins_call(disk_fact(w->disk, call->session_id, seq), call))
            return;
    if (disk_incarnation(w->disk, call->session_id) == 0)
        sim_fail(w, "I-INTENT", "session " STR_FMT ": model call %u/%u/%u has no fact", STR_ARG(call->session_id),
                 call->run, call->round, call->gen);
}
