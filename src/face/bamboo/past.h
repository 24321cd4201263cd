/* SPDX-License-Identifier: MIT */
#pragma once
/* ?at_seq=N: a resource as it was right after fact N of its session. */
#include "face/exchange.h"

/* For struct query: 0 where the parameter is absent. What is no number of a fact at all becomes one that no log has. */
uint64_t past_at_seq(struct exchange *x);
/* True: at_seq names no fact of this session, and the exchange is answered with those that it has. */
bool past_refused(struct exchange *x, const char *where, const struct answer *a);
