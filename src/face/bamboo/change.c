/* SPDX-License-Identifier: MIT */
#include "face/bamboo/change.h"

#include "base/str.h"

#define LOOKS 5

/* In x->state. */
struct looking {
    struct query look;
    answer_fn *decide;
    change_fn *done;
    int looks;
    struct str missing; /* message that is not there */
};

static void on_reply(struct exchange *x, const struct reply *reply);

static void say_no_session(struct exchange *x)
{
    exchange_no_session(x, x->id);
}

static void on_answer(struct exchange *x, const struct answer *a)
{
    const struct looking *l = x->state;

    if (a->rc < 0)
        exchange_refuse_by(x, x->id, on_reply, say_no_session);
    else
        l->decide(x, a);
}

static void look(struct exchange *x)
{
    struct looking *l = x->state;

    l->looks++;
    exchange_query(x, &l->look, on_answer);
}

void change_begin(struct exchange *x, const struct query *q, answer_fn *decide, change_fn *done)
{
    struct looking *l = arena_zalloc(&x->arena, sizeof(*l));

    *l = (struct looking){.look = *q, .decide = decide, .done = done};
    x->state = l;
    look(x);
}

static void on_moved(struct exchange *x)
{
    const struct looking *l = x->state;

    if (l->looks < LOOKS)
        look(x);
    else
        exchange_fail(x, ERR_UNAVAILABLE,
                      "The session changed again and again while this was worked out; nothing was done. Try again.");
}

static void on_reply(struct exchange *x, const struct reply *reply)
{
    const struct looking *l = x->state;

    if (exchange_failed_by(x, reply, x->id))
        return;
    if (reply->kind == REPLY_CHANGED)
        l->done(x, reply->removed, reply->left);
    else if (reply->kind == REPLY_MOVED)
        on_moved(x);
    else if (reply->kind == REPLY_BUSY && reply->run_id[0] == '\0')
        exchange_busy(x, reply, "A question of this session is open; answer or dismiss it, or stop its run, first.");
    else if (reply->kind == REPLY_BUSY)
        exchange_busy(x, reply, "Session is currently running");
    else
        exchange_fail(x, ERR_INTERNAL, "It was not changed.");
}

void change_submit(struct exchange *x, const struct answer *seen, struct input *in)
{
    in->change.left = (uint32_t)seen->total - in->change.removed;
    in->change.seen = seen->last_seq;
    exchange_submit(x, x->id, in, on_reply);
}

void change_refuse(struct exchange *x, enum err_code code, const char *text)
{
    struct input in = {.kind = INPUT_RESUME}; /* whichever: nothing is begun */

    if (exchange_refuse(x, err_http_status(code), err_wire_name(code), text))
        exchange_submit(x, x->id, &in, on_reply);
}

static void say_missing(struct exchange *x)
{
    const struct looking *l = x->state;

    exchange_no_message(x, x->id, l->missing);
}

void change_no_message(struct exchange *x, struct str message_id)
{
    struct looking *l = x->state;

    if (x->key.n == 0) { /* whoever asks: it need not be change_begin() */
        exchange_no_message(x, x->id, message_id);
        return;
    }
    l->missing = message_id;
    exchange_refuse_by(x, x->id, on_reply, say_missing);
}
