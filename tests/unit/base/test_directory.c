/* SPDX-License-Identifier: MIT */
#include "app/temporary.h"
#include "base/directory.h"
#include "base/fault.h"

#include <errno.h>

static void remove_deep(void **state)
{
    rmdir(temporary_path(state, "a/b/c"));
    rmdir(temporary_path(state, "a/b"));
    rmdir(temporary_path(state, "a"));
}

static void they_are_made_with_what_leads_to_them(void **state)
{
    struct stat st;
    struct err err;

    for (int again = 0; again < 2; again++)
        assert_int_equal(directory_make(temporary_path(state, "a/b//c/"), &err), 0);
    assert_int_equal(stat(temporary_path(state, "a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    remove_deep(state);
}

static void what_is_in_the_way_is_said(void **state)
{
    struct err err;

    temporary_put(temporary_path(state, "file"), "");
    assert_int_equal(directory_make(temporary_path(state, "file/b"), &err), -ERR_IO);
    assert_int_equal(err.sys, ENOTDIR);
    assert_non_null(strstr(err.text, "file/b"));
}

/* Else the next attempt finds it, and takes for granted what a loss of power takes away. */
static void one_whose_name_is_not_on_the_disk_is_not_left(void **state)
{
    static const char *const made[] = {"a", "a/b", "a/b/c"};
    struct err err;

    for (unsigned k = 0; k < 3; k++) {
        fault_arm("fsync", k, EIO, false);
        assert_int_equal(directory_make(temporary_path(state, "a/b/c"), &err), -ERR_IO);
        assert_true(fault_disarm());
        assert_int_equal(err.sys, EIO);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(access(temporary_path(state, made[i]), F_OK) == 0, i < k);
        remove_deep(state);
    }
    fault_arm("fsync", 3, EIO, false);
    assert_int_equal(directory_make(temporary_path(state, "a/b/c"), &err), 0);
    assert_false(fault_disarm());
    remove_deep(state);
}

static void the_holder_of_a_path_is_found(void **state)
{
    static const char *const paths[][2] = {{"a", "."}, {"/a", "/"}, {"a/b", "a"}, {"/a/b/c", "/a/b"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        CLEANUP(buf_done) struct buf holder = BUF_INIT;

        directory_of(paths[i][0], &holder);
        assert_string_equal(holder.p, paths[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMPORARY_TEST(they_are_made_with_what_leads_to_them),
        TEMPORARY_TEST(what_is_in_the_way_is_said),
        TEMPORARY_TEST(one_whose_name_is_not_on_the_disk_is_not_left),
        cmocka_unit_test(the_holder_of_a_path_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
