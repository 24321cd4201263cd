/* SPDX-License-Identifier: MIT */
/* POST /execute: starts a run where there is something to do; joins the one that is there. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/turn.h"

/* What the reply says, with its status; NULL: it is none of these. */
static const char *status_of(enum reply_kind kind, int *status)
{
    *status = 200;
    switch (kind) {
    case REPLY_STARTED:
        *status = 202;
        return "started";
    case REPLY_QUEUED:
        *status = 202;
        return "queued";
    case REPLY_RUNNING:
        return "already_running";
    case REPLY_NOTHING:
    case REPLY_NEED_SYNC:
        return "completed";
    default:
        return NULL;
    }
}

static void on_reply(struct exchange *x, const struct reply *reply)
{
    int status;
    const char *word = status_of(reply->kind, &status);
    bool runs = reply->kind == REPLY_STARTED || reply->kind == REPLY_RUNNING || reply->kind == REPLY_QUEUED;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (exchange_failed_by(x, reply, x->id))
        return;
    if (reply->kind == REPLY_BUSY) {
        exchange_busy(x, reply, "Session is currently running");
        return;
    }
    if (word == NULL) {
        exchange_fail(x, ERR_INTERNAL, "The run was not started.");
        return;
    }
    json_begin_object(&w);
    json_key_str(&w, "session_id", x->id);
    json_key_text(&w, "status", word);
    json_key_str(&w, "events_url", turn_events_url(x, x->id));
    if (runs)
        json_key_text(&w, "run_id", reply->run_id);
    if (request_has(x->json, "client_sync"))
        turn_write_sync(&w, reply, runs);
    else if (reply->kind == REPLY_NOTHING && reply->has_question)
        json_key_bool(&w, "has_pending_question", true);
    json_end_object(&w);
    exchange_send(x, status, &body);
}

void execute_post(struct exchange *x)
{
    static const char *const receipts[] = {"Bamboo-Run-Id", "Bamboo-Input-Id", "Bamboo-Ingress-Seq"};
    const struct execute_request *q = x->in;
    struct input in = {.kind = INPUT_RESUME, .origin = ORIGIN_HTTP};

    /* They ask for one certain input or run; starting whatever is there instead would be another thing. */
    for (size_t i = 0; i < ARRAY_LEN(receipts); i++) {
        if (exchange_header(x, receipts[i]).p != NULL) {
            exchange_fail(x, ERR_BAD_REQUEST, "%s: not supported on execute by this server", receipts[i]);
            return;
        }
    }
    if (!turn_model(x, &q->wish, &in))
        return;
    in.limits = turn_limits(x, &q->budget);
    in.sync = q->client_sync;
    in.sync.present = request_has(x->json, "client_sync");
    in.busy = q->on_busy;
    in.unattended = q->no_human_approver;
    exchange_submit(x, x->id, &in, on_reply);
}
