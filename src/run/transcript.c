/* SPDX-License-Identifier: MIT */
/* Changes of what is stored, by people. Each is a fact that names what it changes: nothing in the log is written anew.
 */
#include "run/step.h"

#include "base/str.h"

static struct fact fact_of_old(enum fact_kind kind, const struct old_message *m)
{
    return (struct fact){.kind = kind,
                         .id = m->id,
                         .place = m->place,
                         .role = m->role,
                         .text = m->text,
                         .reasoning = m->reasoning,
                         .calls = m->calls,
                         .call_id = m->call_id,
                         .tool = m->tool,
                         .outcome = m->outcome,
                         .interrupted = m->interrupted,
                         .written_at = m->written_at};
}

void transcript_import(struct ctx *c)
{
    const struct old_message *messages = c->in->messages.items;

    for (size_t i = 0; i < c->in->messages.count; i++) {
        struct fact f = fact_of_old(FACT_MESSAGE_IMPORTED, &messages[i]);

        f.place = c->s->messages;
        step_fact(c, f);
    }
}

/* True: it must not be, or is not as it was when somebody looked; the reply says so. */
static bool is_refused(struct ctx *c, uint64_t newest, bool at_rest)
{
    const struct session *s = c->s;

    if (!session_exists(s))
        step_reply(c, REPLY_NOT_FOUND);
    else if (at_rest && session_is_at_work(s))
        step_reply(c, REPLY_BUSY);
    else if (c->in->change.seen < newest || c->in->change.seen > s->seq)
        step_reply(c, REPLY_MOVED);
    else
        return false;
    return true;
}

static void put(struct ctx *c, struct fact f)
{
    struct reply *r;

    f.seq = c->s->seq + 1;
    if (session_refuses(c->s, &f) != NULL) {
        step_reply(c, REPLY_MOVED); /* whoever looked has seen something else */
        return;
    }
    step_fact(c, f);
    r = step_reply(c, REPLY_CHANGED);
    if (r == NULL)
        return;
    r->removed = c->in->change.removed;
    r->left = c->in->change.left;
}

void transcript_withdraw(struct ctx *c)
{
    const struct change *change = &c->in->change;

    if (is_refused(c, c->s->inbox_seq, false))
        return;
    put(c, (struct fact){.kind = FACT_MESSAGE_WITHDRAWN,
                         .id = c->in->message_id,
                         .of_seq = change->of_seq,
                         .bytes = change->bytes,
                         .last = change->last,
                         .last_seq = change->last_seq,
                         .later = change->later});
}

void transcript_edit(struct ctx *c)
{
    struct fact f;

    if (is_refused(c, c->s->seq, true))
        return;
    assert(c->in->messages.count == 1);
    f = fact_of_old(FACT_MESSAGE_EDITED, c->in->messages.items);
    f.bytes = c->in->change.bytes;
    put(c, f);
}

void transcript_remove(struct ctx *c)
{
    const struct change *change = &c->in->change;

    if (is_refused(c, c->s->seq, true))
        return;
    put(c, (struct fact){.kind = FACT_MESSAGES_REMOVED,
                         .place = change->place,
                         .upto = change->upto,
                         .removed = change->removed,
                         .bytes = change->bytes,
                         .last = change->last,
                         .pending = change->pending,
                         .how = change->how});
}
