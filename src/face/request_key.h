/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The Idempotency-Key of a request, on routes that take one (ROUTE_KEYED), and what it stands for: a
 * fingerprint of everything the request says. Both go with what is submitted; the engine does the rest.
 */
#include "face/exchange.h"

/* x->key, empty where the header is absent. Answers 400 and returns false where it is malformed. */
bool request_key_read(struct exchange *x);
/*
 * x->fingerprint: method, route, names in the path, body, and the headers that say what is to be done. Where the same
 * is mounted twice it is the same. On a worker, where the body is large.
 */
void request_key_take_fingerprint(struct exchange *x);
/* The reply says that the key stands in the way: true, and it is answered. */
bool request_key_refused(struct exchange *x, const struct reply *reply);
