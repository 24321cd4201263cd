/* SPDX-License-Identifier: MIT */
/*
 * Questions to a person. Asking is a call whose result is the answer: the run that asked is suspended, and what is open
 * belongs to the session until it is answered, dismissed, expired or withdrawn.
 */
#include "run/ask.h"
#include "run/step.h"

#include "base/str.h"

static struct fact of_question(struct ctx *c, enum fact_kind kind, int i)
{
    struct fact f = calls_fact(c, kind, i);
    char id[ID_TEXT];

    session_question_id(c->s, f.call, id);
    f.id = step_copy(c, id);
    return f;
}

static void arm(struct ctx *c, uint32_t call, int64_t in_ms)
{
    step_timer(c, INPUT_TIMER_QUESTION, in_ms)->call = call;
}

static void ask(struct ctx *c, int i, const struct ask *ask)
{
    struct fact f = of_question(c, FACT_QUESTION_ASKED, i);

    f.text = ask->question;
    f.options = ask->options_json;
    f.allow_custom = ask->allow_custom;
    f.fallback = ask->fallback;
    f.due = ask->deadline_ms > 0 ? c->in->now + ask->deadline_ms : 0;
    step_fact(c, f);
    if (ask->deadline_ms > 0)
        arm(c, f.call, ask->deadline_ms);
}

void questions_ask(struct ctx *c, int i)
{
    struct arena *a = &c->out->arena;
    struct ask wish;
    struct err err;

    calls_begin(c, i);
    if (ask_read(calls_details(c, i)->args, a, &wish, &err) < 0)
        calls_end(c, i, OUTCOME_ERROR, arena_strf(a, "Not asked: %s", err.text));
    else if (c->s->run.unattended && wish.fallback.n > 0)
        calls_end(c, i, OUTCOME_OK, wish.fallback);
    else if (c->s->run.unattended)
        calls_end(c, i, OUTCOME_DENIED,
                  STR("Not asked: nobody is there to answer. Decide yourself, or end with what is missing."));
    else if (c->s->n_questions == LIMIT_QUESTIONS)
        calls_end(c, i, OUTCOME_ERROR,
                  STR("Not asked: too many questions are open. Ask again when they are answered."));
    else
        ask(c, i, &wish);
}

static void put_closed(struct ctx *c, int i, enum closing how, struct str by, struct str answer)
{
    struct fact f = of_question(c, FACT_QUESTION_CLOSED, i);

    f.how = how;
    f.by = by;
    f.text = answer;
    step_fact(c, f);
}

void questions_withdraw(struct ctx *c)
{
    while (c->s->n_questions > 0) {
        int i = session_find_call(c->s, c->s->questions[0].call);
        const char *by = c->s->run.stopped_by;

        put_closed(c, i, CLOSING_WITHDRAWN, by[0] == '\0' ? STR("budget") : step_copy(c, by), STR_NULL);
        calls_end(c, i, OUTCOME_CANCELLED, STR("Not answered: the run was ended."));
    }
}

/* The last one that was open lets the session go on, unless its run is still there and does so by itself. */
static void go_on(struct ctx *c)
{
    if (c->s->run.active)
        run_advance(c);
    else if (session_has_work(c->s))
        door_go_on(c, ORIGIN_ANSWER);
}

/* ---- answers ---- */

static struct str call_id_of(const struct ctx *c, const struct open_question *o)
{
    return calls_details(c, session_find_call(c->s, o->call))->id;
}

/* Which of the open ones is meant; -1: none of them. */
static int find(const struct ctx *c)
{
    const struct input *in = c->in;

    for (int q = 0; q < c->s->n_questions; q++) {
        const struct open_question *o = &c->s->questions[q];
        char id[ID_TEXT];

        session_question_id(c->s, o->call, id);
        if ((in->question_id.n == 0 || str_is(in->question_id, id)) &&
            (in->call_id.n == 0 || str_eq(in->call_id, call_id_of(c, o))))
            return q;
    }
    return -1;
}

/* Of a question that was asked. One that an older culm took and this one would not has no options to keep to. */
static struct ask read_ask(struct ctx *c, int i)
{
    struct ask wish;
    struct err err;

    if (ask_read(calls_details(c, i)->args, &c->out->arena, &wish, &err) < 0)
        wish = (struct ask){.allow_custom = true};
    return wish;
}

#define OPTIONS_SHOWN_BYTES 160 /* in an error, which is short; whole options only, or half of one is taken for it */

static void refuse_answer(struct ctx *c, const struct ask *wish)
{
    struct buf names = BUF_INIT;
    struct reply *r = step_reply(c, REPLY_BAD_ANSWER);
    uint32_t shown = 0;

    if (r == NULL)
        return;
    for (; shown < wish->n_options && names.n + wish->options[shown].n <= OPTIONS_SHOWN_BYTES; shown++) {
        buf_add_str(&names, shown > 0 ? STR(", ") : STR(""));
        buf_add_str(&names, wish->options[shown]);
    }
    if (wish->allow_custom)
        err_set(&r->err, ERR_BAD_REQUEST, "Response must not be empty");
    else if (shown == 0)
        err_set(&r->err, ERR_BAD_REQUEST, "Response must be one of the options, in full");
    else if (shown < wish->n_options)
        err_set(&r->err, ERR_BAD_REQUEST, "Response must be one of: " STR_FMT ", or one of %u more",
                STR_ARG(buf_str(&names)), wish->n_options - shown);
    else
        err_set(&r->err, ERR_BAD_REQUEST, "Response must be one of: " STR_FMT, STR_ARG(buf_str(&names)));
    buf_done(&names);
}

static void reply_answered(struct ctx *c, uint32_t call, uint32_t runs_before, bool was_running)
{
    struct reply *r = step_reply(c, REPLY_ANSWERED);

    if (r == NULL)
        return;
    session_question_id(c->s, call, r->question_id);
    r->already_running = was_running && c->s->run.active;
    r->started = c->s->runs > runs_before;
    if (r->started)
        session_run_id(c->s, c->s->runs, r->run_id);
}

/* The answer that counts is stored with what goes on after it: one step, so neither is there without the other. */
static void apply(struct ctx *c, int i, struct str answer)
{
    const struct input *in = c->in;
    uint32_t call = c->s->first_call + (uint32_t)i, runs = c->s->runs;
    bool was_running = c->s->run.active;

    machine_pin_model(c);
    put_closed(c, i, in->dismiss ? CLOSING_DISMISSED : CLOSING_ANSWERED, in->by, answer);
    calls_end(c, i, in->dismiss ? OUTCOME_DENIED : OUTCOME_OK,
              in->dismiss ? STR("The person does not want to answer this question. Go on without the answer, or end.")
                          : answer);
    go_on(c);
    reply_answered(c, call, runs, was_running);
}

void questions_answer(struct ctx *c)
{
    const struct input *in = c->in;
    struct str answer = STR_NULL;
    struct ask wish;
    int q, i;

    if (!session_exists(c->s)) {
        step_reply(c, REPLY_NOT_FOUND);
        return;
    }
    q = find(c);
    if (q < 0) {
        step_reply(c, c->s->n_questions == 0 ? REPLY_NO_QUESTION : REPLY_OTHER_QUESTION);
        return;
    }
    i = session_find_call(c->s, c->s->questions[q].call);
    wish = read_ask(c, i);
    if (!in->dismiss)
        answer = ask_accept(&wish, in->text);
    if (!in->dismiss && answer.p == NULL)
        refuse_answer(c, &wish);
    else
        apply(c, i, answer);
}

/* ---- deadlines ---- */

static void expire(struct ctx *c, int i)
{
    struct ask wish = read_ask(c, i);

    put_closed(c, i, CLOSING_EXPIRED, STR("deadline"), wish.fallback);
    if (wish.fallback.n > 0)
        calls_end(c, i, OUTCOME_OK, wish.fallback);
    else
        calls_end(c, i, OUTCOME_EXPIRED, STR("Nobody answered in time."));
    go_on(c);
}

/* A deadline is a length of time that somebody has measured: the wall clock is not asked again. */
void questions_expire(struct ctx *c)
{
    int i = session_find_call(c->s, c->in->call);

    if (c->in->nonce != c->s->nonce || i < 0 || c->s->calls[i].state != CALL_ASKED)
        return;
    if (c->in->wait_ms > 0)
        arm(c, c->in->call, c->in->wait_ms);
    else
        expire(c, i);
}

/* After a restart nobody has measured: what the wall clock says is left, and never more than there was. */
void questions_recover(struct ctx *c)
{
    for (int q = 0; q < c->s->n_questions; q++) {
        const struct open_question *o = &c->s->questions[q];
        int64_t left = o->due > c->in->now ? o->due - c->in->now : 0;
        struct ask wish = read_ask(c, session_find_call(c->s, o->call));

        if (o->due != 0)
            arm(c, o->call, left < wish.deadline_ms ? left : wish.deadline_ms);
    }
}
