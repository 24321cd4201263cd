/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Lines that are typed on a terminal while the loop goes on: shows a sign on stderr and waits for
 * standard input. What was typed before the sign could be seen is dropped: it answers nothing. The
 * terminal's own line editing is in force, so a line comes whole. Loop thread only.
 */
#include "net/loop.h"

struct prompt;

/* A line without its end; `ended`: Ctrl-D, or nobody is there any more. The prompt may be freed meanwhile. */
typedef void prompt_line_fn(void *arg, struct str line, bool ended);

NODISCARD int prompt_new(struct loop *l, prompt_line_fn *on_line, void *arg, struct prompt **out, struct err *err);
void prompt_free(struct prompt *p); /* NULL is fine */
