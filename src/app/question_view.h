/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A question of a run as people meet it: its text, its options under numbers, and what a line means
 * that is typed in answer. Holds a copy of the JSON in which the server tells it. One thread.
 */
#include "app/terminal.h"
#include "base/json.h"

struct question_view {
    struct arena arena;
    struct str id, call_id, text;
    const struct json *options; /* an array; NULL: none */
    bool allow_custom;          /* an answer need not be one of them */
    int64_t due;                /* wall; 0: it waits for ever */
    struct str fallback;        /* the answer that is given then; may be empty */
};

/* The copy is taken anew each time. */
void question_view_init(struct question_view *q);
void question_view_done(struct question_view *q);
NODISCARD int question_view_take(struct question_view *q, const struct json *question, struct err *err);

/* The text and the options, a line each. */
void question_view_write(const struct question_view *q, const struct terminal *t, int64_t now, struct buf *out);
/* "a | b"; empty where there are none. */
void question_view_options(const struct json *options, struct buf *out);
/* "in 5 min", or "now"; empty where `due` is 0. */
void question_view_due(int64_t due, int64_t now, struct buf *out);

enum question_choice { CHOICE_NONE, CHOICE_MADE, CHOICE_WRONG };
/*
 * What the line answers: an option word for word, else the option of that number, else the line itself where it need
 * not be an option. NONE: it is blank. *out is borrowed from the question or the line.
 */
enum question_choice question_view_choose(const struct question_view *q, struct str line, struct str *out);
