/* SPDX-License-Identifier: MIT */
#include "face/bamboo/transcript.h"

#include "base/str.h"
#include "face/bamboo/event_wire.h"

static void key_some(struct json_writer *w, const char *key, struct str s)
{
    if (s.n > 0)
        json_key_str(w, key, s);
}

static void key_or_null(struct json_writer *w, const char *key, struct str s)
{
    if (s.n > 0)
        json_key_str(w, key, s);
    else
        json_key_text(w, key, NULL);
}

/* ---- messages ---- */

void message_write(const struct message *m, struct json_writer *w)
{
    json_begin_object(w);
    json_key_str(w, "id", m->id);
    json_key_text(w, "role", role_names[m->role]);
    json_key_str(w, "content", m->text);
    key_some(w, "reasoning", m->reasoning);
    if (m->role == ROLE_ASSISTANT) {
        json_key_str(w, "phase", m->calls.count > 0 ? STR("commentary") : STR("final_answer"));
        if (m->calls.count > 0) {
            json_key(w, "tool_calls");
            calls_write(&m->calls, w);
        }
    }
    if (m->role == ROLE_TOOL) {
        json_key_str(w, "tool_call_id", m->call_id);
        json_key_bool(w, "tool_success", m->success);
    }
    json_key_time(w, "created_at", m->at);
    if (m->interrupted || m->repaired) {
        json_key(w, "metadata");
        json_begin_object(w);
        if (m->interrupted)
            json_key_bool(w, "interrupted", true);
        if (m->repaired)
            json_key_bool(w, "repaired", true);
        json_end_object(w);
    }
    json_end_object(w);
}

bool message_write_short(const struct message *m, struct json_writer *w)
{
    if ((m->role != ROLE_USER && m->role != ROLE_ASSISTANT) || m->text.n == 0)
        return false;
    json_begin_object(w);
    json_key_str(w, "id", m->id);
    json_key_text(w, "role", role_names[m->role]);
    json_key_str(w, "content", m->text);
    json_key_time(w, "created_at", m->at);
    json_end_object(w);
    return true;
}

size_t message_find(const struct message *messages, size_t n, struct str id)
{
    for (size_t i = n; i > 0; i--)
        if (str_eq(messages[i - 1].id, id))
            return i - 1;
    return SIZE_MAX;
}

size_t message_group_end(const struct message *messages, size_t n, size_t i)
{
    bool has_results = messages[i].role == ROLE_ASSISTANT || messages[i].role == ROLE_TOOL;

    i++;
    while (has_results && i < n && messages[i].role == ROLE_TOOL)
        i++;
    return i;
}

/* ---- sessions ---- */

static void write_model(const struct session_row *s, bool is_detail, struct json_writer *w)
{
    key_some(w, "model", s->model);
    if (s->provider.n > 0 && s->model.n > 0) {
        json_key(w, "model_ref");
        json_begin_object(w);
        json_key_str(w, "provider", s->provider);
        json_key_str(w, "model", s->model);
        key_some(w, "reasoning_effort", s->effort);
        json_end_object(w);
    }
    if (is_detail)
        key_some(w, "provider", s->provider);
    key_some(w, "reasoning_effort", s->effort);
}

static void write_run_state(const struct session_row *s, struct json_writer *w)
{
    json_key_bool(w, "is_running", s->is_running);
    key_some(w, "last_run_status", s->last_run_status);
    key_some(w, "last_run_error", s->last_error);
    key_some(w, "last_run_id", s->last_run_id);
    json_key_str(w, "state", s->state);
    json_key_str(w, "doing", s->doing);
    if (s->has_budget) {
        json_key(w, "token_usage");
        budget_write(&s->budget, w);
    }
    json_key_bool(w, "has_pending_question", s->open_questions > 0);
    json_key_u64(w, "open_questions", s->open_questions);
    json_key_u64(w, "running_child_count", 0);
    json_key_u64(w, "subagent_count", 0);
    json_key_i64(w, "cost_micros", amount_add(s->cost, s->is_running && s->has_budget ? s->budget.cost_micros : 0));
}

static void key_limit(struct json_writer *w, const char *key, int64_t limit)
{
    if (limit > 0)
        json_key_i64(w, key, limit);
}

/* Under the names of requests. */
static void write_limits(const struct run_limits *l, struct json_writer *w)
{
    json_key(w, "budget");
    if (l->max_tokens == 0 && l->max_cost == 0 && l->max_ms == 0 && l->max_rounds == 0 && l->max_calls == 0 &&
        l->max_children == 0 && !l->unpriced) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    key_limit(w, "max_total_tokens", l->max_tokens);
    key_limit(w, "max_rounds", l->max_rounds);
    key_limit(w, "max_tool_calls", l->max_calls);
    key_limit(w, "max_subagents", l->max_children);
    key_limit(w, "max_wall_ms", l->max_ms);
    key_limit(w, "max_cost_micros", l->max_cost);
    if (l->unpriced)
        json_key_text(w, "unpriced", "allow");
    json_end_object(w);
}

static void write_spent(const struct spent *s, struct json_writer *w)
{
    json_key(w, "budget_used");
    json_begin_object(w);
    json_key_i64(w, "total_tokens", s->tokens);
    json_key_u64(w, "rounds", s->rounds);
    json_key_u64(w, "tool_calls", s->calls);
    json_key_i64(w, "wall_ms", s->ms);
    json_key_i64(w, "cost_micros", s->cost);
    json_end_object(w);
}

struct str session_title(struct str title)
{
    return title.n > 0 ? title : STR("New Session");
}

const char *session_kind(struct str parent)
{
    return parent.n > 0 ? "child" : "root";
}

void session_row_write(const struct session_row *s, bool is_detail, struct json_writer *w)
{
    json_begin_object(w);
    json_key_str(w, "id", s->id);
    json_key_text(w, "project_id", NULL);
    json_key_text(w, "kind", session_kind(s->parent));
    json_key_str(w, "title", session_title(s->title));
    json_key_u64(w, "title_version", s->title_version);
    json_key_bool(w, "title_generated", false);
    json_key_bool(w, "pinned", s->pinned);
    key_or_null(w, "parent_session_id", s->parent);
    json_key_str(w, "root_session_id", s->root.n > 0 ? s->root : s->id);
    json_key_u64(w, "spawn_depth", s->depth);
    write_model(s, is_detail, w);
    key_some(w, "workspace_path", s->workspace);
    if (s->source.n > 0) {
        json_key(w, "forked_from");
        json_begin_object(w);
        json_key_str(w, "session_id", s->source);
        json_key_u64(w, "seq", s->source_seq);
        json_end_object(w);
    }
    json_key_time(w, "created_at", s->created_at);
    json_key_time(w, "updated_at", s->updated_at);
    json_key_time(w, "last_activity_at", s->updated_at);
    json_key_u64(w, "message_count", s->message_count);
    json_key_bool(w, "has_attachments", false);
    write_run_state(s, w);
    if (is_detail && s->has_fold) {
        write_limits(&s->limits, w);
        write_spent(&s->spent, w);
    }
    json_key_u64(w, "last_seq", s->last_seq);
    json_key_u64(w, "metadata_version", s->metadata_version);
    json_end_object(w);
}

/* ---- runs ---- */

void run_row_write(const struct run_row *r, struct json_writer *w)
{
    json_begin_object(w);
    json_key_str(w, "run_id", r->id);
    json_key_str(w, "session_id", r->session_id);
    json_key_u64(w, "number", r->number);
    json_key_str(w, "status", r->status);
    key_or_null(w, "end", r->end);
    key_some(w, "error", r->error);
    key_some(w, str_is(r->end, "cancelled") ? "cancelled_by" : "kind", r->failure);
    json_key_time(w, "started_at", r->started_at);
    json_key(w, "completed_at");
    if (r->ended_at > 0)
        json_put_time(w, r->ended_at);
    else
        json_put_null(w);
    json_key_u64(w, "rounds", r->rounds);
    json_key_u64(w, "tool_calls", r->calls);
    json_key_u64(w, "crashes", r->crashes);
    json_key(w, "usage");
    usage_write(&r->usage, w);
    json_key_i64(w, "cost_micros", r->cost);
    json_key_str(w, "origin", r->origin);
    key_or_null(w, "parent_run_id", r->parent_run);
    key_some(w, "provider", r->provider);
    key_some(w, "model", r->model);
    json_end_object(w);
}
