/* SPDX-License-Identifier: MIT */
#include "session/session.h"

#include "base/str.h"

void session_init(struct session *s)
{
    memset(s, 0, sizeof(*s));
}

/* ---- the fold: one function per kind that does more than a line ---- */

static void fold_created(struct session *s, const struct fact *f)
{
    s->nonce = f->nonce;
    s->created_at = f->at;
    s->depth = f->depth;
    s->metadata_version = 1;
    s->title_version = 1;
    str_copy(s->provider, sizeof(s->provider), f->provider);
    str_copy(s->model, sizeof(s->model), f->model);
    str_copy(s->effort, sizeof(s->effort), f->effort);
    s->limits = f->limits;
    if (f->system.n > 0) {
        s->messages = 1; /* the system message, whose id is the session's */
        s->system_bytes = (int64_t)f->system.n;
        s->context_bytes = s->system_bytes;
        str_copy(s->last_message, sizeof(s->last_message), f->id);
    }
}

static void fold_updated(struct session *s, const struct fact *f)
{
    s->metadata_version++;
    if (f->set_title) {
        s->title_version++;
        s->title_seq = f->seq;
    }
    if (f->set_pinned)
        s->pin_seq = f->seq;
    if (f->set_model) {
        str_copy(s->provider, sizeof(s->provider), f->provider);
        str_copy(s->model, sizeof(s->model), f->model);
    }
    if (f->set_effort)
        str_copy(s->effort, sizeof(s->effort), f->effort);
    if (f->set_limits)
        s->limits = f->limits;
}

static void fold_posted(struct session *s, const struct fact *f)
{
    s->inbox_seq = f->seq;
    s->work_seq = f->seq;
    if (f->later) {
        s->later++;
        s->later_bytes += (int64_t)f->text.n;
        s->last_later_seq = f->seq;
        str_copy(s->last_later, sizeof(s->last_later), f->id);
    } else {
        s->inbox++;
        s->inbox_bytes += (int64_t)f->text.n;
        s->last_posted_seq = f->seq;
        str_copy(s->last_posted, sizeof(s->last_posted), f->id);
    }
}

static void fold_withdrawn(struct session *s, const struct fact *f)
{
    s->inbox_seq = f->seq;
    if (f->later) {
        s->later--;
        s->later_bytes -= f->bytes;
        s->last_later_seq = f->last_seq;
        str_copy(s->last_later, sizeof(s->last_later), f->last);
    } else {
        s->inbox--;
        s->inbox_bytes -= f->bytes;
        s->last_posted_seq = f->last_seq;
        str_copy(s->last_posted, sizeof(s->last_posted), f->last);
    }
}

/* What was posted for after this run waits like everything else from now on. */
static void take_later(struct session *s, uint64_t seq)
{
    if (s->later == 0)
        return;
    if (s->inbox == 0 || s->last_later_seq > s->last_posted_seq) {
        memcpy(s->last_posted, s->last_later, sizeof(s->last_posted));
        s->last_posted_seq = s->last_later_seq;
    }
    s->inbox += s->later;
    s->inbox_bytes += s->later_bytes;
    s->inbox_seq = seq;
    s->later = 0;
    s->later_bytes = 0;
}

/* Places at the end are given anew, places in the middle are not. */
static void fold_removed(struct session *s, const struct fact *f)
{
    if (f->upto == s->messages) {
        s->gaps -= f->upto - f->place - f->removed;
        s->messages = f->place;
    } else {
        s->gaps += f->removed;
    }
    s->context_bytes -= f->bytes;
    s->unread = f->pending;
    if (f->pending && (f->how == REMOVAL_AFTER_LAST_USER || f->how == REMOVAL_ERROR_RETRY))
        s->work_seq = f->seq; /* whoever deletes an answer does not ask for another one */
    s->n_calls = 0;
    str_copy(s->last_message, sizeof(s->last_message), f->last);
}

static int64_t text_of_calls(const struct fact *f)
{
    const struct call *calls = f->calls.items;
    int64_t n = 0;

    for (size_t i = 0; i < f->calls.count; i++)
        n += (int64_t)calls[i].args.n;
    return n;
}

/* One that was cut before its first word is no answer: what was asked is still to be read. */
static bool is_answer(const struct fact *f)
{
    return !f->interrupted || f->text.n > 0;
}

static void fold_imported(struct session *s, const struct fact *f)
{
    s->messages = f->place + 1;
    s->context_bytes += (int64_t)f->text.n + text_of_calls(f);
    if (f->role == ROLE_USER || f->role == ROLE_TOOL)
        s->unread = true;
    else if (is_answer(f))
        s->unread = false;
    s->work_seq = f->seq;
    str_copy(s->last_message, sizeof(s->last_message), f->id);
}

/* What tells whether rounds get anywhere; all else begins anew with each run. */
static struct run_state book_of(const struct run_state *r)
{
    return (struct run_state){.round_print = r->round_print,
                              .last_print = r->last_print,
                              .repeats = r->repeats,
                              .fruitless = r->fruitless,
                              .has_fruit = r->has_fruit};
}

static void fold_run_started(struct session *s, const struct fact *f)
{
    struct run_state *r = &s->run;

    s->runs = f->run;
    *r = f->origin == ORIGIN_ANSWER ? book_of(r) : (struct run_state){0};
    r->active = true;
    r->number = f->run;
    r->origin = f->origin;
    r->started_at = f->at;
    r->limits = f->limits;
    r->price = f->price;
    r->unattended = f->unattended;
    s->last_limits = f->limits;
    s->last_unattended = f->unattended;
    str_copy(s->run_provider, sizeof(s->run_provider), f->provider);
    str_copy(s->run_model, sizeof(s->run_model), f->model);
    str_copy(s->run_effort, sizeof(s->run_effort), f->effort);
    s->budget_seq = 0;
    s->progress_seq = 0;
    s->exceeded_seq = 0;
}

/* The call that begins now costs about this much; what the one before had reserved stays charged. */
static void reserve(struct run_state *r, const struct fact *f)
{
    r->used_tokens = amount_add(r->used_tokens, f->tokens);
    r->reserved_tokens = f->tokens;
    r->used_cost = amount_add(r->used_cost, f->cost);
    r->reserved_cost = f->cost;
}

/* Its tokens stay charged as they were estimated, unless the provider has counted them. */
static void settle_failed(struct run_state *r, const struct fact *f)
{
    int64_t cost = price_of_failed(&r->price, &f->usage, r->reserved_tokens, r->reserved_cost);

    r->used_cost = amount_add(r->used_cost, cost - r->reserved_cost);
    if (!f->usage.reported)
        return;
    r->used_tokens = amount_add(r->used_tokens, amount_add(usage_total(&f->usage), -r->reserved_tokens));
    usage_add(&r->usage, &f->usage);
}

static void close_book_of_round(struct run_state *r, bool had_calls)
{
    r->repeats = had_calls && r->round_print == r->last_print ? r->repeats + 1 : 0;
    r->fruitless = had_calls && !r->has_fruit ? r->fruitless + 1 : 0;
    r->last_print = r->round_print;
    r->round_print = 0;
    r->has_fruit = false;
}

static void fold_round_started(struct session *s, const struct fact *f)
{
    struct run_state *r = &s->run;

    if (f->admitted > 0) {
        s->messages += f->admitted;
        s->inbox -= f->admitted;
        s->inbox_seq = f->seq;
        s->context_bytes += s->inbox_bytes;
        s->inbox_bytes = 0;
        s->unread = true;
        memcpy(s->last_message, s->last_posted, sizeof(s->last_message));
    }
    r->round = f->round;
    r->gen = 0;
    r->round_open = true;
    r->failures = 0;
    r->retry_due = 0;
    r->closing = f->closing;
    close_book_of_round(r, (r->round > 1 || r->origin == ORIGIN_ANSWER) && s->n_calls > 0);
    reserve(r, f);
    s->progress_seq = f->seq;
}

static void fold_model_failed(struct session *s, const struct fact *f)
{
    struct run_state *r = &s->run;

    r->failures++;
    if (f->retry) {
        r->gen++;
        r->retry_due = f->due;
        settle_failed(r, f);
        reserve(r, f);
    }
}

static void fold_run_recovered(struct session *s, const struct fact *f)
{
    struct run_state *r = &s->run;

    if (f->charged)
        r->crashes++;
    if (r->round_open) {
        r->gen++;
        r->retry_due = 0;
        reserve(r, f);
    }
}

static void settle(struct run_state *r, const struct fact *f)
{
    if (f->usage.reported || !f->interrupted)
        r->used_tokens = amount_add(r->used_tokens, amount_add(usage_total(&f->usage), -r->reserved_tokens));
    r->reserved_tokens = 0;
    r->used_cost = amount_add(r->used_cost, f->cost - r->reserved_cost);
    r->reserved_cost = 0;
    usage_add(&r->usage, &f->usage);
    r->usage.reported = f->usage.reported;
}

static void fold_assistant(struct session *s, const struct fact *f)
{
    struct run_state *r = &s->run;
    const struct call *calls = f->calls.items;

    r->round_open = false;
    if (!f->interrupted)
        r->crashes = 0;
    settle(r, f);
    if (is_answer(f))
        s->unread = false;
    s->context_bytes += (int64_t)f->text.n;
    s->first_call = s->calls_made + 1;
    s->n_calls = (uint8_t)f->calls.count;
    s->calls_made += s->n_calls;
    s->calls_place = s->messages + 1;
    s->messages += 1 + s->n_calls;
    s->assistant_seq = f->seq;
    s->context_bytes += text_of_calls(f);
    for (size_t i = 0; i < s->n_calls; i++) {
        s->calls[i].state = CALL_PROPOSED;
        s->calls[i].effect = (uint8_t)calls[i].effect;
    }
    str_copy(s->last_message, sizeof(s->last_message), f->id);
}

static void fold_call_started(struct session *s, const struct fact *f)
{
    int i = session_find_call(s, f->call);

    s->calls[i].state = CALL_RUNNING;
    s->run.calls++;
    s->run.round_print += str_hash(f->args, str_hash(f->tool, (uint64_t)i));
}

static void fold_call_ended(struct session *s, const struct fact *f)
{
    int i = session_find_call(s, f->call);
    bool last = true, was_asked = s->calls[i].state == CALL_ASKED;

    s->calls[i].state = CALL_OVER;
    s->unread = true;
    s->run.crashes = 0;
    s->run.round_print += str_hash(f->text, (uint64_t)i << 8 | (uint64_t)f->outcome);
    s->run.has_fruit |= f->outcome == OUTCOME_OK && !was_asked;
    s->context_bytes += (int64_t)f->text.n;
    for (int k = i + 1; k < s->n_calls; k++)
        last = last && s->calls[k].state != CALL_OVER;
    if (last)
        str_copy(s->last_message, sizeof(s->last_message), f->id);
}

static void fold_question_asked(struct session *s, const struct fact *f)
{
    s->calls[session_find_call(s, f->call)].state = CALL_ASKED;
    s->questions[s->n_questions++] =
        (struct open_question){.seq = f->seq, .due = f->due, .call = f->call, .run = f->run};
}

static int find_question(const struct session *s, uint32_t call)
{
    for (int i = 0; i < s->n_questions; i++)
        if (s->questions[i].call == call)
            return i;
    return -1;
}

/* What a person has said is progress; a default answer is not. */
static void note_word(struct run_state *r)
{
    r->has_fruit = true;
    r->last_print = 0;
    r->repeats = 0;
}

/* Its call is ended by the fact that follows. */
static void fold_question_closed(struct session *s, const struct fact *f)
{
    int at = find_question(s, f->call);

    if (f->how == CLOSING_ANSWERED || f->how == CLOSING_DISMISSED)
        note_word(&s->run);
    s->n_questions--;
    for (int i = at; i < s->n_questions; i++)
        s->questions[i] = s->questions[i + 1];
    s->questions[s->n_questions] = (struct open_question){0};
}

static void fold_run_queued(struct session *s, const struct fact *f)
{
    s->run.queued = true;
    s->next = (struct run_wish){.origin = f->origin, .unattended = f->unattended, .limits = f->limits};
    str_copy(s->next.provider, sizeof(s->next.provider), f->provider);
    str_copy(s->next.model, sizeof(s->next.model), f->model);
    str_copy(s->next.effort, sizeof(s->next.effort), f->effort);
}

static void fold_run_ended(struct session *s, const struct fact *f)
{
    struct run_state *r = &s->run;
    int64_t counted = amount_add(usage_total(&f->usage), -usage_total(&r->usage));

    r->used_cost = f->cost;
    if (counted > 0) /* the call that failed, and ended the run with that */
        r->used_tokens = amount_add(r->used_tokens, amount_add(counted, -r->reserved_tokens));
    s->spent = session_spent(s);
    s->spent.ms = amount_add(s->spent.ms, f->ms);
    *r = f->end == END_SUSPENDED ? book_of(r) : (struct run_state){0};
    s->next = (struct run_wish){0};
    take_later(s, f->seq);
    s->last_end = f->end;
    s->end_seq = f->seq;
}

static void fold_edited(struct session *s, const struct fact *f)
{
    s->context_bytes += f->bytes;
}

static void fold_budget(struct session *s, const struct fact *f)
{
    s->budget_seq = f->seq;
}

static void fold_budget_exceeded(struct session *s, const struct fact *f)
{
    s->run.over = true;
    s->exceeded_seq = f->seq;
    str_copy(s->run.over_kind, sizeof(s->run.over_kind), f->tool);
}

static void fold_cancel_requested(struct session *s, const struct fact *f)
{
    s->run.cancelling = true;
    str_copy(s->run.stopped_by, sizeof(s->run.stopped_by), f->by);
}

/* A kind that is not here is counted only. */
static void (*const folds[FACT_KIND_COUNT])(struct session *s, const struct fact *f) = {
    [FACT_SESSION_CREATED] = fold_created,
    [FACT_SESSION_UPDATED] = fold_updated,
    [FACT_MESSAGE_POSTED] = fold_posted,
    [FACT_MESSAGE_WITHDRAWN] = fold_withdrawn,
    [FACT_MESSAGE_EDITED] = fold_edited,
    [FACT_MESSAGES_REMOVED] = fold_removed,
    [FACT_MESSAGE_IMPORTED] = fold_imported,
    [FACT_RUN_STARTED] = fold_run_started,
    [FACT_RUN_RECOVERED] = fold_run_recovered,
    [FACT_ROUND_STARTED] = fold_round_started,
    [FACT_MODEL_FAILED] = fold_model_failed,
    [FACT_ASSISTANT] = fold_assistant,
    [FACT_BUDGET] = fold_budget,
    [FACT_BUDGET_EXCEEDED] = fold_budget_exceeded,
    [FACT_CALL_STARTED] = fold_call_started,
    [FACT_CALL_ENDED] = fold_call_ended,
    [FACT_QUESTION_ASKED] = fold_question_asked,
    [FACT_QUESTION_CLOSED] = fold_question_closed,
    [FACT_CANCEL_REQUESTED] = fold_cancel_requested,
    [FACT_RUN_QUEUED] = fold_run_queued,
    [FACT_RUN_ENDED] = fold_run_ended,
};

void session_fold(struct session *s, const struct fact *f)
{
    assert(session_refuses(s, f) == NULL);
    s->seq = f->seq;
    if (folds[f->kind] != NULL)
        folds[f->kind](s, f);
}

/* ---- what the fold says ---- */

bool session_exists(const struct session *s)
{
    return s->seq > 0;
}

bool session_is_at_work(const struct session *s)
{
    return s->run.active || s->n_questions > 0;
}

bool session_has_work(const struct session *s)
{
    return !session_is_at_work(s) && (s->inbox > 0 || s->unread || session_open_calls(s, CALL_PROPOSED) > 0);
}

bool session_is_at_rest(const struct session *s)
{
    return !session_is_at_work(s) && (!session_has_work(s) || s->work_seq < s->end_seq);
}

bool session_is_unfinished(const struct session *s)
{
    for (int i = 0; i < s->n_questions; i++)
        if (s->questions[i].due != 0)
            return true;
    return s->run.active;
}

bool session_is_suspect(const struct session *s)
{
    bool in_tools = session_open_calls(s, CALL_RUNNING) > 0;

    return s->run.active && s->run.crashes >= (in_tools ? LIMIT_SUSPECT_TOOL_CRASHES : LIMIT_SUSPECT_MODEL_CRASHES);
}

uint32_t session_open_calls(const struct session *s, enum call_state state)
{
    uint32_t n = 0;

    for (int i = 0; i < s->n_calls; i++)
        n += s->calls[i].state == state;
    return n;
}

bool session_has_open_calls(const struct session *s)
{
    return session_open_calls(s, CALL_OVER) < s->n_calls;
}

void session_view(const struct session *s, uint32_t *messages, const char **last)
{
    uint32_t open = s->n_calls - session_open_calls(s, CALL_OVER);
    bool with_inbox = !s->run.active && s->inbox > 0;

    *messages = s->messages - s->gaps - open + (with_inbox ? s->inbox : 0);
    *last = with_inbox ? s->last_posted : s->last_message;
}

int session_find_call(const struct session *s, uint32_t call)
{
    return call >= s->first_call && call - s->first_call < s->n_calls ? (int)(call - s->first_call) : -1;
}

uint32_t session_critical(const struct session *s, uint64_t seqs[SESSION_CRITICAL_MAX])
{
    uint32_t n = 0;

    if (s->title_seq > 0)
        seqs[n++] = s->title_seq;
    if (s->pin_seq > 0)
        seqs[n++] = s->pin_seq;
    for (int i = 0; i < s->n_questions; i++)
        seqs[n++] = s->questions[i].seq;
    if (s->exceeded_seq > 0)
        seqs[n++] = s->exceeded_seq;
    return n;
}

bool session_is_newest(const struct session *s, const struct fact *f)
{
    switch (f->kind) {
    case FACT_BUDGET:
        return f->seq == s->budget_seq;
    case FACT_ROUND_STARTED:
        return f->seq == s->progress_seq;
    case FACT_SESSION_UPDATED:
        return f->seq == s->title_seq || f->seq == s->pin_seq;
    default:
        return true;
    }
}

void session_message_id(const struct session *s, uint32_t run, uint32_t round, uint32_t gen, char out[ID_TEXT])
{
    id_derive(s->nonce, "message", run, round, gen, out);
}

void session_run_id(const struct session *s, uint32_t run, char out[ID_TEXT])
{
    id_derive(s->nonce, "run", run, 0, 0, out);
}

void session_result_id(const struct session *s, uint32_t call, char out[ID_TEXT])
{
    id_derive(s->nonce, "result", call, 0, 0, out);
}

void session_question_id(const struct session *s, uint32_t call, char out[ID_TEXT])
{
    id_derive(s->nonce, "question", call, 0, 0, out);
}

uint32_t session_repeats(const struct session *s)
{
    const struct run_state *r = &s->run;

    return s->n_calls > 0 && r->round_print == r->last_print ? r->repeats + 2 : 1;
}

uint32_t session_fruitless(const struct session *s)
{
    return s->n_calls > 0 && !s->run.has_fruit ? s->run.fruitless + 1 : 0;
}

struct spent session_spent(const struct session *s)
{
    const struct run_state *r = &s->run;

    return (struct spent){.tokens = amount_add(s->spent.tokens, r->used_tokens),
                          .cost = amount_add(s->spent.cost, r->used_cost),
                          .ms = s->spent.ms,
                          .rounds = s->spent.rounds + r->round,
                          .calls = s->spent.calls + r->calls};
}

/* Four bytes a token and a tenth on top: coarse, and replaced as soon as the provider has counted. */
int64_t session_estimate_tokens(int64_t bytes)
{
    return bytes <= 0 ? 0 : (bytes * 11 + 39) / 40;
}

const char *session_state_word(const struct session *s)
{
    if (s->run.active)
        return "running";
    if (s->n_questions > 0)
        return "asking";
    if (s->inbox > 0 && !session_is_at_rest(s))
        return "queued";
    switch (s->last_end) {
    case END_ERROR:
        return "error";
    case END_CANCELLED:
        return "cancelled";
    case END_NONE:
        return "idle";
    default:
        return "done";
    }
}

/* ---- head row ---- */

/*
 * The struct itself, guarded by version and size: whoever changes it raises the version with this line. Between its
 * fields there are gaps, of which nobody knows what a copy leaves in them: they are written as zeros.
 */
_Static_assert(sizeof(struct session) == 2040 && SESSION_FOLD_VERSION == 9,
               "the fold changed: raise SESSION_FOLD_VERSION");

struct head {
    uint32_t version, size;
    struct session fold;
};

void session_write_head(const struct session *s, struct buf *out)
{
    struct head h;

    memset(&h, 0, sizeof(h));
    h.version = SESSION_FOLD_VERSION;
    h.size = sizeof(struct session);
    session_copy_fields(s, &h.fold);
    buf_add(out, &h, sizeof(h));
}

bool session_head_is_current(struct str bytes)
{
    uint32_t version = 0;

    if (bytes.n >= sizeof(version))
        memcpy(&version, bytes.p, sizeof(version));
    return version == SESSION_FOLD_VERSION;
}

bool session_read_head(struct str bytes, struct session *out)
{
    struct head h;

    if (bytes.n != sizeof(h))
        return false;
    memcpy(&h, bytes.p, sizeof(h));
    if (h.version != SESSION_FOLD_VERSION || h.size != sizeof(struct session) || !session_is_whole(&h.fold))
        return false;
    *out = h.fold;
    return true;
}
