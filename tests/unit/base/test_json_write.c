/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/json_write.h"
#include "base/str.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void commas_stand_between_values_and_nowhere_else(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);

    json_begin_object(&w);
    json_key_str(&w, "s", STR("t"));
    json_key_text(&w, "none", NULL);
    json_key_text(&w, "text", "x");
    json_key_i64(&w, "i", INT64_MIN);
    json_key_u64(&w, "u", UINT64_MAX);
    json_key_bool(&w, "b", true);
    json_key_time(&w, "at", 1500);
    json_key(&w, "empty");
    json_begin_array(&w);
    json_end_array(&w);
    json_put_key(&w, STR("a\"b"));
    json_begin_array(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_put_bool(&w, false);
    json_put_null(&w);
    json_put_raw(&w, STR("[1, 2]"));
    json_put_real(&w, 0.5);
    json_put_time(&w, 0);
    json_end_array(&w);
    json_key_i64(&w, "last", 1);
    json_end_object(&w);
    assert_string_equal(out.p, "{\"s\":\"t\",\"none\":null,\"text\":\"x\",\"i\":-9223372036854775808,"
                               "\"u\":18446744073709551615,\"b\":true,\"at\":\"1970-01-01T00:00:01.500Z\",\"empty\":[],"
                               "\"a\\\"b\":[{},false,null,[1, 2],0.5,\"1970-01-01T00:00:00.000Z\"],\"last\":1}");
}

static void strings_are_escaped_where_they_must_be_and_nowhere_else(void **state UNUSED)
{
    const struct {
        struct str in;
        const char *out;
    } table[] = {
        {STR_NULL, "\"\""},
        {STR(""), "\"\""},
        {STR("plain/'\x7f"), "\"plain/'\x7f\""},
        {STR("\xc3\xa9\xe2\x80\xa8"), "\"\xc3\xa9\xe2\x80\xa8\""},
        {STR("\"\\"), "\"\\\"\\\\\""},
        {STR("a\b\f\n\r\tb"), "\"a\\b\\f\\n\\r\\tb\""},
        {STR("\0\x01\x0b\x1f"), "\"\\u0000\\u0001\\u000b\\u001f\""},
        {STR("\nmiddle\n"), "\"\\nmiddle\\n\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf out = BUF_INIT;
        struct json_writer w = JSON_WRITER(&out);

        json_put_str(&w, table[i].in);
        assert_string_equal(out.p, table[i].out);
    }
}

static void every_byte_below_128_reads_back(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);
    struct json *root = NULL;
    struct arena a;
    char all[128];

    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    json_put_str(&w, (struct str){all, sizeof(all)});
    arena_init(&a);
    assert_int_equal(json_parse(&a, buf_str(&out), &root, NULL), 0);
    assert_true(str_eq(root->text, (struct str){all, sizeof(all)}));
    arena_done(&a);
}

static void reals_are_short_and_read_back(void **state UNUSED)
{
    static const struct {
        double in;
        const char *out;
    } table[] = {
        {0, "0"},
        {-0.0, "-0.0"},
        {1, "1"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {-2.5, "-2.5"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992"},
        {(double)NAN, "null"},
        {-(double)INFINITY, "null"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf out = BUF_INIT;
        struct json_writer w = JSON_WRITER(&out);
        struct json *root = NULL;
        struct arena a;

        json_put_real(&w, table[i].in);
        assert_string_equal(out.p, table[i].out);
        arena_init(&a);
        assert_int_equal(json_parse(&a, buf_str(&out), &root, NULL), 0);
        if (isfinite(table[i].in))
            assert_memory_equal(&root->real, &table[i].in, sizeof(double));
        arena_done(&a);
    }
}

static void a_full_buffer_takes_nothing_more(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_CAPPED(6);
    struct json_writer w = JSON_WRITER(&out);

    json_begin_array(&w);
    json_put_str(&w, STR("abc"));
    json_put_str(&w, STR("d"));
    json_end_array(&w);
    assert_true(out.full);
    assert_true(out.n <= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_values_and_nowhere_else),
        cmocka_unit_test(strings_are_escaped_where_they_must_be_and_nowhere_else),
        cmocka_unit_test(every_byte_below_128_reads_back),
        cmocka_unit_test(reals_are_short_and_read_back),
        cmocka_unit_test(a_full_buffer_takes_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
