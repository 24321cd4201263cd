/* SPDX-License-Identifier: MIT */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/socket.h>

/* A watcher that does not read keeps at most this much of ours in the kernel. */
enum { SEND_BUFFER_BYTES = 128 * 1024, UNSENT_BYTES = 32 * 1024 };

struct http_stream {
    struct http_conn *conn;
    struct http_stream_callbacks cb;
    struct deadline silence;
    int64_t began_ms;
    uint64_t bytes;
    const char *end; /* why it ended */
    bool is_chunked;
    bool is_ending; /* closes once the rest has left */
    bool is_lost;   /* the socket is dead; on_close is on its way */
    char id[];      /* of the request */
};

/* --- the end --- */

static void release(struct http_stream *s)
{
    s->conn->stream = NULL;
    s->conn->server->stats.streams--;
    deadline_stop(&s->silence);
    LOG_DEBUG("http.stream_end", log_text("request", s->id), log_text("end", s->end),
              log_int("ms", clock_mono_ms() - s->began_ms), log_uint("bytes", s->bytes));
    mem_free(s);
}

void http_stream_closed(struct http_stream *s)
{
    struct http_stream_callbacks cb = s->cb;
    int64_t began;

    if (cb.on_close == NULL) {
        release(s);
        return;
    }
    /* Still there for the callback: the user may end or abort what is already lost. */
    s->cb = (struct http_stream_callbacks){0};
    s->is_lost = true;
    began = watch_begin();
    cb.on_close(cb.arg);
    watch_end(s->conn->server->loop, began, "http.stream.close");
    release(s);
}

static void on_later_lost(void *arg)
{
    struct http_conn *c = arg;

    http_stream_closed(c->stream);
    http_conn_close(c);
}

static void on_event(struct bufferevent *bev UNUSED, short what, void *arg)
{
    struct http_conn *c = arg;

    if ((what & BEV_EVENT_TIMEOUT) != 0) {
        c->server->stats.stuck++;
        c->stream->end = "stuck";
    }
    on_later_lost(c);
}

void http_stream_abort(struct http_stream *s)
{
    struct http_conn *c = s->conn;

    if (s->is_lost && s->cb.on_close == NULL)
        return; /* from inside on_close */
    s->end = "cut";
    release(s);
    http_conn_close(c);
}

/* --- writing --- */

static void send_buffered(struct http_stream *s, struct iovec *iov, size_t n, size_t sent)
{
    struct evbuffer *output = bufferevent_get_output(s->conn->bev);

    for (size_t i = 0; i < n; i++) {
        size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;

        sent -= skip;
        if (skip < iov[i].iov_len) /* adding nothing would still allocate */
            evbuffer_add(output, (char *)iov[i].iov_base + skip, iov[i].iov_len - skip);
    }
    /* Enabled only while there is a rest: an enabled write event costs two system calls per write. */
    if (evbuffer_get_length(output) > 0)
        bufferevent_enable(s->conn->bev, EV_WRITE);
}

static void put(struct http_stream *s, struct iovec *iov, size_t n)
{
    struct http_conn *c = s->conn;
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent = 0;

    if (s->is_lost)
        return;
    for (size_t i = 0; i < n; i++) {
        c->server->stats.bytes_out += iov[i].iov_len;
        s->bytes += iov[i].iov_len;
    }
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) {
        do
            sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            s->is_lost = true;
            defer_start(c->server->loop, &c->later, "http.lost", on_later_lost, c);
            return;
        }
    }
    send_buffered(s, iov, n, sent > 0 ? (size_t)sent : 0);
}

static void put_text(struct http_stream *s, struct str text)
{
    struct iovec iov = {(void *)(uintptr_t)text.p, text.n};

    put(s, &iov, 1);
}

bool http_stream_has_room(const struct http_stream *s)
{
    return !s->is_lost && evbuffer_get_length(bufferevent_get_output(s->conn->bev)) == 0;
}

bool http_stream_write(struct http_stream *s, struct str bytes)
{
    char size[24];
    int n;

    if (bytes.n == 0 || s->is_lost)
        return http_stream_has_room(s);
    if (s->is_chunked) {
        n = snprintf(size, sizeof(size), "%zx\r\n", bytes.n);
        put(s,
            (struct iovec[]){{size, (size_t)n}, {(void *)(uintptr_t)bytes.p, bytes.n}, {(void *)(uintptr_t)"\r\n", 2}},
            3);
    } else {
        put_text(s, bytes);
    }
    if (s->silence.in != NULL)
        deadline_start(&s->silence, &s->conn->server->silence);
    return http_stream_has_room(s);
}

static void finish(struct http_stream *s)
{
    struct http_conn *c = s->conn;

    s->end = "done";
    release(s);
    http_conn_linger(c);
}

void http_stream_end(struct http_stream *s)
{
    if (s->is_lost) {
        http_stream_abort(s);
        return;
    }
    s->cb = (struct http_stream_callbacks){0};
    deadline_stop(&s->silence);
    s->is_ending = true;
    if (s->is_chunked)
        put_text(s, STR("0\r\n\r\n"));
    if (http_stream_has_room(s))
        finish(s);
}

static void on_drained(struct bufferevent *bev, void *arg)
{
    struct http_conn *c = arg;
    struct http_stream *s = c->stream;
    int64_t began;

    bufferevent_disable(bev, EV_WRITE);
    if (s->is_ending) {
        finish(s);
    } else if (s->cb.on_room != NULL && !s->is_lost) {
        began = watch_begin();
        s->cb.on_room(s->cb.arg);
        watch_end(c->server->loop, began, "http.stream.room");
    }
}

static void on_read(struct bufferevent *bev, void *arg UNUSED)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    evbuffer_drain(input, evbuffer_get_length(input)); /* nothing is asked on a connection that streams */
}

void http_stream_on_silence(struct deadline *d)
{
    struct http_stream *s = CONTAINER_OF(d, struct http_stream, silence);
    struct loop *l = s->conn->server->loop;
    int64_t began = watch_begin();

    deadline_start(d, &s->conn->server->silence);
    s->cb.on_silence(s->cb.arg);
    watch_end(l, began, "http.stream.silence");
}

/* --- the start --- */

static void write_head(const struct http_request *r, int status, bool is_chunked, struct buf *out)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(r->ev);
    const struct evkeyval *header;

    buf_addf(out, "HTTP/1.1 %d %s\r\n", status, http_status_phrase(status));
    if (evhttp_find_header(headers, "Content-Type") == NULL)
        buf_add_str(out, STR("Content-Type: text/event-stream; charset=utf-8\r\n"));
    buf_add_str(out, STR("Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"));
    /* A stream is the last answer of its connection: a client that kept it for the next request would lose that one. */
    buf_add_str(out, STR("Connection: close\r\n"));
    if (is_chunked)
        buf_add_str(out, STR("Transfer-Encoding: chunked\r\n"));
#define X(name, value) buf_add_str(out, STR(name ": " value "\r\n"));
    HTTP_COMMON_HEADERS(X)
#undef X
    buf_addf(out, HTTP_ID_HEADER ": %s\r\n", r->id);
    TAILQ_FOREACH(header, headers, next)
    buf_addf(out, "%s: %s\r\n", header->key, header->value);
    buf_add_str(out, STR("\r\n"));
}

/* Everything evhttp keeps of the request but the object itself. */
static void shrink(struct evhttp_request *ev)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(ev);

    evhttp_clear_headers(evhttp_request_get_input_headers(ev));
    evhttp_clear_headers(evhttp_request_get_output_headers(ev));
    evbuffer_drain(body, evbuffer_get_length(body));
}

static void tune_socket(const struct http_conn *c)
{
    const int send_buffer = SEND_BUFFER_BYTES, unsent = UNSENT_BYTES;

    if (setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)) != 0 ||
        (!c->peer.is_unix && setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent)) != 0))
        LOG_DEBUG("http.stream_tune", log_text("error", strerror(errno)));
}

struct http_stream *http_reply_stream(struct http_request *r, int status, const struct http_stream_callbacks *cb)
{
    struct http_conn *c = r->conn;
    struct evhttp_request *ev = r->ev;
    struct buf head CLEANUP(buf_done) = BUF_INIT;
    struct http_stream *s;

    http_log_request(r, status, 0, true);
    if (c == NULL) {
        http_request_free(r);
        return NULL;
    }
    s = mem_zalloc(sizeof(*s) + strlen(r->id) + 1);
    *s = (struct http_stream){
        .conn = c, .cb = *cb, .began_ms = r->began_ms, .end = "left", .is_chunked = ev->major == 1 && ev->minor >= 1};
    str_copy(s->id, strlen(r->id) + 1, str_of(r->id));
    deadline_init(&s->silence);
    write_head(r, status, s->is_chunked, &head);
    shrink(ev);
    ev->flags &= ~EVHTTP_USER_OWNED; /* evhttp frees it with the connection */
    r->ev = NULL;
    http_request_free(r);

    http_conn_take(c, CONN_STREAM);
    http_conn_uncharge(c);
    c->stream = s;
    c->server->stats.streams++;
    evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->watch);
    c->watch = NULL;
    tune_socket(c);
    on_read(c->bev, c);
    /* The write timeout, set when the connection was opened, is the one for a stuck stream; there is none for reading.
     */
    bufferevent_setcb(c->bev, on_read, on_drained, on_event, c);
    bufferevent_enable(c->bev, EV_READ);
    put_text(s, buf_str(&head));
    if (evhttp_request_get_command(ev) == EVHTTP_REQ_HEAD) {
        s->cb = (struct http_stream_callbacks){0};
        s->is_chunked = false; /* a head alone: not even the end of a body follows */
        http_stream_end(s);
        return NULL;
    }
    if (s->cb.on_silence != NULL)
        deadline_start(&s->silence, &c->server->silence);
    return s;
}
