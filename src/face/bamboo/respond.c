/* SPDX-License-Identifier: MIT */
/* Questions of runs to people: what is open, in one session or in all, and the answer. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/event_wire.h"
#include "face/bamboo/transcript.h"
#include "face/bamboo/turn.h"
#include "face/error_body.h"

#define PAGE_QUESTIONS 100
#define PAGE_QUESTIONS_MAX 500

/* ---- what is open ---- */

static void write_question(const struct question_row *q, struct json_writer *w)
{
    json_begin_object(w);
    json_key_str(w, "session_id", q->session_id);
    json_key_str(w, "session_title", session_title(q->session_title));
    json_key_str(w, "root_session_id", q->root);
    json_key_text(w, "interaction_kind", "clarification");
    question_write(&q->asked, w);
    json_key_time(w, "asked_at", q->asked.at);
    json_end_object(w);
}

static void write_questions(const struct answer *a, struct json_writer *w)
{
    json_key(w, "questions");
    json_begin_array(w);
    for (size_t i = 0; i < a->n; i++)
        write_question(&a->questions[i], w);
    json_end_array(w);
}

static void on_session_pending(struct exchange *x, const struct answer *a)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (a->rc < 0) {
        exchange_no_session(x, x->id);
        return;
    }
    json_begin_object(&w);
    json_key_bool(&w, "has_pending_question", a->n > 0);
    json_key_text(&w, "interaction_kind", a->n > 0 ? "clarification" : NULL);
    if (a->n > 0) {
        question_write(&a->questions[0].asked, &w);
        json_key_text(&w, "permission_request", NULL);
        json_key_text(&w, "tool_arguments", NULL);
        json_key_bool(&w, "tool_arguments_truncated", false);
    }
    write_questions(a, &w);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

void respond_pending_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_QUESTIONS, .session_id = x->id};

    exchange_query(x, &q, on_session_pending);
}

static void on_questions(struct exchange *x, const struct answer *a)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    write_questions(a, &w);
    if (a->next.n > 0)
        json_key_str(&w, "next_cursor", a->next);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

void questions_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_QUESTIONS};
    struct str state = exchange_query_text(x, "state");

    if (state.n > 0 && !str_is(state, "open")) {
        exchange_fail(x, ERR_BAD_REQUEST,
                      "query: state: only \"open\" is known; what was asked before is in the facts");
        return;
    }
    if (!exchange_query_limit(x, PAGE_QUESTIONS, PAGE_QUESTIONS_MAX, &q.limit))
        return;
    q.cursor = exchange_query_text(x, "cursor");
    exchange_query(x, &q, on_questions);
}

/* ---- the answer ---- */

static void say_changed(struct exchange *x, const struct reply *reply)
{
    const struct respond_request *r = x->in;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, STR("Pending question changed"), "question_changed", exchange_request_name(x));
    if (r->expected_tool_call_id.n > 0)
        json_key_str(&w, "expected_tool_call_id", r->expected_tool_call_id);
    if (r->question_id.n > 0)
        json_key_str(&w, "expected_question_id", r->question_id);
    json_key_text(&w, "actual_tool_call_id", reply->has_question ? reply->pending_call_id : NULL);
    json_end_object(&w);
    exchange_send(x, 409, &body);
}

static void say_bad_answer(struct exchange *x, const struct reply *reply)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, STR("Invalid response"), "invalid_response", exchange_request_name(x));
    json_key_text(&w, "message", reply->err.text);
    json_end_object(&w);
    exchange_send(x, 400, &body);
}

static void say_answered(struct exchange *x, const struct reply *reply)
{
    const struct respond_request *r = x->in;
    bool runs = reply->started || reply->already_running;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_bool(&w, "success", true);
    json_key_text(&w, "message",
                  runs ? "Response recorded. Agent loop will continue."
                       : "Response recorded. Another question is open.");
    json_key_str(&w, "response", r->response);
    json_key_text(&w, "question_id", reply->question_id);
    json_key_text(&w, "auto_resume_status",
                  reply->started           ? "started"
                  : reply->already_running ? "already_running"
                                           : "completed");
    json_key_text(&w, "run_id", runs ? reply->run_id : NULL);
    json_key_bool(&w, "has_pending_question", reply->has_question);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

static void on_reply(struct exchange *x, const struct reply *reply)
{
    const struct respond_request *r = x->in;
    bool named = r->expected_tool_call_id.n > 0 || r->question_id.n > 0;

    switch (reply->kind) {
    case REPLY_ANSWERED:
        say_answered(x, reply);
        break;
    case REPLY_BAD_ANSWER:
        say_bad_answer(x, reply);
        break;
    case REPLY_OTHER_QUESTION:
        say_changed(x, reply);
        break;
    case REPLY_NO_QUESTION:
        if (named)
            say_changed(x, reply);
        else
            exchange_fail(x, ERR_BAD_REQUEST, "No pending question waiting for response");
        break;
    default:
        if (!exchange_failed_by(x, reply, x->id))
            exchange_fail(x, ERR_INTERNAL, "The answer was not taken.");
        break;
    }
}

void respond_post(struct exchange *x)
{
    const struct respond_request *r = x->in;
    struct input in = {.kind = INPUT_ANSWER, .by = STR("user"), .text = r->response, .dismiss = r->dismiss};

    if (r->response.p == NULL && !r->dismiss) {
        exchange_fail(x, ERR_BAD_REQUEST, "answer: response: is missing");
        return;
    }
    if (r->response.n > LIMIT_ANSWER_BYTES) {
        exchange_fail(x, ERR_TOO_BIG, "answer: response: at most %d bytes", LIMIT_ANSWER_BYTES);
        return;
    }
    if (!turn_model(x, &r->wish, &in))
        return;
    in.call_id = r->expected_tool_call_id;
    in.question_id = r->question_id;
    exchange_submit(x, x->id, &in, on_reply);
}
