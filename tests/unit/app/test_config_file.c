/* SPDX-License-Identifier: MIT */
#include "app/config.h"
#include "app/small_file.h"
#include "temporary.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

static int change(const char *path, const char *name, const char *value, int64_t expected, uint64_t *revision,
                  struct err *err)
{
    return config_change_file(path, str_of(name), str_of(value), expected, revision, err);
}

static void a_change_is_in_the_file_and_raises_its_section(void **state)
{
    const char *path = temporary_path(state, "config.json");
    struct config *c = config_new();
    uint64_t revision = 0;
    struct stat st;
    struct err err;

    assert_int_equal(change(path, "server.port", "1", -1, &revision, &err), 0);
    assert_int_equal(revision, 1);
    assert_int_equal(change(path, "server.hosts", "a, b", 1, &revision, &err), 0);
    assert_int_equal(revision, 2);
    assert_int_equal(change(path, "providers.my.box.models", "[\"m,1\"]", 0, &revision, &err), 0);
    assert_int_equal(revision, 1);
    assert_int_equal(config_read_file(c, path, true, &err), 0);
    assert_int_equal(config_number(c, CONFIG_SERVER_PORT), 1);
    assert_string_equal(config_list(c, CONFIG_SERVER_HOSTS)[1], "b");
    assert_int_equal(config_revision(c, STR("server")), 2);
    assert_int_equal(config_provider_count(c), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(temporary_count(state), 1); /* no draft is left */
    config_free(c);
}

static void null_takes_a_value_away(void **state)
{
    const char *path = temporary_path(state, "config.json");
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    uint64_t revision;
    struct err err;

    assert_int_equal(change(path, "server.port", "1", -1, &revision, &err), 0);
    assert_int_equal(change(path, "server.port", "null", -1, &revision, &err), 0);
    assert_int_equal(revision, 2);
    assert_int_equal(small_file_read(path, &text, &err), 0);
    assert_null(strstr(text.p, "port"));
}

static void what_is_wrong_changes_nothing(void **state)
{
    const char *path = temporary_path(state, "config.json");
    CLEANUP(buf_done) struct buf before = BUF_INIT, after = BUF_INIT;
    uint64_t revision = 77;
    struct err err;

    assert_int_equal(change(path, "server.port", "1", -1, &revision, &err), 0);
    assert_int_equal(small_file_read(path, &before, &err), 0);
    revision = 77;
    assert_int_equal(change(path, "server.port", "2", 0, &revision, &err), -ERR_CONFLICT);
    assert_int_equal(change(path, "server.port", "x", -1, &revision, &err), -ERR_BAD_REQUEST);
    assert_int_equal(change(path, "server.prot", "2", -1, &revision, &err), -ERR_NOT_FOUND);
    assert_int_equal(revision, 77);
    assert_int_equal(small_file_read(path, &after, &err), 0);
    assert_string_equal(before.p, after.p);
}

static void a_file_that_cannot_be_read_is_not_overwritten(void **state)
{
    const char *path = temporary_path(state, "config.json");
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    uint64_t revision;
    struct err err;

    temporary_put(path, "{ half");
    assert_int_equal(change(path, "server.port", "1", -1, &revision, &err), -ERR_BAD_REQUEST);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(small_file_read(path, &text, &err), 0);
    assert_string_equal(text.p, "{ half");
}

enum { WRITERS = 8, CHANGES = 10 };

/* Every change of every process is counted: none was lost between another's reading and writing. */
static void changes_of_many_processes_are_all_there(void **state)
{
    const char *path = temporary_path(state, "config.json");
    struct config *c = config_new();
    struct err err;
    int status;

    for (int i = 0; i < WRITERS; i++) {
        if (fork() != 0)
            continue;
        for (int k = 0; k < CHANGES; k++) {
            uint64_t revision;

            if (change(path, "server.port", "1", -1, &revision, NULL) < 0)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(config_read_file(c, path, true, &err), 0);
    assert_int_equal(config_revision(c, STR("server")), WRITERS * CHANGES);
    config_free(c);
}

static void creating_is_for_the_first_only(void **state)
{
    const char *path = temporary_path(state, "once");
    CLEANUP(buf_done) struct buf text = BUF_CAPPED(3);
    struct err err;

    assert_int_equal(small_file_create(path, STR("one"), &err), 0);
    assert_int_equal(small_file_create(path, STR("two"), &err), -ERR_CONFLICT);
    assert_int_equal(small_file_read(path, &text, &err), 0);
    assert_string_equal(text.p, "one");
    assert_int_equal(small_file_write(path, STR("three"), &err), 0);
    assert_int_equal(small_file_read(path, &text, &err), -ERR_TOO_BIG);
    assert_int_equal(temporary_count(state), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMPORARY_TEST(a_change_is_in_the_file_and_raises_its_section),
        TEMPORARY_TEST(null_takes_a_value_away),
        TEMPORARY_TEST(what_is_wrong_changes_nothing),
        TEMPORARY_TEST(a_file_that_cannot_be_read_is_not_overwritten),
        TEMPORARY_TEST(changes_of_many_processes_are_all_there),
        TEMPORARY_TEST(creating_is_for_the_first_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
