/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include "net/http_client.h"

/* A call and what it brought. Everything runs on the loop of the main thread. */
struct fetch {
    struct rig *rig;
    struct http_client *client;
    struct http_call *call;
    struct buf body;
    struct err err;
    int status, headers_called, ended;
    bool failed;
    enum { KEEP, CANCEL_IN_HEADERS, CANCEL_IN_BODY, CANCEL_IN_END } cancel;
    struct fetch *then;      /* started from on_end */
    struct fetch *meanwhile; /* started from on_body */
    char header[64];
    const char *path;
};

static int open_fetches;

static void start(struct fetch *f, struct http_call_options o);
static void start_path(struct fetch *f);

static void on_headers(void *arg, int status)
{
    struct fetch *f = arg;

    f->headers_called++;
    f->status = status;
    assert_int_equal(http_call_status(f->call), status);
    str_copy(f->header, sizeof(f->header), http_call_header(f->call, "x-of-OURS"));
    assert_null(http_call_header(f->call, "absent").p);
    if (f->cancel == CANCEL_IN_HEADERS) {
        http_call_cancel(f->call);
        f->call = NULL;
    }
}

static void on_body(void *arg, struct str bytes)
{
    struct fetch *f = arg;

    assert_int_equal(f->headers_called, 1);
    buf_add_str(&f->body, bytes);
    if (f->meanwhile != NULL) {
        struct fetch *other = f->meanwhile;

        f->meanwhile = NULL;
        start_path(other); /* from inside the library */
    }
    if (f->cancel == CANCEL_IN_BODY) {
        http_call_cancel(f->call);
        f->call = NULL;
    }
}

static void on_end(void *arg, const struct err *err)
{
    struct fetch *f = arg;

    f->ended++;
    f->failed = err != NULL;
    if (err != NULL)
        f->err = *err;
    if (f->cancel == CANCEL_IN_END)
        http_call_cancel(f->call);
    f->call = NULL;
    if (f->then != NULL)
        start_path(f->then);
    if (--open_fetches == 0)
        loop_stop(f->rig->loop);
}

static void start(struct fetch *f, struct http_call_options o)
{
    struct err err;

    o.on_headers = on_headers;
    o.on_body = on_body;
    o.on_end = on_end;
    o.arg = f;
    open_fetches++;
    f->call = http_call_start(f->client, &o, &err);
    if (f->call == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(f->ended + f->headers_called, 0); /* nothing comes before it returns */
}

static void start_path(struct fetch *f)
{
    char url[128];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", f->rig->port, f->path);
    start(f, (struct http_call_options){.method = "GET", .url = url});
}

static struct fetch fetch_of(struct rig *rig, struct http_client *client, const char *path)
{
    return (struct fetch){.rig = rig, .client = client, .path = path};
}

/* --- the server at the other end --- */

static struct http_stream *held;

static void cut(void *arg UNUSED)
{
    http_stream_abort(held);
}

static void on_held_close(void *arg UNUSED)
{
    held = NULL;
}

static void on_request(void *arg, struct http_request *r)
{
    struct rig *rig = arg;
    struct str path = http_request_path(r);
    const struct http_stream_callbacks cb = {.on_close = on_held_close};
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    http_reply_header(r, "X-Of-Ours", "yes");
    if (str_is(path, "/stream") || str_is(path, "/cut") || str_is(path, "/open")) {
        held = http_reply_stream(r, 200, &cb);
        http_stream_write(held, STR("one "));
        http_stream_write(held, STR("two"));
        if (str_is(path, "/cut"))
            loop_defer(rig->loop, cut, NULL);
        else if (str_is(path, "/stream"))
            http_stream_end(held);
    } else if (str_is(path, "/silent")) {
        *(struct http_request **)rig->data = r;
    } else if (str_is(path, "/headers")) {
        for (int i = 0; i < 100; i++)
            http_reply_header(r, "X-Many", "0123456789012345678901234567890123456789012345678901234567890123");
        http_reply(r, 200, STR(""), STR(""));
    } else {
        struct str type = http_request_header(r, "content-type"), agent = http_request_header(r, "user-agent"),
                   name = http_request_method_name(r), encoding = http_request_header(r, "accept-encoding"),
                   expect = http_request_header(r, "expect"), extra = http_request_header(r, "x-extra");

        buf_addf(&text,
                 "<" STR_FMT " type=" STR_FMT " agent=" STR_FMT " encoding=" STR_FMT " expect=" STR_FMT
                 " extra=" STR_FMT " unix=%d body=" STR_FMT ">",
                 STR_ARG(name), STR_ARG(type), STR_ARG(agent), STR_ARG(encoding), STR_ARG(expect), STR_ARG(extra),
                 http_request_is_unix(r), STR_ARG(http_request_body(r)));
        http_reply(r, str_is(path, "/missing") ? 404 : 200, STR("text/plain"), buf_str(&text));
    }
}

struct stage {
    struct rig rig;
    struct http_client *client;
};

static void stage_open(struct stage *s)
{
    const struct http_server_options o = {.on_request = on_request};

    *s = (struct stage){0};
    held = NULL;
    open_fetches = 0;
    rig_open(&s->rig, &o);
    s->client = http_client_new(s->rig.loop);
}

static void stage_close(struct stage *s)
{
    http_client_free(s->client);
    rig_close(&s->rig);
}

static void stage_run(struct stage *s)
{
    loop_run(s->rig.loop);
    if (s->rig.failure[0] != '\0')
        fail_msg("%s", s->rig.failure);
}

/* --- answers --- */

static void calls_one_after_another_share_a_connection(void **state UNUSED)
{
    struct stage s;

    stage_open(&s);
    for (int i = 0; i < 20; i++) {
        struct fetch f = fetch_of(&s.rig, s.client, i % 2 == 0 ? "/" : "/missing");

        start_path(&f);
        stage_run(&s);
        assert_false(f.failed);
        assert_int_equal(f.status, i % 2 == 0 ? 200 : 404);
        assert_int_equal(f.ended, 1);
        assert_string_equal(f.header, "yes");
        assert_true(rig_has(&f.body, "<GET type= agent=culm/"));
        assert_true(rig_has(&f.body, " encoding= expect= extra= unix=0 body=>"));
        buf_done(&f.body);
    }
    assert_int_equal(http_client_connects(s.client), 1);
    stage_close(&s);
}

static void bodies_and_headers_arrive(void **state UNUSED)
{
    static const char *const headers[] = {"Content-Type: application/json", "X-Extra: e", NULL};
    static const struct {
        const char *method, *body, *expected;
        bool has_headers;
    } rows[] = {
        {"POST", "{}", "<POST type=application/json ", true},
        {"POST", "{}", "<POST type= ", false},
        {"POST", "", "<POST type= ", false},
        {"PUT", "ab", "<PUT type= ", false},
        {"PATCH", "ab", "<PATCH type= ", false},
        {"DELETE", "", "<DELETE type= ", false},
        {"GET", "", "<GET type= ", false},
    };
    struct stage s;
    char url[64], expected[64];

    stage_open(&s);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.rig.port);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fetch f = fetch_of(&s.rig, s.client, NULL);

        start(&f, (struct http_call_options){.method = rows[i].method,
                                             .url = url,
                                             .body = str_of(rows[i].body),
                                             .headers = rows[i].has_headers ? headers : NULL});
        stage_run(&s);
        assert_false(f.failed);
        snprintf(expected, sizeof(expected), "extra=%s unix=0 body=%s>", rows[i].has_headers ? "e" : "", rows[i].body);
        assert_true(rig_has(&f.body, rows[i].expected));
        assert_true(rig_has(&f.body, expected));
        buf_done(&f.body);
    }
    stage_close(&s);
}

static void a_stream_is_followed_to_its_end(void **state UNUSED)
{
    struct stage s;
    struct fetch f, other, next;

    stage_open(&s);
    f = fetch_of(&s.rig, s.client, "/stream");
    other = fetch_of(&s.rig, s.client, "/");
    next = fetch_of(&s.rig, s.client, "/missing");
    f.meanwhile = &other;
    f.then = &next;
    start_path(&f);
    stage_run(&s);
    assert_false(f.failed);
    assert_true(str_is(buf_str(&f.body), "one two"));
    assert_int_equal(other.status, 200);
    assert_int_equal(next.status, 404);
    assert_int_equal(f.ended + other.ended + next.ended, 3);
    buf_done(&f.body);
    buf_done(&other.body);
    buf_done(&next.body);
    stage_close(&s);
}

static void many_calls_run_at_once(void **state UNUSED)
{
    enum { MANY = 200 };
    static struct fetch many[MANY];
    struct stage s;

    stage_open(&s);
    for (int i = 0; i < MANY; i++) {
        many[i] = fetch_of(&s.rig, s.client, i % 3 == 0 ? "/stream" : "/");
        start_path(&many[i]);
    }
    stage_run(&s);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(many[i].ended, 1);
        assert_false(many[i].failed);
        buf_done(&many[i].body);
    }
    stage_close(&s);
}

/* --- ends that are none --- */

static void an_answer_cut_short_is_an_error(void **state UNUSED)
{
    struct stage s;
    struct fetch f;

    stage_open(&s);
    f = fetch_of(&s.rig, s.client, "/cut");
    start_path(&f);
    stage_run(&s);
    assert_true(f.failed);
    assert_int_equal(f.err.code, ERR_NETWORK);
    assert_int_equal(f.status, 200);
    assert_true(str_is(buf_str(&f.body), "one two"));
    assert_non_null(strstr(f.err.text, "127.0.0.1"));
    buf_done(&f.body);
    stage_close(&s);
}

/* A server of one connection that says what it is told and closes, or resets. */
struct raw_server {
    int listener;
    uint16_t port;
    const char *says;
    bool resets;
};

static void *raw_serve(void *arg)
{
    const struct raw_server *raw = arg;
    const struct linger reset = {.l_onoff = 1};
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int fd = accept(raw->listener, NULL, NULL);

    if (fd < 0)
        return NULL;
    rig_hear(fd, "\r\n\r\n", 1, &heard);
    rig_say(fd, raw->says);
    if (raw->resets)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    return NULL;
}

static void broken_answers_are_errors(void **state UNUSED)
{
    static const struct {
        const char *says;
        bool resets;
        enum err_code code;
    } rows[] = {
        {"", false, ERR_NETWORK},
        {"HTTP/1.1 200 OK\r\n", false, ERR_NETWORK},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", false, ERR_NETWORK},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true, ERR_NETWORK},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false, ERR_NETWORK},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", false, ERR_NETWORK},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, ERR_NETWORK},
        {"what", false, ERR_NETWORK},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false, ERR_OK},
        {"HTTP/1.1 200 OK\r\n\r\nup to the close", false, ERR_OK},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", false, ERR_OK},
    };
    struct stage s;

    stage_open(&s);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct raw_server raw = {.says = rows[i].says, .resets = rows[i].resets};
        struct fetch f = fetch_of(&s.rig, s.client, "/");
        struct sockaddr_in sa = {.sin_family = AF_INET};
        socklen_t n = sizeof(sa);
        pthread_t thread;
        char url[64];

        sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        raw.listener = rig_socket(AF_INET);
        assert_int_equal(bind(raw.listener, (struct sockaddr *)&sa, n), 0);
        assert_int_equal(listen(raw.listener, 1), 0);
        getsockname(raw.listener, (struct sockaddr *)&sa, &n);
        pthread_create(&thread, NULL, raw_serve, &raw);
        snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%u/", ntohs(sa.sin_port));
        start(&f, (struct http_call_options){.method = "GET", .url = url});
        stage_run(&s);
        pthread_join(thread, NULL);
        close(raw.listener);
        if (f.err.code != rows[i].code || f.failed != (rows[i].code != ERR_OK) || f.ended != 1)
            fail_msg("row %zu: %d %s", i, (int)f.err.code, f.err.text);
        assert_null(strstr(f.err.text, "secret"));
        if (i == ARRAY_LEN(rows) - 1)
            assert_int_equal(f.status, 201);
        buf_done(&f.body);
    }
    stage_close(&s);
}

static void nobody_there_is_an_error_with_the_host(void **state UNUSED)
{
    struct stage s;
    struct fetch f;

    stage_open(&s);
    http_server_stop_listening(s.rig.server);
    f = fetch_of(&s.rig, s.client, "/");
    start_path(&f);
    stage_run(&s);
    assert_true(f.failed);
    assert_int_equal(f.err.code, ERR_NETWORK);
    assert_true(str_has_prefix(str_of(f.err.text), STR("127.0.0.1: ")));
    stage_close(&s);
}

static void a_total_time_ends_the_call(void **state UNUSED)
{
    struct stage s;
    struct fetch f;
    struct http_request *silent = NULL;
    char url[64];

    stage_open(&s);
    s.rig.data = &silent;
    f = fetch_of(&s.rig, s.client, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/silent", s.rig.port);
    start(&f, (struct http_call_options){.method = "GET", .url = url, .total_ms = 30});
    stage_run(&s);
    assert_true(f.failed);
    assert_int_equal(f.err.code, ERR_TIMEOUT);
    assert_int_equal(f.headers_called, 0);
    if (silent != NULL)
        http_reply(silent, 200, STR(""), STR(""));
    stage_close(&s);
}

static void headers_have_a_cap(void **state UNUSED)
{
    struct stage s;
    struct fetch f;
    char url[64];

    stage_open(&s);
    f = fetch_of(&s.rig, s.client, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/headers", s.rig.port);
    start(&f, (struct http_call_options){.method = "GET", .url = url, .max_header_bytes = 2000});
    stage_run(&s);
    assert_int_equal(f.err.code, ERR_TOO_BIG);
    assert_int_equal(f.headers_called, 0);
    stage_close(&s);
}

/* --- cancelling --- */

static void a_call_may_be_cancelled_from_its_callbacks(void **state UNUSED)
{
    struct stage s;

    for (int where = CANCEL_IN_HEADERS; where <= CANCEL_IN_END; where++) {
        struct fetch f, after;

        stage_open(&s);
        f = fetch_of(&s.rig, s.client, "/stream");
        after = fetch_of(&s.rig, s.client, "/");
        f.cancel = where;
        start_path(&f);
        if (where != CANCEL_IN_END)
            open_fetches--; /* it ends silently */
        start_path(&after);
        stage_run(&s);
        assert_int_equal(after.ended, 1);
        assert_int_equal(f.ended, where == CANCEL_IN_END);
        buf_done(&f.body);
        buf_done(&after.body);
        stage_close(&s);
    }
}

static void cancelled_calls_are_silent(void **state UNUSED)
{
    struct stage s;
    struct fetch f, open, after;

    stage_open(&s);
    f = fetch_of(&s.rig, s.client, "/");
    start_path(&f);
    http_call_cancel(f.call); /* before anything has happened */
    open = fetch_of(&s.rig, s.client, "/open");
    start_path(&open); /* is still open at the end of the client */
    open_fetches = 0;
    after = fetch_of(&s.rig, s.client, "/");
    start_path(&after);
    stage_run(&s);
    assert_int_equal(f.ended + f.headers_called + open.ended, 0);
    stage_close(&s);
    assert_int_equal(open.ended, 0);
    buf_done(&after.body);
    buf_done(&open.body);
}

/* --- options --- */

static void a_unix_socket_is_spoken_to(void **state UNUSED)
{
    char folder[] = "/tmp/test_http_client_XXXXXX", path[64];
    struct stage s;
    struct fetch f;
    struct err err;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    stage_open(&s);
    assert_int_equal(http_server_listen_unix(s.rig.server, path, &err), 0);
    f = fetch_of(&s.rig, s.client, NULL);
    start(&f, (struct http_call_options){.method = "GET", .url = "http://culm/", .unix_socket = path});
    stage_run(&s);
    assert_false(f.failed);
    assert_true(rig_has(&f.body, "unix=1"));
    buf_done(&f.body);
    stage_close(&s);
    rmdir(folder);
}

static void wrong_options_are_told_at_once(void **state UNUSED)
{
    static const char *const urls[] = {"", "nonsense", "ftp://x/", "file:///etc/passwd", "http://", "http://a b/"};
    static const char *const bad[] = {"A: b\r\nC: d", NULL};
    struct stage s;
    struct err err;

    stage_open(&s);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        const struct http_call_options o = {.method = "GET", .url = urls[i]};

        if (http_call_start(s.client, &o, &err) != NULL)
            fail_msg("%s", urls[i]);
        assert_int_equal(err.code, ERR_BAD_REQUEST);
    }
    assert_null(http_call_start(
        s.client, &(struct http_call_options){.method = "GET", .url = "http://x/", .headers = bad}, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_one_after_another_share_a_connection),
        cmocka_unit_test(bodies_and_headers_arrive),
        cmocka_unit_test(a_stream_is_followed_to_its_end),
        cmocka_unit_test(many_calls_run_at_once),
        cmocka_unit_test(an_answer_cut_short_is_an_error),
        cmocka_unit_test(broken_answers_are_errors),
        cmocka_unit_test(nobody_there_is_an_error_with_the_host),
        cmocka_unit_test(a_total_time_ends_the_call),
        cmocka_unit_test(headers_have_a_cap),
        cmocka_unit_test(a_call_may_be_cancelled_from_its_callbacks),
        cmocka_unit_test(cancelled_calls_are_silent),
        cmocka_unit_test(a_unix_socket_is_spoken_to),
        cmocka_unit_test(wrong_options_are_told_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
