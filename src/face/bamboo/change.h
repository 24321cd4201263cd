/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Changes that are worked out over what is stored: look, decide, submit. Where it is not as it was seen any more,
 * nothing was done, and it is looked at again, a few times.
 */
#include "face/exchange.h"

/* It is done: how many messages were removed, and how many of those that were seen are left. */
typedef void change_fn(struct exchange *x, uint32_t removed, uint32_t left);
/*
 * Asks the store; `decide` gets its answer, each time anew, and either answers the exchange or calls change_submit(). A
 * session that is not there is answered with 404 before.
 */
void change_begin(struct exchange *x, const struct query *look, answer_fn *decide, change_fn *done);
/* in->change.seen and in->change.left are set here. */
void change_submit(struct exchange *x, const struct answer *seen, struct input *in);
/* For `decide`: it cannot be done as things are now; where it is a repeat, it is told what the first was. */
void change_refuse(struct exchange *x, enum err_code code, const char *text);
/* The same, 404, with session_id and message_id. */
void change_no_message(struct exchange *x, struct str message_id);
