/* SPDX-License-Identifier: MIT */
/* What a session may not be, or become: asked about facts and folds that were read from outside. */
#include "session/session.h"

#include "base/str.h"

#define SIZE_MOST (INT64_C(1) << 53) /* of what is multiplied later */

static bool is_size(int64_t n)
{
    return n >= 0 && n < SIZE_MOST;
}

/* ---- which fact may follow ---- */

static const char *refuses_round_started(const struct session *s, const struct fact *f)
{
    if (s->run.round_open)
        return "a round is open already";
    if (f->round != s->run.round + 1)
        return "its round is not the next one";
    return f->admitted > s->inbox ? "it admits more messages than wait" : NULL;
}

static const char *refuses_model_failed(const struct session *s, const struct fact *f)
{
    return !s->run.round_open || f->round != s->run.round || f->gen != s->run.gen ? "no such model call is open" : NULL;
}

static const char *refuses_assistant(const struct session *s, const struct fact *f)
{
    if (refuses_model_failed(s, f) != NULL)
        return "no such model call is open";
    if (session_has_open_calls(s))
        return "calls of the answer before are open";
    if (f->calls.count > LIMIT_CALLS_PER_ROUND)
        return "it has too many calls";
    return f->place != s->messages ? "its place in the transcript is not the next one" : NULL;
}

static const char *refuses_call_started(const struct session *s, const struct fact *f)
{
    int i = session_find_call(s, f->call);

    return i < 0 || s->calls[i].state != CALL_PROPOSED ? "no such call is proposed" : NULL;
}

static const char *refuses_call_ended(const struct session *s, const struct fact *f)
{
    int i = session_find_call(s, f->call);

    if (i < 0 || s->calls[i].state == CALL_OVER)
        return "no such call is open";
    return f->place != s->calls_place + (uint32_t)i ? "its place in the transcript is not that of its call" : NULL;
}

static const char *refuses_withdrawn(const struct session *s, const struct fact *f)
{
    if (f->bytes < 0 || f->bytes > (f->later ? s->later_bytes : s->inbox_bytes))
        return "it takes more text than waits";
    return (f->later ? s->later : s->inbox) == 0 ? "no message waits" : NULL;
}

/* A transcript is changed at rest only: nobody reads it meanwhile. */
static const char *refuses_change(const struct session *s)
{
    return session_is_at_work(s) ? "a run is active, or a question is open" : NULL;
}

static const char *refuses_edited(const struct session *s, const struct fact *f)
{
    if (f->place >= s->messages)
        return "there is no message at its place";
    if (!is_size(amount_add(s->context_bytes, f->bytes)))
        return "it takes away more text than there is, or adds more than there can be";
    return refuses_change(s);
}

static const char *refuses_removed(const struct session *s, const struct fact *f)
{
    bool to_the_end = f->upto == s->messages;

    if (f->place > f->upto || f->upto > s->messages || f->removed > f->upto - f->place)
        return "there are no such places";
    if (to_the_end && f->upto - f->place - f->removed > s->gaps)
        return "there are more messages in those places";
    if (f->bytes < 0 || f->bytes > s->context_bytes)
        return "it takes away more text than there is";
    if (session_has_open_calls(s) && f->place >= s->calls_place)
        return "calls before it are open";
    return refuses_change(s);
}

static const char *refuses_imported(const struct session *s, const struct fact *f)
{
    if (f->place != s->messages)
        return "its place in the transcript is not the next one";
    return s->runs > 0 ? "the session has had runs of its own" : NULL;
}

static const char *refuses_question_asked(const struct session *s, const struct fact *f)
{
    int i = session_find_call(s, f->call);

    if (i < 0 || s->calls[i].state != CALL_RUNNING)
        return "no such call is running";
    return s->n_questions == LIMIT_QUESTIONS ? "too many questions are open" : NULL;
}

static const char *refuses_question_closed(const struct session *s, const struct fact *f)
{
    for (int i = 0; i < s->n_questions; i++)
        if (s->questions[i].call == f->call)
            return NULL;
    return "no such question is open";
}

static const char *refuses_run_ended(const struct session *s, const struct fact *f UNUSED)
{
    return session_open_calls(s, CALL_RUNNING) > 0 ? "a call is running" : NULL;
}

/* What a kind wants of the active run, and what else. Questions outlive the run that asked them. */
enum belonging { TO_NONE, TO_ACTIVE_RUN, TO_ACTIVE_RUN_IF_ANY };
static const struct {
    enum belonging belongs;
    const char *(*refuses)(const struct session *s, const struct fact *f);
} rules[FACT_KIND_COUNT] = {
    [FACT_MESSAGE_WITHDRAWN] = {TO_NONE, refuses_withdrawn},
    [FACT_MESSAGE_EDITED] = {TO_NONE, refuses_edited},
    [FACT_MESSAGES_REMOVED] = {TO_NONE, refuses_removed},
    [FACT_MESSAGE_IMPORTED] = {TO_NONE, refuses_imported},
    [FACT_RUN_RECOVERED] = {TO_ACTIVE_RUN, NULL},
    [FACT_ROUND_STARTED] = {TO_ACTIVE_RUN, refuses_round_started},
    [FACT_MODEL_FAILED] = {TO_ACTIVE_RUN, refuses_model_failed},
    [FACT_ASSISTANT] = {TO_ACTIVE_RUN, refuses_assistant},
    [FACT_BUDGET] = {TO_ACTIVE_RUN, NULL},
    [FACT_BUDGET_EXCEEDED] = {TO_ACTIVE_RUN, NULL},
    [FACT_CALL_STARTED] = {TO_ACTIVE_RUN, refuses_call_started},
    [FACT_CALL_ENDED] = {TO_ACTIVE_RUN_IF_ANY, refuses_call_ended},
    [FACT_QUESTION_ASKED] = {TO_ACTIVE_RUN, refuses_question_asked},
    [FACT_QUESTION_CLOSED] = {TO_ACTIVE_RUN_IF_ANY, refuses_question_closed},
    [FACT_RUN_QUEUED] = {TO_ACTIVE_RUN, NULL},
    [FACT_CANCEL_REQUESTED] = {TO_ACTIVE_RUN, NULL},
    [FACT_RUN_ENDED] = {TO_ACTIVE_RUN, refuses_run_ended},
};

const char *session_refuses(const struct session *s, const struct fact *f)
{
    if (f->seq != s->seq + 1)
        return "its number is not the next one";
    if (f->kind != FACT_UNKNOWN && (f->kind == FACT_SESSION_CREATED) != (s->seq == 0))
        return s->seq == 0 ? "the session is not created" : "the session is created already";
    if (f->kind == FACT_RUN_STARTED && s->run.active)
        return "a run is active already";
    if (f->kind == FACT_RUN_STARTED && f->run != s->runs + 1)
        return "its run is not the next one";
    if (rules[f->kind].belongs == TO_ACTIVE_RUN && !s->run.active)
        return "no run is active";
    if (rules[f->kind].belongs != TO_NONE && f->run != s->run.number)
        return "it names another run";
    if (f->tokens < 0 || f->cost < 0)
        return "its number of tokens or its cost is below zero";
    return rules[f->kind].refuses == NULL ? NULL : rules[f->kind].refuses(s, f);
}

/* ---- field by field: there are gaps between them ---- */

enum field_type { NUMBER, FLAG, TEXT };

#define FIELD(type, member) {#member, type, offsetof(struct session, member), sizeof(((struct session *)NULL)->member)}
#define LIMITS_FIELDS(member)                                                                                          \
    FIELD(NUMBER, member.max_tokens), FIELD(NUMBER, member.max_cost), FIELD(NUMBER, member.max_ms),                    \
        FIELD(NUMBER, member.max_rounds), FIELD(NUMBER, member.max_calls), FIELD(NUMBER, member.max_children),         \
        FIELD(FLAG, member.unpriced)
static const struct {
    const char *name;
    enum field_type type;
    size_t offset, size;
} fields[] = {
    FIELD(NUMBER, seq),
    FIELD(NUMBER, nonce),
    FIELD(NUMBER, created_at),
    FIELD(NUMBER, metadata_version),
    FIELD(NUMBER, title_version),
    FIELD(NUMBER, depth),
    FIELD(NUMBER, messages),
    FIELD(NUMBER, gaps),
    FIELD(NUMBER, inbox),
    FIELD(NUMBER, later),
    FIELD(NUMBER, runs),
    FIELD(NUMBER, calls_made),
    FIELD(FLAG, unread),
    FIELD(TEXT, last_message),
    FIELD(TEXT, last_posted),
    FIELD(TEXT, last_later),
    FIELD(NUMBER, last_posted_seq),
    FIELD(NUMBER, last_later_seq),
    FIELD(NUMBER, inbox_seq),
    FIELD(NUMBER, context_bytes),
    FIELD(NUMBER, inbox_bytes),
    FIELD(NUMBER, later_bytes),
    FIELD(NUMBER, system_bytes),
    FIELD(TEXT, provider),
    FIELD(TEXT, model),
    FIELD(TEXT, effort),
    FIELD(TEXT, run_provider),
    FIELD(TEXT, run_model),
    FIELD(TEXT, run_effort),
    FIELD(FLAG, run.active),
    FIELD(FLAG, run.round_open),
    FIELD(FLAG, run.over),
    FIELD(FLAG, run.closing),
    FIELD(FLAG, run.cancelling),
    FIELD(NUMBER, run.number),
    FIELD(NUMBER, run.round),
    FIELD(NUMBER, run.gen),
    FIELD(NUMBER, run.crashes),
    FIELD(NUMBER, run.failures),
    FIELD(NUMBER, run.calls),
    FIELD(FLAG, run.unattended),
    FIELD(FLAG, run.queued),
    FIELD(TEXT, run.stopped_by),
    FIELD(TEXT, run.over_kind),
    FIELD(NUMBER, run.origin),
    FIELD(NUMBER, run.started_at),
    FIELD(NUMBER, run.used_tokens),
    FIELD(NUMBER, run.reserved_tokens),
    FIELD(NUMBER, run.retry_due),
    FIELD(NUMBER, run.used_cost),
    FIELD(NUMBER, run.reserved_cost),
    FIELD(NUMBER, run.round_print),
    FIELD(NUMBER, run.last_print),
    FIELD(NUMBER, run.repeats),
    FIELD(NUMBER, run.fruitless),
    FIELD(FLAG, run.has_fruit),
    FIELD(NUMBER, run.price.input),
    FIELD(NUMBER, run.price.output),
    FIELD(NUMBER, run.price.cached),
    FIELD(FLAG, run.price.known),
    LIMITS_FIELDS(run.limits),
    FIELD(NUMBER, run.usage.prompt_tokens),
    FIELD(NUMBER, run.usage.completion_tokens),
    FIELD(NUMBER, run.usage.reasoning_tokens),
    FIELD(NUMBER, run.usage.cached_tokens),
    FIELD(FLAG, run.usage.reported),
    FIELD(NUMBER, first_call),
    FIELD(NUMBER, calls_place),
    FIELD(NUMBER, n_calls),
    FIELD(NUMBER, calls),
    FIELD(NUMBER, assistant_seq),
    FIELD(NUMBER, n_questions),
    FIELD(NUMBER, questions),
    LIMITS_FIELDS(limits),
    FIELD(NUMBER, spent),
    FIELD(NUMBER, next.origin),
    FIELD(FLAG, next.unattended),
    FIELD(TEXT, next.provider),
    FIELD(TEXT, next.model),
    FIELD(TEXT, next.effort),
    LIMITS_FIELDS(next.limits),
    LIMITS_FIELDS(last_limits),
    FIELD(FLAG, last_unattended),
    FIELD(NUMBER, last_end),
    FIELD(NUMBER, end_seq),
    FIELD(NUMBER, work_seq),
    FIELD(NUMBER, exceeded_seq),
    FIELD(NUMBER, budget_seq),
    FIELD(NUMBER, progress_seq),
    FIELD(NUMBER, title_seq),
    FIELD(NUMBER, pin_seq),
};

/* Elements are compared and copied whole. */
_Static_assert(sizeof(struct open_question) == 2 * sizeof(uint64_t) + 2 * sizeof(uint32_t) &&
                   sizeof(struct spent) == 3 * sizeof(int64_t) + 2 * sizeof(uint32_t) &&
                   sizeof(((struct session *)NULL)->calls[0]) == 2,
               "a gap within a field: name its members");

void session_copy_fields(const struct session *s, struct session *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        memcpy((char *)out + fields[i].offset, (const char *)s + fields[i].offset, fields[i].size);
}

const char *session_differs(const struct session *a, const struct session *b)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *x = (const char *)a + fields[i].offset, *y = (const char *)b + fields[i].offset;
        bool same = fields[i].type == TEXT ? strncmp(x, y, fields[i].size) == 0 : memcmp(x, y, fields[i].size) == 0;

        if (!same)
            return fields[i].name;
    }
    return NULL;
}

static bool is_word(const char *const *names, int value)
{
    for (int i = 0; names[i] != NULL; i++)
        if (i == value)
            return true;
    return false;
}

static bool calls_are_whole(const struct session *s)
{
    if (s->n_calls > LIMIT_CALLS_PER_ROUND)
        return false;
    for (int i = 0; i < s->n_calls; i++)
        if (s->calls[i].state > CALL_OVER || !is_word(effect_names, s->calls[i].effect))
            return false;
    return s->assistant_seq <= s->seq && s->n_questions <= LIMIT_QUESTIONS;
}

bool session_is_whole(const struct session *s)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *p = (const char *)s + fields[i].offset;

        if (fields[i].type == TEXT && memchr(p, '\0', fields[i].size) == NULL)
            return false;
        if (fields[i].type == FLAG && (unsigned char)*p > 1)
            return false;
    }
    return is_size(s->context_bytes) && is_size(s->inbox_bytes) && is_size(s->later_bytes) && s->gaps <= s->messages &&
           is_size(s->system_bytes) && s->run.reserved_tokens >= 0 && s->run.reserved_cost >= 0 &&
           is_word(run_end_names, s->last_end) && is_word(run_origin_names, s->run.origin) &&
           is_word(run_origin_names, s->next.origin) && calls_are_whole(s);
}
