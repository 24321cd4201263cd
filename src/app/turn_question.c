/* SPDX-License-Identifier: MIT */
#include "app/exit_code.h"
#include "app/turn_internal.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdio.h>

static void ask(struct turn *t);

void turn_question_init(struct turn *t)
{
    question_view_init(&t->question.view);
}

void turn_question_done(struct turn *t)
{
    prompt_free(t->question.prompt);
    t->question.prompt = NULL;
    question_view_done(&t->question.view);
    buf_done(&t->question.text);
}

bool turn_question_waits(const struct turn *t)
{
    return t->question.prompt != NULL || t->question.is_wanted || t->question.is_answered;
}

/* The answer that the command was given, which is for the first question alone. */
static bool has_given(const struct turn *t)
{
    return t->o->answer && !t->posted && (t->o->prompt.p != NULL || t->o->dismiss);
}

void turn_question_leave(struct turn *t)
{
    if (t->ended)
        return;
    turn_view_pause(&t->view);
    turn_view_note(&t->view, "the question stays open; answer with: culm answer %s TEXT", t->session_id);
    turn_finish(t, CODE_SUSPENDED);
}

/* ---- the answer ---- */

/* False: it was taken. Somebody else was first, the time was up, or it is not one of the options. */
static bool is_refused(struct turn *t, int status, const struct json *body)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct str why = json_text(json_find(body, "message"));

    if (status == 400 && why.n > 0)
        buf_addf(&text, "the answer was not taken: " STR_FMT, STR_ARG(why));
    else if (status == 409)
        buf_add_str(&text, STR("the question is not open any more; see: culm questions"));
    else
        return false;
    t->question.is_answered = false;
    if (has_given(t)) {
        turn_fail(t, status == 400 ? CODE_USAGE : CODE_ERROR, text.p);
    } else {
        turn_view_error(&t->view, text.p);
        turn_question_look(t);
    }
    return true;
}

static void on_answered(void *arg, int status, const struct json *body, const struct err *err)
{
    struct turn *t = arg;

    if (t->ended || (err == NULL && is_refused(t, status, body)) || turn_is_trouble(t, status, body, err))
        return;
    t->question.is_answered = false;
    turn_take_run(t, body);
    if (json_truth(json_find(body, "has_pending_question"), false) || t->question.is_missed)
        turn_question_look(t);
    else if (t->stream == NULL)
        turn_watch(t);
}

static void send_answer(struct turn *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT, body = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);
    struct client_request request = {.method = "POST", .header = t->key_header};
    struct err err;

    buf_addf(&path, "/api/v1/respond/%s", t->session_id);
    json_begin_object(&w);
    json_key_str(&w, "response", buf_str(&t->question.text));
    json_key_str(&w, "question_id", t->question.view.id);
    json_key_bool(&w, "dismiss", has_given(t) && t->o->dismiss);
    json_end_object(&w);
    request.path = path.p;
    request.body = buf_str(&body);
    if (client_send(t->client, &request, on_answered, t, &err) == NULL)
        turn_fail(t, CODE_ERROR, err.text);
}

static void answer(struct turn *t, struct str text)
{
    buf_clear(&t->question.text);
    buf_add_str(&t->question.text, text);
    t->question.is_answered = true;
    turn_new_key(t);
    turn_allow_retries(t);
    if (t->client != NULL)
        send_answer(t);
}

/* ---- the person ---- */

static void put_down(struct turn *t)
{
    prompt_free(t->question.prompt);
    t->question.prompt = NULL;
}

static void on_line(void *arg, struct str line, bool ended)
{
    struct turn *t = arg;
    struct str text = STR_NULL;
    bool is_text = utf8_is_valid(line);

    put_down(t);
    if (ended)
        fputc('\n', stderr);
    switch (is_text ? question_view_choose(&t->question.view, line, &text) : CHOICE_WRONG) {
    case CHOICE_NONE:
        turn_question_leave(t);
        break;
    case CHOICE_MADE:
        answer(t, text);
        break;
    case CHOICE_WRONG:
        turn_view_error(&t->view, is_text ? "that is none of the options; type one, or its number" : "not UTF-8");
        ask(t);
        break;
    }
}

static void ask(struct turn *t)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct err err;

    turn_view_pause(&t->view);
    question_view_write(&t->question.view, &t->view.notes, clock_wall_ms(), &text);
    fputs(text.p, stderr);
    if (prompt_new(t->loop, on_line, t, &t->question.prompt, &err) < 0)
        turn_fail(t, CODE_ERROR, err.text);
    else if (t->stream == NULL && t->client != NULL)
        turn_watch(t); /* somebody else may answer, or time */
}

void turn_question_event(struct turn *t, const struct json *event)
{
    if (t->question.prompt == NULL || !str_is(json_text(json_find(event, "type")), "question_closed") ||
        !str_eq(json_text(json_find(event, "question_id")), t->question.view.id))
        return;
    put_down(t);
    fputc('\n', stderr);
    turn_view_note(&t->view, "the question is not open any more (" STR_FMT ")",
                   STR_ARG(json_text(json_find(event, "how"))));
    turn_question_look(t);
}

/* ---- what is open ---- */

static const struct json *find_question(const struct turn *t, const struct json *questions)
{
    const struct json *q = questions == NULL ? NULL : questions->first;

    if (!t->o->answer || t->posted || t->o->question == NULL)
        return q;
    while (q != NULL && !str_is(json_text(json_find(q, "question_id")), t->o->question) &&
           !str_is(json_text(json_find(q, "tool_call_id")), t->o->question))
        q = q->next;
    return q;
}

static void say_nothing_is_open(struct turn *t)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    if (t->o->question != NULL)
        buf_addf(&text, "question %s is not open in session %s; see: culm questions", t->o->question, t->session_id);
    else
        buf_addf(&text, "no question is open in session %s; see: culm questions", t->session_id);
    turn_fail(t, CODE_ERROR, text.p);
}

static void take_question(struct turn *t, const struct json *question)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct err err;

    if (question_view_take(&t->question.view, question, &err) < 0) {
        turn_fail(t, CODE_ERROR, err.text);
    } else if (has_given(t)) {
        answer(t, t->o->prompt);
    } else if (t->o->asks) {
        ask(t);
    } else {
        turn_view_question(&t->view, question);
        turn_question_leave(t);
    }
}

static void on_pending(void *arg, int status, const struct json *body, const struct err *err)
{
    struct turn *t = arg;
    const struct json *question;
    bool is_another_open;

    if (turn_is_trouble(t, status, body, err))
        return;
    t->question.is_wanted = false;
    question = find_question(t, json_find(body, "questions"));
    is_another_open = json_truth(json_find(body, "has_pending_question"), false);
    if (question != NULL)
        take_question(t, question);
    else if (t->o->answer && !t->posted && (t->stream == NULL || is_another_open))
        say_nothing_is_open(t);
    else if (t->question.is_missed)
        turn_question_look(t);
    else if (t->stream == NULL)
        turn_watch(t); /* somebody else was first, and the session goes on */
}

static void look(struct turn *t)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct client_request request = {.method = "GET"};
    struct err err;

    buf_addf(&path, "/api/v1/respond/%s/pending", t->session_id);
    request.path = path.p;
    if (client_send(t->client, &request, on_pending, t, &err) == NULL)
        turn_fail(t, CODE_ERROR, err.text);
}

void turn_question_look(struct turn *t)
{
    if (t->ended || t->question.prompt != NULL)
        return;
    t->question.is_missed = turn_question_waits(t);
    if (t->question.is_missed)
        return;
    t->question.is_wanted = true;
    turn_allow_retries(t);
    if (t->client != NULL)
        look(t);
}

bool turn_question_again(struct turn *t)
{
    if (t->question.is_answered)
        send_answer(t);
    else if (t->question.is_wanted)
        look(t);
    return turn_question_waits(t);
}
