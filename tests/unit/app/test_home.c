/* SPDX-License-Identifier: MIT */
#include "app/home.h"
#include "app/server.h"
#include "app/small_file.h"
#include "base/json.h"
#include "temporary.h"

#include <sys/socket.h>
#include <sys/un.h>

static void the_option_counts_before_the_environment_before_home(void **state UNUSED)
{
    struct home h;
    struct err err;

    setenv("HOME", "/h", 1);
    setenv("CULM_DATA_DIR", "/e/", 1);
    assert_int_equal(home_init(&h, "/o", &err), 0);
    assert_string_equal(h.path, "/o");
    home_done(&h);
    assert_int_equal(home_init(&h, NULL, &err), 0);
    assert_string_equal(h.path, "/e");
    assert_string_equal(h.socket, "/e/culm.sock");
    home_done(&h);
    setenv("CULM_DATA_DIR", "", 1);
    assert_int_equal(home_init(&h, NULL, &err), 0);
    assert_string_equal(h.path, "/h/.culm");
    home_done(&h);
    unsetenv("HOME");
    assert_int_equal(home_init(&h, NULL, &err), -ERR_BAD_REQUEST);
    assert_int_equal(home_init(&h, "here", &err), 0);
    assert_true(h.path[0] == '/' && strcmp(strrchr(h.path, '/'), "/here") == 0);
    home_done(&h);
}

static void server_json_says_who_and_where(void **state)
{
    const struct server_info info = {.boot = "b", .version = "1.2.3", .socket = "/s", .address = "::1", .port = 9562};
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct json *root = NULL;
    struct arena arena;
    struct home h;
    struct err err;

    assert_int_equal(home_init(&h, *state, &err), 0);
    assert_false(server_info_is_lasting(&h));
    assert_int_equal(server_info_write(&h, &info, &err), 0);
    assert_true(server_info_is_lasting(&h));
    assert_int_equal(small_file_read(temporary_path(state, "server.json"), &text, &err), 0);
    arena_init(&arena);
    assert_int_equal(json_parse(&arena, buf_str(&text), &root, &err), 0);
    assert_int_equal(json_number(json_find(root, "pid"), 0), getpid());
    assert_true(str_is(json_text(json_find(root, "boot")), "b"));
    assert_true(str_is(json_text(json_find(root, "version")), "1.2.3"));
    assert_true(str_is(json_text(json_find(root, "socket")), "/s"));
    assert_true(str_is(json_text(json_find(root, "address")), "http://[::1]:9562"));
    assert_int_equal(json_number(json_find(root, "port"), 0), 9562);
    arena_done(&arena);
    server_info_remove(&h);
    assert_int_equal(temporary_count(state), 0);
    home_done(&h);
}

static void a_server_without_tcp_has_no_address(void **state)
{
    const struct server_info info = {.boot = "b", .version = "1", .socket = "/s"};
    struct home h;
    struct err err;

    assert_int_equal(home_init(&h, *state, &err), 0);
    assert_int_equal(server_info_write(&h, &info, &err), 0);
    assert_false(server_info_is_lasting(&h));
    home_done(&h);
}

/* A socket address holds 107 bytes of path. */
static void a_long_path_is_reached_in_a_short_way(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    char deep[400];
    struct home h;
    struct err err;
    int fd;

    snprintf(deep, sizeof(deep), "%s/%0150d", (const char *)*state, 0);
    assert_int_equal(home_init(&h, deep, &err), 0);
    assert_null(home_socket(&h));
    assert_false(home_has_server(&h));
    assert_int_equal(home_make(&h, &err), 0);
    assert_true(strlen(h.socket) > 107 && strlen(home_socket(&h)) < 108);
    assert_false(home_has_server(&h));
    assert_true(str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(home_socket(&h))));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        abort();
    assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_false(home_has_server(&h)); /* a file alone is none */
    assert_int_equal(listen(fd, 1), 0);
    assert_true(home_has_server(&h));
    close(fd);
    assert_int_equal(access(h.socket, F_OK), 0);
    assert_false(home_has_server(&h)); /* what a kill leaves is none */
    assert_int_equal(unlink(h.socket), 0);
    home_done(&h);
}

static void loopback_is_what_only_this_machine_reaches(void **state UNUSED)
{
    static const char *const near[] = {"127.0.0.1", "127.9.9.9", "::1", "localhost"};
    static const char *const wide[] = {"0.0.0.0",   "::",          "192.0.2.1", "::ffff:127.0.0.1",
                                       "128.0.0.1", "example.org", ""};

    for (size_t i = 0; i < ARRAY_LEN(near); i++)
        assert_true(server_is_loopback(near[i]));
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        assert_false(server_is_loopback(wide[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_option_counts_before_the_environment_before_home),
        TEMPORARY_TEST(server_json_says_who_and_where),
        TEMPORARY_TEST(a_server_without_tcp_has_no_address),
        TEMPORARY_TEST(a_long_path_is_reached_in_a_short_way),
        cmocka_unit_test(loopback_is_what_only_this_machine_reaches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
