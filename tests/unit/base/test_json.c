/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/str.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct json *parse(struct arena *a, struct str text)
{
    struct err err = {.code = ERR_OK};
    struct json *root = NULL;

    if (json_parse(a, text, &root, &err) != 0)
        fail_msg(STR_FMT ": %s", STR_ARG(text), err.text);
    return root;
}

static void check_refused(struct str text, const char *why)
{
    struct err err = {.code = ERR_OK};
    struct json *root = NULL;
    struct arena a;

    arena_init(&a);
    assert_int_equal(json_parse(&a, text, &root, &err), -ERR_BAD_REQUEST);
    assert_null(root);
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    assert_string_equal(err.text, why);
    assert_int_equal(json_parse(&a, text, &root, NULL), -ERR_BAD_REQUEST);
    arena_done(&a);
}

static void every_type_keeps_its_value_and_its_bytes(void **state UNUSED)
{
    const struct {
        enum json_type type;
        const char *raw;
        bool truth;
        int64_t number;
        double real;
        struct str text;
    } table[] = {
        {JSON_NULL, "null", false, 0, 0, STR_NULL},
        {JSON_BOOL, "true", true, 0, 0, STR_NULL},
        {JSON_BOOL, "false", false, 0, 0, STR_NULL},
        {JSON_INT, "0", false, 0, 0, STR_NULL},
        {JSON_INT, "-0", false, 0, 0, STR_NULL},
        {JSON_INT, "-17", false, -17, -17, STR_NULL},
        {JSON_INT, "9223372036854775807", false, INT64_MAX, 9223372036854775807.0, STR_NULL},
        {JSON_INT, "-9223372036854775808", false, INT64_MIN, -9223372036854775808.0, STR_NULL},
        {JSON_REAL, "1.5e3", false, 0, 1500, STR_NULL},
        {JSON_REAL, "1E2", false, 0, 100, STR_NULL},
        {JSON_REAL, "-0.25", false, 0, -0.25, STR_NULL},
        {JSON_REAL, "1e-999", false, 0, 0, STR_NULL},
        {JSON_REAL, "0.1000000000000000055511151231257827021181583404541015625000000000000000000", false, 0, 0.1,
         STR_NULL},
        {JSON_STRING, "\"\"", false, 0, 0, STR("")},
        {JSON_STRING, "\"plain \xc3\xa9\"", false, 0, 0, STR("plain \xc3\xa9")},
        {JSON_STRING, "\"a\\u0000b\"", false, 0, 0, STR("a\0b")},
        {JSON_STRING, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", false, 0, 0, STR("\"\\/\b\f\n\r\t")},
        {JSON_STRING, "\"\\ud83d\\uDE00\\u20ac\"", false, 0, 0, STR("\xf0\x9f\x98\x80\xe2\x82\xac")},
        {JSON_STRING, "\"]},: \\\\\"", false, 0, 0, STR("]},: \\")},
        {JSON_ARRAY, "[]", false, 0, 0, STR_NULL},
        {JSON_ARRAY, "[ 1 , [2] ]", false, 0, 0, STR_NULL},
        {JSON_OBJECT, "{}", false, 0, 0, STR_NULL},
        {JSON_OBJECT, "{\"a\" :\t1 }", false, 0, 0, STR_NULL},
    };
    static const struct {
        const char *before, *after;
    } around[] = {{"", ""},           {" \r\n\t", " \n"}, {"[", "]"},
                  {"[0 , ", " , 0]"}, {"{\"k\":", "}"},   {"{ \"\\n\" : ", " }"}};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        for (size_t k = 0; k < ARRAY_LEN(around); k++) {
            CLEANUP(buf_done) struct buf text = BUF_INIT;
            struct json *node;
            struct arena a;

            arena_init(&a);
            buf_addf(&text, "%s%s%s", around[k].before, table[i].raw, around[k].after);
            node = parse(&a, buf_str(&text));
            if (k >= 2)
                node = json_at(node, k == 3 ? 1 : 0) != NULL ? json_at(node, k == 3 ? 1 : 0) : node->first;
            assert_int_equal(node->type, table[i].type);
            assert_true(str_is(node->raw, table[i].raw));
            assert_ptr_equal(node->raw.p, text.p + strlen(around[k].before));
            assert_int_equal(node->truth, table[i].truth);
            assert_int_equal(node->number, table[i].number);
            assert_true(!(node->real < table[i].real) && !(node->real > table[i].real));
            assert_true(str_eq(node->text, table[i].text));
            arena_done(&a);
        }
    }
}

static void members_are_found_by_name_and_place_in_order(void **state UNUSED)
{
    struct json *root;
    struct arena a;

    arena_init(&a);
    root = parse(&a, STR("{\"z\":[10,20,30],\"a\":\"t\",\"\\u006e\":-4,\"yes\":true,\"\":null}"));
    assert_int_equal(root->count, 5);
    assert_true(str_is(root->first->key, "z"));
    assert_true(str_is(root->first->next->key, "a"));
    assert_int_equal(json_number(json_at(json_find(root, "z"), 2), 0), 30);
    assert_null(json_at(json_find(root, "z"), 3));
    assert_true(str_is(json_text(json_find(root, "a")), "t"));
    assert_int_equal(json_number(json_find(root, "n"), 0), -4);
    assert_true(json_truth(json_find(root, "yes"), false));
    assert_int_equal(json_find(root, "")->type, JSON_NULL);
    assert_null(json_find(root, "absent"));
    arena_done(&a);
}

static void lookups_forgive_what_is_missing_or_of_another_type(void **state UNUSED)
{
    struct json *root;
    struct arena a;

    arena_init(&a);
    root = parse(&a, STR("[1.5,\"s\"]"));
    assert_null(json_find(NULL, "a"));
    assert_null(json_find(root, "a"));
    assert_null(json_at(NULL, 0));
    assert_null(json_at(json_at(root, 0), 0));
    assert_null(json_text(json_at(root, 0)).p);
    assert_null(json_text(NULL).p);
    assert_int_equal(json_number(json_at(root, 0), 7), 7); /* a real is no integer */
    assert_int_equal(json_number(NULL, -7), -7);
    assert_true(json_truth(json_at(root, 1), true));
    assert_false(json_truth(NULL, false));
    arena_done(&a);
}

static void plain_strings_are_views_of_the_text(void **state UNUSED)
{
    struct str text = STR("[\"abc\"]");
    struct arena a;

    arena_init(&a);
    assert_ptr_equal(parse(&a, text)->first->text.p, text.p + 2);
    arena_done(&a);
}

static void what_is_no_json_is_refused_with_the_byte_and_the_path(void **state UNUSED)
{
    const struct {
        struct str text;
        const char *why;
    } table[] = {
        {STR_NULL, "byte 0: parse error: premature EOF"},
        {STR(""), "byte 0: parse error: premature EOF"},
        {STR("  "), "byte 2: parse error: premature EOF"},
        {STR("{\"a\":[1,2"), "byte 9, in a[2]: parse error: premature EOF"},
        {STR("{'a':1}"), "byte 2: lexical error: invalid char in json text."},
        {STR("{a:1}"), "byte 2: lexical error: invalid char in json text."},
        {STR("[NaN]"), "byte 2, in [0]: lexical error: invalid char in json text."},
        {STR("-Infinity"), "byte 1: lexical error: malformed number, a digit is required after the minus sign."},
        {STR("{\"m\":[{},{\"c\":\"a\tb\"}]}"), "byte 16, in m[1].c: lexical error: invalid character inside string."},
        {STR("[\"a\0b\"]"), "byte 3, in [0]: lexical error: invalid character inside string."},
        {STR("\"\\q\""), "byte 2: lexical error: inside a string, '\\' occurs before a character which it may not."},
        {STR("\"\\u12g4\""), "byte 5: lexical error: invalid (non-hex) character occurs after '\\u' inside string."},
        {STR("[1.]"), "byte 3, in [0]: lexical error: malformed number, a digit is required after the decimal point."},
        {STR("[.5]"), "byte 2, in [0]: lexical error: invalid char in json text."},
        {STR("[1e]"), "byte 3, in [0]: lexical error: malformed number, a digit is required after the exponent."},
        {STR("[01]"), "byte 3, in [1]: parse error: after array element, I expect ',' or ']'"},
        {STR("[+1]"), "byte 2, in [0]: lexical error: invalid char in json text."},
        {STR("[1,]"), "byte 4, in [1]: parse error: unallowed token at this point in JSON text"},
        {STR("{\"a\":1,}"), "byte 8: parse error: invalid object key (must be a string)"},
        {STR("[1/**/]"),
         "byte 2, in [1]: lexical error: probable comment found in input text, comments are not enabled."},
        {STR("[1] x"), "byte 5: parse error: trailing garbage"},
        {STR("1 2"), "byte 3: parse error: trailing garbage"},
        {STR("[1]\0"), "byte 4: parse error: trailing garbage"},
        {STR("[1,\v2]"), "byte 4, in [1]: invalid character between values"},
        {STR("[1\f]"), "byte 3, in [1]: invalid character between values"},
        {STR("[1]\f"), "byte 4: invalid character behind the value"},
        {STR("\xef\xbb\xbf[]"), "byte 1: lexical error: invalid char in json text."},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        check_refused(table[i].text, table[i].why);
}

static void json_that_we_do_not_want_is_refused_with_the_path(void **state UNUSED)
{
    const struct {
        struct str text;
        const char *why;
    } table[] = {
        {STR("[\"\xc0\xaf\"]"), "JSON text is not valid UTF-8"},
        {STR("[\"\xed\xa0\x80\"]"), "JSON text is not valid UTF-8"},
        {STR("[\"\xe2\x82\"]"), "JSON text is not valid UTF-8"},
        {STR("[0,\"\\ud800\"]"), "[1]: half of a surrogate pair in a string"},
        {STR("[\"\\ud800\\ud800\\udc00\"]"), "[0]: half of a surrogate pair in a string"},
        {STR("[\"\\ud800\\u0041\"]"), "[0]: half of a surrogate pair in a string"},
        {STR("[\"\\ud800x\\udc00\"]"), "[0]: half of a surrogate pair in a string"},
        {STR("[\"\\n\\uDFff\"]"), "[0]: half of a surrogate pair in a string"},
        {STR("{\"a\":{\"\\udc00\":1}}"), "a: half of a surrogate pair in a string"},
        {STR("{\"a\":{\"b\\u0000c\":1}}"), "a: \\u0000 in a name"},
        {STR("{\"a\":[{},{\"b\":1,\"c\":2,\"\\u0062\":3}]}"), "a[1].b: given twice"},
        {STR("{\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"3\":0}"), "3: given twice"},
        {STR("{\"\":0,\"\":0}"), "given twice"},
        {STR("{\"m\":[1,2,{\"n\":9223372036854775808}]}"), "m[2].n: integer out of range (64 bits)"},
        {STR("-9223372036854775809"), "integer out of range (64 bits)"},
        {STR("[00]"), "byte 3, in [1]: parse error: after array element, I expect ',' or ']'"},
        {STR("{\"a\":-1e999}"), "a: number out of range"},
        {STR("{\"01234567890123456789012345678901234567\xe2\x82\xac...\":[1e999]}"),
         "01234567890123456789012345678901234567...[0]: number out of range"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        check_refused(table[i].text, table[i].why);
}

/* `n` times `open`, the middle, `n` times `close`. */
static int parse_nested(size_t n, const char *open, const char *middle, const char *close, struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct json *root;
    struct arena a;
    int rc;

    for (size_t i = 0; i < n; i++)
        buf_add_str(&text, str_of(open));
    buf_add_str(&text, str_of(middle));
    for (size_t i = 0; i < n; i++)
        buf_add_str(&text, str_of(close));
    arena_init(&a);
    rc = json_parse(&a, buf_str(&text), &root, err);
    arena_done(&a);
    return rc;
}

static void depth_is_bounded(void **state UNUSED)
{
    struct err err;

    assert_int_equal(parse_nested(LIMIT_JSON_DEPTH, "[", "", "]", &err), 0);
    assert_int_equal(parse_nested(LIMIT_JSON_DEPTH, "{\"a\":", "1", "}", &err), 0);
    assert_int_equal(parse_nested(LIMIT_JSON_DEPTH + 1, "[", "", "]", &err), -ERR_TOO_BIG);
    assert_int_equal(parse_nested(1000000, "[", "", "]", &err), -ERR_TOO_BIG);
    assert_int_equal(parse_nested(LIMIT_JSON_DEPTH + 1, "{\"member\":", "1", "}", &err), -ERR_TOO_BIG);
    assert_non_null(strstr(err.text, "member.member...: nested too deep")); /* the path is cut, the reason is not */
}

typedef int parse_fn(struct arena *a, struct str text, struct json **out, struct err *err);

/* An object of n members: n + 1 values. The last name is `last`. */
static int parse_wide_by(parse_fn *parser, size_t n, size_t last, struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct json *root;
    struct arena a;
    int rc;

    buf_add_char(&text, '{');
    for (size_t i = 0; i + 1 < n; i++)
        buf_addf(&text, "\"k%zu\":1,", i);
    buf_addf(&text, "\"k%zu\":1}", last);
    arena_init(&a);
    rc = parser(&a, buf_str(&text), &root, err);
    arena_done(&a);
    return rc;
}

static int parse_wide(size_t n, size_t last, struct err *err)
{
    return parse_wide_by(json_parse, n, last, err);
}

static void values_are_counted_and_many_names_are_checked(void **state UNUSED)
{
    struct err err;

    assert_int_equal(parse_wide(LIMIT_JSON_NODES - 1, LIMIT_JSON_NODES, &err), 0);
    assert_int_equal(parse_wide(LIMIT_JSON_NODES, LIMIT_JSON_NODES, &err), -ERR_TOO_BIG);
    assert_string_equal(err.text, "k100000: too many values");
    assert_int_equal(parse_wide_by(json_parse_own, LIMIT_JSON_NODES * 2, LIMIT_JSON_NODES * 2, &err), 0);
    assert_int_equal(parse_wide_by(json_parse_own, LIMIT_JSON_NODES * 2, 777, &err), -ERR_BAD_REQUEST);
    assert_int_equal(parse_wide(LIMIT_JSON_NODES - 1, 777, &err), -ERR_BAD_REQUEST);
    assert_string_equal(err.text, "k777: given twice");
}

/* With a copy of the exact size, so that a byte read too far is seen by the sanitizer. */
static void every_beginning_of_a_text_is_refused(void **state UNUSED)
{
    static const char text[] = "{\"a\":[1,-2.5e3,\"x\\ud83d\\ude00\",true,false,null,{}],\"b\\n\":\"\xc3\xa9\"}";

    for (size_t n = 0; n + 1 < sizeof(text) - 1; n++) {
        char *copy = malloc(n + 1);
        struct json *root = NULL;
        struct arena a;

        memcpy(copy + 1, text, n);
        arena_init(&a);
        assert_int_equal(json_parse(&a, (struct str){copy + 1, n}, &root, NULL), -ERR_BAD_REQUEST);
        assert_null(root);
        arena_done(&a);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_keeps_its_value_and_its_bytes),
        cmocka_unit_test(members_are_found_by_name_and_place_in_order),
        cmocka_unit_test(lookups_forgive_what_is_missing_or_of_another_type),
        cmocka_unit_test(plain_strings_are_views_of_the_text),
        cmocka_unit_test(what_is_no_json_is_refused_with_the_byte_and_the_path),
        cmocka_unit_test(json_that_we_do_not_want_is_refused_with_the_path),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(values_are_counted_and_many_names_are_checked),
        cmocka_unit_test(every_beginning_of_a_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
