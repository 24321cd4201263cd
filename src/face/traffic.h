/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What went through the face: answers by route and class of status, how long they took, who was
 * refused at the door, what was streamed. It is kept per row of the route table, never by path, so
 * its size is fixed whatever is asked. Plain increments; loop thread only.
 */
#include "base/err.h"
#include "base/histogram.h"
#include "face/route.h"

/* Why the door refuses. What is wrong with the framing does not get here. X(error code, its wire name) */
#define DOOR_REFUSALS(X)                                                                                               \
    X(MISDIRECTED, "misdirected_request")                                                                              \
    X(FORBIDDEN, "forbidden")                                                                                          \
    X(UNAUTHORIZED, "unauthorized")                                                                                    \
    X(MEDIA_TYPE, "unsupported_media_type")
enum door_refusal {
#define X(code, wire) DOOR_REFUSED_##code,
    DOOR_REFUSALS(X)
#undef X
        DOOR_REFUSAL_COUNT
};

enum { STATUS_CLASSES = 5 }; /* 1xx to 5xx */

struct route_traffic {
    uint64_t by_class[STATUS_CLASSES];
    struct histogram duration; /* from the whole request to its answer, or to the head of its stream */
};

struct traffic {
    const struct route *table;
    size_t n_routes;
    struct route_traffic *routes; /* one per row; the last is for what has no route */
    uint64_t refused[DOOR_REFUSAL_COUNT];
    uint64_t events, event_bytes; /* sent on event streams; heartbeats are bytes only */
};

void traffic_init(struct traffic *t, const struct route *table, size_t n);
void traffic_done(struct traffic *t);
void traffic_answered(struct traffic *t, const struct route *route, int status, int64_t took_us); /* NULL: no route */
void traffic_refused(struct traffic *t, enum err_code code);

/* One row as it may be shown. */
struct route_reading {
    const char *method; /* "other" where there is no route, as `path` */
    char path[80];      /* the pattern, from the root on */
    uint64_t by_class[STATUS_CLASSES];
    struct histogram_reading duration;
};
size_t traffic_rows(const struct traffic *t);
bool traffic_read(const struct traffic *t, size_t row, struct route_reading *out); /* false: nothing was asked there */
