/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Some providers cut their text at bytes or at UTF-16 units and put halves of characters into two
 * chunks. Such a chunk is no valid JSON, but losing it would lose the answer. Mending makes it
 * valid: each byte above ASCII is written as one character U+10FF80 to U+10FFFF, which unmending
 * a string turns back into the byte, so that halves meet again in the UTF-8 repair behind it;
 * half a surrogate pair becomes U+FFFD. Only for texts that were refused as they were.
 */
#include "base/arena.h"
#include "base/buf.h"

bool json_mend(struct str text, struct buf *out);         /* true: half a surrogate pair was replaced */
struct str json_unmend(struct str text, struct arena *a); /* a copy */
