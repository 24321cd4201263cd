/* SPDX-License-Identifier: MIT */
#include "session/query.h"

/* As the fold of a session counts them. */
static int64_t bytes_of(const struct message *m)
{
    const struct call *calls = m->calls.items;
    int64_t n = (int64_t)m->text.n;

    for (size_t i = 0; i < m->calls.count; i++)
        n += (int64_t)calls[i].args.n;
    return n;
}

bool message_from_fact(const struct fact *f, struct message *out)
{
    struct message m = {.place = f->place, .seq = f->seq, .at = f->at, .id = f->id, .text = f->text};

    switch (f->kind) {
    case FACT_SESSION_CREATED:
        if (f->system.n == 0)
            return false;
        m.role = ROLE_SYSTEM;
        m.text = f->system;
        break;
    case FACT_MESSAGE_POSTED:
        m.role = ROLE_USER; /* its place is given when a round admits it */
        break;
    case FACT_ASSISTANT:
        m.role = ROLE_ASSISTANT;
        m.reasoning = f->reasoning;
        m.calls = f->calls;
        m.interrupted = f->interrupted;
        m.repaired = f->repaired;
        break;
    case FACT_MESSAGE_EDITED:
    case FACT_MESSAGE_IMPORTED:
        m.role = f->role;
        m.at = f->written_at;
        m.reasoning = f->reasoning;
        m.calls = f->calls;
        m.interrupted = f->interrupted;
        m.call_id = f->call_id;
        m.tool = f->tool;
        m.outcome = f->outcome;
        break;
    case FACT_CALL_ENDED:
        m.role = ROLE_TOOL;
        m.call_id = f->call_id;
        m.tool = f->tool;
        m.outcome = f->outcome;
        break;
    default:
        return false;
    }
    m.success = m.role == ROLE_TOOL && m.outcome == OUTCOME_OK;
    m.bytes = bytes_of(&m);
    *out = m;
    return true;
}
