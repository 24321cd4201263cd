/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Standard output for a program that must not wait: what the reader does not take yet is kept and
 * offered again, so that Ctrl-C works and a server in the same process goes on. On a terminal,
 * control characters but line end and tab are shown instead of obeyed. Loop thread only.
 */
#include "base/buf.h"
#include "net/loop.h"

struct output;

/* `gone` is called once, later, when nobody reads any more or too much waits. */
struct output *output_new(struct loop *l, int fd, bool is_terminal, loop_fn *gone, void *arg);
void output_free(struct output *o);                 /* what still waits is lost; NULL is fine */
void output_add(struct output *o, struct str text); /* valid UTF-8, whole characters */
void output_drop(struct output *o);                 /* what waits is not wanted any more */
bool output_is_empty(const struct output *o);       /* all is written, or nobody reads any more */
void output_escape(struct str text, struct buf *out);
