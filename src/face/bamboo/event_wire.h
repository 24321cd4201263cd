/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Facts and deltas as the JSON events of a session's stream. One table, fact kind by fact kind;
 * one fact is at most one event. Pure.
 */
#include "session/input.h"
#include "session/query.h"

/* What an event tells beside its fact. */
struct event_context {
    struct str session_id;
    uint64_t title_version; /* of the session after the fact; 0: left out */
};

/* The type on the wire; NULL: this fact has no event. */
const char *event_wire_type(const struct fact *f);
/* One JSON object, with seq and at; false and nothing written: no event. */
bool event_wire_write(const struct event_context *c, const struct fact *f, struct buf *out);
/* Kinds of facts that may become an event of this type, bit per enum fact_kind; 0: no such type. */
uint64_t event_wire_kinds(struct str type);

/* Whole frames of an event stream. Only numbered events have an id line. */
bool event_frame_fact(const struct event_context *c, const struct fact *f, struct buf *out);
void event_frame_delta(int channel, struct str message_id, uint64_t offset, struct str text, struct buf *out);

/* {"prompt_tokens","completion_tokens","total_tokens"}; clients keep them in 32 bits. */
void usage_write(const struct usage *u, struct json_writer *w);
/* TokenBudgetUsage. */
void budget_write(const struct budget *b, struct json_writer *w);
void question_write(const struct fact *asked, struct json_writer *w); /* members; of a question_asked */
/* [{"id","type":"function","function":{"name","arguments"}}] */
void calls_write(const struct record_list *calls, struct json_writer *w);
/* When a run began: it ends in +00:00, where all other times end in Z. */
void run_time_write(int64_t at, struct json_writer *w);
