/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void comparing_is_by_bytes(void **state UNUSED)
{
    assert_true(str_eq(STR_NULL, STR("")));
    assert_true(str_is(STR("ab"), "ab"));
    assert_false(str_is(STR("ab"), "abc"));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_eq_nocase(STR("a["), STR("a{")));
    assert_true(str_has_prefix(STR("bearer x"), STR("bearer ")));
    assert_true(str_has_prefix(STR_NULL, STR_NULL));
    assert_false(str_has_prefix(STR("b"), STR("bearer")));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("\xc3\xa9")) < 0);
    assert_int_equal(str_cmp(STR_NULL, STR("")), 0);
    assert_null(str_of(NULL).p);
}

static void trimming_and_skipping_stay_inside(void **state UNUSED)
{
    assert_true(str_is(str_trim(STR(" \t\r\na b\n ")), "a b"));
    assert_true(str_is(str_trim(STR(" \n ")), ""));
    assert_int_equal(str_trim(STR_NULL).n, 0);
    assert_true(str_is(str_skip(STR("abc"), 1), "bc"));
    assert_int_equal(str_skip(STR("abc"), 9).n, 0);
    assert_null(str_skip(STR_NULL, 4).p);
}

static void parts_are_taken_one_by_one_empty_ones_too(void **state UNUSED)
{
    static const char *const want[] = {"a", "", "b", ""};
    struct str rest = STR("a,,b,"), part;
    size_t n = 0;

    while (str_next(&rest, ',', &part)) {
        assert_true(n < ARRAY_LEN(want));
        assert_true(str_is(part, want[n]));
        n++;
    }
    assert_int_equal(n, ARRAY_LEN(want));
    rest = STR("");
    assert_true(str_next(&rest, ',', &part)); /* an empty text is one empty part */
    assert_int_equal(part.n, 0);
    assert_false(str_next(&rest, ',', &part));
}

static void finding_gives_the_first_place(void **state UNUSED)
{
    assert_int_equal(str_find(STR("abcabc"), STR("ca")), 2);
    assert_int_equal(str_find(STR("abc"), STR("")), 0);
    assert_int_equal(str_find(STR_NULL, STR("")), 0);
    assert_int_equal(str_find(STR("abc"), STR("abcd")), -1);
    assert_int_equal(str_find(STR("abc"), STR("x")), -1);
    assert_int_equal(str_find(STR("a\0b"), STR("b")), 2);
}

static void copies_are_terminated_and_say_when_cut(void **state UNUSED)
{
    char four[4];

    assert_true(str_copy(four, sizeof(four), STR("abc")));
    assert_string_equal(four, "abc");
    assert_false(str_copy(four, sizeof(four), STR("abcd")));
    assert_string_equal(four, "abc");
    assert_true(str_copy(four, sizeof(four), STR_NULL));
    assert_string_equal(four, "");
    assert_false(str_copy(four, 1, STR("a")));
    assert_string_equal(four, "");
}

static void texts_are_put_one_behind_the_other(void **state UNUSED)
{
    char room[5] = "....", *at = room;
    struct str one = str_put(STR("ab"), &at), none = str_put(STR_NULL, &at), empty = str_put(STR(""), &at),
               two = str_put(STR("cd"), &at);

    assert_true(one.p == room && str_is(one, "ab"));
    assert_true(two.p == room + 2 && str_is(two, "cd"));
    assert_true(at == room + 4);
    assert_null(none.p);
    assert_true(empty.p != NULL && empty.n == 0);
}

static void numbers_are_whole_and_in_range_or_left_alone(void **state UNUSED)
{
    static const struct {
        const char *text;
        bool as_i64, as_u64;
        int64_t i;
        uint64_t u;
    } table[] = {
        {"0", true, true, 0, 0},
        {"007", true, true, 7, 7},
        {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
        {"9223372036854775808", false, true, 99, (uint64_t)INT64_MAX + 1},
        {"-9223372036854775808", true, false, INT64_MIN, 99},
        {"-9223372036854775809", false, false, 99, 99},
        {"18446744073709551615", false, true, 99, UINT64_MAX},
        {"18446744073709551616", false, false, 99, 99},
        {"99999999999999999999", false, false, 99, 99},
        {"", false, false, 99, 99},
        {"-", false, false, 99, 99},
        {"--1", false, false, 99, 99},
        {"+1", false, false, 99, 99},
        {" 1", false, false, 99, 99},
        {"1x", false, false, 99, 99},
        {"-0", true, false, 0, 99},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        uint64_t u = 99;
        int64_t v = 99;

        assert_int_equal(str_to_i64(str_of(table[i].text), &v), table[i].as_i64);
        assert_true(v == table[i].i);
        assert_int_equal(str_to_u64(str_of(table[i].text), &u), table[i].as_u64);
        assert_true(u == table[i].u);
    }
}

static void distance_counts_the_smallest_edit(void **state UNUSED)
{
    static const struct {
        const char *a, *b;
        size_t d;
    } table[] = {{"", "", 0},         {"", "abc", 3},           {"abc", "", 3},
                 {"same", "same", 0}, {"mesage", "message", 1}, {"kitten", "sitting", 3},
                 {"ab", "ba", 2}};

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(str_distance(str_of(table[i].a), str_of(table[i].b)), table[i].d);
}

static void hash_depends_on_bytes_and_seed_only(void **state UNUSED)
{
    char copy[] = "key";

    assert_true(str_hash(STR("key"), 1) == str_hash(str_of(copy), 1));
    assert_true(str_hash(STR("key"), 1) != str_hash(STR("key"), 2));
    assert_true(str_hash(STR("key"), 1) != str_hash(STR("kez"), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing_is_by_bytes),
        cmocka_unit_test(trimming_and_skipping_stay_inside),
        cmocka_unit_test(parts_are_taken_one_by_one_empty_ones_too),
        cmocka_unit_test(finding_gives_the_first_place),
        cmocka_unit_test(copies_are_terminated_and_say_when_cut),
        cmocka_unit_test(texts_are_put_one_behind_the_other),
        cmocka_unit_test(numbers_are_whole_and_in_range_or_left_alone),
        cmocka_unit_test(distance_counts_the_smallest_edit),
        cmocka_unit_test(hash_depends_on_bytes_and_seed_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
