/* SPDX-License-Identifier: MIT */
#include "app/question_view.h"

#include "app/output.h"
#include "app/when.h"
#include "base/str.h"
#include "session/types.h"

void question_view_init(struct question_view *q)
{
    *q = (struct question_view){.allow_custom = true};
    arena_init(&q->arena);
}

void question_view_done(struct question_view *q)
{
    arena_done(&q->arena);
}

int question_view_take(struct question_view *q, const struct json *question, struct err *err)
{
    struct json *node = NULL;
    int rc;

    arena_reset(&q->arena);
    rc = json_parse(&q->arena, arena_str(&q->arena, question->raw), &node, err);
    if (rc < 0)
        return rc;
    q->id = json_text(json_find(node, "question_id"));
    q->call_id = json_text(json_find(node, "tool_call_id"));
    q->text = json_text(json_find(node, "question"));
    q->options = json_find(node, "options");
    if (q->options != NULL && q->options->first == NULL)
        q->options = NULL;
    q->allow_custom = json_truth(json_find(node, "allow_custom"), true);
    q->due = json_number(json_find(node, "due"), 0);
    q->fallback = json_text(json_find(json_find(node, "on_expiry"), "answer"));
    return 0;
}

/* ---- showing ---- */

void question_view_options(const struct json *options, struct buf *out)
{
    const char *between = "";

    for (const struct json *o = options == NULL ? NULL : options->first; o != NULL; o = o->next) {
        buf_addf(out, "%s" STR_FMT, between, STR_ARG(json_text(o)));
        between = " | ";
    }
}

void question_view_due(int64_t due, int64_t now, struct buf *out)
{
    char left[WHEN_TEXT];

    if (due == 0)
        return;
    when_age(now, amount_add(due, 999), left); /* from now to then, and no second of it is left out */
    buf_addf(out, "%s%s", due > now ? "in " : "", left);
}

void question_view_write(const struct question_view *q, const struct terminal *t, int64_t now, struct buf *out)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT, due = BUF_INIT;
    int number = 0;

    output_escape(str_trim(q->text), &text);
    terminal_put(t, STYLE_BOLD, buf_str(&text), out);
    question_view_due(q->due, now, &due);
    if (due.n > 0)
        buf_addf(out, " (wanted %s", due.p);
    if (due.n > 0 && q->fallback.n > 0) {
        buf_add_str(out, STR("; then the answer is: "));
        terminal_flatten(q->fallback, out);
    }
    buf_add_str(out, due.n > 0 ? STR(")\n") : STR("\n"));
    for (const struct json *o = q->options == NULL ? NULL : q->options->first; o != NULL; o = o->next) {
        buf_addf(out, "  %d  ", ++number);
        terminal_flatten(json_text(o), out);
        buf_add_char(out, '\n');
    }
}

/* ---- choosing ---- */

enum question_choice question_view_choose(const struct question_view *q, struct str line, struct str *out)
{
    struct str typed = str_trim(line);
    const struct json *option;
    int64_t number;

    if (typed.n == 0)
        return CHOICE_NONE;
    for (option = q->options == NULL ? NULL : q->options->first; option != NULL; option = option->next) {
        if (str_eq(typed, str_trim(json_text(option)))) {
            *out = json_text(option);
            return CHOICE_MADE;
        }
    }
    option = str_to_i64(typed, &number) && number > 0 ? json_at(q->options, (size_t)number - 1) : NULL;
    if (option == NULL && !q->allow_custom)
        return CHOICE_WRONG;
    *out = option != NULL ? json_text(option) : typed;
    return CHOICE_MADE;
}
