/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a person or a script sees of one turn: the answer on stdout as it comes, what happens
 * beside it on stderr. Keeps the position in the stream, so that a broken one goes on where it
 * was and no byte is printed twice. Loop thread only.
 */
#include "app/output.h"
#include "app/terminal.h"
#include "base/id.h"
#include "base/json.h"

enum turn_style {
    TURN_PLAIN, /* text as it comes; progress on stderr */
    TURN_JSON,  /* one event per line */
    TURN_QUIET, /* the finished answer alone */
};

struct turn_view {
    struct output *out;
    enum turn_style style;
    struct terminal notes;       /* stderr */
    uint64_t seq;                /* of the last fact seen */
    char message_id[ID_MAX + 1]; /* whose text was printed last; empty: none */
    uint64_t offset;             /* so many bytes of it */
    bool asks;                   /* somebody else shows the questions */
    bool has_begun, has_round;   /* the run: its start was seen; the model was asked in it, or may have been */
    bool in_line;                /* the last byte printed was no line end */
    struct buf answer;           /* QUIET: the newest answer */
    struct buf failure;          /* why the run ended as an error */
};

void turn_view_init(struct turn_view *v, struct output *out, enum turn_style style);
void turn_view_done(struct turn_view *v);

enum turn_end { TURN_GOES_ON, TURN_COMPLETED, TURN_SUSPENDED, TURN_CANCELLED, TURN_FAILED };
enum turn_end turn_view_event(struct turn_view *v, const struct json *event, struct str text);
/* What the run asks, in one line on stderr. */
void turn_view_question(const struct turn_view *v, const struct json *question);
/* Ends the last line, for what is written to the terminal past the view. */
void turn_view_pause(struct turn_view *v);
/* Ends the last line, or prints the answer that was waited for. */
void turn_view_finish(struct turn_view *v);
/* A line on stderr; control characters are escaped. Not in QUIET, unless it is an error. */
void turn_view_note(const struct turn_view *v, const char *fmt, ...) PRINTF(2, 3);
/* Why the turn failed, in any style. */
void turn_view_error(const struct turn_view *v, const char *text);
