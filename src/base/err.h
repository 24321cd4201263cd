/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Typed errors. What can fail returns 0 (or a count) or a negative code and fills the
 * caller's `struct err`, which may be NULL. One table gives each code its wire name, its
 * HTTP status and whether the same request may succeed later; only faces use that mapping.
 */
#include "base/base.h"

/* X(code, wire name, HTTP status, retry helps) */
#define ERR_CODES(X)                                                                                                   \
    X(BAD_REQUEST, "bad_request", 400, false)                                                                          \
    X(UNAUTHORIZED, "unauthorized", 401, false)                                                                        \
    X(FORBIDDEN, "forbidden", 403, false)                                                                              \
    X(NOT_FOUND, "not_found", 404, false)                                                                              \
    X(METHOD, "method_not_allowed", 405, false)                                                                        \
    X(CONFLICT, "conflict", 409, false)                                                                                \
    X(GONE, "gone", 410, false)                                                                                        \
    X(PRECONDITION, "precondition_failed", 412, false)                                                                 \
    X(TOO_BIG, "too_large", 413, false)                                                                                \
    X(MEDIA_TYPE, "unsupported_media_type", 415, false)                                                                \
    X(MISDIRECTED, "misdirected_request", 421, false)                                                                  \
    X(PRECONDITION_REQUIRED, "precondition_required", 428, false)                                                      \
    X(TOO_MANY, "too_many_requests", 429, true)                                                                        \
    X(INTERNAL, "internal", 500, false)                                                                                \
    X(UNSUPPORTED, "not_implemented", 501, false)                                                                      \
    X(UNAVAILABLE, "unavailable", 503, true)                                                                           \
    X(STORAGE, "storage_unavailable", 503, true)                                                                       \
    X(REFUSED, "append_refused", 503, true)                                                                            \
    X(LOCKED, "locked", 503, true)                                                                                     \
    X(CORRUPT, "corrupt", 500, false)                                                                                  \
    X(VERSION, "version", 500, false)                                                                                  \
    X(IO, "io", 500, true)                                                                                             \
    X(NETWORK, "network", 502, true)                                                                                   \
    X(TIMEOUT, "timeout", 504, true)                                                                                   \
    X(CANCELLED, "cancelled", 499, false)

enum err_code {
    ERR_OK = 0,
#define X(code, wire, http, retry) ERR_##code,
    ERR_CODES(X)
#undef X
};

struct err {
    enum err_code code;
    int sys; /* errno, SQLite or CURL code where one exists, else 0 */
    char text[240];
};

/* Both return -code so that a failing function is one statement. `err` may be NULL. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF(3, 4);
int err_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...) PRINTF(4, 5); /* adds strerror(sys) */
int err_wrap(struct err *err, const char *fmt, ...)
    PRINTF(2, 3); /* puts context before the text; returns the code again */

const char *err_wire_name(enum err_code code);
int err_http_status(enum err_code code);
bool err_retry_helps(enum err_code code);
