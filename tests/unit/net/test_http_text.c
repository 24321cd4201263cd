/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_decodes(const char *in, bool is_query, const char *expected)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    bool ok = http_decode(str_of(in), is_query, &out);

    if (expected == NULL) {
        assert_false(ok);
    } else {
        assert_true(ok);
        assert_true(str_is(buf_str(&out), expected));
    }
}

static void percent_codes_are_decoded(void **state UNUSED)
{
    assert_decodes("", false, "");
    assert_decodes("abc", false, "abc");
    assert_decodes("a%20b%2F%c3%A4", false, "a b/\xc3\xa4");
    assert_decodes("a+b", false, "a+b");
    assert_decodes("a+b%2B", true, "a b+");
    assert_decodes("%2525", false, "%25"); /* once only */
}

static void broken_codes_are_refused(void **state UNUSED)
{
    static const char *const rows[] = {"%", "%2", "a%", "a%2", "%zz", "%2g", "%00", "%ff", "%c3", "%ed%a0%80"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_decodes(rows[i], true, NULL);
}

static void a_capped_buffer_refuses_what_is_too_long(void **state UNUSED)
{
    struct buf out CLEANUP(buf_done) = BUF_CAPPED(3);

    assert_true(http_decode(STR("%61bc"), false, &out));
    assert_false(http_decode(STR("d"), false, &out));
}

static void parameters_are_found_by_their_decoded_name(void **state UNUSED)
{
    const struct str query = STR("a=1&b=x+y%26&c&=5&d==&a=2&e=%zz&%66=6&&");
    struct buf out CLEANUP(buf_done) = BUF_INIT;

    assert_true(http_query_find(query, "a", &out) && str_is(buf_str(&out), "1"));
    assert_true(http_query_find(query, "b", &out) && str_is(buf_str(&out), "x y&"));
    assert_true(http_query_find(query, "c", &out) && out.n == 0);
    assert_true(http_query_find(query, "d", &out) && str_is(buf_str(&out), "="));
    assert_true(http_query_find(query, "f", &out) && str_is(buf_str(&out), "6"));
    assert_false(http_query_find(query, "e", &out));
    assert_int_equal(out.n, 0);
    assert_false(http_query_find(query, "g", &out));
    assert_false(http_query_find(STR_NULL, "a", &out));
}

static void a_query_is_sound_when_every_name_and_value_is(void **state UNUSED)
{
    static const struct {
        const char *query, *bad;
    } rows[] = {
        {"", NULL},          {"a=1&b=x+y%26&c&=5&&%66=6", NULL},
        {"a=%ZZ", "a"},      {"a=1&b=%", "b"},
        {"a=1&b=%4&c", "b"}, {"%zz=1", "%zz"},
        {"a&%f", "%f"},      {"a=%00", "a"},
        {"a=%ff", "a"},      {"a=%c3&b=%a4", "a"},
        {"a=%3=1&b=%", "a"}, {"a=1&a=%", "a"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str bad = STR_NULL;

        assert_int_equal(http_query_is_sound(str_of(rows[i].query), &bad), rows[i].bad == NULL);
        assert_true(rows[i].bad == NULL ? bad.p == NULL : str_is(bad, rows[i].bad));
    }
    assert_true(http_query_is_sound(STR_NULL, &(struct str){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_codes_are_decoded),
        cmocka_unit_test(broken_codes_are_refused),
        cmocka_unit_test(a_capped_buffer_refuses_what_is_too_long),
        cmocka_unit_test(parameters_are_found_by_their_decoded_name),
        cmocka_unit_test(a_query_is_sound_when_every_name_and_value_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
