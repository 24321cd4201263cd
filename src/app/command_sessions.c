/* SPDX-License-Identifier: MIT */
/* culm sessions */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/print.h"
#include "app/reach.h"
#include "app/table.h"
#include "app/when.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdio.h>
#include <unistd.h>

enum { PAGE = 200, LIMIT_DEFAULT = 50, LIMIT_MOST = 1000 * 1000 };

static const struct table_column columns[] = {
    {.title = "ID"},
    {.title = "STATE"},
    {.title = "TITLE", .may_shrink = true},
    {.title = "MESSAGES", .is_number = true},
    {.title = "MODEL", .may_shrink = true},
    {.title = "AGE", .is_number = true},
};

struct listing {
    const struct command_line *line;
    struct terminal terminal;
    struct table *table;
    struct buf out, cursor;
    int64_t left; /* of those that were asked for */
    int64_t now;
};

static enum style style_of(struct str state)
{
    static const struct {
        const char *state;
        enum style style;
    } styles[] = {{"running", STYLE_GREEN},
                  {"queued", STYLE_GREEN},
                  {"error", STYLE_RED},
                  {"asking", STYLE_YELLOW},
                  {"waiting", STYLE_YELLOW}};

    for (size_t i = 0; i < ARRAY_LEN(styles); i++)
        if (str_is(state, styles[i].state))
            return styles[i].style;
    return STYLE_PLAIN;
}

static void add_row(struct listing *l, const struct json *session)
{
    struct str state = json_text(json_find(session, "state"));
    char age[WHEN_TEXT] = "?", messages[24];
    int64_t at;

    if (when_parse(json_text(json_find(session, "last_activity_at")), &at))
        when_age(at, l->now, age);
    snprintf(messages, sizeof(messages), "%" PRId64, json_number(json_find(session, "message_count"), 0));
    table_add(l->table, (const struct table_cell[]){
                            {json_text(json_find(session, "id")), STYLE_PLAIN},
                            {state, style_of(state)},
                            {json_text(json_find(session, "title")), STYLE_PLAIN},
                            {str_of(messages), STYLE_PLAIN},
                            {json_text(json_find(session, "model")), STYLE_DIM},
                            {str_of(age), STYLE_PLAIN},
                        });
}

static int take_page(void *arg, int status UNUSED, const struct json *body)
{
    const struct json *sessions = json_find(body, "sessions");
    struct listing *l = arg;

    for (const struct json *s = sessions == NULL ? NULL : sessions->first; s != NULL && l->left > 0; s = s->next) {
        if (l->line->json)
            print_json_line(s->raw, &l->out);
        else
            add_row(l, s);
        l->left--;
    }
    buf_clear(&l->cursor);
    buf_add_str(&l->cursor, json_text(json_find(body, "next_cursor")));
    table_print(l->table, &l->out);
    return print_out(&l->out);
}

static int list(struct listing *l, struct reach *r)
{
    int code;

    do {
        CLEANUP(buf_done) struct buf path = BUF_INIT;

        buf_addf(&path, "/api/v1/sessions?limit=%" PRId64, l->left < PAGE ? l->left : PAGE);
        reach_add_query(&path, "state", str_of(l->line->state));
        reach_add_query(&path, "q", str_of(l->line->search));
        reach_add_query(&path, "cursor", buf_str(&l->cursor));
        code = reach_get(r, path.p, take_page, l);
    } while (code == 0 && l->cursor.n > 0 && l->left > 0);
    return code;
}

int command_sessions(const struct command_line *line)
{
    struct listing l = {.line = line, .terminal = terminal_of(STDOUT_FILENO), .left = LIMIT_DEFAULT};
    struct reach *r = NULL;
    int code;

    if (line->all)
        l.left = INT64_MAX;
    if (line->all && line->limit != NULL)
        return command_fail(CODE_USAGE, "--all and --limit exclude each other");
    if (line->limit != NULL && (!str_to_i64(str_of(line->limit), &l.left) || l.left < 1 || l.left > LIMIT_MOST))
        return command_fail(CODE_USAGE, "--limit: expected a number from 1 to %d", LIMIT_MOST);
    if (line->search != NULL && !utf8_is_valid(str_of(line->search)))
        return command_fail(CODE_USAGE, "--search: not UTF-8");
    code = reach_open(line, REACH_READING, &r);
    if (code != 0)
        return code;
    l.now = clock_wall_ms();
    l.table = table_new(&l.terminal, columns, ARRAY_LEN(columns));
    code = list(&l, r);
    table_free(l.table);
    buf_done(&l.out);
    buf_done(&l.cursor);
    reach_close(r);
    return code;
}
