/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is told of the process, as tables: each field once, with its place in the document, its name
 * for Prometheus, what kind of number it is and what it means. Both writers walk over them.
 */
#include "app/status.h"

enum field_kind {
    FIELD_TEXT,      /* const char *; NULL: none */
    FIELD_STR,       /* struct str */
    FIELD_CHARS,     /* char[] */
    FIELD_BUILD,     /* const char *: for Prometheus a metric of 1 whose label, named by `labels`, tells it */
    FIELD_TIME,      /* int64_t, wall ms; 0: never */
    FIELD_NUMBER,    /* uint64_t, as it is now */
    FIELD_COUNT,     /* uint64_t, only grows */
    FIELD_CPU_MS,    /* uint64_t, only grows */
    FIELD_US,        /* int64_t, a length of time */
    FIELD_MS,        /* int64_t, the same */
    FIELD_RATE,      /* double, per second */
    FIELD_U32,       /* uint32_t */
    FIELD_HISTOGRAM, /* struct histogram_reading */
};

struct status_field {
    const char *path;   /* in the document, its parts separated by dots; what shares a part stands together.
                           NULL: not there */
    const char *metric; /* NULL: not there; rows with the same one stand together */
    const char *labels; /* fixed ones of the metric: end="completed"; NULL: none */
    enum field_kind kind;
    size_t offset;
    const char *help; /* of the metric, in its first row */
};

/* A field of each item that tells it from the others, for Prometheus. */
struct status_label {
    const char *name; /* NULL: the end */
    enum field_kind kind;
    size_t offset;
};

struct status_list {
    const char *path; /* NULL: the fields of struct status itself, at the top of the document */
    struct status_label labels[3];
    const struct status_field *fields;
    size_t n_fields, item_size;
    size_t items, count; /* offsets in struct status */
};

#define STATUS_LISTS 4
extern const struct status_list status_lists[STATUS_LISTS];

/* The items of a list, and how many; for the list without path the status itself. */
const void *status_items(const struct status_list *list, const struct status *s, size_t *n);
