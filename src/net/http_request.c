/* SPDX-License-Identifier: MIT */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"

#include <event2/buffer.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <sys/queue.h>

const char *http_status_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };

    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

void http_target_split(struct str target, struct str *path, struct str *query)
{
    struct str rest = target;
    const char *mark;

    if (rest.n > 0 && rest.p[0] != '/') {
        ptrdiff_t scheme = str_find(rest, STR("://"));

        if (scheme >= 0) {
            rest = str_skip(rest, (size_t)scheme + 3);
            while (rest.n > 0 && rest.p[0] != '/' && rest.p[0] != '?')
                rest = str_skip(rest, 1);
        }
    }
    mark = rest.n > 0 ? memchr(rest.p, '?', rest.n) : NULL;
    *path = mark == NULL ? rest : (struct str){rest.p, (size_t)(mark - rest.p)};
    *query = mark == NULL ? STR_NULL : str_skip(rest, path->n + 1);
    if (path->n == 0)
        *path = STR("/");
}

/* Two names are none. */
static void name_request(struct http_request *r)
{
    struct str id = http_request_header(r, HTTP_ID_HEADER);

    if (id_is_valid(id) && http_request_header_count(r, HTTP_ID_HEADER) == 1) {
        r->id = id.p;
        return;
    }
    http_log_new_id(&r->server->log, r->own_id);
    r->id = r->own_id;
}

struct http_request *http_request_new(struct http_conn *c, struct evhttp_request *ev)
{
    struct http_request *r = mem_zalloc(sizeof(*r));

    *r = (struct http_request){.server = c->server,
                               .conn = c,
                               .ev = ev,
                               .peer = c->peer,
                               .local_port = c->local_port,
                               .began_ms = clock_mono_ms()};
    memcpy(r->method, c->method, sizeof(r->method));
    http_target_split(str_of(evhttp_request_get_uri(ev)), &r->path, &r->query);
    /* It must outlive its connection: the answer may come after the client has left. */
    evhttp_request_own(ev);
    name_request(r);
    return r;
}

void http_request_free(struct http_request *r)
{
    if (r->ev != NULL)
        evhttp_request_free(r->ev);
    if (r->conn != NULL)
        r->conn->request = NULL;
    mem_free(r);
}

/* --- reading --- */

enum http_method http_request_method(const struct http_request *r)
{
    switch (evhttp_request_get_command(r->ev)) {
    case EVHTTP_REQ_GET:
        return HTTP_GET;
    case EVHTTP_REQ_HEAD:
        return HTTP_HEAD;
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    case EVHTTP_REQ_PUT:
        return HTTP_PUT;
    case EVHTTP_REQ_PATCH:
        return HTTP_PATCH;
    case EVHTTP_REQ_DELETE:
        return HTTP_DELETE;
    case EVHTTP_REQ_OPTIONS:
        return HTTP_OPTIONS;
    case EVHTTP_REQ_TRACE:
    case EVHTTP_REQ_CONNECT:
    default:
        return HTTP_OTHER;
    }
}

struct str http_request_method_name(const struct http_request *r)
{
    return str_of(r->method);
}

struct str http_request_path(const struct http_request *r)
{
    return r->path;
}

struct str http_request_query(const struct http_request *r)
{
    return r->query;
}

struct str http_request_header(const struct http_request *r, const char *name)
{
    return str_of(evhttp_find_header(evhttp_request_get_input_headers(r->ev), name));
}

size_t http_request_header_count(const struct http_request *r, const char *name)
{
    const struct evkeyval *header;
    size_t n = 0;

    TAILQ_FOREACH(header, evhttp_request_get_input_headers(r->ev), next)
    n += str_eq_nocase(str_of(header->key), str_of(name));
    return n;
}

struct str http_request_body(const struct http_request *r)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(r->ev);
    size_t n = evbuffer_get_length(body);

    return n == 0 ? STR("") : (struct str){(const char *)evbuffer_pullup(body, -1), n};
}

struct str http_peer_text(const struct http_peer *peer, const char *host)
{
    struct str text = str_of(host);

    if (peer->is_unix)
        return STR("");
    return str_has_prefix(text, STR("::ffff:")) ? str_skip(text, 7) : text;
}

struct str http_request_peer(const struct http_request *r)
{
    return http_peer_text(&r->peer, r->ev->remote_host);
}

bool http_request_is_unix(const struct http_request *r)
{
    return r->peer.is_unix;
}

bool http_request_peer_is_self(const struct http_request *r)
{
    return r->peer.is_self;
}

bool http_request_peer_is_loopback(const struct http_request *r)
{
    return r->peer.is_loopback;
}

uint16_t http_request_local_port(const struct http_request *r)
{
    return r->local_port;
}

const char *http_request_id(const struct http_request *r)
{
    return r->id;
}

void http_request_set_label(struct http_request *r, const struct http_label *label)
{
    r->label = *label;
}

/* --- answering --- */

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    int rc;

    for (const char *p = value; *p != '\0'; p++)
        assert((unsigned char)*p >= 0x20 && *p != 0x7f);
    rc = evhttp_add_header(evhttp_request_get_output_headers(r->ev), name, value);
    assert(rc == 0);
}

static void add_common_headers(struct http_request *r)
{
#define X(name, value) http_reply_header(r, name, value);
    HTTP_COMMON_HEADERS(X)
#undef X
    http_reply_header(r, HTTP_ID_HEADER, r->id);
}

void http_reply(struct http_request *r, int status, struct str content_type, struct str body)
{
    struct evhttp_request *ev = r->ev;
    struct http_conn *c = r->conn;
    bool has_body = status >= 200 && status != 204 && status != 304;
    size_t written;
    char text[128];

    http_log_request(r, status, has_body ? body.n : 0, false);
    if (c == NULL) {
        http_request_free(r);
        return;
    }
    add_common_headers(r);
    if (http_request_method(r) == HTTP_OTHER) /* who knows what else it means by HTTP */
        http_reply_header(r, "Connection", "close");
    if (content_type.n > 0 && str_copy(text, sizeof(text), content_type))
        http_reply_header(r, "Content-Type", text);
    if (has_body) {
        snprintf(text, sizeof(text), "%zu", body.n);
        http_reply_header(r, "Content-Length", text);
        if (body.n > 0 && evhttp_request_get_command(ev) != EVHTTP_REQ_HEAD)
            evbuffer_add(evhttp_request_get_output_buffer(ev), body.p, body.n);
    }
    /* From here on it is evhttp's again: freed with the connection, or after the last byte has left. */
    ev->flags &= ~EVHTTP_USER_OWNED;
    r->ev = NULL;
    http_request_free(r);
    c->phase = CONN_REPLYING;
    evhttp_request_set_on_complete_cb(ev, http_conn_replied, c);
    written = evbuffer_get_length(bufferevent_get_output(c->bev));
    evhttp_send_reply(ev, status, http_status_phrase(status), NULL);
    c->server->stats.bytes_out += evbuffer_get_length(bufferevent_get_output(c->bev)) - written; /* it sends later */
}
