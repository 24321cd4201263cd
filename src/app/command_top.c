/* SPDX-License-Identifier: MIT */
/* culm top: the status of the server, again and again; on a terminal it takes the whole screen until q or Ctrl-C. */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/output.h"
#include "app/print.h"
#include "app/reach.h"
#include "app/screen.h"
#include "app/top_view.h"
#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define STATUS_PATH "/api/v1/status"

enum { MS_PER_S = 1000, INTERVAL_MOST_S = 3600, COUNT_MOST = 1000 * 1000, LOOK_MS = 5 * MS_PER_S };

struct top {
    const struct command_line *line;
    struct reach *reach;
    struct terminal terminal;
    struct top_view view;
    int64_t interval_ms, left; /* looks; INT64_MAX: until it is ended */
    struct buf last;           /* the newest document */
    /* on a screen */
    struct output *out;
    struct client_call *call; /* NULL: none is under way */
    struct timer *next;
    struct readable *keys;
    struct buf trouble; /* why the newest document is not new; empty: it is */
    int code;
};

/* ---- in a pipe, or a number of times ---- */

static int take_document(void *arg, int status UNUSED, const struct json *body)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct top *t = arg;

    if (t->line->json)
        print_json_line(body->raw, &text);
    else
        top_view_write(&t->view, body, client_where(reach_client(t->reach)), &t->terminal, &text);
    if (!t->line->json && t->left > 1)
        buf_add_char(&text, '\n'); /* between two of them */
    return print_out(&text);
}

static int print_looks(struct top *t)
{
    int code;

    t->terminal.height = 0; /* it may scroll */
    for (;;) {
        code = reach_get(t->reach, STATUS_PATH, take_document, t);
        if (code != 0 || t->left == 1)
            return code;
        t->left--;
        reach_pause(t->reach, t->interval_ms);
    }
}

/* ---- on a screen ---- */

static void finish(struct top *t, int code)
{
    t->code = code;
    loop_stop(reach_loop(t->reach));
}

static void draw(void *arg)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT, frame = BUF_INIT;
    struct top *t = arg;
    struct json *document;
    struct arena arena;

    if (!output_is_empty(t->out))
        return; /* the terminal is stopped: it gets the newest when it goes on */
    t->terminal = terminal_of(STDOUT_FILENO);
    if (t->trouble.n > 0) {
        terminal_cut(buf_str(&t->trouble), t->terminal.width, &frame);
        terminal_put(&t->terminal, STYLE_RED, buf_str(&frame), &lines);
        buf_add_char(&lines, '\n');
        buf_clear(&frame);
        t->terminal.height -= t->terminal.height > 0;
    }
    arena_init(&arena);
    if (json_parse(&arena, buf_str(&t->last), &document, NULL) == 0)
        top_view_write(&t->view, document, client_where(reach_client(t->reach)), &t->terminal, &lines);
    arena_done(&arena);
    t->terminal.height += t->trouble.n > 0 && t->terminal.height > 0;
    screen_frame(&t->terminal, buf_str(&lines), &frame);
    output_add(t->out, buf_str(&frame));
}

static void on_status(void *arg, int status, const struct json *body, const struct err *err)
{
    struct top *t = arg;

    t->call = NULL;
    buf_clear(&t->trouble);
    if (err == NULL && status == 200 && body != NULL) {
        buf_clear(&t->last);
        buf_add_str(&t->last, body->raw);
    } else if (err != NULL) {
        buf_addf(&t->trouble, "no answer: %s", err->text);
    } else {
        client_error_text(status, body, &t->trouble);
    }
    draw(t);
    timer_start(t->next, t->interval_ms);
}

/* After a restart of the server the socket is another one. */
static bool has_server(struct top *t)
{
    struct err err;

    if (t->trouble.n == 0)
        return true;
    return reach_has_server(t->reach) && reach_again(t->reach, &err) == 0 && !reach_is_alone(t->reach);
}

static void on_next(void *arg)
{
    const struct client_request look = {.method = "GET", .path = STATUS_PATH, .timeout_ms = LOOK_MS};
    struct top *t = arg;
    struct err err;

    if (t->call != NULL)
        return;
    if (has_server(t))
        t->call = client_send(reach_client(t->reach), &look, on_status, t, &err);
    if (t->call == NULL)
        timer_start(t->next, t->interval_ms);
}

static void on_key(void *arg)
{
    struct top *t = arg;
    char key = '\0';
    ssize_t n = read(STDIN_FILENO, &key, 1);

    if (key == 'q' || key == 'Q')
        finish(t, CODE_COMPLETED);
    else if (n == 1 && key == ' ')
        timer_start(t->next, 0);
    else if (n < 0 && errno != EINTR && errno != EAGAIN)
        finish(t, CODE_ERROR); /* the terminal is gone */
}

static void on_interrupt(void *arg)
{
    screen_die_by(SIGINT); /* a second one does not wait for the loop */
    screen_die_by(SIGTERM);
    finish(arg, CODE_CANCELLED);
}

/* Ctrl-Z: whoever takes over finds the terminal as it was. */
static void on_suspend(void *arg)
{
    struct top *t = arg;
    struct err err;

    output_drop(t->out);
    screen_leave();
    raise(SIGSTOP);
    if (screen_enter(STDIN_FILENO, STDOUT_FILENO, &err) < 0)
        finish(t, command_fail(CODE_ERROR, "%s", err.text));
    else
        draw(t);
}

static void on_reader_gone(void *arg)
{
    finish(arg, CODE_ERROR);
}

static int keep_document(void *arg, int status UNUSED, const struct json *body)
{
    struct top *t = arg;

    buf_add_str(&t->last, body->raw);
    return 0;
}

static int catch_signals(struct top *t, struct err *err)
{
    static const struct {
        int signo;
        loop_fn *fn;
    } all[] = {{SIGINT, on_interrupt}, {SIGTERM, on_interrupt}, {SIGWINCH, draw}, {SIGTSTP, on_suspend}};
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(all) && rc == 0; i++)
        rc = loop_on_signal(reach_loop(t->reach), all[i].signo, all[i].fn, t, err);
    return rc;
}

static int take_screen(struct top *t)
{
    struct err err;
    int rc = catch_signals(t, &err);

    if (rc == 0)
        rc = screen_enter(STDIN_FILENO, STDOUT_FILENO, &err);
    if (rc == 0 && isatty(STDIN_FILENO) == 1)
        rc = readable_new(reach_loop(t->reach), STDIN_FILENO, on_key, t, &t->keys, &err);
    if (rc == 0) {
        draw(t);
        timer_start(t->next, t->interval_ms);
        loop_run(reach_loop(t->reach));
    }
    screen_leave();
    return rc < 0 ? command_fail(CODE_ERROR, "%s", err.text) : t->code;
}

static int fill_screen(struct top *t)
{
    int code = reach_get(t->reach, STATUS_PATH, keep_document, t); /* what is wrong now, is said without a screen */

    if (code != 0)
        return code;
    t->out = output_new(reach_loop(t->reach), STDOUT_FILENO, false, on_reader_gone, t);
    t->next = timer_new(reach_loop(t->reach), "top.next", on_next, t);
    code = take_screen(t);
    if (t->call != NULL)
        client_cancel(t->call);
    readable_free(t->keys);
    timer_free(t->next);
    output_free(t->out);
    return code;
}

/* ---- all of it ---- */

static int read_options(struct top *t)
{
    const struct command_line *line = t->line;
    int64_t seconds = 1;

    if (line->count != NULL && (!str_to_i64(str_of(line->count), &t->left) || t->left < 1 || t->left > COUNT_MOST))
        return command_fail(CODE_USAGE, "--count: expected a number from 1 to %d", COUNT_MOST);
    if (line->interval != NULL &&
        (!str_to_i64(str_of(line->interval), &seconds) || seconds < 1 || seconds > INTERVAL_MOST_S))
        return command_fail(CODE_USAGE, "--interval: expected seconds from 1 to %d", INTERVAL_MOST_S);
    if (line->count == NULL)
        t->left = t->terminal.is_terminal || line->interval != NULL ? INT64_MAX : 1;
    t->interval_ms = seconds * MS_PER_S;
    return 0;
}

int command_top(const struct command_line *line)
{
    struct top t = {.line = line, .terminal = terminal_of(STDOUT_FILENO), .code = CODE_ERROR};
    int code = read_options(&t);

    if (code == 0)
        code = reach_open(line, REACH_READING, &t.reach);
    if (code != 0)
        return code;
    if (reach_is_alone(t.reach))
        code = command_fail(CODE_ERROR, "no server is running at %s; see: culm serve",
                            client_where(reach_client(t.reach)));
    else if (t.terminal.is_terminal && !line->json && line->count == NULL)
        code = fill_screen(&t);
    else
        code = print_looks(&t);
    buf_done(&t.last);
    buf_done(&t.trouble);
    reach_close(t.reach);
    return code;
}
