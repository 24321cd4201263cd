/* SPDX-License-Identifier: MIT */
/* Messages for a session that is at work: posting them, what waits, taking one back. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/change.h"
#include "face/bamboo/turn.h"

/* ---- posting ---- */

static void on_posted(struct exchange *x, const struct reply *reply)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (exchange_failed_by(x, reply, x->id))
        return;
    if (reply->kind == REPLY_TAKEN) {
        const struct guidance_request *q = x->in;

        turn_say_taken(x, "guidance: id", x->id, q->id);
        return;
    }
    if (reply->kind != REPLY_POSTED) {
        exchange_fail(x, ERR_INTERNAL, "The message was not taken.");
        return;
    }
    json_begin_object(&w);
    json_key_text(&w, "id", reply->message_id);
    json_key_bool(&w, "activation_pending", !reply->started && !reply->already_running && !reply->queued);
    if (reply->run_id[0] != '\0')
        json_key_text(&w, "run_id", reply->run_id);
    json_end_object(&w);
    exchange_send(x, 202, &body);
}

/* False: refused, and the exchange is answered. */
static bool check_text(struct exchange *x, struct str text)
{
    if (str_trim(text).n == 0)
        exchange_fail(x, ERR_BAD_REQUEST, "guidance: text: must not be empty");
    else if (text.n > LIMIT_GUIDANCE_BYTES)
        exchange_fail(x, ERR_TOO_BIG, "guidance: text: at most %d bytes; longer messages go to /chat",
                      LIMIT_GUIDANCE_BYTES);
    else
        return true;
    return false;
}

/* No session is made: the input names none. A run that has ended meanwhile is followed by another. */
void guidance_post(struct exchange *x)
{
    static const struct budget_wish no_wish = {.unpriced = 0};
    static const struct model_wish no_model = {.effort = 0};
    struct guidance_request *q = x->in;
    struct input in = {.kind = INPUT_POST,
                       .origin = ORIGIN_HTTP,
                       .text = q->text,
                       .execute = true,
                       .later = q->mode == GUIDANCE_AFTER_RUN,
                       .limits = turn_limits(x, &no_wish)};
    struct err err = {.code = ERR_OK};

    if (!turn_id(x, "guidance", "id", &q->id) || !check_text(x, q->text))
        return;
    if (request_refused(&q->unsupported, x->json, &err) < 0) {
        exchange_fail_err(x, &err);
        return;
    }
    if (!turn_model(x, &no_model, &in))
        return;
    in.message_id = q->id;
    exchange_submit(x, x->id, &in, on_posted);
}

/* ---- what waits ---- */

static void write_waiting(const struct message *m, struct json_writer *w)
{
    json_begin_object(w);
    json_key_str(w, "id", m->id);
    json_key_str(w, "text", m->text);
    json_key_time(w, "created_at", m->at);
    json_key(w, "images");
    json_begin_array(w);
    json_end_array(w);
    json_key_text(w, "mode", guidance_names[m->later ? GUIDANCE_AFTER_RUN : GUIDANCE_AFTER_ROUND]);
    json_end_object(w);
}

static void on_inbox(struct exchange *x, const struct answer *a)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (a->rc < 0) {
        exchange_no_session(x, x->id);
        return;
    }
    json_begin_object(&w);
    json_key_str(&w, "session_id", x->id);
    json_key(&w, "messages");
    json_begin_array(&w);
    for (size_t i = 0; i < a->n; i++)
        write_waiting(&a->messages[i], &w);
    json_end_array(&w);
    json_key_bool(&w, "truncated", a->more);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

void guidance_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_INBOX,
                      .session_id = x->id,
                      .limit = LIMIT_INBOX_MESSAGES,
                      .bytes = LIMIT_BODY_MESSAGE_BYTES,
                      .without_runs = true};

    exchange_query(x, &q, on_inbox);
}

/* ---- taking one back ---- */

static void on_withdrawn(struct exchange *x, uint32_t removed UNUSED, uint32_t left UNUSED)
{
    exchange_send_text(x, 204, STR("text/plain"), STR(""));
}

/* Of those that wait for the same, the last one without it. */
static const struct message *last_without(const struct answer *a, const struct message *gone)
{
    for (size_t i = a->n; i > 0; i--) {
        const struct message *m = &a->messages[i - 1];

        if (m != gone && m->later == gone->later)
            return m;
    }
    return NULL;
}

static void withdraw(struct exchange *x, const struct answer *a)
{
    const struct message *m = NULL, *last;
    struct input in = {.kind = INPUT_WITHDRAW, .message_id = x->part_id};

    for (size_t i = 0; i < a->n && m == NULL; i++)
        if (str_eq(a->messages[i].id, x->part_id))
            m = &a->messages[i];
    if (m == NULL && a->is_taken)
        change_refuse(x, ERR_CONFLICT, "A run has taken this message; it is part of the history.");
    else if (m == NULL)
        change_no_message(x, x->part_id);
    if (m == NULL)
        return;
    last = last_without(a, m);
    in.change = (struct change){.of_seq = m->seq, .bytes = m->bytes, .later = m->later};
    if (last != NULL) {
        in.change.last = last->id;
        in.change.last_seq = last->seq;
    }
    change_submit(x, a, &in);
}

void guidance_delete(struct exchange *x)
{
    struct query q = {.kind = QUERY_INBOX,
                      .session_id = x->id,
                      .limit = LIMIT_INBOX_MESSAGES,
                      .after_message = x->part_id,
                      .without_runs = true,
                      .without_texts = true};

    change_begin(x, &q, withdraw, on_withdrawn);
}
