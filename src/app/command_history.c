/* SPDX-License-Identifier: MIT */
/*
 * culm history: the log of a session as a transcript. It is read in pages and each is printed before the next is asked
 * for, so that a long session costs no more memory than its longest message.
 */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/output.h"
#include "app/print.h"
#include "app/reach.h"
#include "app/terminal.h"
#include "app/when.h"
#include "base/str.h"

#include <unistd.h>

/* A page has a megabyte, but for a message that is longer than that, and JSON may write a byte as six. */
enum { PAGE_BYTES = 200 * 1024 * 1024 };

struct history {
    const struct command_line *line;
    struct terminal terminal;
    struct buf out;
    int64_t after;
    bool more;
};

/* ---- what is printed of a fact ---- */

/* "── user, 2026-11-21 08:49:01" */
static void put_heading(struct history *h, enum style style, struct str who, const struct json *fact, const char *note)
{
    CLEANUP(buf_done) struct buf line = BUF_INIT, flat = BUF_INIT;
    char at[WHEN_TEXT];

    when_local(json_number(json_find(fact, "at"), 0), at);
    terminal_flatten(who, &flat);
    buf_addf(&line, "── %s, %s%s", flat.p == NULL ? "" : flat.p, at, note);
    terminal_put(&h->terminal, style, buf_str(&line), &h->out);
    buf_add_char(&h->out, '\n');
}

static void put_text(struct history *h, struct str text)
{
    output_escape(text, &h->out);
    if (text.n > 0 && text.p[text.n - 1] != '\n')
        buf_add_char(&h->out, '\n');
    buf_add_char(&h->out, '\n');
}

static void put_message(struct history *h, const struct json *fact)
{
    struct str role = json_text(json_find(fact, "role"));
    struct str content = json_text(json_find(fact, "content"));
    const char *more = "";

    if (content.n == 0 && json_find(fact, "tool_calls") != NULL)
        return; /* the calls stand below */
    if (json_truth(json_find(fact, "interrupted"), false))
        more = content.n == 0 ? ", cut before its first word" : ", cut";
    put_heading(h, str_is(role, "user") ? STYLE_BLUE : STYLE_GREEN, role, fact, more);
    put_text(h, content);
}

static void put_call(struct history *h, const struct json *fact)
{
    CLEANUP(buf_done) struct buf who = BUF_INIT;
    const struct json *arguments = json_find(fact, "arguments");

    buf_addf(&who, "tool " STR_FMT " (" STR_FMT ")", STR_ARG(json_text(json_find(fact, "tool_name"))),
             STR_ARG(json_text(json_find(fact, "tool_call_id"))));
    put_heading(h, STYLE_DIM, buf_str(&who), fact, "");
    put_text(h, arguments == NULL ? STR_NULL : arguments->type == JSON_STRING ? arguments->text : arguments->raw);
}

static void put_result(struct history *h, const struct json *fact)
{
    CLEANUP(buf_done) struct buf who = BUF_INIT;

    buf_addf(&who, "result (" STR_FMT ")", STR_ARG(json_text(json_find(fact, "tool_call_id"))));
    put_heading(h, STYLE_DIM, buf_str(&who), fact, "");
    put_text(h, json_text(json_find(json_find(fact, "result"), "result")));
}

static void put_failed_call(struct history *h, const struct json *fact)
{
    CLEANUP(buf_done) struct buf who = BUF_INIT;

    buf_addf(&who, "no result (" STR_FMT "): " STR_FMT, STR_ARG(json_text(json_find(fact, "tool_call_id"))),
             STR_ARG(json_text(json_find(fact, "outcome"))));
    put_heading(h, STYLE_RED, buf_str(&who), fact, "");
    put_text(h, json_text(json_find(fact, "error")));
}

static void put_run_error(struct history *h, const struct json *fact)
{
    put_heading(h, STYLE_RED, STR("the run failed"), fact, "");
    put_text(h, json_text(json_find(fact, "message")));
}

static void put_cancelled(struct history *h, const struct json *fact)
{
    put_heading(h, STYLE_YELLOW, STR("the run was stopped"), fact, "");
    buf_add_char(&h->out, '\n');
}

static const struct {
    const char *type;
    void (*put)(struct history *h, const struct json *fact);
} facts[] = {
    {"message_appended", put_message}, {"tool_start", put_call}, {"tool_complete", put_result},
    {"tool_error", put_failed_call},   {"error", put_run_error}, {"cancelled", put_cancelled},
};

static void put_fact(struct history *h, const struct json *fact)
{
    struct str type = json_text(json_find(fact, "type"));

    if (h->line->json) {
        print_json_line(fact->raw, &h->out);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        if (str_is(type, facts[i].type))
            facts[i].put(h, fact);
}

/* ---- pages ---- */

static int take_page(void *arg, int status UNUSED, const struct json *body)
{
    const struct json *page = json_find(body, "facts");
    struct history *h = arg;
    int64_t next = json_number(json_find(body, "next_after"), 0);
    int code = 0;

    for (const struct json *f = page == NULL ? NULL : page->first; f != NULL && code == 0; f = f->next) {
        put_fact(h, f);
        code = print_out(&h->out);
    }
    h->more = next > h->after;
    h->after = next;
    return code;
}

static int print_history(struct history *h, struct reach *r)
{
    int code;

    do {
        CLEANUP(buf_done) struct buf path = BUF_INIT;
        const char *comma = "";

        buf_addf(&path, "/api/v1/sessions/%s/facts?after=%" PRId64 "&types=", h->line->args[0], h->after);
        for (size_t i = 0; i < ARRAY_LEN(facts); i++, comma = ",")
            buf_addf(&path, "%s%s", comma, facts[i].type);
        code = reach_get_long(r, path.p, PAGE_BYTES, take_page, h);
    } while (code == 0 && h->more);
    return code;
}

int command_history(const struct command_line *line)
{
    struct history h = {.line = line, .terminal = terminal_of(STDOUT_FILENO)};
    struct reach *r = NULL;
    int code = command_check_session(line->args[0]);

    if (code == 0)
        code = reach_open(line, REACH_READING, &r);
    if (code == 0)
        code = print_history(&h, r);
    buf_done(&h.out);
    reach_close(r);
    return code;
}
