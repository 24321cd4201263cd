/* SPDX-License-Identifier: MIT */
/* culm questions: the inbox of what runs ask people, oldest first. */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/print.h"
#include "app/question_view.h"
#include "app/reach.h"
#include "app/table.h"
#include "base/clock.h"
#include "base/str.h"

#include <unistd.h>

enum { PAGE = 200 };

static const struct table_column columns[] = {
    {.title = "SESSION"},
    {.title = "TITLE", .may_shrink = true},
    {.title = "QUESTION", .may_shrink = true},
    {.title = "OPTIONS", .may_shrink = true},
    {.title = "DUE", .is_number = true},
    {.title = "QUESTION ID", .may_shrink = true},
};

struct inbox {
    const struct command_line *line;
    struct terminal terminal;
    struct table *table;
    struct buf out, cursor;
    int64_t now;
};

static void add_row(struct inbox *in, const struct json *question)
{
    CLEANUP(buf_done) struct buf options = BUF_INIT, due = BUF_INIT;

    question_view_options(json_find(question, "options"), &options);
    question_view_due(json_number(json_find(question, "due"), 0), in->now, &due);
    table_add(in->table, (const struct table_cell[]){
                             {json_text(json_find(question, "session_id")), STYLE_PLAIN},
                             {json_text(json_find(question, "session_title")), STYLE_PLAIN},
                             {json_text(json_find(question, "question")), STYLE_BOLD},
                             {buf_str(&options), STYLE_PLAIN},
                             {buf_str(&due), STYLE_YELLOW},
                             {json_text(json_find(question, "question_id")), STYLE_DIM},
                         });
}

static int take_page(void *arg, int status UNUSED, const struct json *body)
{
    const struct json *questions = json_find(body, "questions");
    struct inbox *in = arg;

    for (const struct json *q = questions == NULL ? NULL : questions->first; q != NULL; q = q->next) {
        if (in->line->json)
            print_json_line(q->raw, &in->out);
        else
            add_row(in, q);
    }
    buf_clear(&in->cursor);
    buf_add_str(&in->cursor, json_text(json_find(body, "next_cursor")));
    table_print(in->table, &in->out);
    return print_out(&in->out);
}

static int list(struct inbox *in, struct reach *r)
{
    int code;

    do {
        CLEANUP(buf_done) struct buf path = BUF_INIT;

        buf_addf(&path, "/api/v1/questions?limit=%d", PAGE);
        reach_add_query(&path, "cursor", buf_str(&in->cursor));
        code = reach_get(r, path.p, take_page, in);
    } while (code == 0 && in->cursor.n > 0);
    return code;
}

int command_questions(const struct command_line *line)
{
    struct inbox in = {.line = line, .terminal = terminal_of(STDOUT_FILENO)};
    struct reach *r = NULL;
    int code = reach_open(line, REACH_READING, &r);

    if (code != 0)
        return code;
    in.now = clock_wall_ms();
    in.table = table_new(&in.terminal, columns, ARRAY_LEN(columns));
    code = list(&in, r);
    table_free(in.table);
    buf_done(&in.out);
    buf_done(&in.cursor);
    reach_close(r);
    return code;
}
