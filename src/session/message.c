/* SPDX-License-Identifier: MIT */
#include "session/query.h"

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
        m.success = f->role == ROLE_TOOL && f->outcome == OUTCOME_OK;
        break;
    case FACT_CALL_ENDED:
        m.role = ROLE_TOOL;
        m.call_id = f->call_id;
        m.tool = f->tool;
        m.success = f->outcome == OUTCOME_OK;
        break;
    default:
        return false;
    }
    *out = m;
    return true;
}
