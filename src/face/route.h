/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Routes as one table: method, places under which the path is mounted, path with at most two
 * parameters in braces, the wire struct of its body, the function that answers. Pure.
 */
#include "base/record.h"
#include "net/http.h"

struct exchange;

enum { AT_API = 1, AT_V1 = 2, AT_ROOT = 4 }; /* /api/v1, /v1, / */

enum {
    ROUTE_PUBLIC = 1,     /* wants no credential */
    ROUTE_LARGE_BODY = 2, /* carries messages: LIMIT_BODY_MESSAGE_BYTES */
    ROUTE_KEYED = 4,      /* takes an Idempotency-Key: its reply depends on the request and struct reply alone, and what
                             it refuses for what is there now goes by exchange_refuse() or exchange_refuse_by() */
};

struct route {
    enum http_method method;
    unsigned places;
    const char *path;
    void (*handle)(struct exchange *x);
    unsigned flags;
    const struct record *body; /* NULL: takes none, and ignores what is sent */
};

struct route_found {
    const struct route *route; /* NULL: no such path, or not with this method */
    unsigned methods;          /* bit per enum http_method that the path has; 0: no such path */
    struct route_parameter {
        struct str value; /* raw; STR_NULL: the path has none */
        struct str name;
    } first, second;
};

/* The values of the parameters in a path that fits, raw, each with a '/' behind it. */
void route_write_parameters(const struct route *r, struct str path, struct buf *out);
/* HEAD finds the route of GET. The first row that fits wins. */
struct route_found route_find(const struct route *routes, size_t n, enum http_method method, struct str path);
const char *route_method_name(enum http_method method);
void route_write_path(const struct route *r, struct buf *out); /* where it is mounted first, from the root on */
/* "GET, HEAD, POST" for the Allow header. */
void route_write_methods(unsigned methods, struct buf *out);
