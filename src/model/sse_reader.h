/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Server-sent events as providers send them: lines end in LF, CR or CRLF, comments are skipped,
 * several data lines are joined by LF. Bytes may be split anywhere. An event that lies whole in
 * the bytes at hand is not copied. Memory is bounded by LIMIT_MODEL_LINE_BYTES per line and event.
 * Source: WHATWG HTML, "Server-sent events", parsing an event stream.
 */
#include "base/buf.h"

struct sse_event {
    struct str name; /* empty: "message" */
    struct str data;
};

struct sse_reader {
    struct buf line; /* the beginning of a line whose end has not come */
    struct buf data; /* data lines of an event whose end has not come */
    struct buf name;
    struct str view; /* the one data line of an event that still lies in the caller's bytes */
    bool has_view, has_data, given;
    bool skip_lf; /* the last byte was a CR: an LF that follows belongs to it */
    bool started; /* behind the first line, which may begin with a byte order mark */
};

void sse_reader_done(struct sse_reader *r); /* a zeroed reader is ready for use */

enum sse_next { SSE_MORE, SSE_EVENT, SSE_TOO_LONG };
/*
 * Moves *bytes behind what it took. EVENT: *out is borrowed until the next call and as long as the bytes.
 * MORE: all bytes were taken. TOO_LONG: a line or an event beyond the limit; the reader is of no use any more.
 */
NODISCARD enum sse_next sse_reader_next(struct sse_reader *r, struct str *bytes, struct sse_event *out);
/* The stream has ended: EVENT once more where the blank line behind the last event is missing, else MORE. */
NODISCARD enum sse_next sse_reader_end(struct sse_reader *r, struct sse_event *out);
