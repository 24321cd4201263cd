/* SPDX-License-Identifier: MIT */
#pragma once
/* {"session": …} with its ETag: the reply of everything that is about one session. */
#include "face/exchange.h"

/*
 * The reply to the making of session x->id: 201 with it as it was made, whatever has become of it, so that a repeat is
 * told the same.
 */
void session_made(struct exchange *x, const struct reply *reply);
/* Reads the session of the path as it is now and sends it; 404 if there is none. */
void session_query(struct exchange *x);
