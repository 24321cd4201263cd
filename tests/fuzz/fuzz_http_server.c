/* SPDX-License-Identifier: MIT */
/*
 * The whole server, from the socket to the handler. The input is what one connection sends, in one piece or two (the
 * first byte says where it is cut). The framing policy alone says which requests it holds; the server must hand over
 * these and no others, each with its own method, target and body: whatever the HTTP library makes of the bytes, nobody
 * gets a request served that another reader would not see.
 */
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "check.h"
#include "net/http.h"
#include "net/http_policy.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS = 64, INPUT_BYTES = 8 * 1024, IDLE_TURNS = 8 };

/* ---- what the policy says ---- */

struct expected {
    struct str method, target;
    struct buf body;
};

static struct expected expected[REQUESTS];
static size_t n_expected, n_served;

/* The data of a chunked body that is known to be whole. */
static void join_chunks(struct str body, struct buf *out)
{
    for (;;) {
        size_t n = 0;

        while (http_hex_value(body.p[0]) >= 0) {
            n = n * 16 + (size_t)http_hex_value(body.p[0]);
            body = str_skip(body, 1);
        }
        if (n == 0)
            return;
        buf_add(out, body.p + 2, n);
        body = str_skip(body, 2 + n + 2);
    }
}

/* Length of the body, -1: not all of it is there, or it is refused. */
static ptrdiff_t take_body(const struct http_head *head, struct str rest, struct buf *out)
{
    struct http_chunks chunks = {0};
    size_t used;

    if (!head->is_chunked) {
        if (head->content_length > rest.n)
            return -1;
        buf_add(out, rest.p, (size_t)head->content_length);
        return (ptrdiff_t)head->content_length;
    }
    if (http_chunks_feed(&chunks, rest, &used) != HTTP_CHUNKS_END)
        return -1;
    join_chunks(rest, out);
    return (ptrdiff_t)used;
}

static void expect_requests(struct str bytes)
{
    n_expected = 0;
    while (n_expected < REQUESTS) {
        struct expected *e = &expected[n_expected];
        size_t end = http_head_end(bytes, 0);
        struct http_head head;
        const char *why;
        ptrdiff_t body;

        buf_clear(&e->body);
        if (end == 0 || http_head_check((struct str){bytes.p, end}, &head, &why) != 0)
            return;
        e->method = head.method;
        e->target = head.target;
        bytes = str_skip(bytes, end);
        body = take_body(&head, bytes, &e->body);
        if (body < 0)
            return;
        bytes = str_skip(bytes, (size_t)body);
        n_expected++;
    }
}

/* ---- what the server does ---- */

static struct loop *loop;
static struct http_server *server;
static char name[HTTP_UNNAMED_SOCKET];

static void on_request(void *arg UNUSED, struct http_request *r)
{
    const struct expected *e = &expected[n_served];
    struct str query = http_request_query(r), path = http_request_path(r);

    CHECK(n_served < n_expected);
    CHECK(str_eq(http_request_method_name(r), e->method));
    CHECK(str_is(path, "/") || str_find(e->target, path) >= 0);
    CHECK(query.p == NULL || str_find(e->target, query) >= 0);
    CHECK(str_eq(http_request_body(r), buf_str(&e->body)));
    n_served++;
    http_reply(r, 200, STR("text/plain"), STR("ok"));
}

static void start(void)
{
    const struct http_server_options o = {.on_request = on_request};
    struct err err;

    log_set_level(LOG_LEVEL_ERROR);
    CHECK(loop_new(&loop, &err) == 0);
    CHECK(http_server_new(loop, &o, &server, &err) == 0);
    CHECK(http_server_listen_unnamed(server, name, &err) == 0);
}

static int dial(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t n = strlen(name);

    CHECK(fd >= 0);
    memcpy(sa.sun_path + 1, name + 1, n - 1); /* an abstract name begins with a NUL, written as '@' */
    CHECK(connect(fd, (const struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == 0);
    return fd;
}

static struct buf heard;

/* True: something came, or the end. */
static bool hear(int fd, bool *is_over)
{
    size_t before = heard.n;
    char part[4096];
    ssize_t n;

    while ((n = recv(fd, part, sizeof(part), 0)) > 0)
        buf_add(&heard, part, (size_t)n);
    *is_over = *is_over || n == 0;
    return heard.n > before;
}

/* "HTTP/1.1 200 OK"; our sentences speak of the protocol too, and 100 is no answer. */
static bool is_answer(struct str s)
{
    return s.n > 12 && s.p[8] == ' ' && s.p[9] >= '2' && s.p[9] <= '5';
}

/* The library answers in HTML, and under no name. */
static void check_answers(void)
{
    struct str rest = buf_str(&heard);
    size_t answers = 0, names = 0;
    ptrdiff_t at;

    CHECK(str_find(rest, STR("<HTML>")) < 0);
    for (; (at = str_find(rest, STR("X-Request-Id: "))) >= 0; names++)
        rest = str_skip(rest, (size_t)at + 1);
    rest = buf_str(&heard);
    for (; (at = str_find(rest, STR("HTTP/1."))) >= 0; rest = str_skip(rest, (size_t)at + 1))
        answers += is_answer(str_skip(rest, (size_t)at));
    CHECK(answers == names && answers >= n_served);
}

/* Until nothing happens any more: all of it is in this thread. */
static void turn(int fd, bool *is_over)
{
    for (int idle = 0; idle < IDLE_TURNS && !*is_over; idle++) {
        size_t before = n_served;

        event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
        if (hear(fd, is_over) || n_served != before)
            idle = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_over = false;
    struct str bytes;
    size_t cut;
    int fd;

    if (size == 0 || size > INPUT_BYTES)
        return 0;
    if (server == NULL)
        start();
    bytes = (struct str){(const char *)data + 1, size - 1};
    cut = data[0] % (bytes.n + 1);
    expect_requests(bytes);
    n_served = 0;
    buf_clear(&heard);
    fd = dial();
    if (cut > 0) {
        CHECK(send(fd, bytes.p, cut, MSG_NOSIGNAL) == (ssize_t)cut);
        turn(fd, &is_over);
    }
    if (!is_over && cut < bytes.n && send(fd, bytes.p + cut, bytes.n - cut, MSG_NOSIGNAL) > 0)
        turn(fd, &is_over);
    CHECK(is_over || n_served == n_expected);
    check_answers();
    close(fd);
    while (http_server_connections(server) > 0)
        event_base_loop(loop_base(loop), EVLOOP_ONCE);
    return 0;
}
