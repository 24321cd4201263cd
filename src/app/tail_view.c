/* SPDX-License-Identifier: MIT */
#include "app/tail_view.h"

#include "app/print.h"
#include "app/question_view.h"
#include "app/when.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"

void tail_view_init(struct tail_view *v, struct output *out, const struct terminal *t, bool is_json)
{
    *v = (struct tail_view){.out = out, .terminal = *t, .is_json = is_json};
}

void tail_view_done(struct tail_view *v)
{
    buf_done(&v->line);
}

bool tail_view_wants_text(const struct tail_view *v)
{
    return v->is_json || v->terminal.is_terminal;
}

static void put(struct tail_view *v)
{
    output_add(v->out, buf_str(&v->line));
    buf_clear(&v->line);
}

void tail_view_finish(struct tail_view *v)
{
    if (v->in_text)
        output_add(v->out, STR("\n"));
    v->in_text = false;
}

/* ---- what an event says ---- */

typedef void says_fn(const struct json *event, struct buf *out);

static void add_field(const struct json *event, const char *key, struct buf *out)
{
    const struct json *field = json_find(event, key);

    if (field != NULL)
        buf_add_str(out, field->type == JSON_STRING ? field->text : field->raw);
}

static void says_message(const struct json *event, struct buf *out)
{
    add_field(event, "content", out);
    if (json_truth(json_find(event, "interrupted"), false))
        buf_add_str(out, STR(" (cut)"));
}

static void says_started(const struct json *event, struct buf *out)
{
    buf_add_str(out, STR("started "));
    add_field(event, "run_id", out);
}

static void says_discarded(const struct json *event, struct buf *out)
{
    buf_add_str(out, STR("the text shown of "));
    add_field(event, "message_id", out);
    buf_add_str(out, STR(" is void: "));
    add_field(event, "reason", out);
}

static void says_tool(const struct json *event, struct buf *out)
{
    add_field(event, "tool_name", out);
    buf_add_char(out, ' ');
    add_field(event, "arguments", out);
}

static void says_result(const struct json *event, struct buf *out)
{
    add_field(json_find(event, "result"), "result", out);
}

static void says_tool_error(const struct json *event, struct buf *out)
{
    add_field(event, "outcome", out);
    buf_add_str(out, STR(": "));
    add_field(event, "error", out);
}

static void says_exceeded(const struct json *event, struct buf *out)
{
    add_field(event, "kind", out);
    buf_add_str(out, STR(" spent: "));
    add_field(event, "actual", out);
    buf_add_str(out, STR(" of "));
    add_field(event, "limit", out);
    if (json_find(event, "needed") == NULL)
        return;
    buf_add_str(out, STR(", "));
    add_field(event, "needed", out);
    buf_add_str(out, STR(" needed"));
}

static void says_complete(const struct json *event, struct buf *out)
{
    add_field(event, "end", out);
    buf_add_str(out, STR(", tokens: "));
    add_field(json_find(event, "usage"), "total_tokens", out);
}

static void says_reason(const struct json *event, struct buf *out)
{
    add_field(event, "message", out);
}

static void says_budget(const struct json *event, struct buf *out)
{
    const struct json *usage = json_find(event, "usage");

    buf_add_str(out, STR("context "));
    add_field(usage, "total_tokens", out);
    buf_add_str(out, STR(" of "));
    add_field(usage, "budget_limit", out);
}

static void says_round(const struct json *event, struct buf *out)
{
    add_field(event, "round_count", out);
}

static void says_title(const struct json *event, struct buf *out)
{
    add_field(event, "title", out);
}

static void says_pinned(const struct json *event, struct buf *out)
{
    add_field(event, "pinned", out);
}

static void says_asked(const struct json *event, struct buf *out)
{
    CLEANUP(buf_done) struct buf options = BUF_INIT;

    add_field(event, "question", out);
    question_view_options(json_find(event, "options"), &options);
    if (options.n > 0)
        buf_addf(out, " [%s]", options.p);
}

static void says_closed(const struct json *event, struct buf *out)
{
    add_field(event, "how", out);
    if (json_find(event, "answer") == NULL)
        return;
    buf_add_str(out, STR(": "));
    add_field(event, "answer", out);
}

static const struct event_row {
    const char *type, *word; /* no word: the role */
    enum style style;
    says_fn *says;
} rows[] = {
    {"message_appended", NULL, STYLE_PLAIN, says_message},
    {"execution_started", "run", STYLE_DIM, says_started},
    {"message_discarded", "void", STYLE_YELLOW, says_discarded},
    {"tool_start", "tool", STYLE_DIM, says_tool},
    {"tool_complete", "result", STYLE_DIM, says_result},
    {"tool_error", "failed", STYLE_RED, says_tool_error},
    {"budget_exceeded", "budget", STYLE_YELLOW, says_exceeded},
    {"need_clarification", "asks", STYLE_YELLOW, says_asked},
    {"question_closed", "answer", STYLE_BLUE, says_closed},
    {"run_suspended", "suspended", STYLE_YELLOW, says_complete},
    {"complete", "end", STYLE_DIM, says_complete},
    {"cancelled", "stopped", STYLE_YELLOW, says_reason},
    {"error", "error", STYLE_RED, says_reason},
    {"token_budget_updated", "tokens", STYLE_DIM, says_budget},
    {"runner_progress", "round", STYLE_DIM, says_round},
    {"session_title_updated", "title", STYLE_DIM, says_title},
    {"session_pinned_updated", "pinned", STYLE_DIM, says_pinned},
};

/* ---- lines ---- */

static void put_whole(struct tail_view *v, int64_t at, struct str word, struct str says)
{
    char time[CLOCK_TEXT];

    clock_text(at, time);
    buf_addf(&v->line, "%" PRIu64 "\t%s\t" STR_FMT "\t", v->seq, time, STR_ARG(word));
    buf_add_str(&v->line, says);
    buf_add_char(&v->line, '\n');
    put(v);
}

static void put_cut(struct tail_view *v, int64_t at, struct str word, enum style style, struct str says)
{
    CLEANUP(buf_done) struct buf whole = BUF_INIT, cut = BUF_INIT;
    char time[WHEN_TEXT];
    const char *of_day;

    when_local(at, time);
    of_day = strchr(time, ' ');
    buf_addf(&whole, "%6" PRIu64 "  %s  %-10.*s", v->seq, of_day != NULL ? of_day + 1 : time, STR_ARG(word));
    buf_add_str(&whole, says);
    terminal_cut(buf_str(&whole), v->terminal.width, &cut);
    terminal_put(&v->terminal, style, buf_str(&cut), &v->line);
    buf_add_char(&v->line, '\n');
    put(v);
}

static void put_event(struct tail_view *v, const struct json *event, const struct event_row *row)
{
    CLEANUP(buf_done) struct buf says = BUF_INIT, flat = BUF_INIT, word = BUF_INIT;
    struct str id = json_text(json_find(event, "message_id"));
    bool was_shown = v->in_text && str_is(id, v->message_id);
    int64_t at = json_number(json_find(event, "at"), 0);

    terminal_flatten(row != NULL && row->word != NULL ? str_of(row->word)
                                                      : json_text(json_find(event, row != NULL ? "role" : "type")),
                     &word);
    if (was_shown)
        buf_add_str(&says, STR("(above)"));
    else if (row != NULL)
        row->says(event, &says);
    else
        buf_add_str(&says, event->raw);
    terminal_flatten(buf_str(&says), &flat);
    tail_view_finish(v);
    if (v->terminal.is_terminal)
        put_cut(v, at, buf_str(&word), row == NULL ? STYLE_DIM : row->style, buf_str(&flat));
    else
        put_whole(v, at, buf_str(&word), buf_str(&flat));
}

/* ---- text in flight ---- */

static void put_text(struct tail_view *v, struct str content, bool is_reasoning)
{
    CLEANUP(buf_done) struct buf escaped = BUF_INIT;

    if (v->in_thought != is_reasoning)
        tail_view_finish(v);
    v->in_thought = is_reasoning;
    output_escape(content, &escaped);
    terminal_put(&v->terminal, is_reasoning ? STYLE_DIM : STYLE_PLAIN, buf_str(&escaped), &v->line);
    put(v);
    v->in_text = true;
}

static void on_text(struct tail_view *v, const struct json *event, bool is_reasoning)
{
    struct str id = json_text(json_find(event, "message_id")), content = json_text(json_find(event, "content"));
    int64_t number = json_number(json_find(event, "offset"), 0);
    uint64_t offset = number < 0 ? 0 : (uint64_t)number, *known, end;

    if (!str_is(id, v->message_id)) {
        tail_view_finish(v);
        str_copy(v->message_id, sizeof(v->message_id), id);
        v->offset = v->thought = 0;
    }
    known = is_reasoning ? &v->thought : &v->offset;
    end = offset + content.n;
    if (offset < *known)
        content = str_skip(content, utf8_floor(content, *known < end ? *known - offset : content.n));
    *known = end > *known ? end : *known;
    if (!v->is_json && content.n > 0)
        put_text(v, content, is_reasoning);
}

void tail_view_event(struct tail_view *v, const struct json *event, struct str text)
{
    struct str type = json_text(json_find(event, "type"));
    int64_t seq = json_number(json_find(event, "seq"), 0);
    const struct event_row *row = NULL;

    if (str_is(type, "stream_opened"))
        return; /* about the connection, not the session */
    if (seq > 0 && (uint64_t)seq > v->seq)
        v->seq = (uint64_t)seq;
    if (v->is_json) {
        print_json_line(text, &v->line);
        put(v);
    }
    if (str_is(type, "token") || str_is(type, "reasoning_token")) {
        on_text(v, event, type.p[0] == 'r');
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows) && row == NULL; i++)
        if (str_is(type, rows[i].type))
            row = &rows[i];
    if (!v->is_json)
        put_event(v, event, row);
}
