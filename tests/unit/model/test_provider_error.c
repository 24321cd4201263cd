/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "base/utf8.h"
#include "model/provider_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void failures_follow_status_code_and_type(void **state UNUSED)
{
    static const struct {
        int status;
        const char *json;
        enum failure failure;
    } table[] = {
        {400, "{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\"}}", FAILURE_REQUEST},
        {400, "{\"error\":{\"code\":\"context_length_exceeded\"}}", FAILURE_OVERFLOW},
        {400, "{\"error\":{\"type\":\"exceed_context_size_error\",\"code\":400}}", FAILURE_OVERFLOW},
        {400, "{\"error\":{\"message\":\"maximum context length\"}}", FAILURE_REQUEST}, /* words do not count */
        {401, "{}", FAILURE_AUTH},
        {402, "{}", FAILURE_AUTH},
        {403, "{}", FAILURE_AUTH},
        {404, "{}", FAILURE_NO_MODEL},
        {400, "{\"error\":{\"code\":\"model_not_found\"}}", FAILURE_NO_MODEL},
        {408, "{}", FAILURE_TIMEOUT},
        {409, "{}", FAILURE_RATE_LIMIT},
        {425, "{}", FAILURE_RATE_LIMIT},
        {429, "{}", FAILURE_RATE_LIMIT},
        {429, "{\"error\":{\"code\":\"insufficient_quota\"}}", FAILURE_AUTH},
        {429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":null}}", FAILURE_AUTH},
        {413, "{}", FAILURE_OVERFLOW},
        {422, "{}", FAILURE_REQUEST},
        {500, "{}", FAILURE_SERVER},
        {503, "{}", FAILURE_SERVER},
        {529, "{}", FAILURE_SERVER},
        {307, "{}", FAILURE_CONFIG},
        {0, "{\"error\":{\"code\":429}}", FAILURE_RATE_LIMIT},
        {0, "{\"error\":{\"code\":\"429\"}}", FAILURE_RATE_LIMIT},
        {0, "{\"error\":{\"status\":503,\"code\":\"x\"}}", FAILURE_SERVER},
        {0, "{\"error\":{\"type\":\"rate_limit_error\"}}", FAILURE_RATE_LIMIT},
        {0, "{\"error\":{\"code\":\"invalid_api_key\"}}", FAILURE_AUTH},
        {0, "{\"error\":{\"type\":\"invalid_request_error\"}}", FAILURE_REQUEST},
        {0, "{\"error\":{\"type\":\"server_error\"}}", FAILURE_SERVER},
        {0, "{\"error\":\"overloaded\"}", FAILURE_SERVER},
        {0, "{\"object\":\"error\",\"message\":\"m\",\"code\":404}", FAILURE_NO_MODEL},
        {0, "[{\"error\":{\"code\":403,\"status\":\"PERMISSION_DENIED\"}}]", FAILURE_AUTH},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct provider_error e = {.status = table[i].status};
        struct json *root;
        struct arena a;

        arena_init(&a);
        assert_int_equal(json_parse(&a, str_of(table[i].json), &root, NULL), 0);
        provider_error_find(root, &e);
        assert_int_equal(provider_error_failure(&e), table[i].failure);
        assert_non_null(provider_error_remedy(&e));
        arena_done(&a);
    }
}

static void what_is_no_error_is_not_found(void **state UNUSED)
{
    static const char *const table[] = {"{}", "{\"error\":null}", "{\"error\":7}", "[]", "7", "{\"object\":\"x\"}"};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct provider_error e = {0};
        struct json *root;
        struct arena a;

        arena_init(&a);
        assert_int_equal(json_parse(&a, str_of(table[i]), &root, NULL), 0);
        assert_false(provider_error_find(root, &e));
        arena_done(&a);
    }
}

static void quotes_are_short_clean_and_without_the_key(void **state UNUSED)
{
    static const struct {
        const char *text, *quote;
    } table[] = {
        {"plain", "plain"},
        {"  a\nb\x1b[2Jc\x7f ", "a\\x0a"
                                "b\\x1b[2Jc\\x7f"},
        {"c1 \xc2\x9b"
         "2J nbsp \xc2\xa0.",
         "c1 \\u009b2J nbsp \xc2\xa0."},
        {"Incorrect API key provided: sk-secret. You", "Incorrect API key provided: [key]. You"},
        {"sk-secretsk-secret", "[key][key]"},
        {"cut \xe2\x82", "cut \xef\xbf\xbd"},
        {"", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf out = BUF_INIT;

        provider_quote(str_of(table[i].text), "sk-secret", &out);
        assert_string_equal(out.n == 0 ? "" : out.p, table[i].quote);
    }
}

static void a_key_at_the_cut_is_blotted_out_whole(void **state UNUSED)
{
    for (size_t pad = 140; pad < 165; pad++) {
        CLEANUP(buf_done) struct buf text = BUF_INIT;
        CLEANUP(buf_done) struct buf out = BUF_INIT;

        while (text.n < pad)
            buf_add_char(&text, '.');
        buf_add_str(&text, STR("sk-secret and more \xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"));
        provider_quote(buf_str(&text), "sk-secret", &out);
        assert_true(str_find(buf_str(&out), STR("sk-")) < 0);
        assert_in_range(out.n, 150, 163);
        assert_true(utf8_is_valid(buf_str(&out)));
    }
}

static void waits_are_seconds_milliseconds_or_dates(void **state UNUSED)
{
    static const struct {
        const char *after_ms, *after;
        int64_t wait_ms;
    } table[] = {
        {NULL, NULL, 0},
        {NULL, "2", 2000},
        {NULL, "0.25", 250},
        {NULL, " 7 ", 7000},
        {"150", "2", 150},
        {"20.7", NULL, 20},
        {"x", "3", 3000},
        {NULL, "-3", 0},
        {NULL, "1e9", 0},
        {NULL, "99999999999999999999", 0},
        {NULL, "Wed, 21 Oct 2015 07:28:30 GMT", 30000},
        {NULL, "Wed, 21 Oct 2015 07:27:00 GMT", 0},
        {NULL, "Wed, 21 Oct 2015 07:28:30 PST", 0},
        {NULL, "soon", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(provider_retry_after(str_of(table[i].after_ms), str_of(table[i].after), 1445412480000),
                         table[i].wait_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_follow_status_code_and_type),
        cmocka_unit_test(what_is_no_error_is_not_found),
        cmocka_unit_test(quotes_are_short_clean_and_without_the_key),
        cmocka_unit_test(a_key_at_the_cut_is_blotted_out_whole),
        cmocka_unit_test(waits_are_seconds_milliseconds_or_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
