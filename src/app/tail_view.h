/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What `culm tail` prints of an event: one line, cut to the width on a terminal, whole and with tabs
 * in a pipe. On a terminal the text of an answer is shown as it comes. Keeps the position in the
 * stream, so that a broken one goes on where it was. Loop thread only.
 */
#include "app/output.h"
#include "app/terminal.h"
#include "base/id.h"
#include "base/json.h"

struct tail_view {
    struct output *out; /* escapes nothing by itself */
    struct terminal terminal;
    bool is_json;
    uint64_t seq;                /* of the last fact seen */
    char message_id[ID_MAX + 1]; /* whose text came last; empty: none */
    uint64_t offset, thought;    /* so many bytes of it, and of its reasoning */
    bool in_text, in_thought;    /* a text is being shown, and its line is not ended; it is reasoning */
    struct buf line;             /* kept for its memory */
};

void tail_view_init(struct tail_view *v, struct output *out, const struct terminal *t, bool is_json);
void tail_view_done(struct tail_view *v);
void tail_view_event(struct tail_view *v, const struct json *event, struct str text);
void tail_view_finish(struct tail_view *v); /* ends a line that is open */
/* Whether text in flight is of use: else the stream need not bring it. */
bool tail_view_wants_text(const struct tail_view *v);
