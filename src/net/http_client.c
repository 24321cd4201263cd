/* SPDX-License-Identifier: MIT */
#include "net/http_client.h"

#include "base/list.h"
#include "base/mem.h"
#include "net/curl_library.h"
#include "net/loop_internal.h"

#include <event2/event.h>

#ifndef CULM_VERSION
#define CULM_VERSION "dev"
#endif

enum { CONNECT_MS = 10 * 1000, HEADER_BYTES_MAX = 64 * 1024, IDLE_CONNECTIONS = 1024, KEEPALIVE_S = 30 };

static const struct curl_library *curl; /* once there is a call */

struct http_client {
    struct loop *loop;
    CURLM *multi; /* NULL: no call was made yet */
    struct timer *timer;
    struct list calls;    /* all of them */
    struct defer tidy;    /* starts and cancels that came from inside curl */
    unsigned inside_curl; /* curl's own functions must not be called back then */
    uint64_t connects;
};

struct http_call {
    struct list link;
    struct http_client *client;
    struct http_call_options o; /* the pointers into it are not kept, but for callbacks */
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    char *host;
    size_t header_bytes;
    bool is_added;     /* to the multi handle */
    bool is_cancelled; /* no callback any more; freed as soon as curl lets go */
    bool is_ending;    /* in on_end */
    bool has_headers;  /* on_headers was called */
    bool is_counted;   /* its connection */
    bool is_too_big;   /* headers */
    char reason[CURL_ERROR_SIZE];
};

/* --- the end of a call --- */

static void call_free(struct http_call *call)
{
    if (call->is_added)
        curl->multi_remove_handle(call->client->multi, call->easy);
    if (call->easy != NULL)
        curl->easy_cleanup(call->easy);
    curl->slist_free_all(call->headers);
    list_remove(&call->link);
    mem_free(call->body);
    mem_free(call->host);
    mem_free(call);
}

static void count_connects(struct http_call *call)
{
    long n = 0;

    if (!call->is_counted && curl->easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &n) == CURLE_OK)
        call->client->connects += (uint64_t)n;
    call->is_counted = true;
}

/* The text comes from curl and names hosts and ports, never the URL, which may hold credentials. */
static int result_of(const struct http_call *call, CURLcode code, struct err *err)
{
    const char *reason = call->reason[0] != '\0' ? call->reason : curl->easy_strerror(code);

    if (code == CURLE_OK && call->has_headers)
        return 0;
    if (code == CURLE_OK) /* curl is content with headers that just stop */
        err_set(err, ERR_NETWORK, "%s: the answer ended within its headers", call->host);
    else if (call->is_too_big)
        err_set(err, ERR_TOO_BIG, "%s: the headers of the answer are too large", call->host);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        err_set(err, ERR_TIMEOUT, "%s: %s", call->host, reason);
    else
        err_set(err, ERR_NETWORK, "%s: %s", call->host, reason);
    err->sys = (int)code;
    return -(int)err->code;
}

static void finish(struct http_call *call, CURLcode code)
{
    struct err err = {0};
    int rc = result_of(call, code, &err);
    int64_t began;

    count_connects(call);
    if (!call->is_cancelled && call->o.on_end != NULL) {
        call->is_ending = true;
        began = watch_begin();
        call->o.on_end(call->o.arg, rc < 0 ? &err : NULL);
        watch_end(call->client->loop, began, "http_client.end");
    }
    call_free(call);
}

static void add_to_multi(struct http_call *call)
{
    CURLMcode rc = curl->multi_add_handle(call->client->multi, call->easy);

    assert(rc == CURLM_OK); /* the handle is new and sound: only memory could be missing */
    call->is_added = true;
}

static void on_tidy(void *arg)
{
    struct http_client *c = arg;

    LIST_EACH (it, tmp, &c->calls) {
        struct http_call *call = LIST_ITEM(it, struct http_call, link);

        if (call->is_cancelled)
            call_free(call);
        else if (!call->is_added)
            add_to_multi(call);
    }
}

/* --- what comes --- */

static size_t on_header_line(char *p, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    size_t bytes = size * n;
    long status = 0;
    int64_t began;

    if (call->is_cancelled)
        return 0;
    call->header_bytes += bytes;
    if (call->header_bytes > call->o.max_header_bytes) {
        call->is_too_big = true;
        return 0;
    }
    /* The empty line, but neither that of a 1xx answer nor the one behind trailers. */
    if (call->has_headers || bytes > 2 || (p[0] != '\r' && p[0] != '\n') ||
        curl->easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status < 200)
        return bytes;
    call->has_headers = true;
    count_connects(call);
    if (call->o.on_headers != NULL) {
        began = watch_begin();
        call->o.on_headers(call->o.arg, (int)status);
        watch_end(call->client->loop, began, "http_client.headers");
    }
    return call->is_cancelled ? 0 : bytes;
}

static size_t on_body_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    size_t bytes = size * n;
    int64_t began;

    if (call->is_cancelled)
        return 0;
    if (call->o.on_body != NULL) {
        began = watch_begin();
        call->o.on_body(call->o.arg, (struct str){p, bytes});
        watch_end(call->client->loop, began, "http_client.body");
    }
    return call->is_cancelled ? 0 : bytes;
}

int http_call_status(const struct http_call *call)
{
    long status = 0;

    return curl->easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? (int)status : 0;
}

struct str http_call_header(const struct http_call *call, const char *name)
{
    struct curl_header *header;

    if (curl->easy_header(call->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return STR_NULL;
    return str_of(header->value);
}

uint64_t http_client_connects(const struct http_client *c)
{
    return c->connects;
}

/* --- curl and the loop --- */

static void take_results(struct http_client *c)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl->multi_info_read(c->multi, &left)) != NULL) {
        char *self = NULL;
        CURLcode code = msg->data.result;

        /* What the user does in on_end may free other calls, so nothing is kept across it. */
        if (msg->msg == CURLMSG_DONE && curl->easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &self) == CURLE_OK)
            finish((struct http_call *)(void *)self, code);
    }
}

static void drive(struct http_client *c, curl_socket_t fd, int events)
{
    int running;

    c->inside_curl++;
    curl->multi_socket_action(c->multi, fd, events, &running);
    c->inside_curl--;
    take_results(c);
}

static void on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
    drive(arg, fd, ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
    drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int want_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *arg, void *event)
{
    struct http_client *c = arg;
    struct event *old = event, *new;
    short kind = (short)(((what & CURL_POLL_IN) ? EV_READ : 0) | ((what & CURL_POLL_OUT) ? EV_WRITE : 0) | EV_PERSIST);

    if (old != NULL)
        event_free(old);
    if (what == CURL_POLL_REMOVE) {
        curl->multi_assign(c->multi, fd, NULL);
        return 0;
    }
    new = event_new(loop_base(c->loop), fd, kind, on_socket_ready, c);
    event_add(new, NULL);
    curl->multi_assign(c->multi, fd, new);
    return 0;
}

static int want_timer(CURLM *multi UNUSED, long ms, void *arg)
{
    struct http_client *c = arg;

    if (ms < 0)
        timer_stop(c->timer);
    else
        timer_start(c->timer, ms);
    return 0;
}

struct http_client *http_client_new(struct loop *l)
{
    struct http_client *c = mem_zalloc(sizeof(*c));

    list_init(&c->calls);
    defer_init(&c->tidy);
    c->loop = l;
    c->timer = timer_new(l, "http_client", on_timer, c);
    return c;
}

/* What the first call of a client needs. */
static int make_ready(struct http_client *c, struct err *err)
{
    if (c->multi != NULL)
        return 0;
    curl = curl_library_load(err);
    if (curl == NULL)
        return -ERR_UNSUPPORTED;
    c->multi = curl->multi_init();
    curl->multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl->multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl->multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl->multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl->multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    return 0;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    assert(c->inside_curl == 0);
    defer_stop(&c->tidy);
    LIST_EACH (it, tmp, &c->calls)
        call_free(LIST_ITEM(it, struct http_call, link));
    if (c->multi != NULL)
        curl->multi_cleanup(c->multi);
    timer_free(c->timer);
    mem_free(c);
}

/* --- the start of a call --- */

/* The host alone, for messages. */
static int check_url(struct http_call *call, const char *url, struct err *err)
{
    CURLU *parts = curl->url();
    char *host = NULL, *scheme = NULL;
    int rc = 0;

    if (url == NULL || curl->url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl->url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl->url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        rc = err_set(err, ERR_BAD_REQUEST, "the URL cannot be read; it must be like https://host/path");
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        rc = err_set(err, ERR_BAD_REQUEST, "the URL of %s must begin with http:// or https://", host);
    else
        call->host = mem_strdup(host);
    curl->free(host);
    curl->free(scheme);
    curl->url_cleanup(parts);
    return rc;
}

static void add_header(struct http_call *call, const char *line)
{
    call->headers = curl->slist_append(call->headers, line);
}

static int set_headers(struct http_call *call, const char *const *lines, struct err *err)
{
    bool has_type = false;

    for (; lines != NULL && *lines != NULL; lines++) {
        for (const char *p = *lines; *p != '\0'; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                return err_set(err, ERR_BAD_REQUEST, "a request header holds a control character");
        has_type = has_type || str_eq_nocase((struct str){*lines, strnlen(*lines, 13)}, STR("content-type:"));
        add_header(call, *lines);
    }
    add_header(call, "Expect:"); /* curl would wait a second for a 100 that many servers never send */
    if (!has_type)
        add_header(call, "Content-Type:"); /* curl would say it is a form */
    curl->easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    return 0;
}

static void set_method(struct http_call *call, const char *method, struct str body)
{
    CURL *e = call->easy;
    bool is_get = strcmp(method, "GET") == 0;

    if (strcmp(method, "HEAD") == 0) {
        curl->easy_setopt(e, CURLOPT_NOBODY, 1L);
        return;
    }
    if (body.n > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0) {
        call->body = mem_strndup(body.n > 0 ? body.p : "", body.n);
        curl->easy_setopt(e, CURLOPT_POST, 1L);
        curl->easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        curl->easy_setopt(e, CURLOPT_POSTFIELDS, call->body);
    }
    if (!is_get || body.n > 0)
        curl->easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
}

static void set_options(struct http_call *call, const struct http_call_options *o)
{
    CURL *e = call->easy;

    curl->easy_setopt(e, CURLOPT_PRIVATE, call);
    curl->easy_setopt(e, CURLOPT_ERRORBUFFER, call->reason);
    curl->easy_setopt(e, CURLOPT_URL, o->url);
    curl->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(e, CURLOPT_USERAGENT, "culm/" CULM_VERSION);
    curl->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    /* Else the end of a call waits, and the loop with it, for a name server that does not answer its thread. */
    curl->easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl->easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl->easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl->easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl->easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    curl->easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    curl->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_ms > 0 ? o->connect_ms : CONNECT_MS));
    curl->easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)o->total_ms);
    curl->easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header_line);
    curl->easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body_bytes);
    curl->easy_setopt(e, CURLOPT_WRITEDATA, call);
    if (o->unix_socket != NULL && o->unix_socket[0] == '@')
        curl->easy_setopt(e, CURLOPT_ABSTRACT_UNIX_SOCKET, o->unix_socket + 1);
    else if (o->unix_socket != NULL)
        curl->easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
}

struct http_call *http_call_start(struct http_client *c, const struct http_call_options *o, struct err *err)
{
    struct http_call *call;

    if (make_ready(c, err) < 0)
        return NULL;
    call = mem_zalloc(sizeof(*call));
    *call = (struct http_call){.client = c, .o = *o};
    if (call->o.max_header_bytes == 0)
        call->o.max_header_bytes = HEADER_BYTES_MAX;
    list_add_tail(&c->calls, &call->link);
    call->easy = curl->easy_init();
    if (check_url(call, o->url, err) < 0 || set_headers(call, o->headers, err) < 0) {
        call_free(call);
        return NULL;
    }
    set_options(call, o);
    set_method(call, o->method, o->body);
    /* Adding only arms a timer, but curl must not be entered twice. */
    if (c->inside_curl > 0)
        defer_start(c->loop, &c->tidy, "http_client.tidy", on_tidy, c);
    else
        add_to_multi(call);
    return call;
}

void http_call_cancel(struct http_call *call)
{
    struct http_client *c = call->client;

    if (call->is_ending)
        return; /* freed when on_end returns */
    if (c->inside_curl == 0) {
        call_free(call);
        return;
    }
    call->is_cancelled = true;
    defer_start(c->loop, &c->tidy, "http_client.tidy", on_tidy, c);
}
