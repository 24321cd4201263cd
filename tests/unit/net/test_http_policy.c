/* SPDX-License-Identifier: MIT */
#include "base/limits.h"
#include "base/str.h"
#include "net/http_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    const char *name;
    struct str head;
    int status;
};
#define ROW(name, head, status) {name, {head, sizeof(head) - 1}, status}

static const struct row heads[] = {
    ROW("plain", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ROW("old version", "GET / HTTP/1.0\r\nHost: x\r\n\r\n", 0),
    ROW("bare line feeds", "GET / HTTP/1.1\nHost: x\n\n", 0),
    ROW("empty value", "GET / HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n", 0),
    ROW("tab in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\tc\r\n\r\n", 0),
    ROW("text above ASCII in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \xc3\xa4\r\n\r\n", 0),
    ROW("length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n", 0),
    ROW("length with zeros", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0000000000000000000012\r\n\r\n", 0),
    ROW("chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", 0),
    ROW("expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n", 0),
    ROW("unknown method", "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ROW("asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ROW("absolute target", "GET http://x:1/a HTTP/1.1\r\nHost: X:1\r\n\r\n", 0),
    ROW("absolute target without a port", "GET http://x?b HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ROW("absolute target with an empty port", "GET http://x:/ HTTP/1.1\r\nHost: x:\r\n\r\n", 0),
    ROW("absolute target with an address", "GET http://[::1]:9/ HTTP/1.1\r\nHost: [::1]:9\r\n\r\n", 0),
    ROW("URL in the query", "GET /?u=http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 0),

    ROW("two equal lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", 400),
    ROW("two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n", 400),
    ROW("list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 7\r\n\r\n", 400),
    ROW("sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n", 400),
    ROW("negative", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    ROW("hexadecimal", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\n", 400),
    ROW("empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n", 400),
    ROW("enormous length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    ROW("length and encoding", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        400),
    ROW("encoding and length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        400),
    ROW("two encodings",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ROW("other encoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
    ROW("identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    ROW("encoding with a parameter", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", 400),
    ROW("encoding in the old version", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ROW("body where none is read", "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", 400),
    ROW("chunks where none are read", "TRACE / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ROW("body of an unknown method", "BREW / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", 400),
    ROW("no host", "GET / HTTP/1.1\r\nA: b\r\n\r\n", 400),
    ROW("no headers", "GET / HTTP/1.1\r\n\r\n", 400),
    ROW("two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    ROW("target of another host", "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("target of another scheme", "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("target of no port", "GET http://x:65536/ HTTP/1.1\r\nHost: x:65536\r\n\r\n", 400),
    ROW("target of a user", "GET http://u@x/ HTTP/1.1\r\nHost: u@x\r\n\r\n", 400),
    ROW("target of nobody", "GET http:///a HTTP/1.1\r\nHost: \r\n\r\n", 400),
    ROW("target of half an address", "GET http://[::1/ HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    ROW("target of an address and more", "GET http://[::1]x/ HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400),
    ROW("target of no address", "GET http://[x]/ HTTP/1.1\r\nHost: [x]\r\n\r\n", 400),
    ROW("escape in the host", "GET http://%78/ HTTP/1.1\r\nHost: %78\r\n\r\n", 400),
    ROW("two slashes", "GET //x/a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("tunnel", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 400),
    ROW("NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
    ROW("NUL in a name", "GET / HTTP/1.1\r\nHost: x\r\nA\0B: c\r\n\r\n", 400),
    ROW("escape in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x1b\r\n\r\n", 400),
    ROW("bare carriage return", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rB: c\r\n\r\n", 400),
    ROW("two carriage returns", "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", 400),
    ROW("folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    ROW("folded first line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ROW("space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ROW("no colon", "GET / HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n", 400),
    ROW("empty name", "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
    ROW("other expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\nContent-Length: 2\r\n\r\n", 417),
    ROW("version 3.1", "GET / HTTP/3.1\r\nHost: x\r\n\r\n", 400),
    ROW("version 1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    ROW("no version", "GET /\r\nHost: x\r\n\r\n", 400),
    ROW("two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("space at the end", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
    ROW("space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("control in the target", "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("encoded NUL", "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("relative target", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("asterisk of a GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("method with a control", "G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("short method", "GE / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("long method", "ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ROW("empty first line", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
};

static void every_way_to_see_two_messages_in_one_is_refused(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct http_head head = {0};
        const char *why = NULL;
        int status = http_head_check(heads[i].head, &head, &why);

        if (status != heads[i].status)
            fail_msg("%s: %d instead of %d", heads[i].name, status, heads[i].status);
        assert_int_equal(head.method.p != NULL, status == 0);
        if (status != 0)
            assert_non_null(why);
    }
}

static void a_sound_head_is_understood(void **state UNUSED)
{
    struct http_head head;
    const char *why;

    assert_int_equal(http_head_check(STR("POST /a?b HTTP/1.0\r\nhOST:x\r\nCONTENT-length:  007 \r\n\r\n"), &head, &why),
                     0);
    assert_true(str_is(head.method, "POST"));
    assert_true(str_is(head.target, "/a?b"));
    assert_true(head.is_http10);
    assert_false(head.is_chunked);
    assert_int_equal(head.content_length, 7);
    assert_int_equal(
        http_head_check(STR("PUT / HTTP/1.1\r\nHost:x\r\nTransfer-Encoding: chunked\r\n\r\n"), &head, &why), 0);
    assert_true(head.is_chunked);
}

static void a_long_target_is_refused_as_such(void **state UNUSED)
{
    static char head[LIMIT_URI_BYTES + 100];
    struct http_head out;
    const char *why;
    int n;

    for (int more = -1; more <= 1; more++) {
        n = snprintf(head, sizeof(head), "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", LIMIT_URI_BYTES - 1 + more, 0);
        assert_int_equal(http_head_check((struct str){head, (size_t)n}, &out, &why), more > 0 ? 414 : 0);
    }
}

static void the_end_of_a_head_is_found_however_it_is_cut(void **state UNUSED)
{
    static const struct str cut_heads[] = {{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27},
                                           {"GET / HTTP/1.1\nHost: x\n\n", 24}};

    for (size_t i = 0; i < ARRAY_LEN(cut_heads); i++) {
        struct str head = cut_heads[i];

        for (size_t cut = 0; cut < head.n; cut++) {
            assert_int_equal(http_head_end((struct str){head.p, cut}, 0), 0);
            assert_int_equal(http_head_end(head, cut), head.n);
        }
    }
    assert_int_equal(http_head_end(STR("a\r\n\r\nbcd"), 0), 5);
    assert_int_equal(http_head_end(STR("a\r\n\rb\n"), 0), 0);
}

static void chunks_are_followed_however_they_are_cut(void **state UNUSED)
{
    const struct str body = STR("5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\nGET /");
    const size_t end = body.n - 5;

    for (size_t piece = 1; piece <= body.n; piece++) {
        struct http_chunks c = {0};
        enum http_chunks_next next = HTTP_CHUNKS_MORE;
        size_t at = 0, used = 0;

        while (next == HTTP_CHUNKS_MORE && at < body.n) {
            struct str part = str_skip(body, at);

            if (part.n > piece)
                part.n = piece;
            next = http_chunks_feed(&c, part, &used);
            at += used;
        }
        assert_int_equal(next, HTTP_CHUNKS_END);
        assert_int_equal(at, end);
        assert_int_equal(c.body_bytes, 15);
    }
}

static void broken_chunks_are_refused(void **state UNUSED)
{
    static const char *const rows[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x5\r\n",
        " 5\r\nhello",
        "5 \r\nhello",
        "5;a=b\r\n",
        "5\nhello",
        "5\r\rhello",
        "5\r\nhello!",
        "5\r\nhello\n",
        "5\r\nhello\rX",
        "0\r\nA: b\r\n",
        "0\r\n\r\r",
        "0\n\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_chunks c = {0};
        size_t used;

        if (http_chunks_feed(&c, str_of(rows[i]), &used) != HTTP_CHUNKS_BAD)
            fail_msg("row %zu", i);
        assert_int_equal(http_chunks_feed(&c, STR("0\r\n\r\n"), &used), HTTP_CHUNKS_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_see_two_messages_in_one_is_refused),
        cmocka_unit_test(a_sound_head_is_understood),
        cmocka_unit_test(a_long_target_is_refused_as_such),
        cmocka_unit_test(the_end_of_a_head_is_found_however_it_is_cut),
        cmocka_unit_test(chunks_are_followed_however_they_are_cut),
        cmocka_unit_test(broken_chunks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
