/* SPDX-License-Identifier: MIT */
#include "app/token.h"
#include "temporary.h"

#include <sys/wait.h>

static void it_is_made_once_and_kept(void **state)
{
    char first[TOKEN_TEXT], second[TOKEN_TEXT];
    struct stat st;
    struct err err;

    assert_int_equal(token_open(*state, first, &err), 0);
    assert_int_equal(token_open(*state, second, &err), 0);
    assert_int_equal(strlen(first), TOKEN_TEXT - 1);
    assert_string_equal(first, second);
    assert_int_equal(stat(temporary_path(state, "token"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(temporary_count(state), 1);
}

static void two_are_different(void **state)
{
    char first[TOKEN_TEXT], second[TOKEN_TEXT];
    struct err err;

    assert_int_equal(token_open(*state, first, &err), 0);
    assert_int_equal(unlink(temporary_path(state, "token")), 0);
    assert_int_equal(token_open(*state, second, &err), 0);
    assert_string_not_equal(first, second);
}

enum { RACERS = 16 };

static void processes_that_make_it_at_once_agree(void **state)
{
    char mine[TOKEN_TEXT], theirs[TOKEN_TEXT];
    int fds[2], status;
    struct err err;

    assert_int_equal(pipe(fds), 0);
    for (int i = 0; i < RACERS; i++) {
        if (fork() != 0)
            continue;
        if (token_open(*state, theirs, NULL) < 0 || write(fds[1], theirs, sizeof(theirs)) != sizeof(theirs))
            _exit(1);
        _exit(0);
    }
    for (int i = 0; i < RACERS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(token_open(*state, mine, &err), 0);
    for (int i = 0; i < RACERS; i++) {
        assert_int_equal(read(fds[0], theirs, sizeof(theirs)), sizeof(theirs));
        assert_string_equal(theirs, mine);
    }
    assert_int_equal(temporary_count(state), 1);
    close(fds[0]);
    close(fds[1]);
}

static void a_file_with_something_else_is_refused(void **state)
{
    const char *path = temporary_path(state, "token");
    char token[TOKEN_TEXT];
    struct err err;

    temporary_put(path, "short\n");
    assert_int_equal(token_open(*state, token, &err), -ERR_CORRUPT);
    temporary_put(path, "");
    assert_int_equal(token_open(*state, token, &err), -ERR_CORRUPT);
    assert_non_null(strstr(err.text, path));
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    const char *path = temporary_path(state, "token");
    char token[TOKEN_TEXT];
    struct err err;

    assert_int_equal(token_open(*state, token, &err), 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(token_open(*state, token, &err), -ERR_CORRUPT);
    assert_non_null(strstr(err.text, "chmod 600"));
}

static void without_a_directory_there_is_none(void **state UNUSED)
{
    char token[TOKEN_TEXT];
    struct err err;

    assert_int_equal(token_open("/nonexistent", token, &err), -ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMPORARY_TEST(it_is_made_once_and_kept),
        TEMPORARY_TEST(two_are_different),
        TEMPORARY_TEST(processes_that_make_it_at_once_agree),
        TEMPORARY_TEST(a_file_with_something_else_is_refused),
        TEMPORARY_TEST(a_file_that_others_may_read_is_refused),
        cmocka_unit_test(without_a_directory_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
