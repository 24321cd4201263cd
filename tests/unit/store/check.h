/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether a store agrees with itself on one session: the log is dense and its epochs never fall
 * (I-DENSE, I-EPOCH), opening gives its sum (I-FOLD), transcript and rows are folded from it (I-MSG).
 * cmocka assertions.
 */
#include "store/driver.h"

/* Returns how far the log reaches; 0: no such session. */
uint64_t check_session(struct driver *d, struct str id);
/* The list of sessions to recover is right for these. */
void check_unfinished(struct driver *d, const struct str *ids, size_t n);
