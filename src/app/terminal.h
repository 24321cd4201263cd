/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a stream of ours is shown on, and text that fits there. Colours only on terminals that have
 * them and where NO_COLOR and CLICOLOR=0 do not forbid it; widths count cells, not bytes. In a pipe
 * nothing is coloured and nothing is cut. Any thread.
 */
#include "base/buf.h"

struct terminal {
    bool is_terminal, has_colour;
    size_t width;  /* cells of a line; 0: not a terminal */
    size_t height; /* lines; 0: not a terminal, or it does not say */
};

struct terminal terminal_of(int fd);

enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_BLUE,
};
/* The text, coloured where that is allowed. */
void terminal_put(const struct terminal *t, enum style style, struct str text, struct buf *out);
/* What begins a style and what ends it, for text that comes in pieces; both empty without colours. */
const char *terminal_begin(const struct terminal *t, enum style style);
const char *terminal_end(const struct terminal *t, enum style style);

/* Cells that valid UTF-8 takes: none for what combines, two for wide characters. */
size_t terminal_cells(struct str text);
/* As much of the text as fits; what is cut ends in "…". */
void terminal_cut(struct str text, size_t cells, struct buf *out);
/* One line of it: line ends and tabs become blanks, other control characters are shown. */
void terminal_flatten(struct str text, struct buf *out);
