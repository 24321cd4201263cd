/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * UTF-8 (RFC 3629: no surrogates, nothing above U+10FFFF, no overlong form). Text is checked
 * once, at the border: requests are refused, models and tools are repaired.
 */
#include "base/buf.h"

bool utf8_is_valid(struct str s);
/* Largest n <= limit such that s[0,n) does not split a character; s is valid. */
size_t utf8_floor(struct str s, size_t limit);
/* Length of the first character of s, which is not empty; *is_whole false: of the broken part that stands there. */
size_t utf8_next(struct str s, bool *is_whole);

/*
 * Repair of a stream that arrives in pieces: appends to `out`, each maximal broken part
 * becomes one U+FFFD, an unfinished character at the end waits for the next piece.
 */
struct utf8_repair {
    char held[4];
    uint8_t n;
    bool repaired; /* stays true once something was replaced */
};
void utf8_repair_add(struct utf8_repair *r, struct str piece, struct buf *out);
void utf8_repair_end(struct utf8_repair *r, struct buf *out); /* what waited becomes U+FFFD */
/* Bytes that may be anything, as one line: what is broken becomes U+FFFD, control characters become blanks. */
void utf8_add_line(struct str bytes, struct buf *out);
