/* SPDX-License-Identifier: MIT */
#include "face/route.h"

#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/requests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct route_found find(enum http_method method, const char *path)
{
    return route_find(bamboo_routes, bamboo_routes_count, method, str_of(path));
}

static const struct {
    enum http_method method;
    const char *path;
    void (*handle)(struct exchange *x);
    const char *parameter;
} known[] = {
    {HTTP_GET, "/api/v1/health", health_get, NULL},
    {HTTP_GET, "/v1/health", health_get, NULL},
    {HTTP_HEAD, "/api/v1/health", health_get, NULL},
    {HTTP_GET, "/healthz", healthz_get, NULL},
    {HTTP_GET, "/readyz", readyz_get, NULL},
    {HTTP_GET, "/api/v1/bootstrap", bootstrap_get, NULL},
    {HTTP_GET, "/api/v1/status", status_get, NULL},
    {HTTP_GET, "/metrics", metrics_get, NULL},
    {HTTP_POST, "/api/v1/chat", chat_post, NULL},
    {HTTP_POST, "/api/v1/execute/a", execute_post, "a"},
    {HTTP_POST, "/api/v1/sessions/a/execute", execute_post, "a"},
    {HTTP_GET, "/api/v1/events/a", events_get, "a"},
    {HTTP_GET, "/api/v1/sessions/a/events", events_get, "a"},
    {HTTP_HEAD, "/api/v1/sessions/a/events", events_get, "a"},
    {HTTP_POST, "/api/v1/stop/a", stop_post, "a"},
    {HTTP_POST, "/api/v1/sessions/a/stop", stop_post, "a"},
    {HTTP_GET, "/api/v1/history/a", history_get, "a"},
    {HTTP_GET, "/api/v1/sessions/a/history", history_get, "a"},
    {HTTP_POST, "/api/v1/respond/a", respond_post, "a"},
    {HTTP_POST, "/api/v1/sessions/a/respond", respond_post, "a"},
    {HTTP_GET, "/api/v1/respond/a/pending", respond_pending_get, "a"},
    {HTTP_GET, "/api/v1/sessions/a/respond/pending", respond_pending_get, "a"},
    {HTTP_GET, "/api/v1/sessions/a/guidance", guidance_get, "a"},
    {HTTP_POST, "/api/v1/sessions/a/guidance", guidance_post, "a"},
    {HTTP_POST, "/api/v1/sessions/a/messages/truncate", messages_truncate_post, "a"},
    {HTTP_POST, "/api/v1/sessions/a/restore", restore_post, "a"},
    {HTTP_POST, "/api/v1/sessions/a/clear", clear_post, "a"},
    {HTTP_POST, "/api/v1/sessions/a/copy", copy_post, "a"},
    {HTTP_POST, "/api/v1/sessions/cleanup", cleanup_post, NULL},
    {HTTP_DELETE, "/api/v1/sessions/cleanup", session_delete, "cleanup"},
    {HTTP_POST, "/api/v1/sessions/a/fork", fork_post, "a"},
    {HTTP_GET, "/api/v1/sessions", sessions_get, NULL},
    {HTTP_POST, "/api/v1/sessions", sessions_post, NULL},
    {HTTP_GET, "/api/v1/sessions/a%20b", session_get, "a%20b"},
    {HTTP_PATCH, "/api/v1/sessions/a", session_patch, "a"},
    {HTTP_DELETE, "/api/v1/sessions/a", session_delete, "a"},
    {HTTP_GET, "/api/v1/sessions/a/facts", facts_get, "a"},
    {HTTP_GET, "/api/v1/sessions/a/runs", session_runs_get, "a"},
    {HTTP_GET, "/api/v1/runs/active", runs_active_get, NULL},
    {HTTP_GET, "/api/v1/runs/a", run_get, "a"},
};

static void every_path_finds_its_handler(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct route_found found = find(known[i].method, known[i].path);

        if (found.route == NULL || found.route->handle != known[i].handle)
            fail_msg("%s", known[i].path);
        assert_true(str_eq(found.first.value, str_of(known[i].parameter)));
        assert_int_equal(found.second.value.n, 0);
    }
}

static void a_path_may_have_two_parameters(void **state UNUSED)
{
    struct route_found found = find(HTTP_DELETE, "/api/v1/sessions/a/guidance/b%20c");

    assert_true(find(HTTP_PATCH, "/api/v1/sessions/a/messages/b").route->handle == message_patch);
    assert_true(find(HTTP_DELETE, "/api/v1/sessions/a/messages/truncate").route->handle == message_delete);

    assert_true(found.route != NULL && found.route->handle == guidance_delete);
    assert_true(str_is(found.first.value, "a") && str_is(found.first.name, "session"));
    assert_true(str_is(found.second.value, "b%20c") && str_is(found.second.name, "message"));
    assert_int_equal(find(HTTP_DELETE, "/api/v1/sessions/a/guidance/").methods, 0);
    assert_int_equal(find(HTTP_DELETE, "/api/v1/sessions//guidance/b").methods, 0);
}

static void paths_that_are_none(void **state UNUSED)
{
    static const char *const paths[] = {
        "",
        "/",
        "*",
        "/api/v1",
        "/api/v1/",
        "/api/v1/sessions/",
        "/api/v1/sessions//events",
        "/api/v1/sessions/a/",
        "/api/v1/sessions/a/b",
        "/api/v1/chat/",
        "/api/v1//chat",
        "/api/v1chat",
        "/v1/chat",
        "/chat",
        "/api/v1/healthz",
        "/api/v1/CHAT",
        "/api/v1/events/a/b",
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (find(HTTP_GET, paths[i]).methods != 0)
            fail_msg("%s", paths[i]);
}

static void a_known_path_tells_its_methods(void **state UNUSED)
{
    struct buf names CLEANUP(buf_done) = BUF_INIT;
    struct route_found found = find(HTTP_PUT, "/api/v1/sessions/a");

    assert_null(found.route);
    route_write_methods(found.methods, &names);
    assert_string_equal(names.p, "GET, HEAD, PATCH, DELETE");
    buf_clear(&names);
    found = find(HTTP_OTHER, "/api/v1/chat");
    assert_null(found.route);
    route_write_methods(found.methods, &names);
    assert_string_equal(names.p, "POST");
}

static void every_path_but_health_wants_a_credential(void **state UNUSED)
{
    for (size_t i = 0; i < bamboo_routes_count; i++) {
        const struct route *r = &bamboo_routes[i];
        bool is_public = r->handle == health_get || r->handle == healthz_get || r->handle == readyz_get ||
                         r->handle == bootstrap_get;

        assert_int_equal((r->flags & ROUTE_PUBLIC) != 0, is_public);
    }
}

static void messages_may_be_large(void **state UNUSED)
{
    assert_int_equal(face_body_limit(NULL, STR("/api/v1/chat")), LIMIT_BODY_MESSAGE_BYTES);
    assert_int_equal(face_body_limit(NULL, STR("/api/v1/sessions")), LIMIT_BODY_BYTES);
    assert_int_equal(face_body_limit(NULL, STR("/unknown")), LIMIT_BODY_BYTES);
}

static void the_names_in_a_path_are_found_wherever_the_route_is_mounted(void **state UNUSED)
{
    static const struct route routes[] = {
        {HTTP_POST, AT_API, "/sessions/{session}/stop", NULL, 0, NULL},
        {HTTP_POST, AT_API | AT_V1 | AT_ROOT, "/stop/{session}", NULL, 0, NULL},
        {HTTP_POST, AT_API, "/sessions", NULL, 0, NULL},
        {HTTP_POST, AT_API, "/sessions/{session}/messages/{message}", NULL, 0, NULL},
    };
    static const struct {
        size_t route;
        const char *path, *names;
    } rows[] = {
        {0, "/api/v1/sessions/a%20b/stop", "a%20b/"},
        {1, "/api/v1/stop/a%20b", "a%20b/"},
        {1, "/v1/stop/x", "x/"},
        {1, "/stop/x", "x/"},
        {2, "/api/v1/sessions", ""},
        {3, "/api/v1/sessions/s/messages/m", "s/m/"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf_done) struct buf names = BUF_INIT;

        route_write_parameters(&routes[rows[i].route], str_of(rows[i].path), &names);
        assert_true(str_is(buf_str(&names), rows[i].names));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_finds_its_handler),
        cmocka_unit_test(a_path_may_have_two_parameters),
        cmocka_unit_test(paths_that_are_none),
        cmocka_unit_test(a_known_path_tells_its_methods),
        cmocka_unit_test(every_path_but_health_wants_a_credential),
        cmocka_unit_test(messages_may_be_large),
        cmocka_unit_test(the_names_in_a_path_are_found_wherever_the_route_is_mounted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
