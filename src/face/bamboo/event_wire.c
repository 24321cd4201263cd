/* SPDX-License-Identifier: MIT */
#include "face/bamboo/event_wire.h"

#include "base/clock.h"
#include "base/str.h"

typedef const char *type_fn(const struct fact *f);
typedef void write_fn(const struct event_context *c, const struct fact *f, struct json_writer *w);

/* ---- parts ---- */

static int64_t clamp_u32(int64_t v)
{
    return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : v;
}

void usage_write(const struct usage *u, struct json_writer *w)
{
    int64_t prompt = clamp_u32(u->prompt_tokens), completion = clamp_u32(u->completion_tokens);

    json_begin_object(w);
    json_key_i64(w, "prompt_tokens", prompt);
    json_key_i64(w, "completion_tokens", completion);
    json_key_i64(w, "total_tokens", clamp_u32(prompt + completion));
    json_end_object(w);
}

void budget_write(const struct budget *b, struct json_writer *w)
{
    json_begin_object(w);
    json_key_i64(w, "system_tokens", b->system_tokens);
    json_key_i64(w, "summary_tokens", b->summary_tokens);
    json_key_i64(w, "window_tokens", b->window_tokens);
    json_key_i64(w, "total_tokens", b->total_tokens);
    json_key_i64(w, "max_context_tokens", b->max_context_tokens);
    json_key_i64(w, "budget_limit", b->budget_limit);
    json_key_bool(w, "truncation_occurred", false);
    json_key_i64(w, "segments_removed", 0);
    json_key_i64(w, "prompt_cached_tool_outputs", 0);
    json_key_i64(w, "prompt_cached_tool_tokens_saved", 0);
    json_key_i64(w, "thinking_tokens", b->thinking_tokens);
    json_key_i64(w, "cache_read_input_tokens", b->cache_read_input_tokens);
    json_key_i64(w, "used_tokens", b->used_tokens);
    json_key_i64(w, "cost_micros", b->cost_micros);
    json_key_i64(w, "reserved_micros", b->reserved_micros);
    if (b->limit_micros > 0)
        json_key_i64(w, "limit_micros", b->limit_micros);
    if (b->provider_input_tokens > 0) {
        json_key(w, "provider_prompt_usage");
        json_begin_object(w);
        json_key_i64(w, "input_tokens", b->provider_input_tokens);
        json_key_i64(w, "cache_creation_input_tokens", 0);
        json_key_i64(w, "cache_read_input_tokens", b->cache_read_input_tokens);
        json_key_bool(w, "retained_from_previous_call", false);
        json_end_object(w);
    }
    json_end_object(w);
}

void calls_write(const struct record_list *calls, struct json_writer *w)
{
    const struct call *call = calls->items;

    json_begin_array(w);
    for (size_t i = 0; i < calls->count; i++) {
        json_begin_object(w);
        json_key_str(w, "id", call[i].id);
        json_key_str(w, "type", STR("function"));
        json_key(w, "function");
        json_begin_object(w);
        json_key_str(w, "name", call[i].name);
        json_key_str(w, "arguments", call[i].args);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

/*
 * A model promises JSON and may break the promise: then its text is shown as a string. White space
 * between the values may hold line ends, which would end the line of the frame.
 */
static void put_arguments(struct str args, struct json_writer *w)
{
    struct buf line CLEANUP(buf_done) = BUF_INIT;
    struct json *node = NULL;
    struct arena arena;

    arena_init(&arena);
    if (args.n == 0) {
        json_put_raw(w, STR("{}"));
    } else if (json_parse(&arena, args, &node, NULL) < 0) {
        json_put_str(w, args);
    } else {
        buf_add_str(&line, node->raw);
        for (size_t i = 0; i < line.n; i++)
            if (line.p[i] == '\n' || line.p[i] == '\r')
                line.p[i] = ' ';
        json_put_raw(w, buf_str(&line));
    }
    arena_done(&arena);
}

void run_time_write(int64_t at, struct json_writer *w)
{
    char text[CLOCK_TEXT];
    struct str s;
    struct buf whole CLEANUP(buf_done) = BUF_INIT;

    clock_text(at, text);
    s = str_of(text);
    buf_add(&whole, s.p, s.n - 1);
    buf_add_str(&whole, STR("+00:00"));
    json_put_str(w, buf_str(&whole));
}

/* ---- one function per kind ---- */

static const char *updated_type(const struct fact *f)
{
    if (f->set_title)
        return "session_title_updated";
    return f->set_pinned ? "session_pinned_updated" : NULL;
}

static void write_updated(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    if (f->set_title) {
        json_key_str(w, "title", f->title);
        if (c->title_version > 0)
            json_key_u64(w, "title_version", c->title_version);
        json_key_bool(w, "title_generated", false);
        json_key_str(w, "source", STR("manual"));
    } else {
        json_key_bool(w, "pinned", f->pinned);
    }
    json_key_time(w, "updated_at", f->at);
}

static const char *appended_type(const struct fact *f UNUSED)
{
    return "message_appended";
}

static void write_appended(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    bool is_assistant = f->kind == FACT_ASSISTANT;

    json_key_str(w, "session_id", c->session_id);
    json_key_str(w, "message_id", f->id);
    json_key_str(w, "role", is_assistant ? STR("assistant") : STR("user"));
    json_key_str(w, "content", f->text);
    json_key_time(w, "created_at", f->at);
    if (is_assistant && f->interrupted)
        json_key_bool(w, "interrupted", true);
    if (is_assistant && f->repaired)
        json_key_bool(w, "repaired", true);
    if (is_assistant && f->calls.count > 0) {
        json_key(w, "tool_calls");
        calls_write(&f->calls, w);
    }
}

static const char *started_type(const struct fact *f UNUSED)
{
    return "execution_started";
}

static void write_started(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "run_id", f->id);
    json_key_str(w, "session_id", c->session_id);
    json_key(w, "started_at");
    run_time_write(f->at, w);
}

/* Only watchers who may have seen text of the call that is made again need to know. */
static const char *discarded_type(const struct fact *f)
{
    return f->discarded.n > 0 ? "message_discarded" : NULL;
}

static void write_discarded(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    json_key_str(w, "message_id", f->discarded);
    json_key_str(w, "reason", f->kind == FACT_RUN_RECOVERED ? STR("restart") : STR("retry"));
}

static const char *progress_type(const struct fact *f UNUSED)
{
    return "runner_progress";
}

static void write_progress(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    json_key_u64(w, "round_count", f->round);
}

static const char *budget_type(const struct fact *f UNUSED)
{
    return "token_budget_updated";
}

static void write_budget(const struct event_context *c UNUSED, const struct fact *f, struct json_writer *w)
{
    json_key(w, "usage");
    budget_write(&f->budget, w);
}

static const char *exceeded_type(const struct fact *f UNUSED)
{
    return "budget_exceeded";
}

static void write_exceeded(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    json_key_str(w, "kind", f->tool);
    json_key_i64(w, "limit", f->limit);
    json_key_i64(w, "actual", f->actual);
    if (f->cost > 0)
        json_key_i64(w, "needed", f->cost);
}

static const char *call_started_type(const struct fact *f UNUSED)
{
    return "tool_start";
}

static void write_call_started(const struct event_context *c UNUSED, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "tool_call_id", f->call_id);
    json_key_str(w, "tool_name", f->tool);
    json_key(w, "arguments");
    put_arguments(f->args, w);
}

static const char *call_ended_type(const struct fact *f)
{
    return f->outcome == OUTCOME_OK ? "tool_complete" : "tool_error";
}

static void write_call_ended(const struct event_context *c UNUSED, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "tool_call_id", f->call_id);
    if (f->outcome != OUTCOME_OK) {
        json_key_str(w, "error", f->text);
        json_key_text(w, "outcome", call_outcome_names[f->outcome]);
        return;
    }
    json_key(w, "result");
    json_begin_object(w);
    json_key_bool(w, "success", true);
    json_key_str(w, "result", f->text);
    json_key_text(w, "display_preference", NULL);
    json_end_object(w);
}

static const char *asked_type(const struct fact *f UNUSED)
{
    return "need_clarification";
}

void question_write(const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "question", f->text);
    json_key(w, "options");
    if (f->options.n > 0)
        put_arguments(f->options, w);
    else
        json_put_null(w);
    json_key_str(w, "tool_call_id", f->call_id);
    json_key_str(w, "tool_name", f->tool);
    json_key_bool(w, "allow_custom", f->allow_custom);
    json_key_str(w, "source", STR("pause_tool"));
    json_key_str(w, "question_id", f->id);
    if (f->due == 0)
        return;
    json_key_i64(w, "due", f->due);
    json_key(w, "on_expiry");
    json_begin_object(w);
    json_key_text(w, "action", f->fallback.n > 0 ? "answer" : "fail");
    if (f->fallback.n > 0)
        json_key_str(w, "answer", f->fallback);
    json_end_object(w);
}

static void write_asked(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    question_write(f, w);
}

static const char *closed_type(const struct fact *f UNUSED)
{
    return "question_closed";
}

static void write_closed(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    json_key_str(w, "question_id", f->id);
    json_key_str(w, "tool_call_id", f->call_id);
    json_key_text(w, "how", closing_names[f->how]);
    json_key_str(w, "by", f->by);
    if (f->text.n > 0)
        json_key_str(w, "answer", f->text);
}

static const char *edited_type(const struct fact *f UNUSED)
{
    return "message_edited";
}

static void write_edited(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    json_key_str(w, "message_id", f->id);
    json_key_text(w, "role", role_names[f->role]);
    json_key_str(w, "content", f->text);
}

static const char *removed_type(const struct fact *f UNUSED)
{
    return "messages_removed";
}

static void write_removed(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "session_id", c->session_id);
    json_key_text(w, "mode", removal_names[f->how]);
    json_key_u64(w, "first_place", f->place);
    json_key_u64(w, "messages_removed", f->removed);
    json_key_str(w, "last_message_id", f->last);
}

/* A pause for a question ends the run and nothing else: who waits for the end of the talk goes on waiting. */
static const char *ended_type(const struct fact *f)
{
    if (f->end == END_CANCELLED)
        return "cancelled";
    if (f->end == END_SUSPENDED)
        return "run_suspended";
    return f->end == END_ERROR ? "error" : "complete";
}

static void write_ended(const struct event_context *c UNUSED, const struct fact *f, struct json_writer *w)
{
    json_key_str(w, "run_id", f->id);
    if (f->end == END_CANCELLED) {
        json_key_str(w, "message",
                     str_is(f->by, "interrupt") ? STR("Agent execution cancelled: another run takes its place")
                                                : STR("Agent execution cancelled by user"));
        json_key_str(w, "by", f->by);
    } else if (f->end == END_ERROR) {
        json_key_str(w, "message", f->text);
        json_key_text(w, "kind", failure_names[f->failure]);
        json_key_bool(w, "retryable", failure_is_retryable((enum failure)f->failure));
    } else {
        json_key_text(w, "end", run_end_names[f->end]);
        if (f->reason.n > 0)
            json_key_str(w, "kind", f->reason);
        json_key(w, "usage");
        usage_write(&f->usage, w);
    }
}

static const struct {
    type_fn *type;
    write_fn *write;
} rows[FACT_KIND_COUNT] = {
    [FACT_SESSION_UPDATED] = {updated_type, write_updated},
    [FACT_MESSAGE_POSTED] = {appended_type, write_appended},
    [FACT_MESSAGE_EDITED] = {edited_type, write_edited},
    [FACT_MESSAGES_REMOVED] = {removed_type, write_removed},
    [FACT_QUESTION_ASKED] = {asked_type, write_asked},
    [FACT_QUESTION_CLOSED] = {closed_type, write_closed},
    [FACT_RUN_STARTED] = {started_type, write_started},
    [FACT_RUN_RECOVERED] = {discarded_type, write_discarded},
    [FACT_ROUND_STARTED] = {progress_type, write_progress},
    [FACT_MODEL_FAILED] = {discarded_type, write_discarded},
    [FACT_ASSISTANT] = {appended_type, write_appended},
    [FACT_BUDGET] = {budget_type, write_budget},
    [FACT_BUDGET_EXCEEDED] = {exceeded_type, write_exceeded},
    [FACT_CALL_STARTED] = {call_started_type, write_call_started},
    [FACT_CALL_ENDED] = {call_ended_type, write_call_ended},
    [FACT_RUN_ENDED] = {ended_type, write_ended},
};

const char *event_wire_type(const struct fact *f)
{
    return rows[f->kind].type == NULL ? NULL : rows[f->kind].type(f);
}

bool event_wire_write(const struct event_context *c, const struct fact *f, struct buf *out)
{
    const char *type = event_wire_type(f);
    struct json_writer w = JSON_WRITER(out);

    if (type == NULL)
        return false;
    json_begin_object(&w);
    json_key_text(&w, "type", type);
    rows[f->kind].write(c, f, &w);
    json_key_u64(&w, "seq", f->seq);
    json_key_i64(&w, "at", f->at);
    json_end_object(&w);
    return true;
}

uint64_t event_wire_kinds(struct str type)
{
#define KIND(name) (1ull << FACT_##name)
    static const struct {
        const char *type;
        uint64_t kinds;
    } types[] = {
        {"session_title_updated", KIND(SESSION_UPDATED)},
        {"session_pinned_updated", KIND(SESSION_UPDATED)},
        {"message_appended", KIND(MESSAGE_POSTED) | KIND(ASSISTANT)},
        {"execution_started", KIND(RUN_STARTED)},
        {"message_discarded", KIND(RUN_RECOVERED) | KIND(MODEL_FAILED)},
        {"runner_progress", KIND(ROUND_STARTED)},
        {"token_budget_updated", KIND(BUDGET)},
        {"budget_exceeded", KIND(BUDGET_EXCEEDED)},
        {"tool_start", KIND(CALL_STARTED)},
        {"tool_complete", KIND(CALL_ENDED)},
        {"tool_error", KIND(CALL_ENDED)},
        {"message_edited", KIND(MESSAGE_EDITED)},
        {"messages_removed", KIND(MESSAGES_REMOVED)},
        {"need_clarification", KIND(QUESTION_ASKED)},
        {"question_closed", KIND(QUESTION_CLOSED)},
        {"run_suspended", KIND(RUN_ENDED)},
        {"complete", KIND(RUN_ENDED)},
        {"cancelled", KIND(RUN_ENDED)},
        {"error", KIND(RUN_ENDED)},
    };
#undef KIND

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_is(type, types[i].type))
            return types[i].kinds;
    return 0;
}

/* ---- frames ---- */

bool event_frame_fact(const struct event_context *c, const struct fact *f, struct buf *out)
{
    if (event_wire_type(f) == NULL)
        return false;
    if (fact_wire_class(f->kind) == FACT_WIRE_FACT) {
        buf_add_str(out, STR("id: "));
        buf_add_u64(out, f->seq);
        buf_add_char(out, '\n');
    }
    buf_add_str(out, STR("data: "));
    event_wire_write(c, f, out);
    buf_add_str(out, STR("\n\n"));
    return true;
}

void event_frame_delta(int channel, struct str message_id, uint64_t offset, struct str text, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    buf_add_str(out, STR("data: "));
    json_begin_object(&w);
    json_key_str(&w, "type", channel == DELTA_REASONING ? STR("reasoning_token") : STR("token"));
    json_key_str(&w, "content", text);
    json_key_str(&w, "message_id", message_id);
    json_key_u64(&w, "offset", offset);
    json_end_object(&w);
    buf_add_str(out, STR("\n\n"));
}
