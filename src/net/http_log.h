/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The access log, and the names of requests. Part of struct http_server. What a stranger can cause at will, refusals
 * and failures, is limited to LIMIT_LOG_LINES_PER_SECOND each; one line a second later says how many were held back.
 */
#include "base/log_limit.h"
#include "net/http.h"

#define HTTP_ID_HEADER "X-Request-Id"
#define HTTP_ID_TEXT 32 /* of a name made here, with its end */

struct http_log {
    struct timer *tell; /* armed while something was held back and not told */
    struct log_limit refused, failed;
    uint64_t last; /* number of the last name */
    char boot[9];  /* what the names of one life begin with */
};

void http_log_init(struct http_log *l, struct loop *loop);
void http_log_done(struct http_log *l);
void http_log_new_id(struct http_log *l, char out[HTTP_ID_TEXT]);

/* One answered request. `bytes` of the body; of a stream nothing is known yet. */
void http_log_request(const struct http_request *r, int status, size_t bytes, bool is_stream);
/* What never became a request. */
void http_log_refusal(struct http_log *l, const char *id, int status, const char *why, struct str peer);
