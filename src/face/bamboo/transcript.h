/* SPDX-License-Identifier: MIT */
#pragma once
/* Rows of the store as the JSON of messages, sessions and runs, and what belongs together among them. Pure. */
#include "base/json_write.h"
#include "session/query.h"

void message_write(const struct message *m, struct json_writer *w);
/* Short form: id, role, content, created_at. False and nothing written: not for people, or empty. */
bool message_write_short(const struct message *m, struct json_writer *w);
struct str session_title(struct str title);  /* the one that is shown */
const char *session_kind(struct str parent); /* of a session with this parent */
/* The index of the newest one of this id; SIZE_MAX: none. */
size_t message_find(const struct message *messages, size_t n, struct str id);
/* The index behind the last one that belongs to this one: an answer and the results of its calls are never apart. */
size_t message_group_end(const struct message *messages, size_t n, size_t i);
void session_row_write(const struct session_row *s, bool is_detail, struct json_writer *w);
void run_row_write(const struct run_row *r, struct json_writer *w);
