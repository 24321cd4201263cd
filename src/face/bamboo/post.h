/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A message of a person on its way into a session. Where the client chose its id, it is looked first whether a message
 * of the session has it already: 409 then, so that who heard nothing may send the same again and it is there once.
 */
#include "face/exchange.h"

struct post {
    struct str session_id;
    struct input in;    /* of INPUT_POST; `message_id` may be the client's or made by the server */
    bool is_chosen;     /* it is the client's */
    reply_fn *on_reply; /* what became of it */
    int looks;
};

/* x->state must be the post, or begin with it. */
void post_submit(struct exchange *x);
