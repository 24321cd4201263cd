/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A wire struct is a table of fields: one table reads it (errors name the JSON path) and writes
 * it. Used for facts, request bodies and configuration values. Absent fields keep the value the
 * struct had, so a zeroed struct gives the defaults; writing leaves out zero values unless
 * RECORD_ALWAYS is set. Unknown keys are ignored unless RECORD_STRICT.
 */
#include "base/json.h"
#include "base/json_write.h"

enum record_type {
    RECORD_BOOL,   /* bool */
    RECORD_U32,    /* uint32_t */
    RECORD_I64,    /* int64_t */
    RECORD_U64,    /* uint64_t, at most INT64_MAX on the wire */
    RECORD_STR,    /* struct str */
    RECORD_RAW,    /* struct str: any JSON value, carried as its bytes */
    RECORD_ENUM,   /* int; `names` is a NULL-terminated list, the value its index */
    RECORD_OBJECT, /* struct embedded at the offset; `of` describes it */
    RECORD_LIST,   /* struct record_list; `of` describes the items */
};

enum {
    RECORD_REQUIRED = 1, /* reading: absent is an error */
    RECORD_ALWAYS = 2,   /* writing: zero is written too */
    RECORD_STRICT = 4,   /* on the first field: unknown keys are an error that names the nearest known one */
    RECORD_NULLABLE = 8, /* reading: null counts as absent */
};

struct record_list {
    void *items; /* array of structs */
    size_t count;
};

struct record_field {
    const char *name;
    enum record_type type;
    unsigned flags;
    size_t offset;
    const char *const *names; /* RECORD_ENUM */
    const struct record *of;  /* RECORD_OBJECT, RECORD_LIST */
    int64_t min, max;         /* numbers: range when max > min; strings and lists: greatest size when max > 0 */
};

struct record {
    const char *what; /* for error messages: "chat request" */
    size_t size;      /* sizeof the struct */
    const struct record_field *fields;
    size_t count;
};

/* ERR_BAD_REQUEST with the path. Strings point into the parsed text or the arena. */
NODISCARD int record_read(const struct record *r, const struct json *node, struct arena *a, void *out, struct err *err);
/* Writes the members between json_begin_object and json_end_object of the caller. */
void record_write(const struct record *r, const void *in, struct json_writer *w);
