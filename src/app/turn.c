/* SPDX-License-Identifier: MIT */
#include "app/exit_code.h"
#include "app/turn_internal.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
    REACH_MS = 10 * 1000, /* for a server that starts or stops to be there or gone */
    REACH_STEP_MS = 50,
    RETURN_MS = 6 * 1000, /* for a server that is being started again, before this command takes its place */
    BREAKS_MAX = 20,      /* broken streams in a row that brought nothing new */
    BREAK_STEP_MS = 100,
    BREAK_STEP_MAX_MS = 1000,
    STOP_MS = 3000, /* for a cancelled run to end */
    HINT_MS = 2000,
    DRAIN_STEP_MS = 10,
};

static void reach(void *arg);

/* ---- the end ---- */

static void on_stopped(void *arg)
{
    struct turn *t = arg;

    loop_stop(t->loop);
}

/* Whoever reads stdout may take his time; the server goes on meanwhile, and Ctrl-C ends the wait. */
static void on_drain(void *arg)
{
    struct turn *t = arg;

    if (!output_is_empty(t->out))
        timer_start(t->bound, DRAIN_STEP_MS);
    else if (t->server != NULL)
        server_stop(t->server, on_stopped, t);
    else
        loop_stop(t->loop);
}

void turn_finish(struct turn *t, int code)
{
    if (t->ended)
        return;
    t->ended = true;
    t->code = code;
    if (t->stream != NULL)
        client_unwatch(t->stream);
    t->stream = NULL;
    timer_stop(t->again);
    turn_question_done(t);
    turn_view_finish(&t->view);
    timer_free(t->bound);
    t->bound = timer_new(t->loop, "turn.drain", on_drain, t);
    timer_start(t->bound, 0);
}

void turn_fail(struct turn *t, int code, const char *text)
{
    if (t->ended)
        return;
    turn_view_finish(&t->view);
    turn_view_error(&t->view, text);
    turn_finish(t, code);
}

static void finish_cancelled(struct turn *t)
{
    if (t->ended)
        return;
    turn_view_finish(&t->view);
    if (t->posted)
        fprintf(stderr, "culm: cancelled; continue with: culm run --session %s PROMPT\n", t->session_id);
    else
        fprintf(stderr, "culm: cancelled\n");
    turn_finish(t, CODE_CANCELLED);
}

static void on_reader_gone(void *arg)
{
    turn_finish(arg, CODE_ERROR);
}

/* ---- Ctrl-C ---- */

static void on_stop_reply(void *arg, int status, const struct json *body UNUSED, const struct err *err)
{
    struct turn *t = arg;

    /* Accepted: the end of the run comes by the stream. Else there is nothing to wait for. */
    if (err != NULL || status != 200 || t->stream == NULL)
        finish_cancelled(t);
}

static void on_stop_bound(void *arg)
{
    finish_cancelled(arg);
}

static void exit_at_once(int signo UNUSED)
{
    _exit(CODE_CANCELLED);
}

static void on_interrupt(void *arg)
{
    struct turn *t = arg;
    CLEANUP(buf_done) struct buf path = BUF_INIT, header = BUF_INIT;
    struct client_request request = {.method = "POST", .timeout_ms = STOP_MS};

    signal(SIGINT, exit_at_once);
    signal(SIGTERM, exit_at_once);
    if (t->ended)
        output_drop(t->out); /* nobody reads it: that was all that is waited for */
    if (t->ended || t->stopping)
        return;
    t->stopping = true;
    if (!t->posted || t->client == NULL || (t->run_id[0] == '\0' && turn_question_waits(t))) {
        finish_cancelled(t); /* nothing of ours is at work; what others asked stays open */
        return;
    }
    buf_addf(&path, "/api/v1/stop/%s", t->session_id);
    request.path = path.p;
    if (t->run_id[0] != '\0') {
        buf_addf(&header, "Bamboo-Run-Id: %s", t->run_id);
        request.header = header.p;
    }
    timer_start(t->bound, STOP_MS);
    if (client_send(t->client, &request, on_stop_reply, t, NULL) == NULL)
        finish_cancelled(t);
}

/* ---- following the run ---- */

static void on_event(void *arg, const struct json *event, struct str text)
{
    struct turn *t = arg;

    if (t->ended)
        return;
    turn_question_event(t, event);
    switch (turn_view_event(&t->view, event, text)) {
    case TURN_GOES_ON:
        break;
    case TURN_COMPLETED:
        turn_finish(t, CODE_COMPLETED);
        break;
    case TURN_SUSPENDED:
        if (t->o->asks)
            turn_question_look(t);
        else
            turn_question_leave(t);
        break;
    case TURN_CANCELLED:
        finish_cancelled(t);
        break;
    case TURN_FAILED:
        turn_fail(t, CODE_ERROR, t->view.failure.n > 0 ? t->view.failure.p : "the run failed");
        break;
    }
}

void turn_allow_retries(struct turn *t)
{
    t->reach_until = clock_mono_ms() + REACH_MS;
}

static void try_again(struct turn *t, int64_t in_ms)
{
    if (t->stopping)
        finish_cancelled(t);
    else
        timer_start(t->again, in_ms);
}

static void on_end(void *arg, enum client_end end, const struct err *err)
{
    struct turn *t = arg;
    int64_t pause;

    t->stream = NULL;
    if (t->ended || (end == CLIENT_COMPLETE && turn_question_waits(t)))
        return;
    if (end == CLIENT_REFUSED) {
        turn_fail(t, CODE_ERROR, err->text);
    } else if (end == CLIENT_COMPLETE) {
        turn_fail(t, CODE_ERROR,
                  "the session's events ended, but not the run; see what it is with: culm resume SESSION");
    } else {
        if (t->view.seq != t->seen_seq || t->view.offset != t->seen_offset)
            t->breaks = 0;
        t->seen_seq = t->view.seq;
        t->seen_offset = t->view.offset;
        if (++t->breaks > BREAKS_MAX) {
            turn_fail(t, CODE_ERROR, err->text);
            return;
        }
        pause = (int64_t)BREAK_STEP_MS * t->breaks;
        turn_allow_retries(t);
        try_again(t, pause < BREAK_STEP_MAX_MS ? pause : BREAK_STEP_MAX_MS);
    }
}

void turn_watch(struct turn *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct client_watch w = {.on_event = on_event, .on_end = on_end, .arg = t};
    struct err err;

    buf_addf(&path, "/api/v1/events/%s?after=%" PRIu64, t->session_id, t->view.seq);
    if (t->view.message_id[0] != '\0')
        buf_addf(&path, "&message_id=%s&offset=%" PRIu64, t->view.message_id, t->view.offset);
    w.path = path.p;
    t->stream = client_watch(t->client, &w, &err);
    if (t->stream == NULL)
        turn_fail(t, CODE_ERROR, err.text);
}

/* ---- who answers ---- */

static void on_run_record(void *arg, int status, const struct json *body, const struct err *err)
{
    struct turn *t = arg;
    const struct json *run = json_find(body, "run");

    if (t->ended)
        return;
    if (err == NULL && status == 200 && str_is(json_text(json_find(run, "provider")), "offline"))
        turn_view_note(&t->view, "the built-in offline model answers, as no provider is configured: set OPENAI_API_KEY "
                                 "(or OPENAI_BASE_URL) and CULM_MODEL, or see culm config explain providers");
    turn_watch(t);
}

/* One line for whoever has configured nothing yet, also if the server is another process's. */
static void ask_who_answers(struct turn *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct client_request request = {.method = "GET", .timeout_ms = HINT_MS};

    buf_addf(&path, "/api/v1/runs/%s", t->run_id);
    request.path = path.p;
    if (t->view.style == TURN_QUIET || t->o->model != NULL || t->run_id[0] == '\0' ||
        client_send(t->client, &request, on_run_record, t, NULL) == NULL)
        turn_watch(t);
}

/* ---- posting ---- */

void turn_new_key(struct turn *t)
{
    char key[ID_TEXT];

    id_random(key);
    snprintf(t->key_header, sizeof(t->key_header), "Idempotency-Key: %s", key);
}

/*
 * The server in the data directory may be on its way out or in; whoever named another one wants that one. Where the
 * connection broke nobody knows whether the request was taken: the key says so.
 */
static bool may_try_again(const struct turn *t, int status, const struct err *err)
{
    if (clock_mono_ms() >= t->reach_until)
        return false;
    if (err == NULL)
        return status == 503;
    return err->code == ERR_NETWORK && (t->o->server == NULL || t->unsure);
}

/* True: it was one, and the turn tries again or has ended. */
bool turn_is_trouble(struct turn *t, int status, const struct json *body, const struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    if (t->ended)
        return true;
    if (err == NULL && status < 300)
        return false;
    t->unsure |= err != NULL && !client_is_unreachable(err);
    if (may_try_again(t, status, err)) {
        try_again(t, REACH_STEP_MS);
        return true;
    }
    if (err == NULL)
        client_error_text(status, body, &text);
    else if (!t->unsure)
        buf_addf(&text, "no server answers at %s: %s", client_where(t->client), err->text);
    else
        buf_addf(&text, "%s: %s; whether it was taken is not known, see: culm resume %s", client_where(t->client),
                 err->text, t->session_id);
    turn_fail(t, CODE_ERROR, text.p);
    return true;
}

void turn_take_run(struct turn *t, const struct json *body)
{
    t->posted = true;
    str_copy(t->run_id, sizeof(t->run_id), json_text(json_find(body, "run_id")));
}

/* Whoever gave limits counts on them: he is told, also with --quiet, where no run has begun that has them. */
static void check_limits(struct turn *t, struct str status)
{
    const struct run_limits *l = &t->o->limits;
    bool are_given = l->max_rounds > 0 || l->max_calls > 0 || l->max_tokens > 0 || l->max_ms > 0 || l->max_cost > 0;

    if (are_given && !str_is(status, "started"))
        turn_view_error(&t->view, "the limits given here are not taken: the session was at work already, and only a "
                                  "run that begins takes limits");
}

static void on_posted(void *arg, int status, const struct json *body, const struct err *err)
{
    struct turn *t = arg;
    int64_t seq = json_number(json_find(body, "ingress_seq"), 0);

    if (turn_is_trouble(t, status, body, err))
        return;
    turn_take_run(t, body);
    check_limits(t, json_text(json_find(body, "execute_status")));
    t->view.seq = seq > 0 ? (uint64_t)seq : 0;
    if (str_is(json_text(json_find(body, "execute_status")), "completed")) {
        turn_view_note(&t->view, "the message is kept; it is read when the open question is answered");
        turn_question_look(t);
    } else {
        ask_who_answers(t);
    }
}

static void key_budget(const struct run_limits *l, struct json_writer *w)
{
    const struct {
        const char *key;
        int64_t most;
    } limits[] = {{"max_rounds", l->max_rounds},
                  {"max_tool_calls", l->max_calls},
                  {"max_total_tokens", l->max_tokens},
                  {"max_wall_ms", l->max_ms},
                  {"max_cost_micros", l->max_cost}};

    json_key(w, "run_budget");
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (limits[i].most > 0)
            json_key_i64(w, limits[i].key, limits[i].most);
    json_end_object(w);
}

static void post(struct turn *t)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);
    struct client_request request = {.method = "POST", .path = "/api/v1/chat", .header = t->key_header};
    struct err err;

    json_begin_object(&w);
    json_key_str(&w, "message", t->o->prompt);
    json_key_text(&w, "session_id", t->session_id);
    if (t->o->model != NULL)
        json_key_text(&w, "model", t->o->model);
    json_key_bool(&w, "execute", true);
    key_budget(&t->o->limits, &w);
    json_end_object(&w);
    request.body = buf_str(&body);
    if (client_send(t->client, &request, on_posted, t, &err) == NULL)
        turn_fail(t, CODE_ERROR, err.text);
}

/* ---- resuming ---- */

static void on_executed(void *arg, int status, const struct json *body, const struct err *err)
{
    struct turn *t = arg;

    if (turn_is_trouble(t, status, body, err))
        return;
    if (str_is(json_text(json_find(body, "status")), "completed") && t->has_question) {
        check_limits(t, json_text(json_find(body, "status")));
        turn_question_look(t);
        return;
    }
    if (str_is(json_text(json_find(body, "status")), "completed") && !t->was_running) {
        turn_view_note(&t->view, "nothing to do in session %s", t->session_id);
        turn_finish(t, CODE_COMPLETED);
        return;
    }
    turn_take_run(t, body);
    check_limits(t, json_text(json_find(body, "status")));
    turn_watch(t);
}

static void execute(struct turn *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT, body = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);
    struct client_request request = {.method = "POST", .header = t->key_header};
    struct err err;

    if (t->server != NULL)
        server_recover(t->server);
    json_begin_object(&w);
    key_budget(&t->o->limits, &w);
    json_end_object(&w);
    request.body = buf_str(&body);
    buf_addf(&path, "/api/v1/execute/%s", t->session_id);
    request.path = path.p;
    if (client_send(t->client, &request, on_executed, t, &err) == NULL)
        turn_fail(t, CODE_ERROR, err.text);
}

/* What happened up to now is not told again, but for the text of the answer that is being written. */
static void on_looked(void *arg, int status, const struct json *body, const struct err *err)
{
    struct turn *t = arg;
    const struct json *session = json_find(body, "session");
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    int64_t seq = json_number(json_find(session, "last_seq"), 0);

    if (!t->ended && err == NULL && status == 404) {
        buf_addf(&text, "there is no session %s", t->session_id);
        turn_fail(t, CODE_ERROR, text.p);
        return;
    }
    if (turn_is_trouble(t, status, body, err))
        return;
    t->looked = true;
    t->was_running = json_truth(json_find(session, "is_running"), false);
    t->has_question = json_truth(json_find(session, "has_pending_question"), false);
    t->view.seq = seq > 0 ? (uint64_t)seq : 0;
    if (t->o->resume) {
        execute(t);
        return;
    }
    if (t->server != NULL)
        server_recover(t->server);
    turn_question_look(t);
}

static void look(struct turn *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct client_request request = {.method = "GET"};
    struct err err;

    buf_addf(&path, "/api/v1/sessions/%s", t->session_id);
    request.path = path.p;
    if (client_send(t->client, &request, on_looked, t, &err) == NULL)
        turn_fail(t, CODE_ERROR, err.text);
}

/* ---- reaching a server ---- */

static void on_reached(struct turn *t)
{
    bool waits = turn_question_again(t);

    if (t->ended)
        return;
    if (t->posted || t->question.prompt != NULL)
        turn_watch(t);
    else if (!t->o->resume && !t->o->answer)
        post(t);
    else if (!t->looked)
        look(t);
    else if (!waits)
        execute(t);
}

static bool has_model(struct turn *t)
{
    CLEANUP(buf_done) struct buf model = BUF_INIT;
    struct err err;

    if (t->o->resume || t->o->answer || t->o->model != NULL || t->o->session != NULL ||
        server_default_model(t->server, &model, &err) == 0)
        return true;
    turn_fail(t, CODE_SETUP, err.text);
    return false;
}

/* Ours, because nobody is there. ERR_LOCKED: somebody is, but not ready to talk. */
static int open_server(struct turn *t, struct err *err)
{
    const struct server_options o = {.loop = t->loop, .home = t->o->home, .config = t->o->config};
    int rc = server_open(&o, &t->server, err);

    if (rc < 0)
        return rc;
    rc = server_listen(t->server, err);
    if (rc == 0 && ((!t->o->resume && !t->o->answer) || t->looked))
        server_recover(t->server); /* else after the look: what it takes up is to be seen */
    return rc;
}

static void new_client(struct turn *t)
{
    struct client_options o = {.loop = t->loop, .base_url = t->o->server, .token = t->o->token};

    if (t->o->server == NULL) {
        o.unix_socket = home_socket(t->o->home);
        o.where = t->o->home->socket;
    }
    t->is_lasting = t->o->server == NULL && t->server == NULL && server_info_is_lasting(t->o->home);
    if (t->stream != NULL)
        client_unwatch(t->stream);
    t->stream = NULL;
    client_free(t->client);
    t->client = NULL;
    t->client = client_new(&o);
}

/* Never called from inside a callback of the client, which it replaces. */
static void reach(void *arg)
{
    struct turn *t = arg;
    struct err err;
    int rc = 0;

    if (t->o->server == NULL && t->server == NULL && !home_has_server(t->o->home)) {
        if (t->is_lasting && t->reach_until - clock_mono_ms() > REACH_MS - RETURN_MS) {
            timer_start(t->again, REACH_STEP_MS);
            return;
        }
        rc = open_server(t, &err);
    }
    if (rc == -ERR_LOCKED && clock_mono_ms() < t->reach_until) {
        timer_start(t->again, REACH_STEP_MS);
        return;
    }
    if (rc == 0 && t->server != NULL && !t->posted && !has_model(t))
        return;
    if (rc < 0) {
        turn_fail(t, rc == -ERR_BAD_REQUEST ? CODE_SETUP : CODE_ERROR, err.text);
        return;
    }
    new_client(t);
    on_reached(t);
}

/* ---- all of it ---- */

static int set_up(struct turn *t, struct err *err)
{
    int rc = loop_new(&t->loop, err);

    if (rc < 0)
        return rc;
    t->out = output_new(t->loop, STDOUT_FILENO, isatty(STDOUT_FILENO) == 1, on_reader_gone, t);
    turn_view_init(&t->view, t->out, t->o->style);
    t->view.asks = t->o->asks;
    t->again = timer_new(t->loop, "turn.reach", reach, t);
    t->bound = timer_new(t->loop, "turn.stop", on_stop_bound, t);
    rc = loop_on_signal(t->loop, SIGINT, on_interrupt, t, err);
    return rc < 0 ? rc : loop_on_signal(t->loop, SIGTERM, on_interrupt, t, err);
}

static void tear_down(struct turn *t)
{
    turn_question_done(t);
    client_free(t->client);
    server_free(t->server);
    turn_view_done(&t->view);
    output_free(t->out);
    timer_free(t->again);
    timer_free(t->bound);
    loop_free(t->loop);
}

int turn_run(const struct turn_options *o)
{
    struct turn t = {.o = o, .code = CODE_ERROR};
    struct err err;

    turn_question_init(&t);
    turn_new_key(&t);
    if (o->session != NULL)
        str_copy(t.session_id, sizeof(t.session_id), str_of(o->session));
    else
        id_random(t.session_id);
    if (set_up(&t, &err) < 0) {
        fprintf(stderr, "culm: %s\n", err.text);
    } else {
        turn_allow_retries(&t);
        reach(&t);
        loop_run(t.loop);
        if (t.posted && t.code != CODE_CANCELLED && o->style == TURN_PLAIN)
            fprintf(stderr, "culm: session %s\n", t.session_id);
    }
    tear_down(&t);
    return t.code;
}
