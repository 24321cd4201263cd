/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The three scripts go one way: find the command among the words before the cursor, then offer what
 * may stand there, a value, an option or a word. What differs by command is written from the tables.
 * Only completions*.c include it.
 */
#include "app/command_line.h"

void completions_bash(struct buf *out);
void completions_zsh(struct buf *out);
void completions_fish(struct buf *out);

/* The first of several commands of two words that begin alike. */
bool completions_is_group_start(const struct command *c);
/* Each option that takes a value, once. */
typedef void completions_option_fn(const struct command_option *o, struct buf *out);
void completions_each_value(completions_option_fn *write, struct buf *out);
/* "--bind | --port": what a value follows. */
void completions_value_pattern(struct buf *out);
/* "config | db": the first words of two. */
void completions_add_groups(struct buf *out);
/* "show, set, explain": the second words. */
void completions_second_words(const struct command *c, struct buf *out);
/* In quotes that all three shells read: 'it'\\''s'. */
void completions_add_quoted(struct str text, struct buf *out);
