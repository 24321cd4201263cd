/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the words in capitals stand for that options and commands take ("FILE", "ID"), for shells that
 * complete them. Any thread.
 */
#include "app/command_line.h"

enum placeholder {
    PLACEHOLDER_ANYTHING, /* nobody can guess */
    PLACEHOLDER_FILE,
    PLACEHOLDER_DIRECTORY,
    PLACEHOLDER_SESSION,
    PLACEHOLDER_WORD, /* one of a few, see placeholder_words() */
};

enum placeholder placeholder_of(struct str name);
/* The words that a name stands for, with a blank between. */
void placeholder_words(struct str name, struct buf *out);
/* The name that stands first behind a command, without brackets and dots; empty: none. */
struct str placeholder_of_command(const struct command *c);
