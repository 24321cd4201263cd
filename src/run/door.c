/* SPDX-License-Identifier: MIT */
/*
 * The door: whether a run begins, and as which one. A message, a resume, an answer and the end of another run all come
 * through here. What meets a run that is active joins it, waits for its end, stops it or is turned away.
 */
#include "run/step.h"

#include "base/str.h"

/* ---- how a run is to be made ---- */

/* Empty texts: as the session or the run before has it. */
struct wish {
    enum run_origin origin;
    bool unattended;
    struct str provider, model, effort;
    struct run_limits limits;
};

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
    return (struct wish){.origin = (enum run_origin)next->origin,
                         .unattended = next->unattended,
                         .provider = step_copy(c, next->provider),
                         .model = step_copy(c, next->model),
                         .effort = step_copy(c, next->effort),
                         .limits = next->limits};
}

/* Model and effort: the session's own, else what the request brought, else those of the run before. */
static struct str choose(struct ctx *c, const char *pin, struct str wanted, const char *before)
{
    if (pin[0] != '\0' || wanted.n == 0)
        return step_copy(c, pin[0] != '\0' ? pin : before);
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

/* ---- a run begins ---- */

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
    f.id = step_copy(c, id);
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

void door_go_on(struct ctx *c, enum run_origin origin)
{
    struct wish wish = wish_as_before(c->s, origin);

    start_run(c, &wish);
}

/*
 * The run that follows by itself: one that was asked for meanwhile (`next`, else NULL), or one for what was posted too
 * late for the last round: whoever was told that it is running counts on that. Who stopped the run wants no other.
 */
void door_successor(struct ctx *c, enum run_end end, const struct run_wish *next)
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

/* Stopping a wait is a run of no rounds: watchers see the ordinary end, and half a stop is recovered like any. */
void door_stop_waiting(struct ctx *c)
{
    struct wish wish = wish_as_before(c->s, ORIGIN_STOP);

    put_run_started(c, &wish);
    run_cancel(c, c->in->by);
}

/* ---- the door ---- */

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
            run_cancel(c, c->in->by.n > 0 ? c->in->by : STR("interrupt"));
        return REPLY_QUEUED;
    case BUSY_JOIN:
        break;
    }
    if (s->run.cancelling)
        queue_run(c);
    return REPLY_RUNNING;
}

/* The one place where a run begins that is not told to. `run_id`: the one that is active now; empty: none. */
static enum reply_kind open_door(struct ctx *c, char run_id[ID_TEXT])
{
    struct wish wish = wish_of_input(c->in);
    struct session *s = c->s;
    uint32_t run = 0;
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
        run = s->runs + 1;
        start_run(c, &wish);
    }
    if (run == 0)
        run_id[0] = '\0';
    else
        session_run_id(s, run, run_id);
    return kind;
}

/* ---- requests ---- */

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

static void put_posted(struct ctx *c, struct fact *f)
{
    if (!session_exists(c->s))
        machine_create_session(c);
    else
        machine_pin_model(c);
    if (f->id.n == 0) {
        char id[ID_TEXT];

        id_derive(c->s->nonce, "post", (uint32_t)c->s->seq, 0, 0, id);
        f->id = step_copy(c, id);
    }
    step_fact(c, *f);
}

/* The session is made with this one: its system message has the id of the session. */
static bool is_of_system_message(const struct ctx *c)
{
    const struct input *in = c->in;

    return !session_exists(c->s) && in->system.n > 0 && str_eq(in->message_id, in->session_id);
}

/* Watchers see the id of an answer before it is stored; it may also have been stored since the index was asked. */
static bool is_of_answer(const struct ctx *c)
{
    const struct session *s = c->s;
    char in_flight[ID_TEXT];

    session_message_id(s, s->run.number, s->run.round, s->run.gen, in_flight);
    return (s->run.round_open && str_is(c->in->message_id, in_flight)) || str_is(c->in->message_id, s->last_message);
}

/* What the index of messages cannot know is known here. */
static bool is_taken(const struct ctx *c)
{
    return c->in->message_id.n > 0 && (c->in->is_taken || is_of_system_message(c) || is_of_answer(c));
}

/* Refused before anything of it is stored. */
static bool post_is_refused(struct ctx *c, bool executes)
{
    const struct session *s = c->s;
    struct wish wish = wish_of_input(c->in);
    bool is_full = s->inbox + s->later >= LIMIT_INBOX_MESSAGES;
    bool begins = executes && !session_is_at_work(s);

    if (!session_exists(s) && c->in->session_id.n == 0)
        step_reply(c, REPLY_NOT_FOUND);
    else if (is_taken(c))
        step_reply(c, REPLY_TAKEN);
    else if (is_full)
        step_reply(c, REPLY_FULL);
    else if (executes && c->in->busy == BUSY_REJECT && s->run.active)
        step_reply(c, REPLY_BUSY);
    else if (begins && !knows_model(c))
        step_reply(c, REPLY_NO_MODEL);
    else if (begins && is_unpriced(c, &wish))
        step_reply(c, REPLY_UNPRICED);
    else
        return false;
    return true;
}

void door_post(struct ctx *c)
{
    const struct input *in = c->in;
    struct fact f = {.kind = FACT_MESSAGE_POSTED, .id = in->message_id, .text = in->text, .key = in->key};
    const char *mismatch = in->execute ? sync_mismatch(c) : NULL; /* the client has not seen this message yet */
    enum reply_kind door = REPLY_NOTHING;
    char run_id[ID_TEXT] = "";
    struct reply *r;
    uint64_t seq;

    if (post_is_refused(c, in->execute && mismatch == NULL))
        return;
    f.later = c->s->run.active && (in->later || (in->execute && in->busy == BUSY_ENQUEUE));
    put_posted(c, &f);
    seq = c->s->seq;
    if (in->execute && mismatch == NULL)
        door = open_door(c, run_id);
    r = step_reply(c, REPLY_POSTED);
    if (r == NULL)
        return;
    str_copy(r->message_id, sizeof(r->message_id), f.id);
    r->seq = seq;
    r->sync_reason = mismatch;
    r->started = door == REPLY_STARTED;
    r->already_running = door == REPLY_RUNNING;
    r->queued = door == REPLY_QUEUED;
    if (run_id[0] != '\0')
        memcpy(r->run_id, run_id, sizeof(r->run_id));
}

void door_resume(struct ctx *c)
{
    const char *mismatch;
    enum reply_kind kind;
    char run_id[ID_TEXT] = "";
    struct reply *r;

    if (!session_exists(c->s)) {
        step_reply(c, REPLY_NOT_FOUND);
        return;
    }
    mismatch = sync_mismatch(c);
    kind = mismatch != NULL ? REPLY_NEED_SYNC : open_door(c, run_id);
    r = step_reply(c, kind);
    if (r == NULL)
        return;
    r->sync_reason = mismatch;
    if (run_id[0] != '\0')
        memcpy(r->run_id, run_id, sizeof(r->run_id));
}
