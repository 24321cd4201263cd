/* SPDX-License-Identifier: MIT */
/* Questions of a run to a person. No tool can ask one yet, so none is ever open. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/requests.h"

static void on_session_pending(struct exchange *x, const struct answer *a)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (a->rc < 0) {
        exchange_no_session(x, x->id);
        return;
    }
    json_begin_object(&w);
    json_key_bool(&w, "has_pending_question", false);
    json_key_text(&w, "interaction_kind", NULL);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

void respond_pending_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id};

    exchange_query(x, &q, on_session_pending);
}

static void on_session_respond(struct exchange *x, const struct answer *a)
{
    if (a->rc < 0)
        exchange_no_session(x, x->id);
    else
        exchange_fail(x, ERR_BAD_REQUEST, "No pending question waiting for response");
}

void respond_post(struct exchange *x)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id};
    const struct respond_request *r = x->in;

    if (r->response.p == NULL && !r->dismiss)
        exchange_fail(x, ERR_BAD_REQUEST, "answer: response: is missing");
    else
        exchange_query(x, &q, on_session_respond);
}
