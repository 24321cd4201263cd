/* SPDX-License-Identifier: MIT */
/* A session that begins with the transcript of another one: as it is, as it was, or up to a message. */
#include "base/str.h"
#include "base/utf8.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/past.h"
#include "face/bamboo/session_reply.h"
#include "face/bamboo/transcript.h"
#include "face/bamboo/turn.h"

#define TITLE_MAX 1000

/* In x->state. */
struct copying {
    struct str source, upto; /* upto: the last message; empty: all of them */
    uint64_t at_seq;         /* 0: as it is now */
    uint64_t first_seq, last_seq;
    const char *mark; /* what the title says of it */
    struct input in;
};

/* It cannot be done; but who repeats a request that was done is told so. */
static void refuse(struct exchange *x, void (*say)(struct exchange *x))
{
    const struct copying *c = x->state;

    x->id = c->in.session_id;
    exchange_refuse_by(x, x->id, session_made, say);
}

static void say_no_session(struct exchange *x)
{
    const struct copying *c = x->state;

    exchange_no_session(x, c->source);
}

static void say_no_message(struct exchange *x)
{
    const struct copying *c = x->state;

    exchange_no_message(x, c->source, c->upto);
}

static void say_no_fact(struct exchange *x)
{
    const struct copying *c = x->state;
    const struct answer a = {.no_such_fact = true, .first_seq = c->first_seq, .last_seq = c->last_seq};

    (void)past_refused(x, "fork", &a);
}

static void say_too_long(struct exchange *x)
{
    exchange_fail(x, ERR_TOO_BIG,
                  "The transcript is too long to begin another session with: at most %d bytes and %d messages.",
                  LIMIT_COPY_BYTES, LIMIT_COPY_MESSAGES);
}

/* ---- the messages ---- */

/* Every call has a result: one that is missing there gets one that says so. */
static struct old_message missing_result(struct exchange *x, const struct call *call)
{
    char id[ID_TEXT];

    id_random(id);
    return (struct old_message){.id = arena_str(&x->arena, str_of(id)),
                                .role = ROLE_TOOL,
                                .text =
                                    call->effect == EFFECT_ASK
                                        ? STR("Not carried over: this session was copied while the question was open.")
                                        : STR("Not carried over: this session was copied before the call had ended."),
                                .call_id = call->id,
                                .tool = call->name,
                                .outcome = OUTCOME_CANCELLED};
}

static struct old_message old_message(const struct message *m)
{
    return (struct old_message){.id = m->id,
                                .text = m->text,
                                .reasoning = m->reasoning,
                                .call_id = m->call_id,
                                .tool = m->tool,
                                .calls = m->calls,
                                .role = m->role,
                                .outcome = m->outcome,
                                .written_at = m->at,
                                .interrupted = m->interrupted};
}

/* A result has its place by its call's number, so the ones that are there tell which are missing. */
static size_t add_results(struct exchange *x, const struct message *m, const struct message *end,
                          struct old_message *out)
{
    const struct call *calls = m->calls.items;
    const struct message *result = m + 1;

    for (size_t k = 0; k < m->calls.count; k++) {
        bool is_there = result < end && result->role == ROLE_TOOL && result->place == m->place + 1 + k;

        out[k] = is_there ? old_message(result++) : missing_result(x, &calls[k]);
        if (!is_there)
            out[k].written_at = m->at;
    }
    return m->calls.count;
}

/* The first `n` of them, without the system message, which the session has as its own. */
static struct record_list take_over(struct exchange *x, const struct answer *a, size_t n)
{
    const struct message *end = a->messages + n;
    size_t most = n, taken = 0;
    struct old_message *out;

    for (const struct message *m = a->messages; m < end; m++)
        most += m->calls.count;
    out = arena_alloc(&x->arena, most * sizeof(*out));
    for (const struct message *m = a->messages; m < end; m++) {
        if (m->role == ROLE_USER || m->role == ROLE_ASSISTANT)
            out[taken++] = old_message(m);
        if (m->role == ROLE_ASSISTANT)
            taken += add_results(x, m, end, out + taken);
    }
    return (struct record_list){.items = out, .count = taken};
}

static void make(struct exchange *x, const struct answer *a, size_t n)
{
    struct copying *c = x->state;

    if (n > 0 && a->messages[0].role == ROLE_SYSTEM)
        c->in.system = a->messages[0].text;
    c->in.of_seq = c->at_seq > 0 ? c->at_seq : a->last_seq;
    c->in.messages = take_over(x, a, n);
    x->id = c->in.session_id;
    exchange_submit(x, x->id, &c->in, session_made);
}

static void on_messages(struct exchange *x, const struct answer *a)
{
    struct copying *c = x->state;
    size_t n = a->n, last = c->upto.n > 0 ? message_find(a->messages, n, c->upto) : 0;

    c->first_seq = a->first_seq;
    c->last_seq = a->last_seq;
    if (a->rc < 0)
        refuse(x, say_no_session);
    else if (a->no_such_fact)
        refuse(x, say_no_fact);
    else if (a->more)
        refuse(x, say_too_long);
    else if (last == SIZE_MAX)
        refuse(x, say_no_message);
    else
        make(x, a, c->upto.n > 0 ? message_group_end(a->messages, n, last) : n);
}

/* ---- the session ---- */

static struct str title_of_copy(struct exchange *x, struct str title, const char *mark)
{
    struct str kept = {title.p, utf8_floor(title, TITLE_MAX - strlen(mark) - 3)};

    return title.n == 0 ? STR_NULL : arena_strf(&x->arena, STR_FMT " (%s)", STR_ARG(kept), mark);
}

static void look_at_messages(struct exchange *x, uint32_t before_place)
{
    const struct copying *c = x->state;
    struct query q = {.kind = QUERY_MESSAGES,
                      .session_id = c->source,
                      .at_seq = c->at_seq,
                      .before_place = before_place,
                      .limit = LIMIT_COPY_MESSAGES,
                      .bytes = LIMIT_COPY_BYTES,
                      .without_runs = true};

    exchange_query(x, &q, on_messages);
}

/* What follows the message that is named, and the results of its calls, is not even read. */
static void on_last_message(struct exchange *x, const struct answer *a)
{
    const struct message *m = a->messages;

    if (a->rc < 0)
        refuse(x, say_no_session);
    else if (a->n == 0)
        refuse(x, say_no_message);
    else
        look_at_messages(x, m->place + 1 + (m->role == ROLE_TOOL ? LIMIT_CALLS_PER_ROUND : (uint32_t)m->calls.count));
}

static void on_session(struct exchange *x, const struct answer *a)
{
    struct copying *c = x->state;
    const struct session_row *row = a->sessions;
    struct query q = {.kind = QUERY_MESSAGES,
                      .session_id = c->source,
                      .after_message = c->upto,
                      .exactly = true,
                      .without_runs = true,
                      .without_texts = true};

    if (a->rc < 0) {
        refuse(x, say_no_session);
        return;
    }
    c->in.title = title_of_copy(x, row->title, c->mark);
    c->in.workspace = arena_str(&x->arena, row->workspace);
    c->in.provider = arena_str(&x->arena, row->provider);
    c->in.model = arena_str(&x->arena, row->model);
    c->in.effort = arena_str(&x->arena, row->effort);
    c->in.set_model = row->model.n > 0;
    c->in.set_effort = row->effort.n > 0;
    if (c->upto.n > 0)
        exchange_query(x, &q, on_last_message);
    else
        look_at_messages(x, 0);
}

static void begin(struct exchange *x, const char *mark, uint64_t at_seq, struct str upto)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id};
    struct copying *c = arena_zalloc(&x->arena, sizeof(*c));

    *c = (struct copying){.source = x->id, .at_seq = at_seq, .upto = upto, .mark = mark};
    c->in = (struct input){
        .kind = INPUT_CREATE, .session_id = turn_session_id(x, x->id), .nonce = id_random_u64(), .source = x->id};
    x->state = c;
    exchange_query(x, &q, on_session);
}

void copy_post(struct exchange *x)
{
    begin(x, "copy", 0, STR_NULL);
}

void fork_post(struct exchange *x)
{
    struct fork_request *q = x->in;
    bool has_seq = request_has(x->json, "at_seq");

    if (!turn_id(x, "fork", "message_id", &q->message_id))
        return;
    if (has_seq == (q->message_id.n > 0))
        exchange_fail(x, ERR_BAD_REQUEST,
                      "fork: expected either at_seq, the number of a fact, or message_id; /copy takes all of it");
    else
        begin(x, "fork", has_seq && (q->at_seq == 0 || q->at_seq > INT64_MAX) ? INT64_MAX : q->at_seq, q->message_id);
}
