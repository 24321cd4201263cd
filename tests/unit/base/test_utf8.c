/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FFFD "\xef\xbf\xbd"

#define TEXT(literal) {(literal), sizeof(literal) - 1}

/* A text and what repair makes of it; the same where it is valid. */
static const struct {
    struct str in, out;
} cases[] = {
    {TEXT(""), TEXT("")},
    {TEXT("plain ASCII that is longer than a word"), TEXT("plain ASCII that is longer than a word")},
    {TEXT("nul\0in it"), TEXT("nul\0in it")},
    {TEXT("\xc2\x80 \xdf\xbf"), TEXT("\xc2\x80 \xdf\xbf")},
    {TEXT("\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf"),
     TEXT("\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf")},
    {TEXT("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"), TEXT("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf")},
    /* a tail without a head, and bytes that are in no character */
    {TEXT("a\x80z"), TEXT("a" FFFD "z")},
    {TEXT("\xfe\xff"), TEXT(FFFD FFFD)},
    {TEXT("\xf5\x80\x80\x80"), TEXT(FFFD FFFD FFFD FFFD)},
    /* overlong */
    {TEXT("\xc0\xaf"), TEXT(FFFD FFFD)},
    {TEXT("\xe0\x9f\xbf"), TEXT(FFFD FFFD FFFD)},
    {TEXT("\xf0\x8f\xbf\xbf"), TEXT(FFFD FFFD FFFD FFFD)},
    /* a surrogate, and above U+10FFFF */
    {TEXT("\xed\xa0\x80"), TEXT(FFFD FFFD FFFD)},
    {TEXT("\xf4\x90\x80\x80"), TEXT(FFFD FFFD FFFD FFFD)},
    /* unfinished: the whole part is one replacement */
    {TEXT("a\xe2\x82"), TEXT("a" FFFD)},
    {TEXT("\xf0\x9f\x98z"), TEXT(FFFD "z")},
    {TEXT("\xf0\x9f\x98\xe2\x82\xac"), TEXT(FFFD "\xe2\x82\xac")},
    /* Unicode standard, table 3-11 */
    {TEXT("\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64"), TEXT("a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d")},
};

static void validity_is_that_of_rfc_3629(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(utf8_is_valid(cases[i].in), str_eq(cases[i].in, cases[i].out));
    assert_true(utf8_is_valid(STR_NULL));
}

static void each_maximal_broken_part_becomes_one_replacement_however_it_is_cut(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str in = cases[i].in;

        for (size_t step = 1; step <= in.n + 1; step++) {
            CLEANUP(buf_done) struct buf out = BUF_INIT;
            struct utf8_repair r = {.n = 0};

            for (size_t at = 0; at < in.n; at += step)
                utf8_repair_add(&r, (struct str){in.p + at, in.n - at < step ? in.n - at : step}, &out);
            utf8_repair_end(&r, &out);
            assert_true(str_eq(buf_str(&out), cases[i].out));
            assert_int_equal(r.repaired, !str_eq(in, cases[i].out));
        }
    }
}

static void an_unfinished_character_waits_for_its_rest(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct utf8_repair r = {.n = 0};

    utf8_repair_add(&r, STR("x\xe2\x82"), &out);
    assert_true(str_is(buf_str(&out), "x"));
    utf8_repair_add(&r, STR_NULL, &out);
    utf8_repair_add(&r, STR("\xac"), &out);
    assert_true(str_is(buf_str(&out), "x\xe2\x82\xac"));
    utf8_repair_end(&r, &out);
    assert_true(str_is(buf_str(&out), "x\xe2\x82\xac"));
    assert_false(r.repaired);
}

static void floor_never_splits_a_character(void **state UNUSED)
{
    static const struct {
        size_t limit, n;
    } table[] = {{0, 0}, {1, 1}, {2, 1}, {3, 1}, {4, 4}, {5, 4}, {7, 4}, {8, 8}, {9, 9}, {10, 9}, {SIZE_MAX, 9}};
    struct str s = STR("a\xe2\x82\xac\xf0\x9f\x98\x80z"); /* 1 + 3 + 4 + 1 */

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(utf8_floor(s, table[i].limit), table[i].n);
    assert_int_equal(utf8_floor(STR_NULL, 3), 0);
}

static void bytes_become_one_line(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    buf_add_str(&out, STR("at 1\n"));
    utf8_add_line(STR("a\tb\nc\x7f \xc3\xa9 \xff\xc3"), &out);
    assert_string_equal(out.p, "at 1\na b c  \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validity_is_that_of_rfc_3629),
        cmocka_unit_test(each_maximal_broken_part_becomes_one_replacement_however_it_is_cut),
        cmocka_unit_test(an_unfinished_character_waits_for_its_rest),
        cmocka_unit_test(floor_never_splits_a_character),
        cmocka_unit_test(bytes_become_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
