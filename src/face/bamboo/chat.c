/* SPDX-License-Identifier: MIT */
/* POST /chat: one turn of a person, kept; with "execute": true it is started too. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/turn.h"

/* What the reply needs of the request. */
struct chat {
    struct str session_id, message_id; /* the latter chosen by the client, or empty */
    bool execute, has_sync;
};

static void write_start(struct exchange *x, const struct chat *chat, const struct reply *reply, struct json_writer *w)
{
    bool runs = reply->started || reply->already_running || reply->queued;

    json_key_str(w, "execute_status",
                 reply->started           ? STR("started")
                 : reply->already_running ? STR("already_running")
                 : reply->queued          ? STR("queued")
                                          : STR("completed"));
    if (runs)
        json_key_text(w, "run_id", reply->run_id);
    json_key_str(w, "events_url", turn_events_url(x, chat->session_id));
    if (chat->has_sync)
        turn_write_sync(w, reply, runs);
    else if (!runs && reply->has_question)
        json_key_bool(w, "has_pending_question", true);
}

static void on_reply(struct exchange *x, const struct reply *reply)
{
    const struct chat *chat = x->state;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (exchange_failed_by(x, reply, chat->session_id))
        return;
    if (reply->kind == REPLY_BUSY) {
        exchange_busy(x, reply, "Session is currently running; the message was not taken.");
        return;
    }
    if (reply->kind == REPLY_TAKEN) {
        turn_say_taken(x, "chat request: message_id", chat->session_id, chat->message_id);
        return;
    }
    if (reply->kind != REPLY_POSTED) {
        exchange_fail(x, ERR_INTERNAL, "The message was not taken.");
        return;
    }
    json_begin_object(&w);
    json_key_str(&w, "session_id", chat->session_id);
    json_key_str(&w, "stream_url", turn_events_url(x, chat->session_id));
    json_key_str(&w, "status", STR("streaming"));
    json_key_text(&w, "message_id", reply->message_id);
    json_key_u64(&w, "ingress_seq", reply->seq);
    if (chat->execute)
        write_start(x, chat, reply, &w);
    json_end_object(&w);
    exchange_send(x, 201, &body);
}

void chat_post(struct exchange *x)
{
    struct chat_request *q = x->in;
    struct chat *chat = arena_zalloc(&x->arena, sizeof(*chat));
    struct input in = {.kind = INPUT_POST, .origin = ORIGIN_HTTP, .text = q->message, .execute = q->execute};

    if (!turn_id(x, "chat request", "session_id", &q->session_id) ||
        !turn_id(x, "chat request", "message_id", &q->message_id))
        return;
    if (str_trim(q->message).n == 0) {
        exchange_fail(x, ERR_BAD_REQUEST, "chat request: message: must not be empty");
        return;
    }
    if (!turn_model(x, &q->wish, &in) ||
        !turn_session(x, &q->unsupported, q->workspace_path, q->system_prompt, q->enhance_prompt, &in))
        return;
    in.message_id = q->message_id;
    in.session_id = q->session_id.n > 0 ? q->session_id : turn_session_id(x, STR_NULL);
    in.limits = turn_limits(x, &q->budget);
    in.sync = q->client_sync;
    in.sync.present = request_has(x->json, "client_sync");
    in.busy = q->on_busy;
    in.unattended = q->no_human_approver;
    *chat = (struct chat){
        .session_id = in.session_id, .message_id = in.message_id, .execute = q->execute, .has_sync = in.sync.present};
    x->state = chat;
    exchange_submit(x, in.session_id, &in, on_reply);
}
