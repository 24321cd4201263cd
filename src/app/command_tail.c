/* SPDX-License-Identifier: MIT */
/* culm tail: follows the events of a session, across restarts of its server. Ending it ends no run. */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/reach.h"
#include "app/tail_view.h"
#include "base/str.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LAST_EVENTS = 20,
    TRIES_MAX = 20, /* in a row without anything new: about 15 s */
    TRY_STEP_MS = 100,
    TRY_STEP_MAX_MS = 1000,
    DRAIN_STEP_MS = 10,
};

struct tail {
    const struct command_line *line;
    struct reach *reach;
    struct output *out;
    struct tail_view view;
    struct client_stream *stream;
    struct timer *again, *drain;
    unsigned tries;
    bool is_waiting; /* for a server that has gone, and that was said */
    bool was_lost;   /* a server has gone, and none came */
    bool was_running, ended;
    int code;
};

/* ---- the end ---- */

static void on_drain(void *arg)
{
    struct tail *t = arg;

    if (output_is_empty(t->out))
        loop_stop(reach_loop(t->reach));
    else
        timer_start(t->drain, DRAIN_STEP_MS);
}

static void finish(struct tail *t, int code)
{
    if (t->ended)
        return;
    t->ended = true;
    t->code = code;
    if (t->stream != NULL)
        client_unwatch(t->stream);
    t->stream = NULL;
    timer_stop(t->again);
    tail_view_finish(&t->view);
    timer_start(t->drain, 0);
}

static void exit_at_once(int signo UNUSED)
{
    _exit(CODE_CANCELLED);
}

static void on_interrupt(void *arg)
{
    struct tail *t = arg;

    signal(SIGINT, exit_at_once);
    signal(SIGTERM, exit_at_once);
    finish(t, CODE_CANCELLED);
    output_drop(t->out); /* nobody may be reading it */
}

static void on_reader_gone(void *arg)
{
    finish(arg, CODE_ERROR);
}

/* All there is has been printed. */
static void on_complete(struct tail *t)
{
    const char *id = t->line->args[0];

    if (t->was_lost)
        finish(t, command_fail(CODE_ERROR, "no server came back; this was all that is stored"));
    else if (reach_is_alone(t->reach) && t->line->follow)
        finish(t, command_fail(CODE_ERROR, "no server is running, so nothing more will come; see: culm serve"));
    else if (reach_is_alone(t->reach) && t->was_running)
        finish(t, command_fail(0, "the run of session %s was cut; it goes on when a server starts", id));
    else
        finish(t, CODE_COMPLETED);
}

/* ---- following ---- */

static void on_event(void *arg, const struct json *event, struct str text)
{
    struct tail *t = arg;
    uint64_t seq = t->view.seq, offset = t->view.offset;

    if (t->is_waiting)
        command_fail(0, "%s is there again", client_where(reach_client(t->reach)));
    t->is_waiting = false;
    tail_view_event(&t->view, event, text);
    if (t->view.seq != seq || t->view.offset != offset)
        t->tries = 0;
}

static void try_later(struct tail *t)
{
    int64_t pause = (int64_t)TRY_STEP_MS * ++t->tries;

    timer_start(t->again, pause < TRY_STEP_MAX_MS ? pause : TRY_STEP_MAX_MS);
}

static void on_end(void *arg, enum client_end end, const struct err *err)
{
    struct tail *t = arg;

    t->stream = NULL;
    if (t->ended)
        return;
    if (end == CLIENT_COMPLETE) {
        on_complete(t);
        return;
    }
    if (end == CLIENT_REFUSED || t->tries >= TRIES_MAX) {
        finish(t, command_fail(CODE_ERROR, "%s: %s", client_where(reach_client(t->reach)), err->text));
        return;
    }
    tail_view_finish(&t->view);
    if (!t->is_waiting)
        command_fail(0, "%s: %s; waiting for it to come back", client_where(reach_client(t->reach)), err->text);
    t->is_waiting = true;
    try_later(t);
}

static void watch(struct tail *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct client_watch w = {.on_event = on_event, .on_end = on_end, .arg = t};
    struct err err;

    buf_addf(&path, "/api/v1/events/%s?after=%" PRIu64, t->line->args[0], t->view.seq);
    if (t->view.message_id[0] != '\0')
        buf_addf(&path, "&message_id=%s&offset=%" PRIu64, t->view.message_id, t->view.offset);
    if (t->line->follow)
        buf_add_str(&path, STR("&follow=1"));
    if (!tail_view_wants_text(&t->view))
        buf_add_str(&path, STR("&deltas=0"));
    w.path = path.p;
    t->stream = client_watch(reach_client(t->reach), &w, &err);
    if (t->stream == NULL)
        finish(t, command_fail(CODE_ERROR, "%s", err.text));
}

static void on_again(void *arg)
{
    struct tail *t = arg;
    struct err err;

    if (!reach_has_server(t->reach) && t->tries < TRIES_MAX) {
        try_later(t);
        return;
    }
    if (reach_again(t->reach, &err) < 0) {
        finish(t, command_fail(CODE_ERROR, "%s", err.text));
        return;
    }
    if (reach_is_alone(t->reach)) {
        t->was_lost = true;
        t->is_waiting = false;
    }
    watch(t);
}

/* ---- all of it ---- */

static int take_session(void *arg, int status UNUSED, const struct json *body)
{
    const struct json *session = json_find(body, "session");
    int64_t last = json_number(json_find(session, "last_seq"), 0);
    struct tail *t = arg;

    t->was_running = json_truth(json_find(session, "is_running"), false);
    if (t->line->after == NULL)
        t->view.seq = last > LAST_EVENTS ? (uint64_t)(last - LAST_EVENTS) : 0;
    return 0;
}

static int look(struct tail *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;

    buf_addf(&path, "/api/v1/sessions/%s", t->line->args[0]);
    return reach_get(t->reach, path.p, take_session, t);
}

static int follow(struct tail *t)
{
    struct loop *loop = reach_loop(t->reach);
    struct err err;

    if (loop_on_signal(loop, SIGINT, on_interrupt, t, &err) < 0 ||
        loop_on_signal(loop, SIGTERM, on_interrupt, t, &err) < 0)
        return command_fail(CODE_ERROR, "%s", err.text);
    watch(t);
    loop_run(loop);
    return t->code;
}

static int tail(struct tail *t, uint64_t after)
{
    const struct terminal terminal = terminal_of(STDOUT_FILENO);
    int code = reach_open(t->line, REACH_READING, &t->reach);

    if (code != 0)
        return code;
    t->out = output_new(reach_loop(t->reach), STDOUT_FILENO, false, on_reader_gone, t);
    tail_view_init(&t->view, t->out, &terminal, t->line->json);
    t->view.seq = after;
    t->again = timer_new(reach_loop(t->reach), "tail.again", on_again, t);
    t->drain = timer_new(reach_loop(t->reach), "tail.drain", on_drain, t);
    code = look(t);
    if (code == 0)
        code = follow(t);
    timer_free(t->again);
    timer_free(t->drain);
    tail_view_done(&t->view);
    output_free(t->out);
    return code;
}

int command_tail(const struct command_line *line)
{
    struct tail t = {.line = line, .code = CODE_ERROR};
    uint64_t after = 0;
    int code = command_check_session(line->args[0]);

    if (code == 0 && line->after != NULL && !str_to_u64(str_of(line->after), &after))
        code = command_fail(CODE_USAGE, "--after: expected a number from 0");
    if (code == 0)
        code = tail(&t, after);
    reach_close(t.reach);
    return code;
}
