/* SPDX-License-Identifier: MIT */
#include "face/bamboo/post.h"

#include "base/str.h"
#include "face/error_body.h"

#define LOOKS 64 /* each in vain means that something else was taken */

static void look(struct exchange *x);

static void on_reply(struct exchange *x, const struct reply *reply)
{
    struct post *p = x->state;

    if (reply->kind != REPLY_MOVED)
        p->on_reply(x, reply);
    else if (p->looks < LOOKS)
        look(x);
    else
        exchange_fail(x, ERR_UNAVAILABLE, "Too many messages came at once; this one was not taken. Try again.");
}

static void say_taken(struct exchange *x)
{
    const struct post *p = x->state;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w,
                     STR("This session has a message of this id already, and nothing was done. Where this request was "
                         "sent before, it has arrived; else choose another id, or leave it out."),
                     err_wire_name(ERR_CONFLICT), exchange_request_name(x));
    json_key_str(&w, "session_id", p->session_id);
    json_key_str(&w, "message_id", p->in.message_id);
    json_end_object(&w);
    exchange_send(x, 409, &body);
}

static bool is_taken(const struct post *p, const struct answer *a)
{
    if (a->rc < 0) /* no session, and the engine says whether one is made: its system message will have its id */
        return p->in.system.n > 0 && str_eq(p->in.message_id, p->session_id);
    for (size_t i = 0; i < a->n; i++)
        if (str_eq(a->messages[i].id, p->in.message_id))
            return true; /* it waits */
    return a->is_taken;
}

static void on_answer(struct exchange *x, const struct answer *a)
{
    struct post *p = x->state;

    if (is_taken(p, a)) {
        exchange_refuse_by(x, p->session_id, on_reply, say_taken);
        return;
    }
    p->in.own_id = true;
    p->in.change.seen = a->rc < 0 ? 0 : a->last_seq;
    exchange_submit(x, p->session_id, &p->in, on_reply);
}

static void look(struct exchange *x)
{
    struct post *p = x->state;
    struct query q = {.kind = QUERY_INBOX,
                      .session_id = p->session_id,
                      .limit = LIMIT_INBOX_MESSAGES,
                      .after_message = p->in.message_id,
                      .without_runs = true,
                      .without_texts = true};

    p->looks++;
    exchange_query(x, &q, on_answer);
}

void post_submit(struct exchange *x)
{
    struct post *p = x->state;

    if (p->is_chosen)
        look(x);
    else
        exchange_submit(x, p->session_id, &p->in, on_reply);
}
