/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The script of the offline model: lines of the person's message that begin with "#!culm ", one
 * JSON object each, one per model call of the run; the last plays on. Which message: the newest
 * with such lines since the last answer that ended a run, so that an old script does not play
 * in a later turn and a message sent into a running script does not end it.
 */
#include "session/query.h"

enum offline_hang { HANG_NONE, HANG_HEADERS, HANG_CONTENT, HANG_CHUNK };

struct offline_tool {
    struct str name, args; /* args: JSON, or empty */
};

struct offline_error {
    int64_t status, retry_after; /* HTTP, seconds */
};

struct offline_line {
    struct str say, reason;
    uint32_t tokens;  /* 0: as many as there are words */
    int64_t delay_ms; /* before each delta, and before an end without any */
    struct offline_tool tool;
    struct record_list tools; /* struct offline_tool[] */
    struct usage usage;
    struct offline_error error; /* status 0: none */
    int hang;                   /* enum offline_hang */
    bool cut;
};

/* The object of the line to play; false: there is no script. *number counts script lines from 1. */
bool offline_script_find(const struct message *messages, size_t n, uint32_t call_index, struct str *line,
                         size_t *number);
/* ERR_BAD_REQUEST names the line and the field. Strings point into `line` or the arena. */
NODISCARD int offline_script_read(struct str line, size_t number, struct arena *a, struct offline_line *out,
                                  struct err *err);

/* Text in pieces: of about a word each, or exactly `count` of filler where there is no text. */
struct offline_pieces {
    struct str text;
    size_t words, left; /* still to come; filler: words is 0 */
    size_t given;
};
void offline_pieces_init(struct offline_pieces *p, struct str text, uint32_t count);
bool offline_pieces_next(struct offline_pieces *p, struct str *piece); /* false: that was all */
