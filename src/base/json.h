/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Strict JSON (RFC 8259) read into nodes in an arena. Refused: anything the RFC refuses, broken
 * UTF-8, NUL in keys, duplicate keys, integers outside int64, too deep, too many nodes; the error
 * names the path ("messages[3].content"). Every node keeps its original bytes in `raw`, so what
 * is only carried is not written anew. Any thread.
 */
#include "base/arena.h"
#include "base/err.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    bool truth;         /* JSON_BOOL */
    uint32_t count;     /* members of an array or object */
    int64_t number;     /* JSON_INT */
    double real;        /* JSON_REAL; for JSON_INT the same value */
    struct str text;    /* JSON_STRING, unescaped; may contain NUL */
    struct str key;     /* name of this member when the parent is an object */
    struct str raw;     /* view into the parsed text */
    struct json *first; /* members, in order */
    struct json *next;
};

/* `text` must outlive the nodes. Limits are LIMIT_JSON_DEPTH and LIMIT_JSON_NODES. ERR_BAD_REQUEST, ERR_TOO_BIG. */
NODISCARD int json_parse(struct arena *a, struct str text, struct json **out, struct err *err);
/* A text of our own making: it may have any number of values. */
NODISCARD int json_parse_own(struct arena *a, struct str text, struct json **out, struct err *err);

/* Lookups are NULL-safe: a missing node, or one of another type, gives NULL or the fallback. */
struct json *json_find(const struct json *object, const char *key);
struct json *json_at(const struct json *array, size_t i);
struct str json_text(const struct json *node);                  /* STR_NULL if not a string */
int64_t json_number(const struct json *node, int64_t fallback); /* integers only */
bool json_truth(const struct json *node, bool fallback);
