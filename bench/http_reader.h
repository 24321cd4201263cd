/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Reads HTTP/1.1 messages, requests and replies alike, as our server, libcurl and the stand-in
 * write them: a head, then a body by Content-Length, in chunks, or none. Bodies are handed out as
 * they come, without a copy. Not a parser for strangers.
 */
#include "base/buf.h"

enum http_reader_state {
    READER_HEAD,
    READER_BODY,
    READER_CHUNK_SIZE,
    READER_CHUNK,
    READER_CHUNK_END,
    READER_LAST_END,
};

struct http_reader {
    enum http_reader_state state;
    bool is_chunked;
    uint64_t left;        /* of the body or the chunk */
    char first_line[256]; /* "HTTP/1.1 200 OK" or "GET / HTTP/1.1"; valid from the first HTTP_BODY or HTTP_END on */
    struct buf head;      /* what has come of a head that came in parts */
};

enum http_next { HTTP_MORE, HTTP_BODY, HTTP_END, HTTP_BAD };

/* A zeroed reader is ready; after HTTP_END it is ready for the next message. */
void http_reader_done(struct http_reader *r);
/* Takes from *bytes. MORE: all are taken. BODY: *body is a part of it. END: the message is whole. */
enum http_next http_reader_next(struct http_reader *r, struct str *bytes, struct str *body);
int http_reader_status(const struct http_reader *r);
