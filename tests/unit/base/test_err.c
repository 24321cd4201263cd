/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"

static void every_code_has_its_wire_name_and_status(void **state UNUSED)
{
    assert_string_equal(err_wire_name(ERR_NOT_FOUND), "not_found");
    assert_int_equal(err_http_status(ERR_STORAGE), 503);
    assert_true(err_retry_helps(ERR_STORAGE));
    assert_false(err_retry_helps(ERR_BAD_REQUEST));
}

static void failing_returns_the_negative_code_with_and_without_an_err(void **state UNUSED)
{
    struct err err;

    assert_int_equal(err_set(NULL, ERR_CONFLICT, "x"), -ERR_CONFLICT);
    assert_int_equal(err_set(&err, ERR_CONFLICT, "session %s", "a"), -ERR_CONFLICT);
    assert_string_equal(err.text, "session a");
    assert_int_equal(err_wrap(&err, "POST %s", "/chat"), -ERR_CONFLICT);
    assert_string_equal(err.text, "POST /chat: session a");
}

static void a_long_text_is_never_cut_inside_a_character(void **state UNUSED)
{
    char text[1024];

    for (size_t lead = 0; lead < 5; lead++) {
        struct err err;
        size_t n = 0;

        while (n < lead)
            text[n++] = 'x';
        while (n < 600) {
            memcpy(text + n, "日", 3);
            n += 3;
        }
        text[n] = '\0';
        err_set(&err, ERR_BAD_REQUEST, "%s", text);
        assert_true(utf8_is_valid(str_of(err.text)));
        assert_true(strlen(err.text) > sizeof(err.text) - 5);
        err_wrap(&err, "%s", text);
        assert_true(utf8_is_valid(str_of(err.text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_wire_name_and_status),
        cmocka_unit_test(failing_returns_the_negative_code_with_and_without_an_err),
        cmocka_unit_test(a_long_text_is_never_cut_inside_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
