/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One event as bytes, in each of the formats of log.h. Pure. Every line ends in a line end, holds no other, and is
 * valid UTF-8 whatever the fields hold. What does not fit is cut, and the line says so with `truncated`.
 */
#include "base/log.h"

/* At most PIPE_BUF, so that lines of several writers do not mix in a pipe. */
#define LOG_LINE_BYTES 4096
#define LOG_VALUE_BYTES 1024 /* of one field; the rest is cut */
#define LOG_JOURNAL_BYTES (3 * LOG_LINE_BYTES)

struct log_record {
    int64_t at_ms; /* wall time */
    enum log_level level;
    const char *event;
    const struct log_field *fields;
    size_t n_fields;
};

/* The number of bytes written. */
size_t log_line_text(const struct log_record *r, bool colour, char out[LOG_LINE_BYTES]);
size_t log_line_json(const struct log_record *r, char out[LOG_LINE_BYTES]);
/* For a stream that ends in the journal: sd-daemon(3) reads the priority from "<6>". No time, the journal has it. */
size_t log_line_prefixed(const struct log_record *r, char out[LOG_LINE_BYTES]);
/* A datagram of the journal's own protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). */
size_t log_line_journal(const struct log_record *r, char out[LOG_JOURNAL_BYTES]);
