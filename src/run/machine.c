/* SPDX-License-Identifier: MIT */
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

/* ---- what is next ---- */

/* How a run is to be made. Empty texts: as the session or the run before has it. */
struct wish {
    enum run_origin origin;
    bool unattended;
    struct str provider, model, effort;
    struct run_limits limits;
};

static void start_run(struct ctx *c, const struct wish *wish);

static struct wish wish_of_input(const struct input *in)
{
    return (struct wish){.origin = (enum run_origin)in->origin,
                         .unattended = in->unattended,
                         .provider = in->provider,
                         .model = in->model,
                         .effort = in->effort,
                         .limits = in->limits};
}

static struct wish wish_as_before(const struct session *s, enum run_origin origin)
{
    return (struct wish){.origin = origin, .unattended = s->last_unattended, .limits = s->last_limits};
}

static struct wish wish_of_queued(struct ctx *c, const struct run_wish *next)
{
    struct arena *a = &c->out->arena;

    return (struct wish){.origin = (enum run_origin)next->origin,
                         .unattended = next->unattended,
                         .provider = arena_str(a, str_of(next->provider)),
                         .model = arena_str(a, str_of(next->model)),
                         .effort = arena_str(a, str_of(next->effort)),
                         .limits = next->limits};
}

/*
 * The run that follows by itself: one that was asked for meanwhile (`next`, else NULL), or one for what was posted too
 * late for the last round: whoever was told that it is running counts on that. Who stopped the run wants no other.
 */
static void start_successor(struct ctx *c, enum run_end end, const struct run_wish *next)
{
    struct wish wish;

    if (!session_has_work(c->s))
        return;
    if (next != NULL)
        wish = wish_of_queued(c, next);
    else if (c->s->inbox > 0 && end != END_CANCELLED)
        wish = wish_as_before(c->s, ORIGIN_HTTP);
    else
        return;
    start_run(c, &wish);
}

/* What the run has cost. A call whose end was seen, or that was not made yet, is not charged for an answer. */
static int64_t cost_at_end(const struct ctx *c)
{
    const struct run_state *r = &c->s->run;
    int64_t open_call = r->reserved_cost;

    if (r->round_open && c->in->kind == INPUT_MODEL_FAILED)
        open_call = budget_failed_cost(c);
    else if (r->round_open && c->in->now < r->retry_due)
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
    f.id = arena_str(&c->out->arena, str_of(id));
    f.usage = r->usage;
    if (r->round_open && c->in->kind == INPUT_MODEL_FAILED && c->in->usage.reported)
        usage_add(&f.usage, &c->in->usage);
    f.rounds = r->round;
    f.ms = c->in->steady - c->m->run_began;
    if (end == END_CANCELLED)
        f.by = arena_str(&c->out->arena, str_of(r->stopped_by));
    if (end == END_BUDGET)
        f.reason = arena_str(&c->out->arena, str_of(r->over_kind));
    if (end == END_SUSPENDED)
        f.reason = STR("question");
    step_fact(c, f);
}

void run_end(struct ctx *c, enum run_end end, enum failure failure, struct str text)
{
    struct run_wish next = c->s->next;
    bool queued = c->s->run.queued, had_rounds = c->s->run.round > 0;

    put_end(c, end, failure, text);
    if (had_rounds || queued) /* else another one would end as this one did */
        start_successor(c, end, queued ? &next : NULL);
}

/* Round after round the same, or nothing that works: true, and the run is ended. */
static bool is_stuck(struct ctx *c)
{
    const struct session *s = c->s;
    struct arena *a = &c->out->arena;
    struct str why;

    if (s->inbox > 0 || s->run.round == 0)
        return false; /* there is something new to look at */
    if (session_repeats(s) >= LIMIT_REPEATS)
        why = arena_strf(a, "The model made the same calls %u times in a row, with the same results.",
                         session_repeats(s));
    else if (session_fruitless(s) >= LIMIT_FRUITLESS)
        why = arena_strf(a, "In %u rounds in a row not one call of the model went well.", session_fruitless(s));
    else
        return false;
    run_end(c, END_ERROR, FAILURE_NO_PROGRESS, why);
    return true;
}

static void next_round(struct ctx *c)
{
    if (budget_is_unpriced(c->s)) {
        run_end(
            c, END_ERROR, FAILURE_PRICE,
            STR("Money is limited, and nobody has said what this model costs: see \"models\" in the configuration."));
        return;
    }
    if (budget_allows_round(c)) {
        if (!is_stuck(c))
            round_begin(c);
    } else if (budget_allows_closing(c)) {
        round_begin(c);
    } else {
        run_end(c, END_BUDGET, FAILURE_NONE, STR_NULL);
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
        calls_drop_proposed(c, STR("Not run: the run was stopped."));
        if (session_open_calls(s, CALL_RUNNING) == 0)
            run_end(c, END_CANCELLED, FAILURE_NONE, STR_NULL);
        return;
    }
    calls_start(c);
    if (session_open_calls(s, CALL_RUNNING) > 0)
        return;
    if (s->n_questions > 0) {
        run_end(c, END_SUSPENDED, FAILURE_NONE, STR_NULL);
        return;
    }
    if (s->run.closing) {
        run_end(c, END_BUDGET, FAILURE_NONE, STR_NULL);
        return;
    }
    if (!s->unread && s->inbox == 0) {
        run_end(c, END_COMPLETED, FAILURE_NONE, STR_NULL);
        return;
    }
    next_round(c);
}

/* Model and effort: the session's own, else what the request brought, else those of the run before. */
static struct str choose(struct ctx *c, const char *pin, struct str wanted, const char *before)
{
    if (pin[0] != '\0' || wanted.n == 0)
        return arena_str(&c->out->arena, str_of(pin[0] != '\0' ? pin : before));
    return wanted;
}

/* Without any of these a run could call nobody. An input without one comes where there is no default. */
static bool knows_model(const struct ctx *c)
{
    return c->s->model[0] != '\0' || c->in->model.n > 0 || c->s->run_model[0] != '\0';
}

/* Frozen for the run, as its model is. */
static struct price price_of(const struct ctx *c, struct str provider, struct str model)
{
    const struct machine *m = c->m;

    return m->price == NULL ? (struct price){.known = false} : m->price(m->price_arg, provider, model);
}

/* Money is limited, and what would be called has no price: better said before anything is stored. */
static bool is_unpriced(const struct ctx *c, const struct wish *wish)
{
    const struct session *s = c->s;
    bool pinned = s->model[0] != '\0', named = wish->model.n > 0;
    struct str provider = pinned ? str_of(s->provider) : named ? wish->provider : str_of(s->run_provider);
    struct str model = pinned ? str_of(s->model) : named ? wish->model : str_of(s->run_model);

    return budget_limits_money(&wish->limits, &s->limits) && !wish->limits.unpriced && !s->limits.unpriced &&
           !price_of(c, provider, model).known;
}

static void put_run_started(struct ctx *c, const struct wish *wish)
{
    struct session *s = c->s;
    struct fact f = {.kind = FACT_RUN_STARTED,
                     .run = s->runs + 1,
                     .origin = wish->origin,
                     .limits = wish->limits,
                     .unattended = wish->unattended};
    bool is_request = wish->model.n > 0 || s->model[0] != '\0';
    char id[ID_TEXT];

    session_run_id(s, f.run, id);
    f.id = arena_str(&c->out->arena, str_of(id));
    f.provider = choose(c, s->model[0] != '\0' ? s->provider : "", wish->provider, s->run_provider);
    f.model = choose(c, s->model, wish->model, s->run_model);
    f.effort = choose(c, s->effort, wish->effort, is_request ? "" : s->run_effort);
    f.price = price_of(c, f.provider, f.model);
    step_fact(c, f);
    budget_start_clock(c);
}

static void start_run(struct ctx *c, const struct wish *wish)
{
    put_run_started(c, wish);
    run_advance(c);
}

void run_go_on(struct ctx *c, enum run_origin origin)
{
    struct wish wish = wish_as_before(c->s, origin);

    start_run(c, &wish);
}

/* ---- inputs of people ---- */

static void put_created(struct ctx *c)
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
    put_created(c);
    step_reply(c, REPLY_CREATED);
}

/* What the session uses from its next run on; nothing where nothing changes. */
void run_pin_model(struct ctx *c)
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

static bool sync_question_fits(const struct ctx *c)
{
    const struct client_sync *sync = &c->in->sync;
    const struct session *s = c->s;

    if (s->n_questions == 0)
        return !sync->has_pending_question && sync->pending_tool_call_id.n == 0;
    return sync->has_pending_question &&
           (sync->pending_tool_call_id.n == 0 ||
            str_eq(sync->pending_tool_call_id, calls_details(c, session_find_call(s, s->questions[0].call))->id));
}

static const char *sync_mismatch(const struct ctx *c)
{
    const struct client_sync *sync = &c->in->sync;
    const struct session *s = c->s;
    const char *last;
    uint32_t count;

    if (!sync->present)
        return NULL;
    session_view(s, &count, &last);
    if (!sync_question_fits(c))
        return "pending_question_mismatch";
    if (sync->message_count != (int64_t)count)
        return "message_count_mismatch";
    if (sync->last_message_id.n > 0 && !str_is(sync->last_message_id, last))
        return "last_message_id_mismatch";
    return NULL;
}

/* A run is wanted where one is active: it follows that one. */
static void queue_run(struct ctx *c)
{
    const struct input *in = c->in;

    step_fact(c, (struct fact){.kind = FACT_RUN_QUEUED,
                               .run = c->s->run.number,
                               .origin = in->origin,
                               .unattended = in->unattended,
                               .provider = in->provider,
                               .model = in->model,
                               .effort = in->effort,
                               .limits = in->limits});
}

static void cancel_run(struct ctx *c, struct str by)
{
    struct session *s = c->s;

    step_fact(c, (struct fact){.kind = FACT_CANCEL_REQUESTED, .run = s->run.number, .by = by});
    if (s->run.round_open) {
        step_effect(c, EFFECT_MODEL_ABORT);
        round_keep_text(c);
    }
    calls_cancel_running(c);
    run_advance(c);
}

/* Execute where a run is active, as the caller chose. A run that is being stopped can be joined by nobody. */
static enum reply_kind meet_active_run(struct ctx *c)
{
    struct session *s = c->s;

    switch ((enum busy)c->in->busy) {
    case BUSY_REJECT:
        return REPLY_BUSY;
    case BUSY_ENQUEUE:
        queue_run(c);
        return REPLY_QUEUED;
    case BUSY_INTERRUPT:
        queue_run(c);
        if (!s->run.cancelling)
            cancel_run(c, c->in->by.n > 0 ? c->in->by : STR("interrupt"));
        return REPLY_QUEUED;
    case BUSY_JOIN:
        break;
    }
    if (s->run.cancelling)
        queue_run(c);
    return REPLY_RUNNING;
}

/* The one place where a run begins that is not told to. `run_id` is what the reply names. */
static enum reply_kind open_door(struct ctx *c, char run_id[ID_TEXT])
{
    struct wish wish = wish_of_input(c->in);
    struct session *s = c->s;
    uint32_t run = s->runs + 1;
    enum reply_kind kind = REPLY_STARTED;

    if (s->run.active) {
        run = s->run.number;
        kind = meet_active_run(c);
    } else if (!session_has_work(s)) {
        kind = REPLY_NOTHING;
    } else if (!knows_model(c)) {
        kind = REPLY_NO_MODEL;
    } else if (is_unpriced(c, &wish)) {
        kind = REPLY_UNPRICED;
    } else {
        start_run(c, &wish);
    }
    session_run_id(s, run, run_id);
    return kind;
}

static void put_posted(struct ctx *c, struct fact *f)
{
    if (!session_exists(c->s))
        put_created(c);
    else
        run_pin_model(c);
    if (f->id.n == 0) {
        char id[ID_TEXT];

        id_derive(c->s->nonce, "post", (uint32_t)c->s->seq, 0, 0, id);
        f->id = arena_str(&c->out->arena, str_of(id));
    }
    step_fact(c, *f);
}

/* Refused before anything of it is stored. */
static bool post_is_refused(struct ctx *c, bool executes)
{
    const struct session *s = c->s;
    struct wish wish = wish_of_input(c->in);
    bool is_full = s->inbox + s->later >= LIMIT_INBOX_MESSAGES;

    if (!session_exists(s) && c->in->session_id.n == 0)
        step_reply(c, REPLY_NOT_FOUND);
    else if (is_full)
        step_reply(c, REPLY_FULL);
    else if (executes && c->in->busy == BUSY_REJECT && s->run.active)
        step_reply(c, REPLY_BUSY);
    else if (executes && !s->run.active && s->n_questions == 0 && !knows_model(c))
        step_reply(c, REPLY_NO_MODEL);
    else if (executes && !s->run.active && s->n_questions == 0 && is_unpriced(c, &wish))
        step_reply(c, REPLY_UNPRICED);
    else
        return false;
    return true;
}

static void on_post(struct ctx *c)
{
    const struct input *in = c->in;
    struct fact f = {.kind = FACT_MESSAGE_POSTED, .id = in->message_id, .text = in->text, .key = in->key};
    const char *mismatch = in->execute ? sync_mismatch(c) : NULL; /* the client has not seen this message yet */
    enum reply_kind door = REPLY_NOTHING;
    char run_id[ID_TEXT];
    struct reply *r;
    uint64_t seq;

    if (post_is_refused(c, in->execute && mismatch == NULL))
        return;
    f.later = c->s->run.active && (in->later || (in->execute && in->busy == BUSY_ENQUEUE));
    put_posted(c, &f);
    seq = c->s->seq;
    if (in->execute && mismatch == NULL)
        door = open_door(c, run_id);
    step_reply(c, REPLY_POSTED);
    r = step_last_reply(c);
    if (r == NULL)
        return;
    str_copy(r->message_id, sizeof(r->message_id), f.id);
    r->seq = seq;
    r->sync_reason = mismatch;
    r->started = door == REPLY_STARTED;
    r->already_running = door == REPLY_RUNNING;
    r->queued = door == REPLY_QUEUED;
    if (door != REPLY_NOTHING)
        memcpy(r->run_id, run_id, sizeof(r->run_id));
}

static void on_resume(struct ctx *c)
{
    const char *mismatch;
    enum reply_kind kind;
    char run_id[ID_TEXT];

    if (!session_exists(c->s)) {
        step_reply(c, REPLY_NOT_FOUND);
        return;
    }
    mismatch = sync_mismatch(c);
    kind = mismatch != NULL ? REPLY_NEED_SYNC : open_door(c, run_id);
    step_reply(c, kind);
    if (step_last_reply(c) == NULL)
        return;
    step_last_reply(c)->sync_reason = mismatch;
    if (mismatch == NULL && kind != REPLY_NOTHING && kind != REPLY_NO_MODEL && kind != REPLY_UNPRICED)
        memcpy(step_last_reply(c)->run_id, run_id, sizeof(run_id));
}

/* Stopping a wait is a run of no rounds: watchers see the ordinary end, and half a stop is recovered like any. */
static void stop_waiting(struct ctx *c)
{
    struct wish wish = wish_as_before(c->s, ORIGIN_STOP);

    put_run_started(c, &wish);
    cancel_run(c, c->in->by);
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

    if (!s->run.active && s->n_questions == 0) {
        step_reply(c, session_exists(s) ? REPLY_NO_RUN : REPLY_NOT_FOUND);
        return;
    }
    if (!names_run(c, id)) {
        step_reply(c, REPLY_OTHER_RUN);
        return;
    }
    if (!s->run.active) {
        session_run_id(s, s->runs + 1, id);
        stop_waiting(c);
    } else if (!s->run.cancelling) {
        cancel_run(c, c->in->by);
    }
    step_reply(c, REPLY_STOPPED);
    if (step_last_reply(c) != NULL)
        memcpy(step_last_reply(c)->run_id, id, sizeof(id));
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
    run_pin_model(c);
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

/* ---- inputs of the world ---- */

static void on_recovered(struct ctx *c)
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
        f.discarded = arena_str(&c->out->arena, str_of(id));
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
        run_end(c, END_ERROR, FAILURE_CRASH_LOOP,
                STR("The server stopped again and again during this run; it was given up."));
    } else if (!goes_on) {
        budget_allows_try(c); /* says which limit it is */
        round_keep_text(c);
        run_end(c, END_BUDGET, FAILURE_NONE, STR_NULL);
    } else {
        buf_clear(&c->m->text);
        buf_clear(&c->m->reasoning);
        round_start_model(c);
    }
}

static void on_cancel_bound(struct ctx *c)
{
    if (!c->s->run.cancelling || c->in->run != c->s->run.number)
        return;
    calls_give_up(c, OUTCOME_UNKNOWN);
    run_advance(c);
}

static void step_begin(struct step *out)
{
    arena_reset(&out->arena);
    out->n_facts = 0;
    out->n_effects = 0;
    out->erase = false;
    buf_done(&out->text);
    buf_done(&out->reasoning);
}

void run_step(struct machine *m, const struct input *in, struct step *out)
{
    static void (*const handlers[INPUT_KIND_COUNT])(struct ctx *) = {
        [INPUT_CREATE] = on_create,
        [INPUT_POST] = on_post,
        [INPUT_RESUME] = on_resume,
        [INPUT_CANCEL] = on_cancel,
        [INPUT_ANSWER] = questions_answer,
        [INPUT_TIMER_QUESTION] = questions_expire,
        [INPUT_TIMER_RUN] = budget_time_is_up,
        [INPUT_WITHDRAW] = transcript_withdraw,
        [INPUT_EDIT] = transcript_edit,
        [INPUT_REMOVE] = transcript_remove,
        [INPUT_UPDATE] = on_update,
        [INPUT_DELETE] = on_delete,
        [INPUT_RECOVERED] = on_recovered,
        [INPUT_DELTA] = round_delta,
        [INPUT_MODEL_DONE] = round_done,
        [INPUT_MODEL_FAILED] = round_failed,
        [INPUT_TOOL_DONE] = calls_done,
        [INPUT_TIMER_RETRY] = round_retry,
        [INPUT_TIMER_CALL] = calls_timeout,
        [INPUT_TIMER_CANCEL] = on_cancel_bound,
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
    if (!m->s.run.active)
        return;
    calls_give_up(&c, OUTCOME_UNKNOWN);
    calls_drop_proposed(&c, STR("Not run: the run was ended."));
    put_end(&c, END_ERROR, FAILURE_INTERNAL,
            STR("What came next was lost when the store was damaged; the run was ended by its repair."));
}
