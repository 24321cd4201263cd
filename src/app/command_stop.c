/* SPDX-License-Identifier: MIT */
/*
 * culm stop: asks the active run to end, or the one that waits for an answer; beside no server also one that was cut
 * and would go on at the next start.
 */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/reach.h"
#include "base/id.h"
#include "base/str.h"

#include <stdio.h>

enum { END_TRIES = 60, END_STEP_MS = 50 };

struct stop {
    const struct command_line *line;
    struct reach *reach;
    int status; /* of the reply */
    bool is_running, is_asking;
    char run_id[ID_MAX + 1]; /* the newest */
};

static int take_session(void *arg, int status UNUSED, const struct json *body)
{
    const struct json *session = json_find(body, "session");
    struct stop *s = arg;

    s->is_running = json_truth(json_find(session, "is_running"), false);
    s->is_asking = json_truth(json_find(session, "has_pending_question"), false);
    str_copy(s->run_id, sizeof(s->run_id), json_text(json_find(session, "last_run_id")));
    return 0;
}

static int look(struct stop *s)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;

    buf_addf(&path, "/api/v1/sessions/%s", s->line->args[0]);
    return reach_get(s->reach, path.p, take_session, s);
}

static int take_reply(void *arg, int status, const struct json *body)
{
    struct stop *s = arg;

    s->status = status;
    return status == 200 || status == 404 || status == 409 ? 0 : reach_refused(s->reach, status, body);
}

static int post(struct stop *s)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT, header = BUF_INIT;
    struct client_request q = {.method = "POST"};

    buf_addf(&path, "/api/v1/stop/%s", s->line->args[0]);
    q.path = path.p;
    if (s->line->run_id != NULL) {
        buf_addf(&header, "Bamboo-Run-Id: %s", s->line->run_id);
        q.header = header.p;
    }
    return reach_ask(s->reach, &q, take_reply, s);
}

static int nothing_runs(const struct stop *s)
{
    return command_fail(CODE_ERROR, "nothing runs in session %s", s->line->args[0]);
}

static int other_run(const struct stop *s)
{
    return command_fail(CODE_ERROR, "run %s is not at work in session %s, but %s is; it goes on", s->line->run_id,
                        s->line->args[0], s->run_id);
}

/* Beside no server a run goes on only when one starts: this command is the server until the run has ended. */
static int take_over(struct stop *s)
{
    int code = look(s);

    if (code == 0 && !s->is_running && !s->is_asking)
        code = nothing_runs(s);
    else if (code == 0 && s->line->run_id != NULL && strcmp(s->line->run_id, s->run_id) != 0)
        code = other_run(s);
    if (code != 0)
        return code;
    reach_close(s->reach);
    s->reach = NULL;
    return reach_open(s->line, REACH_CHANGING, &s->reach);
}

/* It ends at its next safe point. The wish is stored: what has not ended by then does so in any case. */
static int wait_for_end(struct stop *s)
{
    int code = look(s);

    for (int i = 0; code == 0 && s->is_running && i < END_TRIES; i++) {
        reach_pause(s->reach, END_STEP_MS);
        code = look(s);
    }
    if (code == 0)
        printf("the run of session %s is %sstopped\n", s->line->args[0], s->is_running ? "being " : "");
    return code;
}

static int stop(struct stop *s)
{
    int code = reach_open(s->line, REACH_READING, &s->reach);

    if (code == 0 && reach_is_alone(s->reach))
        code = take_over(s);
    if (code == 0)
        code = post(s);
    if (code != 0)
        return code;
    if (s->status == 200)
        return wait_for_end(s);
    code = look(s); /* says so where there is no such session */
    if (code != 0)
        return code;
    return s->status == 409 ? other_run(s) : nothing_runs(s);
}

int command_stop(const struct command_line *line)
{
    struct stop s = {.line = line};
    int code = command_check_session(line->args[0]);

    if (code == 0 && line->run_id != NULL && !id_is_valid(str_of(line->run_id)))
        code = command_fail(CODE_USAGE, "--run: a run's id is 1 to %d of A-Za-z0-9._:-", ID_MAX);
    if (code == 0)
        code = stop(&s);
    reach_close(s.reach);
    return code;
}
