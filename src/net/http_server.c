/* SPDX-License-Identifier: MIT */
#include "net/http_internal.h"

#include "base/limits.h"
#include "base/mem.h"

#include <sys/resource.h>

/* Descriptors kept for the store, providers, tools and files. */
enum { FILES_KEPT = 128, CONNECTIONS_MIN = 16 };

/* A heartbeat may come early by this part of its time, so that the heartbeats of many streams come together. */
enum { HEARTBEAT_SLACK_PART = 10 };

static size_t connections_allowed(size_t wanted)
{
    struct rlimit files;
    size_t allowed = wanted;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        size_t limit =
            files.rlim_cur > FILES_KEPT + CONNECTIONS_MIN ? (size_t)files.rlim_cur - FILES_KEPT : CONNECTIONS_MIN;

        if (limit < allowed)
            allowed = limit;
    }
    return allowed;
}

static void fill_limits(struct http_server_limits *l)
{
#define FILL(field, row)                                                                                               \
    if (l->field == 0)                                                                                                 \
        l->field = LIMIT_##row;
    FILL(header_ms, HEADER_MS)
    FILL(body_ms, BODY_MS)
    FILL(idle_ms, IDLE_MS)
    FILL(heartbeat_ms, HEARTBEAT_MS)
    FILL(stuck_ms, STREAM_STUCK_MS)
    FILL(body_bytes_per_second, BODY_BYTES_PER_SECOND)
    FILL(body_total_bytes, BODY_TOTAL_BYTES)
    FILL(connections, CONNECTIONS)
    FILL(connections_per_address, CONNECTIONS_PER_ADDRESS)
#undef FILL
    l->connections = connections_allowed(l->connections);
}

static void init_deadlines(struct http_server *s)
{
    const struct http_server_limits *l = &s->o.limits;

    deadlines_init(&s->idle, s->loop, "http.idle", l->idle_ms, http_conn_on_deadline);
    deadlines_init(&s->header, s->loop, "http.header", l->header_ms, http_conn_on_deadline);
    deadlines_init(&s->body, s->loop, "http.body", l->body_ms, http_conn_on_pace);
    deadlines_init(&s->pace, s->loop, "http.pace", l->body_ms < 1000 ? l->body_ms : 1000, http_conn_on_pace);
    deadlines_init(&s->linger, s->loop, "http.linger", HTTP_LINGER_MS, http_conn_on_deadline);
    deadlines_init(&s->silence, s->loop, "http.silence", l->heartbeat_ms, http_stream_on_silence);
    s->silence.slack_ms = l->heartbeat_ms / HEARTBEAT_SLACK_PART;
}

int http_server_new(struct loop *l, const struct http_server_options *o, struct http_server **out, struct err *err)
{
    struct http_server *s = mem_zalloc(sizeof(*s));

    *s = (struct http_server){.loop = l, .o = *o};
    fill_limits(&s->o.limits);
    list_init(&s->conns);
    list_init(&s->listeners);
    http_peers_init(&s->peers, s->o.limits.connections_per_address);
    init_deadlines(s);
    http_log_init(&s->log, l);
    s->http = evhttp_new(loop_base(l));
    if (s->http == NULL) {
        http_server_free(s);
        return err_set(err, ERR_INTERNAL, "cannot make an HTTP server");
    }
    evhttp_set_bevcb(s->http, http_conn_new, s);
    evhttp_set_gencb(s->http, http_conn_request, s);
    evhttp_set_allowed_methods(s->http, UINT16_MAX); /* unknown ones too: the router answers 405 */
    evhttp_set_default_content_type(s->http, NULL);
    /* A second line behind our own limits, which are met first. */
    evhttp_set_max_headers_size(s->http, LIMIT_HEADER_BYTES);
    evhttp_set_max_body_size(s->http, LIMIT_BODY_MESSAGE_BYTES);
    *out = s;
    return 0;
}

void http_server_stop_listening(struct http_server *s)
{
    http_listeners_close(s);
}

size_t http_server_connections(const struct http_server *s)
{
    return s->stats.connections;
}

size_t http_server_streams(const struct http_server *s)
{
    return s->stats.streams;
}

void http_server_stats(const struct http_server *s, struct http_server_stats *out)
{
    *out = s->stats;
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    http_listeners_close(s);
    /* Not evhttp_connection_free() in the loop: what a user does in on_close must not find half of the server gone. */
    LIST_EACH (it, tmp, &s->conns) {
        struct http_conn *c = LIST_ITEM(it, struct http_conn, link);

        if (c->stream != NULL)
            http_stream_closed(c->stream);
    }
    if (s->http != NULL)
        evhttp_free(s->http);
    LIST_EACH (it, tmp, &s->conns)
        http_conn_done(LIST_ITEM(it, struct http_conn, link));
    deadlines_done(&s->idle);
    deadlines_done(&s->header);
    deadlines_done(&s->body);
    deadlines_done(&s->pace);
    deadlines_done(&s->linger);
    deadlines_done(&s->silence);
    http_log_done(&s->log);
    http_peers_done(&s->peers);
    mem_free(s->by_fd);
    mem_free(s);
}
