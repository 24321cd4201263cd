/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an owner may do next with a session, whatever state it was found in: post, run, rounds,
 * calls, ends, now and then an erasure. For tests that cut lives anywhere and go on.
 */
#include "store/story.h"

/* The next step into *out (facts_unref is the caller's). Returns false where the step erases. */
bool life_step(struct story *t, struct driver *d, unsigned n, struct append *out);
