/* SPDX-License-Identifier: MIT */
/* POST /stop: asks the active run to end; with Bamboo-Run-Id only that one. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"

static void say(struct exchange *x, int status, bool success, const char *message)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_bool(&w, "success", success);
    json_key_text(&w, "message", message);
    json_end_object(&w);
    exchange_send(x, status, &body);
}

/*
 * The run that was named. Where that one asked, and is over but for the answer, the reply of the engine names the run
 * that ends the wait: who named one is told that one.
 */
static void say_stopped(struct exchange *x, struct str run_id)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_bool(&w, "success", true);
    json_key_str(&w, "session_id", x->id);
    json_key_str(&w, "run_id", run_id);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

static void on_reply(struct exchange *x, const struct reply *reply)
{
    struct str named = exchange_header(x, "Bamboo-Run-Id");

    switch (reply->kind) {
    case REPLY_STOPPED:
        if (named.p != NULL)
            say_stopped(x, named);
        else
            say(x, 200, true, "Agent execution stopped");
        break;
    case REPLY_NO_RUN:
    case REPLY_NOT_FOUND:
        say(x, 404, false, "No active agent execution found");
        break;
    case REPLY_OTHER_RUN:
        exchange_fail(x, ERR_CONFLICT, "Requested run is not the current cancellable owner");
        break;
    default:
        if (!exchange_failed_by(x, reply, x->id))
            exchange_fail(x, ERR_INTERNAL, "The run was not stopped.");
        break;
    }
}

void stop_post(struct exchange *x)
{
    struct input in = {.kind = INPUT_CANCEL, .by = STR("user")};

    if (!exchange_run_id(x, &in.run_id))
        return;
    exchange_submit(x, x->id, &in, on_reply);
}
