/* SPDX-License-Identifier: MIT */
#include "face/stand_http.h"

#include "base/mem.h"
#include "base/str.h"

struct http_stream {
    struct http_request *req;
    struct http_stream_callbacks cb;
    bool room;
};

/* ---- a request ---- */

static void add_header(struct http_request *r, struct str line)
{
    struct str value = line, name;

    if (!str_next(&value, ':', &name) || name.n == 0)
        return;
    assert(r->n_headers < STAND_HEADERS);
    buf_add_str(&r->names[r->n_headers], str_trim(name));
    buf_add_str(&r->values[r->n_headers], str_trim(value));
    r->n_headers++;
}

static enum http_method method_of(struct str name)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(name, names[i]))
            return (enum http_method)i;
    return HTTP_OTHER;
}

struct http_request *stand_request_new(const char *line, const char *headers, const char *body)
{
    struct http_request *r = mem_zalloc(sizeof(*r));
    struct str rest = str_of(line), method, path, header;

    r->peer_is_loopback = true;
    str_next(&rest, ' ', &method);
    str_next(&rest, '?', &path);
    r->method = method_of(method);
    buf_add_str(&r->path, path);
    buf_add_str(&r->query, rest);
    rest = str_of(headers);
    while (str_next(&rest, '\n', &header))
        add_header(r, header);
    r->body = str_of(body);
    return r;
}

void stand_request_free(struct http_request *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        buf_done(&r->names[i]);
        buf_done(&r->values[i]);
    }
    buf_done(&r->path);
    buf_done(&r->query);
    buf_done(&r->headers);
    buf_done(&r->reply);
    buf_done(&r->label);
    mem_free(r->stream);
    mem_free(r);
}

/* ---- what a client does and sees ---- */

void stream_set_room(struct http_request *req, bool room)
{
    req->stream->room = room;
    if (room)
        req->stream->cb.on_room(req->stream->cb.arg);
}

void stream_leave(struct http_request *req)
{
    req->stream->cb.on_close(req->stream->cb.arg);
}

void stream_be_silent(struct http_request *req)
{
    req->stream->cb.on_silence(req->stream->cb.arg);
}

const char *stand_body(const struct http_request *req)
{
    return buf_str(&req->reply).p;
}

const char *stand_header(const struct http_request *req, const char *name)
{
    static char value[256];
    struct str rest = buf_str(&req->headers), line, key;

    while (str_next(&rest, '\n', &line)) {
        if (str_next(&line, ':', &key) && str_eq_nocase(key, str_of(name))) {
            str_copy(value, sizeof(value), str_trim(line));
            return value;
        }
    }
    return NULL;
}

const char *stand_label(const struct http_request *req)
{
    return req->label.n == 0 ? "" : req->label.p;
}

/* ---- doubles of net/http.h ---- */

enum http_method http_request_method(const struct http_request *r)
{
    return r->method;
}

struct str http_request_path(const struct http_request *r)
{
    return buf_str(&r->path);
}

struct str http_request_query(const struct http_request *r)
{
    return buf_str(&r->query);
}

struct str http_request_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_eq_nocase(buf_str(&r->names[i]), str_of(name)))
            return buf_str(&r->values[i]);
    return STR_NULL;
}

size_t http_request_header_count(const struct http_request *r, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_headers; i++)
        n += str_eq_nocase(buf_str(&r->names[i]), str_of(name));
    return n;
}

struct str http_request_body(const struct http_request *r)
{
    return r->body;
}

bool http_request_is_unix(const struct http_request *r)
{
    return r->is_unix;
}

bool http_request_peer_is_self(const struct http_request *r)
{
    return r->peer_is_self;
}

bool http_request_peer_is_loopback(const struct http_request *r)
{
    return r->peer_is_loopback;
}

uint16_t http_request_local_port(const struct http_request *r UNUSED)
{
    return 9562;
}

const char *http_request_id(const struct http_request *r UNUSED)
{
    return "r-1";
}

void http_request_set_label(struct http_request *r, const struct http_label *label)
{
    buf_clear(&r->label);
    buf_addf(&r->label, "route=%s session=" STR_FMT " run=" STR_FMT " code=%s",
             label->route == NULL ? "-" : label->route, STR_ARG(label->session), STR_ARG(label->run),
             label->code == NULL ? "-" : label->code);
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    assert(r->status == 0);
    buf_addf(&r->headers, "%s: %s\n", name, value);
}

void http_reply(struct http_request *r, int status, struct str content_type, struct str body)
{
    assert(r->status == 0 && status != 0); /* every request is answered exactly once */
    r->status = status;
    buf_addf(&r->headers, "Content-Type: " STR_FMT "\n", STR_ARG(content_type));
    buf_add_str(&r->reply, body);
}

struct http_stream *http_reply_stream(struct http_request *r, int status, const struct http_stream_callbacks *cb)
{
    assert(r->status == 0);
    r->status = status;
    if (r->method == HTTP_HEAD)
        return NULL;
    r->stream = mem_zalloc(sizeof(*r->stream));
    *r->stream = (struct http_stream){.req = r, .cb = *cb, .room = true};
    return r->stream;
}

bool http_stream_write(struct http_stream *s, struct str bytes)
{
    assert(!s->req->ended && !s->req->aborted);
    buf_add_str(&s->req->reply, bytes);
    return s->room;
}

bool http_stream_has_room(const struct http_stream *s)
{
    return s->room;
}

void http_stream_end(struct http_stream *s)
{
    assert(!s->req->ended);
    s->req->ended = true;
}

void http_stream_abort(struct http_stream *s)
{
    s->req->aborted = true;
}
