/* SPDX-License-Identifier: MIT */
/* What a request with an Idempotency-Key is told, before an engine that knows the key or does not. */
#include "base/str.h"
#include "face/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void the_same_key_means_the_same_session(void **state UNUSED)
{
    const char *body = "{\"message\":\"hi\",\"message_id\":\"m\"}";
    struct http_request *a = stand_call(st, "POST /api/v1/chat", "Idempotency-Key: k1", body);
    struct http_request *b = stand_call(st, "POST /api/v1/chat", "Idempotency-Key: k1", body);
    struct http_request *c = stand_call(st, "POST /api/v1/chat", "Idempotency-Key: k2", body);
    size_t same = strlen("{\"session_id\":\"") + ID_TEXT;

    assert_memory_equal(stand_body(a), stand_body(b), same);
    assert_memory_not_equal(stand_body(a), stand_body(c), same);
}

static void a_repeat_is_told_what_the_first_was(void **state UNUSED)
{
    const struct reply posted = {
        .kind = REPLY_POSTED, .message_id = "m-1", .seq = 7, .replayed = true, .request = STR("first")};
    const struct reply none = {.kind = REPLY_NOT_FOUND, .replayed = true, .request = STR("first")};
    struct http_request *r;

    stand_keep(st, &posted);
    r = stand_call(st, "POST /api/v1/chat", "Idempotency-Key: k", "{\"message\":\"x\",\"session_id\":\"s\"}");
    expect_part(r, 201, "\"message_id\":\"m-1\",\"ingress_seq\":7");
    assert_string_equal(stand_header(r, "Idempotency-Replayed"), "true");
    stand_keep(st, &none);
    r = stand_call(st, "POST /api/v1/execute/s", "Idempotency-Key: k", "{}");
    expect_part(r, 404, "\"request_id\":\"first\"");
    assert_string_equal(stand_header(r, "Idempotency-Replayed"), "true");
    stand_keep(st, NULL);
    r = stand_call(st, "POST /api/v1/execute/s", "Idempotency-Key: k", "{}");
    assert_int_equal(r->status, 404);
    assert_null(strstr(stand_body(r), "\"first\""));
    assert_null(stand_header(r, "Idempotency-Replayed"));
}

static void a_key_that_stands_in_the_way_says_why(void **state UNUSED)
{
    static const struct {
        enum reply_kind kind;
        int status;
        const char *code;
    } rows[] = {{REPLY_KEY_REUSED, 409, "idempotency_key_reused"}, {REPLY_KEY_EXPIRED, 410, "idempotency_key_expired"}};
    static const char *const lines[] = {"POST /api/v1/chat", "POST /api/v1/execute/s", "POST /api/v1/stop/s",
                                        "POST /api/v1/sessions"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        stand_keep(st, &(struct reply){.kind = rows[i].kind});
        for (size_t k = 0; k < ARRAY_LEN(lines); k++) {
            struct http_request *r = stand_call(st, lines[k], "Idempotency-Key: k", "{\"message\":\"x\"}");

            expect_part(r, rows[i].status, rows[i].code);
            assert_null(stand_header(r, "Idempotency-Replayed"));
        }
    }
}

/* What could be done then and cannot now is told all the same; what is new is refused. */
static void a_repeat_is_not_judged_by_what_is_there_now(void **state UNUSED)
{
    static const struct {
        const char *body, *says;
    } rows[] = {{"{\"message\":\"x\",\"workspace_path\":\"/no/such/place\"}", "\"code\":\"workspace_invalid\""},
                {"{\"message\":\"x\",\"model\":\"nonsense\"}", "nearest: \\\"offline\\\""}};
    const struct reply posted = {.kind = REPLY_POSTED, .message_id = "m-1", .replayed = true, .request = STR("first")};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_part(stand_call(st, "POST /api/v1/chat", "Idempotency-Key: k", rows[i].body), 400, rows[i].says);
        stand_keep(st, &posted);
        expect_part(stand_call(st, "POST /api/v1/chat", "Idempotency-Key: k", rows[i].body), 201, "m-1");
        stand_keep(st, NULL);
    }
}

static void a_key_has_1_to_255_visible_characters(void **state UNUSED)
{
    static const char *const lines[] = {"POST /api/v1/chat", "POST /api/v1/execute/s", "POST /api/v1/stop/s",
                                        "POST /api/v1/respond/s", "POST /api/v1/sessions"};
    char header[300];

    for (int n = 254; n <= 256; n++) {
        snprintf(
            header, sizeof(header), "Idempotency-Key: %.*s", n,
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
        for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
            struct http_request *r = stand_call(st, lines[i], header, "{\"message\":\"x\",\"response\":\"y\"}");
            bool is_bad = strstr(stand_body(r), "Idempotency-Key: one header of 1 to 255 visible ASCII") != NULL;

            assert_true(is_bad == (n > 255));
            assert_true(!is_bad || r->status == 400);
        }
    }
    expect_part(stand_call(st, "GET /api/v1/sessions", "Idempotency-Key: a b", NULL), 200, "sessions"); /* ignored */
}

#define TEST(fn) {#fn, fn, stand_begin, stand_end, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_key_means_the_same_session),   TEST(a_repeat_is_told_what_the_first_was),
        TEST(a_key_that_stands_in_the_way_says_why), TEST(a_repeat_is_not_judged_by_what_is_there_now),
        TEST(a_key_has_1_to_255_visible_characters),
    };

    return cmocka_run_group_tests_name("request key", tests, NULL, NULL);
}
