/* SPDX-License-Identifier: MIT */
#pragma once
/* How often a text occurs in what was heard or written. */
#include "base/buf.h"
#include "base/str.h"

static inline size_t count_text(const struct buf *in, const char *text)
{
    struct str rest = buf_str(in);
    size_t n = 0;
    ptrdiff_t at;

    while ((at = str_find(rest, str_of(text))) >= 0) {
        rest = str_skip(rest, (size_t)at + strlen(text));
        n++;
    }
    return n;
}
