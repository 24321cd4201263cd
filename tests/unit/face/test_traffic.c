/* SPDX-License-Identifier: MIT */
/* What is counted of requests and streams, through the whole face. */
#include "face/expect.h"

#include "base/process_stats.h"
#include "base/str.h"
#include "face/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void write_status(void *arg UNUSED, enum face_status_form form, const struct process_stats *process,
                         struct buf *out)
{
    assert(process->pid > 0);
    buf_add_str(out, form == FACE_STATUS_JSON ? STR("{\"a\":1}") : STR("a 1\n"));
}

static int set_up(void **state UNUSED)
{
    st = stand_new();
    stand_options(st)->write_status = write_status;
    stand_start(st);
    return 0;
}

static const struct traffic *traffic(void)
{
    return face_traffic(stand_face(st));
}

/* Answers of this class on this route; -1: nothing was asked there at all. */
static int answers(const char *method, const char *path, int class)
{
    struct route_reading r;

    for (size_t row = 0; row < traffic_rows(traffic()); row++)
        if (traffic_read(traffic(), row, &r) && strcmp(r.method, method) == 0 && strcmp(r.path, path) == 0)
            return (int)r.by_class[class - 1];
    return -1;
}

static void an_answer_counts_for_its_route_and_not_for_its_path(void **state UNUSED)
{
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"a\"}");
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":1}");
    stand_call(st, "GET /api/v1/sessions/a", NULL, NULL);
    stand_call(st, "GET /api/v1/sessions/nobody", NULL, NULL);
    stand_call(st, "GET /api/v1/history/a", NULL, NULL);
    stand_call(st, "HEAD /healthz", NULL, NULL);
    assert_int_equal(answers("POST", "/api/v1/chat", 2), 1);
    assert_int_equal(answers("POST", "/api/v1/chat", 4), 1);
    assert_int_equal(answers("GET", "/api/v1/sessions/{session}", 2), 1);
    assert_int_equal(answers("GET", "/api/v1/sessions/{session}", 4), 1);
    assert_int_equal(answers("GET", "/api/v1/history/{session}", 2), 1);
    assert_int_equal(answers("GET", "/api/v1/sessions/{session}/history", 2), -1);
    assert_int_equal(answers("GET", "/healthz", 2), 1);
    assert_int_equal(answers("GET", "/readyz", 2), -1);
}

static void what_has_no_route_is_one_row(void **state UNUSED)
{
    stand_call(st, "GET /api/v1/nothing", NULL, NULL);
    stand_call(st, "GET /nothing/else", NULL, NULL);
    stand_call(st, "PUT /api/v1/chat", NULL, NULL);
    assert_int_equal(answers("other", "other", 4), 3);
}

static void every_answer_has_a_duration(void **state UNUSED)
{
    struct route_reading r;
    uint64_t n = 0;

    stand_call(st, "GET /healthz", NULL, NULL);
    stand_call(st, "GET /healthz", NULL, NULL);
    for (size_t row = 0; row < traffic_rows(traffic()); row++)
        if (traffic_read(traffic(), row, &r))
            n += r.duration.count;
    assert_int_equal(n, 2);
}

static void the_door_says_whom_it_refused(void **state UNUSED)
{
    const uint64_t *refused = traffic()->refused;

    stand_knock(st, "GET /api/v1/sessions", "Host: evil.example\n", NULL);
    stand_knock(st, "GET /api/v1/sessions", "Host: localhost:9562\nOrigin: https://evil.example\n", NULL);
    stand_knock(st, "GET /api/v1/sessions", "Host: localhost:9562\n", NULL);
    stand_knock(st, "GET /api/v1/sessions", "Host: localhost:9562\nAuthorization: Bearer wrong\n", NULL);
    stand_knock(st, "POST /api/v1/chat", "Host: localhost:9562\nAuthorization: Bearer secret\n", "{}");
    assert_int_equal(refused[DOOR_REFUSED_MISDIRECTED], 1);
    assert_int_equal(refused[DOOR_REFUSED_FORBIDDEN], 1);
    assert_int_equal(refused[DOOR_REFUSED_UNAUTHORIZED], 2);
    assert_int_equal(refused[DOOR_REFUSED_MEDIA_TYPE], 1);
    assert_int_equal(answers("GET", "/api/v1/sessions", 4), 4);
}

static size_t count_of(const char *text, const char *part)
{
    struct str rest = str_of(text);
    size_t n = 0;

    for (ptrdiff_t at; (at = str_find(rest, str_of(part))) >= 0; n++)
        rest = str_skip(rest, (size_t)at + 1);
    return n;
}

static void every_event_and_byte_of_a_stream_is_counted(void **state UNUSED)
{
    struct http_request *r;

    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"a\"}");
    stand_call(st, "POST /api/v1/execute/a", NULL, "{}");
    r = stand_call(st, "GET /api/v1/events/a?after=0", NULL, NULL);
    assert_int_equal(answers("GET", "/api/v1/events/{session}", 2), 1);
    stream_be_silent(r);
    stand_finish(st, "a", "the answer");
    stand_run(st);
    assert_true(r->ended);
    assert_int_equal(traffic()->event_bytes, strlen(stand_body(r)));
    assert_int_equal(traffic()->events, count_of(stand_body(r), "data: {"));
}

static void the_snapshot_of_a_late_watcher_is_counted_too(void **state UNUSED)
{
    const struct http_request *r;

    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"a\"}");
    stand_call(st, "POST /api/v1/execute/a", NULL, "{}");
    stand_finish(st, "a", "the answer");
    stand_run(st);
    r = stand_call(st, "GET /api/v1/events/a", NULL, NULL);
    assert_true(r->ended);
    assert_int_equal(traffic()->events, count_of(stand_body(r), "data: {"));
    assert_true(traffic()->events > 1);
}

static void the_status_comes_in_both_forms_and_wants_the_token(void **state UNUSED)
{
    const struct http_request *r = stand_call(st, "GET /api/v1/status", NULL, NULL);

    assert_int_equal(r->status, 200);
    assert_string_equal(stand_body(r), "{\"a\":1}");
    assert_string_equal(stand_header(r, "Content-Type"), "application/json");
    r = stand_call(st, "GET /metrics", NULL, NULL);
    assert_int_equal(r->status, 200);
    assert_string_equal(stand_body(r), "a 1\n");
    assert_string_equal(stand_header(r, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_int_equal(stand_knock(st, "GET /metrics", "Host: localhost:9562\n", NULL)->status, 401);
    assert_int_equal(stand_knock(st, "GET /api/v1/status", "Host: localhost:9562\n", NULL)->status, 401);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, stand_end)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_counts_for_its_route_and_not_for_its_path),
        CASE(what_has_no_route_is_one_row),
        CASE(every_answer_has_a_duration),
        CASE(the_door_says_whom_it_refused),
        CASE(every_event_and_byte_of_a_stream_is_counted),
        CASE(the_snapshot_of_a_late_watcher_is_counted_too),
        CASE(the_status_comes_in_both_forms_and_wants_the_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
