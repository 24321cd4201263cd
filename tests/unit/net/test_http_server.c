/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <sys/stat.h>

static void answer(struct http_request *r)
{
    struct str path = http_request_path(r);
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    if (str_is(path, "/echo")) {
        http_reply(r, 200, STR("application/octet-stream"), http_request_body(r));
    } else if (str_is(path, "/none")) {
        http_reply(r, 204, STR(""), STR(""));
    } else if (str_is(path, "/large")) {
        buf_reserve(&text, 3 * 1024 * 1024);
        while (text.n < 3 * 1024 * 1024)
            buf_add_str(&text, STR("0123456789abcdef"));
        http_reply(r, 200, STR("text/plain"), buf_str(&text));
    } else {
        struct str query = http_request_query(r), name = http_request_method_name(r), peer = http_request_peer(r);

        buf_addf(&text,
                 "<" STR_FMT " %d " STR_FMT " " STR_FMT " a=%zu peer=" STR_FMT " unix=%d self=%d near=%d port=%u>",
                 STR_ARG(name), (int)http_request_method(r), STR_ARG(path), STR_ARG(query),
                 http_request_header_count(r, "A"), STR_ARG(peer), http_request_is_unix(r),
                 http_request_peer_is_self(r), http_request_peer_is_loopback(r), http_request_local_port(r));
        http_reply_header(r, "X-Of-Ours", "yes");
        http_reply(r, 200, STR("text/plain"), buf_str(&text));
    }
}

static void on_request(void *arg UNUSED, struct http_request *r)
{
    answer(r);
}

static const struct http_server_options plain = {.on_request = on_request};

/* --- requests and answers --- */

static void ask_for_headers(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    char port[16];

    CHECK(rig, rig_ask(rig, "GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nA: 1\r\na: 2\r\nConnection: close\r\n\r\n", &heard));
    CHECK(rig, str_has_prefix(buf_str(&heard), STR("HTTP/1.1 200 OK\r\n")));
    CHECK(rig, rig_has(&heard, "\r\nX-Content-Type-Options: nosniff\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nX-Frame-Options: DENY\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nReferrer-Policy: no-referrer\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nX-Of-Ours: yes\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nContent-Type: text/plain\r\n"));
    CHECK(rig, !rig_has(&heard, "\r\nServer:"));
    CHECK(rig, rig_has(&heard, "<GET 0 /a%20b c=d a=2 peer=127.0.0.1 unix=0 self=0 near=1 port="));
    snprintf(port, sizeof(port), "port=%u>", rig->port);
    CHECK(rig, rig_has(&heard, port));
    CHECK(rig, rig_ask(rig, "GET http://x?c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "<GET 0 / c a=0 "));
}

static void answers_carry_the_common_headers(void **state UNUSED)
{
    rig_run(&plain, ask_for_headers, NULL);
}

static void use_one_connection(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int fd = rig_dial(rig);

    for (size_t i = 1; i <= 50; i++) {
        CHECK(rig, rig_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n<a>"));
        CHECK(rig, rig_hear(fd, "\r\n\r\n<a>", i, &heard));
    }
    CHECK(rig, rig_say(fd, "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    CHECK(rig, rig_hear_all(fd, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 204 No Content\r\n"));
    close(fd);
    CHECK(rig, rig_ask(rig, "GET / HTTP/1.0\r\nHost: x\r\n\r\n", &heard)); /* closes by itself */
    CHECK(rig, rig_has(&heard, "<GET 0 / "));
}

static void one_connection_serves_many_requests(void **state UNUSED)
{
    rig_run(&plain, use_one_connection, NULL);
}

static void send_ahead(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT, text CLEANUP(buf_done) = BUF_INIT;
    struct str rest;
    int fd;

    for (int i = 0; i < 40; i++)
        buf_addf(&text,
                 "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n<%03d>"
                 "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n<%d\r\n1\r\n>\r\n0\r\n\r\n",
                 2 * i, i % 10);
    buf_add_str(&text, STR("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    /* Whole, and in pieces that cut everything somewhere. */
    for (size_t piece = text.n; piece > 0; piece = piece > 97 ? 97 : piece > 1 ? 1 : 0) {
        buf_clear(&heard);
        fd = rig_dial(rig);
        for (rest = buf_str(&text); rest.n > 0; rest = str_skip(rest, piece))
            CHECK(rig, rig_say_bytes(fd, rest.p, rest.n < piece ? rest.n : piece));
        CHECK(rig, rig_hear_all(fd, &heard));
        close(fd);
        CHECK(rig, count_text(&heard, "HTTP/1.1 200 OK\r\n") == 81);
        for (int i = 0; i < 40; i++) {
            char both[2][16];

            snprintf(both[0], sizeof(both[0]), "\r\n\r\n<%03d>", 2 * i);
            snprintf(both[1], sizeof(both[1]), "\r\n\r\n<%d>", i % 10);
            CHECK(rig, rig_has(&heard, both[0]));
            CHECK(rig, rig_has(&heard, both[1]));
        }
        CHECK(rig, rig_has(&heard, "<GET 0 /last "));
    }
}

static void requests_sent_ahead_are_answered_in_order(void **state UNUSED)
{
    rig_run(&plain, send_ahead, NULL);
}

static void send_bad_ahead(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;

    CHECK(rig, rig_ask(rig,
                       "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"
                       "GET /three HTTP/1.1\r\nHost: x\r\n\r\n",
                       &heard));
    CHECK(rig, rig_has(&heard, "<GET 0 /one "));
    CHECK(rig, count_text(&heard, "HTTP/1.1 ") == 2);
    CHECK(rig, rig_has(&heard, "HTTP/1.1 400 "));
}

static void a_bad_request_sent_ahead_ends_the_connection(void **state UNUSED)
{
    rig_run(&plain, send_bad_ahead, NULL);
}

static void use_all_methods(struct rig *rig)
{
    static const struct {
        const char *name;
        enum http_method method;
    } rows[] = {{"GET", HTTP_GET},       {"POST", HTTP_POST},       {"PUT", HTTP_PUT},     {"PATCH", HTTP_PATCH},
                {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS}, {"TRACE", HTTP_OTHER}, {"BREW", HTTP_OTHER}};
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    char text[128], expected[64];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", rows[i].name);
        snprintf(expected, sizeof(expected), "<%s %d / ", rows[i].name, (int)rows[i].method);
        CHECK(rig, rig_ask(rig, text, &heard));
        CHECK(rig, rig_has(&heard, expected));
    }
    CHECK(rig, rig_ask(rig, "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 400 "));
    CHECK(rig, rig_ask(rig, "HEAD /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "\r\nContent-Length: 3145728\r\n"));
    CHECK(rig, str_find(buf_str(&heard), STR("\r\n\r\n")) == (ptrdiff_t)heard.n - 4);
}

static void every_method_reaches_the_handler(void **state UNUSED)
{
    rig_run(&plain, use_all_methods, NULL);
}

static void send_bodies(struct rig *rig)
{
    static const char slow[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd";
    struct buf heard CLEANUP(buf_done) = BUF_INIT, text CLEANUP(buf_done) = BUF_INIT;
    int fd = rig_dial(rig);

    for (size_t i = 0; i < sizeof(slow) - 1; i++)
        CHECK(rig, rig_say_bytes(fd, slow + i, 1));
    CHECK(rig, rig_hear_all(fd, &heard));
    CHECK(rig, rig_has(&heard, "\r\n\r\nabcd"));
    close(fd);

    buf_clear(&heard);
    fd = rig_dial(rig);
    CHECK(rig, rig_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
                           "Connection: close\r\n\r\n"));
    CHECK(rig, rig_hear(fd, "HTTP/1.1 100 Continue\r\n\r\n", 1, &heard));
    CHECK(rig, rig_say(fd, "efgh"));
    CHECK(rig, rig_hear_all(fd, &heard));
    CHECK(rig, rig_has(&heard, "\r\n\r\nefgh"));
    close(fd);

    buf_addf(&text, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 700000\r\nConnection: close\r\n\r\n%0700000d",
             7);
    CHECK(rig, rig_ask(rig, text.p, &heard));
    CHECK(rig, str_find(buf_str(&heard), STR("0000007")) == (ptrdiff_t)heard.n - 7);
    CHECK(rig, rig_ask(rig, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &heard));
    CHECK(rig, heard.n > 3 * 1024 * 1024);
    for (size_t i = 0; i < 3 * 1024 * 1024; i++)
        CHECK(rig, heard.p[heard.n - 1 - i] == "0123456789abcdef"[15 - i % 16]);
}

static void bodies_arrive_whole(void **state UNUSED)
{
    rig_run(&plain, send_bodies, NULL);
}

/* --- framing --- */

static void send_malformed(struct rig *rig)
{
#define H "Host: x\r\n"
    static const struct str rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
        ROW("POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\nContent-Length: 7\r\n\r\nabGET /x HTTP/1.1\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Content-Length: +2\r\n\r\nab"),
        ROW("POST /echo HTTP/1.1\r\n" H "Content-Length: 2, 7\r\n\r\nab"),
        ROW("POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
        ROW("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
        ROW("HEAD / HTTP/1.1\r\n" H "Content-Length: 30\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
        ROW("GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
        ROW("GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n"),
        ROW("GET / HTTP/1.1\r\n" H "A: b\r\n\0\r\n\r\n"),
        ROW("GET / HTTP/1.1\r\n" H "Expect: cake\r\n\0\r\nGET / HTTP/1.1\r\n"),
        ROW("GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n"),
        ROW("GET / HTTP/1.1\r\n\r\n"),
        ROW("GET / HTTP/1.1\r\n" H H "\r\n"),
        ROW("GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n"),
        ROW("GET / HTTP/3.1\r\n" H "\r\n"),
        ROW("GET /%00 HTTP/1.1\r\n" H "\r\n"),
        ROW("GET / \r\n" H "\r\n"),
        ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS */
        ROW("\r\n\r\n"),
#undef ROW
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t cut = 0; cut < 2; cut++) {
            struct buf heard CLEANUP(buf_done) = BUF_INIT;
            size_t first = cut == 0 ? rows[i].n : rows[i].n - 1;
            int fd = rig_dial(rig);

            snprintf(rig->failure, sizeof(rig->failure), "malformed request %zu, cut %zu", i, cut);
            if (!rig_say_bytes(fd, rows[i].p, first) || (cut == 1 && send(fd, rows[i].p + first, 1, MSG_NOSIGNAL) < 0))
                return;
            if (!rig_hear_all(fd, &heard) || (heard.n > 0 && !str_has_prefix(buf_str(&heard), STR("HTTP/1.1 4"))) ||
                count_text(&heard, "HTTP/1.1 ") > 1 || (cut == 0 && heard.n == 0))
                return;
            close(fd);
        }
    }
    rig->failure[0] = '\0';
#undef H
}

static void refuse_to_handle(void *arg, struct http_request *r)
{
    struct rig *rig = arg;

    snprintf(rig->failure, sizeof(rig->failure), "a malformed request reached the handler");
    http_reply(r, 200, STR(""), STR(""));
}

static void malformed_requests_never_reach_the_handler(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = refuse_to_handle};

    rig_run(&o, send_malformed, NULL);
}

/* --- answers that come later --- */

struct later {
    struct rig *rig;
    struct http_request *held[64];
    size_t n;
    bool is_late; /* answer after the end of the server */
};

static void answer_held(void *arg)
{
    struct later *later = arg;

    while (later->n > 0)
        answer(later->held[--later->n]);
}

static void hold(void *arg, struct http_request *r)
{
    struct later *later = arg;

    if (str_is(http_request_path(r), "/release")) {
        http_reply(r, 200, STR(""), STR(""));
        if (!later->is_late)
            loop_defer(later->rig->loop, answer_held, later);
        return;
    }
    assert_true(later->n < ARRAY_LEN(later->held));
    later->held[later->n++] = r;
}

static void leave_before_the_answer(struct rig *rig)
{
    static const char *const asked[] = {
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /more HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    const struct linger reset = {.l_onoff = 1};
    int fd, stays = rig_dial(rig);

    CHECK(rig, rig_say(stays, asked[0]));
    for (size_t i = 0; i < 30; i++) {
        fd = rig_dial(rig);
        CHECK(rig, rig_say(fd, asked[i % ARRAY_LEN(asked)]));
        if (i % 2 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    CHECK(rig, rig_ask(rig, "GET /release HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &heard));
    if (((struct later *)rig->data)->is_late)
        return;
    buf_clear(&heard);
    CHECK(rig, rig_hear(stays, "\r\n\r\nabc", 1, &heard));
    close(stays);
}

static void hold_and_release(bool is_late)
{
    struct rig rig = {0};
    struct later later = {.rig = &rig, .is_late = is_late};
    const struct http_server_options o = {.on_request = hold, .arg = &later};

    rig.data = &later;
    rig_open(&rig, &o);
    rig_play(&rig, leave_before_the_answer);
    rig_close(&rig);
    answer_held(&later); /* whatever is still held, after everything is gone */
}

static void an_answer_to_a_client_that_left_is_dropped(void **state UNUSED)
{
    hold_and_release(false);
}

static void an_answer_after_the_end_of_the_server_is_dropped(void **state UNUSED)
{
    hold_and_release(true);
}

static void hurry(struct rig *rig)
{
    unsigned seed = 7;
    const struct linger reset = {.l_onoff = 1};

    for (int i = 0; i < 2000; i++) {
        static const char text[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                                   "GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n";
        int fd = rig_dial(rig);
        char piece[512];

        if (i % 7 != 0)
            CHECK(rig, rig_say_bytes(fd, text, (size_t)rand_r(&seed) % sizeof(text)));
        if (i % 3 == 0 && recv(fd, piece, sizeof(piece), MSG_DONTWAIT) < 0 && errno != EAGAIN)
            CHECK(rig, errno == ECONNRESET);
        if (i % 5 < 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
}

static void connections_that_come_and_go_leave_nothing(void **state UNUSED)
{
    struct rig rig = {0};

    rig_open(&rig, &plain);
    rig_play(&rig, hurry);
    /* The last ones may still be on their way out: play on until they are. */
    while (http_server_connections(rig.server) > 0) {
        struct timer *t = timer_new(rig.loop, "again", rig_stop, &rig);

        timer_start(t, 1);
        loop_run(rig.loop);
        timer_free(t);
        if (rig.failure[0] != '\0')
            fail_msg("%s", rig.failure);
    }
    rig_close(&rig);
}

/* --- the Unix socket --- */

static void ask_on_unix(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = rig_socket(AF_UNIX);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", (const char *)rig->data);
    CHECK(rig, connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
    CHECK(rig, rig_say(fd, "GET /u HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    CHECK(rig, rig_hear_all(fd, &heard));
    CHECK(rig, rig_has(&heard, "<GET 0 /u  a=0 peer= unix=1 self=1 near=0 port=0>"));
    close(fd);
}

static void the_unix_socket_knows_its_peer_and_replaces_a_stale_file(void **state UNUSED)
{
    char folder[] = "/tmp/test_http_server_XXXXXX", path[64];
    struct rig rig = {0};
    struct http_server *other;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;
    struct err err;
    int stale = rig_socket(AF_UNIX);

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    assert_int_equal(bind(stale, (struct sockaddr *)&sa, sizeof(sa)), 0);
    close(stale);

    rig.data = path;
    rig_open(&rig, &plain);
    assert_int_equal(http_server_listen_unix(rig.server, path, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    rig_play(&rig, ask_on_unix);

    /* One that is in use stays. */
    assert_int_equal(http_server_new(rig.loop, &plain, &other, &err), 0);
    assert_int_equal(http_server_listen_unix(other, path, &err), -ERR_NETWORK);
    assert_int_equal(http_server_listen_unix(other, folder, &err), -ERR_NETWORK);
    http_server_free(other);
    rig_play(&rig, ask_on_unix);
    rig_close(&rig);
    assert_int_not_equal(stat(path, &st), 0);
    rmdir(folder);
}

static void addresses_that_cannot_be_are_refused(void **state UNUSED)
{
    struct rig rig = {0};
    struct err err;
    uint16_t port = 0, same;
    char path[200];

    rig_open(&rig, &plain);
    assert_int_equal(http_server_listen_tcp(rig.server, "example.org", &port, &err), -ERR_BAD_REQUEST);
    same = rig.port;
    assert_int_equal(http_server_listen_tcp(rig.server, "127.0.0.1", &same, &err), -ERR_NETWORK);
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(http_server_listen_unix(rig.server, path, &err), -ERR_BAD_REQUEST);
    http_server_stop_listening(rig.server);
    assert_int_equal(http_server_listen_tcp(rig.server, "localhost", &same, &err), 0);
    assert_int_equal(same, rig.port);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_carry_the_common_headers),
        cmocka_unit_test(one_connection_serves_many_requests),
        cmocka_unit_test(requests_sent_ahead_are_answered_in_order),
        cmocka_unit_test(a_bad_request_sent_ahead_ends_the_connection),
        cmocka_unit_test(every_method_reaches_the_handler),
        cmocka_unit_test(bodies_arrive_whole),
        cmocka_unit_test(malformed_requests_never_reach_the_handler),
        cmocka_unit_test(an_answer_to_a_client_that_left_is_dropped),
        cmocka_unit_test(an_answer_after_the_end_of_the_server_is_dropped),
        cmocka_unit_test(connections_that_come_and_go_leave_nothing),
        cmocka_unit_test(the_unix_socket_knows_its_peer_and_replaces_a_stale_file),
        cmocka_unit_test(addresses_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
