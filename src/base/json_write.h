/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Writes JSON straight into a buf; commas are put by the writer, names are literals of ours.
 * Strings must be valid UTF-8; control characters, quote and backslash are escaped.
 */
#include "base/buf.h"

struct json_writer {
    struct buf *out;
    bool comma; /* the next value in this container needs one */
};

#define JSON_WRITER(buffer) ((struct json_writer){.out = (buffer)})

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_put_key(struct json_writer *w, struct str key); /* a name that is not ours: escaped */

void json_put_str(struct json_writer *w, struct str s);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_real(struct json_writer *w, double v); /* shortest text that reads back; not finite: null */
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_raw(struct json_writer *w, struct str json);  /* one whole value, trusted */
void json_put_time(struct json_writer *w, int64_t wall_ms); /* RFC 3339 UTC with Z */

/* key and value in one call */
void json_key_str(struct json_writer *w, const char *key, struct str s);
void json_key_text(struct json_writer *w, const char *key, const char *s); /* NULL: null */
void json_key_i64(struct json_writer *w, const char *key, int64_t v);
void json_key_u64(struct json_writer *w, const char *key, uint64_t v);
void json_key_bool(struct json_writer *w, const char *key, bool v);
void json_key_time(struct json_writer *w, const char *key, int64_t wall_ms);
