/* SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

static void pieces_are_aligned_and_do_not_overlap(void **state UNUSED)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, ARENA_INLINE, 4096, 5000, 3, 300000, 2000000, 7};
    unsigned char *pieces[ARRAY_LEN(sizes)];
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        pieces[i] = arena_alloc(&a, sizes[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (size_t k = 0; k < sizes[i]; k++)
            if (pieces[i][k] != i + 1)
                fail_msg("piece %zu was overwritten", i);
    arena_done(&a);
}

static void the_first_bytes_cost_no_heap(void **state UNUSED)
{
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < ARENA_INLINE / 16; i++)
        arena_alloc(&a, 16);
    assert_int_equal(a.total, 0);
    assert_null(a.chunks);
    arena_alloc(&a, 1);
    assert_non_null(a.chunks);
    arena_reset(&a);
    assert_null(a.chunks);
    assert_ptr_equal(arena_alloc(&a, 1), a.first);
    arena_done(&a);
}

static void zeroed_pieces_are_zero_after_reuse(void **state UNUSED)
{
    struct arena a;
    unsigned char *p;

    arena_init(&a);
    memset(arena_alloc(&a, 512), 0xff, 512);
    arena_reset(&a);
    p = arena_zalloc(&a, 512);
    for (size_t i = 0; i < 512; i++)
        assert_int_equal(p[i], 0);
    arena_done(&a);
}

static void copies_of_text_are_terminated(void **state UNUSED)
{
    struct arena a;
    struct str s;

    arena_init(&a);
    s = arena_str(&a, STR("a\0b"));
    assert_memory_equal(s.p, "a\0b", 4);
    assert_int_equal(s.n, 3);
    assert_null(arena_str(&a, STR_NULL).p);
    assert_non_null(arena_str(&a, STR("")).p);
    s = arena_strf(&a, "%s-%d", "x", 42);
    assert_string_equal(s.p, "x-42");
    assert_int_equal(s.n, 4);
    s = arena_strf(&a, "%*s", 3000, "");
    assert_int_equal(s.n, 3000);
    arena_done(&a);
}

static void a_buffer_grows_and_stays_terminated(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf b = BUF_INIT;

    assert_int_equal(buf_str(&b).n, 0);
    assert_non_null(buf_str(&b).p);
    buf_add(&b, NULL, 0);
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%d,", i);
    assert_int_equal(b.n, 3890);
    assert_int_equal(b.p[b.n], '\0');
    buf_addf(&b, "%*s", 1000, "wide");
    assert_int_equal(b.n, 4890);
    assert_string_equal(b.p + b.n - 5, " wide");
    buf_clear(&b);
    assert_int_equal(b.n, 0);
    assert_string_equal(b.p, "");
}

static void numbers_are_written_in_decimal(void **state UNUSED)
{
    const int64_t some[] = {0, 9, 10, -1, 1234567890, INT64_MAX, INT64_MIN};
    struct buf b = BUF_INIT;
    char expected[48];

    for (size_t i = 0; i < ARRAY_LEN(some); i++) {
        snprintf(expected, sizeof(expected), "%" PRId64 "/%" PRIu64, some[i], (uint64_t)some[i]);
        buf_clear(&b);
        buf_add_i64(&b, some[i]);
        buf_add_char(&b, '/');
        buf_add_u64(&b, (uint64_t)some[i]);
        assert_string_equal(b.p, expected);
    }
    buf_done(&b);
}

static void beyond_the_cap_nothing_is_added_until_cleared(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf b = BUF_CAPPED(4);

    buf_add_str(&b, STR("abcd"));
    assert_false(b.full);
    buf_add_char(&b, 'e');
    assert_true(b.full);
    assert_string_equal(b.p, "abcd");
    buf_drop_front(&b, 3);
    buf_add_char(&b, 'x'); /* stays refused, or the text would have a hole */
    assert_string_equal(b.p, "d");
    buf_clear(&b);
    buf_addf(&b, "%s", "vwxyz");
    assert_true(b.full);
    assert_int_equal(b.n, 0);
    buf_clear(&b);
    buf_addf(&b, "%*s", 1000, "");
    assert_true(b.full);
    buf_done(&b);
    assert_int_equal(b.max, 4);
    assert_false(b.full);
}

static void the_front_can_be_dropped(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf b = BUF_INIT;

    buf_drop_front(&b, 0);
    buf_add_str(&b, STR("line\nrest"));
    buf_drop_front(&b, 5);
    assert_string_equal(b.p, "rest");
    buf_drop_front(&b, 4);
    assert_int_equal(b.n, 0);
    assert_string_equal(b.p, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
        cmocka_unit_test(the_first_bytes_cost_no_heap),
        cmocka_unit_test(zeroed_pieces_are_zero_after_reuse),
        cmocka_unit_test(copies_of_text_are_terminated),
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(beyond_the_cap_nothing_is_added_until_cleared),
        cmocka_unit_test(the_front_can_be_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
