/* SPDX-License-Identifier: MIT */
#include "app/turn_view.h"

#include "app/print.h"
#include "app/question_view.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { ANSWER_BYTES = 64 * 1024 * 1024, TOOL_ERROR_BYTES = 200 };

void turn_view_init(struct turn_view *v, struct output *out, enum turn_style style)
{
    *v = (struct turn_view){.out = out, .style = style, .answer = BUF_CAPPED(ANSWER_BYTES)};
    v->notes = terminal_of(STDERR_FILENO);
}

void turn_view_done(struct turn_view *v)
{
    buf_done(&v->answer);
    buf_done(&v->failure);
}

static void say(const struct turn_view *v, enum style style, const char *text)
{
    CLEANUP(buf_done) struct buf flat = BUF_INIT, line = BUF_INIT;

    buf_add_str(&flat, STR("culm: "));
    terminal_flatten(str_of(text), &flat);
    terminal_put(&v->notes, style, buf_str(&flat), &line);
    fprintf(stderr, "%s\n", line.p);
}

void turn_view_note(const struct turn_view *v, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    if (v->style == TURN_QUIET)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    say(v, STYLE_DIM, text);
}

void turn_view_error(const struct turn_view *v, const char *text)
{
    say(v, STYLE_RED, text[0] == '\0' ? "failed" : text);
}

static void print(struct turn_view *v, struct str text)
{
    if (text.n == 0)
        return;
    output_add(v->out, text);
    v->in_line = text.p[text.n - 1] != '\n';
}

static void end_line(struct turn_view *v)
{
    if (v->in_line)
        print(v, STR("\n"));
}

/* ---- events ---- */

static enum turn_end on_started(struct turn_view *v, const struct json *event UNUSED)
{
    v->has_begun = true;
    v->has_round = false;
    return TURN_GOES_ON;
}

static enum turn_end on_round(struct turn_view *v, const struct json *event UNUSED)
{
    v->has_round = true;
    return TURN_GOES_ON;
}

static enum turn_end on_token(struct turn_view *v, const struct json *event)
{
    struct str id = json_text(json_find(event, "message_id")), content = json_text(json_find(event, "content"));
    int64_t number = json_number(json_find(event, "offset"), 0);
    uint64_t offset = number < 0 ? 0 : (uint64_t)number;

    if (!str_is(id, v->message_id)) {
        str_copy(v->message_id, sizeof(v->message_id), id);
        v->offset = offset;
        if (v->style == TURN_PLAIN)
            end_line(v);
    }
    if (offset + content.n <= v->offset)
        return TURN_GOES_ON; /* seen before the stream broke */
    if (offset < v->offset)
        content = str_skip(content, utf8_floor(content, v->offset - offset));
    v->offset = offset > v->offset ? offset : v->offset;
    v->offset += content.n;
    if (v->style == TURN_PLAIN)
        print(v, content);
    return TURN_GOES_ON;
}

static enum turn_end on_message(struct turn_view *v, const struct json *event)
{
    if (!str_is(json_text(json_find(event, "role")), "assistant"))
        return TURN_GOES_ON;
    v->has_round = true; /* late watchers are not told of the round itself */
    buf_clear(&v->answer);
    if (v->style == TURN_QUIET)
        buf_add_str(&v->answer, json_text(json_find(event, "content")));
    return TURN_GOES_ON;
}

static enum turn_end on_discarded(struct turn_view *v, const struct json *event)
{
    struct str id = json_text(json_find(event, "message_id")), reason = json_text(json_find(event, "reason"));
    bool begun = v->message_id[0] != '\0' && str_is(id, v->message_id);

    if (v->style != TURN_PLAIN)
        return TURN_GOES_ON;
    if (begun)
        end_line(v);
    turn_view_note(v, "the answer was cut (" STR_FMT ")%s", STR_ARG(reason),
                   begun ? "; what was printed of it is void, it begins anew" : "; it is asked for again");
    return TURN_GOES_ON;
}

static enum turn_end on_tool(struct turn_view *v, const struct json *event)
{
    if (v->style == TURN_PLAIN)
        turn_view_note(v, "tool " STR_FMT, STR_ARG(json_text(json_find(event, "tool_name"))));
    return TURN_GOES_ON;
}

static enum turn_end on_tool_error(struct turn_view *v, const struct json *event)
{
    struct str text = json_text(json_find(event, "error"));
    CLEANUP(buf_done) struct buf line = BUF_INIT;

    text.n = utf8_floor(text, TOOL_ERROR_BYTES);
    buf_addf(&line, "tool failed: " STR_FMT, STR_ARG(text));
    if (v->style == TURN_PLAIN)
        turn_view_error(v, line.p);
    return TURN_GOES_ON;
}

static enum turn_end on_budget(struct turn_view *v, const struct json *event)
{
    turn_view_note(v, "the budget of the run is spent (" STR_FMT ")", STR_ARG(json_text(json_find(event, "kind"))));
    return TURN_GOES_ON;
}

void turn_view_question(const struct turn_view *v, const struct json *question)
{
    CLEANUP(buf_done) struct buf options = BUF_INIT;

    question_view_options(json_find(question, "options"), &options);
    turn_view_note(v, "the run waits for an answer: " STR_FMT "%s%s%s",
                   STR_ARG(json_text(json_find(question, "question"))), options.n > 0 ? " [" : "",
                   options.n > 0 ? options.p : "", options.n > 0 ? "]" : "");
}

static enum turn_end on_question(struct turn_view *v, const struct json *event)
{
    if (!v->asks)
        turn_view_question(v, event);
    return TURN_GOES_ON;
}

static enum turn_end on_suspended(struct turn_view *v UNUSED, const struct json *event UNUSED)
{
    return TURN_SUSPENDED;
}

/* Scripts take 0 for an answer, and a budget that was spent before leaves none. */
static enum turn_end on_complete(struct turn_view *v, const struct json *event)
{
    struct str kind = json_text(json_find(event, "kind"));

    if (!str_is(json_text(json_find(event, "end")), "budget") || !v->has_begun || v->has_round)
        return TURN_COMPLETED;
    buf_clear(&v->failure);
    buf_addf(&v->failure,
             "there is no answer: the budget (" STR_FMT
             ") was spent before the model could be asked; give more with %s",
             STR_ARG(kind),
             str_has_prefix(kind, STR("session_")) ? "PATCH /api/v1/sessions/ID, or begin another session"
                                                   : "culm run --max-…, or limits in the configuration");
    return TURN_FAILED;
}

static enum turn_end on_cancelled(struct turn_view *v UNUSED, const struct json *event UNUSED)
{
    return TURN_CANCELLED;
}

static enum turn_end on_error(struct turn_view *v, const struct json *event)
{
    buf_clear(&v->failure);
    buf_add_str(&v->failure, json_text(json_find(event, "message")));
    return TURN_FAILED;
}

static const struct {
    const char *type;
    enum turn_end (*take)(struct turn_view *v, const struct json *event);
} events[] = {
    {"execution_started", on_started},
    {"runner_progress", on_round},
    {"token", on_token},
    {"message_appended", on_message},
    {"message_discarded", on_discarded},
    {"tool_start", on_tool},
    {"tool_error", on_tool_error},
    {"budget_exceeded", on_budget},
    {"need_clarification", on_question},
    {"tool_approval_requested", on_question},
    {"run_suspended", on_suspended},
    {"complete", on_complete},
    {"cancelled", on_cancelled},
    {"error", on_error},
};

enum turn_end turn_view_event(struct turn_view *v, const struct json *event, struct str text)
{
    struct str type = json_text(json_find(event, "type"));
    int64_t seq = json_number(json_find(event, "seq"), 0);

    if (str_is(type, "stream_opened"))
        return TURN_GOES_ON; /* about the connection, not the turn */
    if (seq > 0 && (uint64_t)seq > v->seq)
        v->seq = (uint64_t)seq;
    if (v->style == TURN_JSON) {
        CLEANUP(buf_done) struct buf line = BUF_INIT;

        print_json_line(text, &line);
        print(v, buf_str(&line));
    }
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (str_is(type, events[i].type))
            return events[i].take(v, event);
    return TURN_GOES_ON;
}

void turn_view_pause(struct turn_view *v)
{
    end_line(v);
}

void turn_view_finish(struct turn_view *v)
{
    if (v->style == TURN_QUIET)
        print(v, buf_str(&v->answer));
    buf_clear(&v->answer);
    end_line(v);
}
