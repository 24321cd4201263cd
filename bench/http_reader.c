/* SPDX-License-Identifier: MIT */
#include "http_reader.h"

#include "base/str.h"

#include <stdlib.h>

enum { HEAD_BYTES_MAX = 64 * 1024, STATUS_AT = sizeof("HTTP/1.1 ") - 1 };

void http_reader_done(struct http_reader *r)
{
    buf_done(&r->head);
}

int http_reader_status(const struct http_reader *r)
{
    return strlen(r->first_line) > STATUS_AT ? (int)strtol(r->first_line + STATUS_AT, NULL, 10) : 0;
}

/* The value of "Name: value", or nothing. */
static struct str header_value(struct str line, struct str name)
{
    if (line.n <= name.n || line.p[name.n] != ':' || !str_eq_nocase((struct str){line.p, name.n}, name))
        return STR_NULL;
    return str_trim(str_skip(line, name.n + 1));
}

static void read_head(struct http_reader *r, struct str head)
{
    struct str line, value;

    r->is_chunked = false;
    r->left = 0;
    str_next(&head, '\n', &line);
    str_copy(r->first_line, sizeof(r->first_line), str_trim(line));
    while (str_next(&head, '\n', &line)) {
        value = header_value(line, STR("Content-Length"));
        if (value.n > 0 && !str_to_u64(value, &r->left))
            r->left = 0;
        value = header_value(line, STR("Transfer-Encoding"));
        if (value.n > 0)
            r->is_chunked = true;
    }
    r->state = r->is_chunked ? READER_CHUNK_SIZE : READER_BODY;
}

/* How much of `bytes` belongs to the head; 0: it goes on. */
static size_t head_end(struct str bytes)
{
    const char *end = memmem(bytes.p, bytes.n, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - bytes.p) + 4;
}

/* False: the head is not complete. */
static bool take_head(struct http_reader *r, struct str *bytes)
{
    size_t before = r->head.n, end;

    if (before == 0) {
        end = head_end(*bytes);
        if (end > 0) {
            read_head(r, (struct str){bytes->p, end});
            *bytes = str_skip(*bytes, end);
            return true;
        }
    }
    buf_add_str(&r->head, *bytes);
    end = head_end(buf_str(&r->head));
    if (end == 0) {
        *bytes = STR_NULL;
        return false;
    }
    read_head(r, (struct str){r->head.p, end});
    *bytes = str_skip(*bytes, end - before);
    buf_clear(&r->head);
    return true;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Up to the end of the line that tells the size of a chunk. False: the line goes on. */
static bool take_size(struct http_reader *r, struct str *bytes)
{
    while (bytes->n > 0) {
        char c = bytes->p[0];

        *bytes = str_skip(*bytes, 1);
        if (c == '\n') {
            r->state = r->left > 0 ? READER_CHUNK : READER_LAST_END;
            return true;
        }
        if (hex_value(c) >= 0)
            r->left = r->left * 16 + (uint64_t)hex_value(c);
    }
    return false;
}

/* The empty line behind a chunk. */
static bool take_line_end(struct str *bytes)
{
    while (bytes->n > 0) {
        char c = bytes->p[0];

        *bytes = str_skip(*bytes, 1);
        if (c == '\n')
            return true;
    }
    return false;
}

static struct str take_body(struct http_reader *r, struct str *bytes)
{
    struct str body = {bytes->p, bytes->n < r->left ? bytes->n : (size_t)r->left};

    r->left -= body.n;
    *bytes = str_skip(*bytes, body.n);
    return body;
}

enum http_next http_reader_next(struct http_reader *r, struct str *bytes, struct str *body)
{
    for (;;) {
        if (r->state == READER_BODY && r->left == 0) {
            r->state = READER_HEAD;
            return HTTP_END;
        }
        if (bytes->n == 0)
            return HTTP_MORE;
        switch (r->state) {
        case READER_HEAD:
            if (!take_head(r, bytes) && r->head.n > HEAD_BYTES_MAX)
                return HTTP_BAD;
            break;
        case READER_BODY:
            *body = take_body(r, bytes);
            return HTTP_BODY;
        case READER_CHUNK_SIZE:
            take_size(r, bytes);
            break;
        case READER_CHUNK:
            *body = take_body(r, bytes);
            if (r->left == 0)
                r->state = READER_CHUNK_END;
            return HTTP_BODY;
        case READER_CHUNK_END:
            if (take_line_end(bytes))
                r->state = READER_CHUNK_SIZE;
            break;
        case READER_LAST_END:
            if (!take_line_end(bytes))
                break;
            r->state = READER_HEAD;
            return HTTP_END;
        }
    }
}
