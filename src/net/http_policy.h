/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a request must look like before the HTTP library may act on it (RFC 9112, read strictly).
 * Works on the raw bytes, so that nothing is judged by what a parser made of them. Pure: no I/O,
 * no allocation. Refused are all ways in which two readers could see two different messages.
 */
#include "base/base.h"

/* Views into the checked block. */
struct http_head {
    struct str method, target;
    bool is_http10;
    bool is_chunked;
    uint64_t content_length; /* 0 when absent */
};

/* Length of the head with its empty line; 0: not complete. `from` is the length already searched in vain. */
size_t http_head_end(struct str bytes, size_t from);
/* 0 and *out, or the status to refuse with and *why, a sentence. `head` is what http_head_end() measured. */
NODISCARD int http_head_check(struct str head, struct http_head *out, const char **why);

/* Follows a chunked body: where it ends, how large it is, whether it is well-formed. No trailers, no extensions. */
struct http_chunks {
    uint64_t body_bytes; /* of the chunks announced so far */
    uint64_t left;       /* of the chunk at hand */
    uint8_t state, digits;
};
enum http_chunks_next { HTTP_CHUNKS_MORE, HTTP_CHUNKS_END, HTTP_CHUNKS_BAD };
/* *used: bytes that belong to the body; what follows an end is the next request. */
enum http_chunks_next http_chunks_feed(struct http_chunks *c, struct str bytes, size_t *used);

static inline int http_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
