/* SPDX-License-Identifier: MIT */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <event2/buffer.h>
#include <event2/http_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FULL_LOG_MS = 10 * 1000 };

/* --- opening --- */

/*
 * evhttp accepts, and tells of a new connection only by asking for its bufferevent, which has no
 * socket yet. So the connection is looked at after evhttp has set it up, still in the same turn
 * of the loop and so before any byte of it is read. evhttp passes its connection as the argument
 * of the bufferevent's callbacks; the extra reference tells a connection it gave up on by the
 * callbacks being gone.
 */
static bool find_connection(struct http_conn *c)
{
    bufferevent_data_cb reading = NULL;
    void *evcon = NULL;

    bufferevent_getcb(c->bev, &reading, NULL, NULL, &evcon);
    c->fd = bufferevent_getfd(c->bev);
    if (reading == NULL || c->fd < 0)
        return false;
    bufferevent_decref(c->bev);
    c->evcon = evcon;
    assert(evhttp_connection_get_bufferevent(c->evcon) == c->bev);
    return true;
}

static void on_closed(struct evhttp_connection *evcon UNUSED, void *arg)
{
    struct http_conn *c = arg;
    struct http_server *s = c->server;

    if (c->watch != NULL)
        evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->watch);
    if (c->request != NULL)
        c->request->conn = NULL;
    if (c->stream != NULL)
        http_stream_closed(c->stream);
    deadline_stop(&c->deadline);
    defer_stop(&c->later);
    http_conn_uncharge(c);
    http_peers_remove(&s->peers, &c->peer);
    s->by_fd[c->fd] = NULL;
    s->stats.connections--;
    list_remove(&c->link);
    buf_done(&c->head);
    mem_free(c);
}

static void identify(struct http_conn *c)
{
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof(sa);
    struct ucred peer = {0};

    if (getsockname(c->fd, (struct sockaddr *)&sa, &n) == 0) {
        if (sa.ss_family == AF_INET)
            c->local_port = ntohs(((struct sockaddr_in *)&sa)->sin_port);
        else if (sa.ss_family == AF_INET6)
            c->local_port = ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
    }
    n = sizeof(sa);
    if (getpeername(c->fd, (struct sockaddr *)&sa, &n) != 0)
        return; /* reset already: no family, so neither loopback nor self */
    http_peer_of((struct sockaddr *)&sa, &c->peer);
    n = sizeof(peer);
    if (c->peer.is_unix && getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0)
        c->peer.is_self = peer.uid == geteuid() || peer.uid == 0;
}

static void on_later_close(void *arg)
{
    struct http_conn *c = arg;

    evhttp_connection_free(c->evcon); /* calls on_closed() */
}

void http_conn_close(struct http_conn *c)
{
    http_conn_take(c, CONN_LINGER);
    defer_start(c->server->loop, &c->later, "http.close", on_later_close, c);
}

static const struct {
    int status;
    const char *code;
} refusals[] = {
#define X(name, status, wire) [HTTP_REFUSED_##name] = {status, wire},
    HTTP_REFUSALS(X)
#undef X
};

static enum http_refusal refusal_of(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (refusals[i].status == status)
            return (enum http_refusal)i;
    return HTTP_REFUSED_FRAMING;
}

static void write_refusal(const struct http_conn *c, const char *id, int status, const char *why)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT, text CLEANUP(buf_done) = BUF_INIT;

    buf_addf(&body, "{\"error\":{\"message\":\"%s\",\"type\":\"api_error\",\"code\":\"%s\"},\"request_id\":\"%s\"}",
             why, refusals[refusal_of(status)].code, id);
    buf_addf(&text, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n",
             status, http_status_phrase(status), body.n);
    if (status == 503)
        buf_add_str(&text, STR("Retry-After: 1\r\n"));
#define X(name, value) buf_add_str(&text, STR(name ": " value "\r\n"));
    HTTP_COMMON_HEADERS(X)
#undef X
    buf_addf(&text, HTTP_ID_HEADER ": %s\r\n", id);
    buf_addf(&text, "\r\n%s", strcmp(c->method, "HEAD") == 0 ? "" : body.p);
    /* Some hundred bytes into an empty socket; if they do not fit, the close says enough. */
    if (send(c->fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
    c->server->stats.bytes_out += text.n;
}

static struct str peer_of(const struct http_conn *c)
{
    char *host = NULL;
    uint16_t port;

    evhttp_connection_get_peer(c->evcon, &host, &port);
    return http_peer_text(&c->peer, host);
}

static bool admit(struct http_conn *c)
{
    struct http_server *s = c->server;
    bool has_slot = http_peers_add(&s->peers, &c->peer);
    int64_t now = clock_mono_ms();
    char id[HTTP_ID_TEXT];

    if (has_slot && s->stats.connections <= s->o.limits.connections)
        return true;
    s->stats.turned_away++;
    if (!has_slot)
        c->peer.address_len = 0; /* not counted, so not to be taken off either */
    http_log_new_id(&s->log, id);
    if (s->full_logged_ms == 0 || now - s->full_logged_ms > FULL_LOG_MS) {
        LOG_WARN("http.full", log_text("request", id), log_uint("connections", s->stats.connections),
                 log_text("limit", has_slot ? "all" : "address"), log_str("peer", peer_of(c)));
        s->full_logged_ms = now;
    }
    write_refusal(c, id, 503, "Too many connections.");
    http_conn_close(c);
    return false;
}

static void on_later_open(void *arg)
{
    struct http_conn *c = arg;
    struct http_server *s = c->server;
    struct timeval stuck = {.tv_sec = s->o.limits.stuck_ms / 1000, .tv_usec = s->o.limits.stuck_ms % 1000 * 1000};
    const int on = 1;
    size_t cap = s->by_fd_cap;

    if (!find_connection(c)) {
        http_conn_done(c);
        return;
    }
    s->by_fd = mem_grow(s->by_fd, &s->by_fd_cap, (size_t)c->fd + 1, sizeof(struct http_conn *));
    for (; cap < s->by_fd_cap; cap++)
        s->by_fd[cap] = NULL;
    s->by_fd[c->fd] = c;
    evhttp_connection_set_closecb(c->evcon, on_closed, c);
    identify(c);
    if (!admit(c))
        return;
    if (!c->peer.is_unix && setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        LOG_DEBUG("http.nodelay", log_int("fd", c->fd));
    /* Writing only, and armed only while something waits to be written. Reading has deadlines of its own. */
    bufferevent_set_timeouts(c->bev, NULL, &stuck);
    c->watch = evbuffer_add_cb(bufferevent_get_input(c->bev), http_conn_on_input, c);
    c->phase = CONN_IDLE;
    deadline_start(&c->deadline, &s->idle);
}

struct bufferevent *http_conn_new(struct event_base *base, void *server)
{
    struct http_server *s = server;
    struct http_conn *c = mem_zalloc(sizeof(*c));

    *c = (struct http_conn){.server = s, .fd = -1, .phase = CONN_NEW};
    c->bev = bufferevent_socket_new(base, -1, 0);
    bufferevent_incref(c->bev);
    deadline_init(&c->deadline);
    defer_init(&c->later);
    list_add_tail(&s->conns, &c->link);
    s->stats.connections++;
    s->stats.accepted++;
    defer_start(s->loop, &c->later, "http.open", on_later_open, c);
    return c->bev;
}

void http_conn_done(struct http_conn *c)
{
    assert(c->phase == CONN_NEW);
    bufferevent_decref(c->bev);
    defer_stop(&c->later);
    list_remove(&c->link);
    c->server->stats.connections--;
    mem_free(c);
}

/* --- taking over, refusing, closing --- */

void http_conn_uncharge(struct http_conn *c)
{
    c->server->body_charged -= c->charged;
    c->charged = 0;
}

void http_conn_take(struct http_conn *c, enum http_conn_phase phase)
{
    bufferevent_setcb(c->bev, NULL, NULL, NULL, NULL);
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    http_conn_hold(c, false);
    deadline_stop(&c->deadline);
    buf_done(&c->head);
    c->taken_bytes = 0;
    c->phase = (uint8_t)phase;
}

static void on_linger_read(struct bufferevent *bev, void *arg UNUSED)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_linger_event(struct bufferevent *bev UNUSED, short what UNUSED, void *arg)
{
    http_conn_close(arg);
}

/* Closing with unread input resets the connection and may destroy the answer on its way (RFC 9112 section 9.6). */
void http_conn_linger(struct http_conn *c)
{
    http_conn_take(c, CONN_LINGER);
    http_conn_uncharge(c);
    shutdown(c->fd, SHUT_WR);
    on_linger_read(c->bev, c);
    bufferevent_setcb(c->bev, on_linger_read, NULL, on_linger_event, c);
    bufferevent_set_timeouts(c->bev, NULL, NULL);
    bufferevent_enable(c->bev, EV_READ);
    deadline_start(&c->deadline, &c->server->linger);
}

static void on_later_refuse(void *arg)
{
    struct http_conn *c = arg;
    char id[HTTP_ID_TEXT];

    http_log_new_id(&c->server->log, id);
    http_log_refusal(&c->server->log, id, c->status, c->refusal, peer_of(c));

    /* Something of evhttp's own in the buffer would be torn in two by an answer of ours. */
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0) {
        http_conn_close(c);
        return;
    }
    write_refusal(c, id, c->status, c->refusal);
    http_conn_linger(c);
}

/* Called from the input buffer's callback too: evhttp, whose turn would be next, must not see what was refused. */
void http_conn_refuse(struct http_conn *c, int status, const char *why)
{
    http_conn_take(c, CONN_REFUSED);
    c->server->stats.refused[refusal_of(status)]++;
    c->status = (uint16_t)status;
    c->refusal = why;
    defer_start(c->server->loop, &c->later, "http.refuse", on_later_refuse, c);
}

void http_conn_on_deadline(struct deadline *d)
{
    struct http_conn *c = CONTAINER_OF(d, struct http_conn, deadline);

    if (c->phase == CONN_HEAD)
        http_conn_refuse(c, 408, "The header block took too long.");
    else
        http_conn_close(c);
}

void http_conn_on_pace(struct deadline *d)
{
    struct http_conn *c = CONTAINER_OF(d, struct http_conn, deadline);
    const struct http_server_limits *l = &c->server->o.limits;
    int64_t took_ms = clock_mono_ms() - c->body_began_ms;

    if (c->phase != CONN_BODY)
        http_conn_close(c);
    else if (took_ms <= l->body_ms + (int64_t)(c->body_seen * 1000 / l->body_bytes_per_second))
        deadline_start(d, &c->server->pace);
    else
        http_conn_refuse(c, 408, "The body took too long.");
}

/* --- the request in the user's hands --- */

/* evhttp_send_error() would leave our headers away. */
static void refuse_framing(struct http_server *s, struct evhttp_request *ev)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(ev);
    char id[HTTP_ID_TEXT];

    http_log_new_id(&s->log, id);
    LOG_WARN("http.framing", log_message("two readers of one request disagree; refused"), log_text("request", id));
    s->stats.refused[HTTP_REFUSED_FRAMING]++;
    evhttp_add_header(headers, HTTP_ID_HEADER, id);
    evhttp_add_header(headers, "Connection", "close");
    evhttp_send_reply(ev, 400, http_status_phrase(400), NULL);
}

void http_conn_request(struct evhttp_request *ev, void *server)
{
    struct http_server *s = server;
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(ev));
    evutil_socket_t fd = bufferevent_getfd(bev);
    struct http_conn *c = fd >= 0 && (size_t)fd < s->by_fd_cap ? s->by_fd[fd] : NULL;
    int64_t began;

    /* evhttp sees the end of a request where the policy does not: one of them is wrong, and neither is to be trusted.
     */
    if (c == NULL || c->bev != bev || c->phase != CONN_READY) {
        refuse_framing(s, ev);
        return;
    }
    deadline_stop(&c->deadline);
    c->phase = CONN_HANDLING;
    c->request = http_request_new(c, ev);
    began = watch_begin();
    s->o.on_request(s->o.arg, c->request);
    watch_end(s->loop, began, "http.request");
}

void http_conn_replied(struct evhttp_request *ev UNUSED, void *conn)
{
    struct http_conn *c = conn;
    size_t ahead = evbuffer_get_length(bufferevent_get_input(c->bev));

    http_conn_uncharge(c);
    c->phase = CONN_IDLE;
    deadline_start(&c->deadline, &c->server->idle);
    if (ahead > 0)
        http_conn_read(c, ahead); /* has been read already, so no input event will tell of it */
    if (c->phase == CONN_HEAD)
        http_conn_take_head(c); /* for what was read already evhttp does not ask the watermark */
}
