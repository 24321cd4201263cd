/* SPDX-License-Identifier: MIT */
/* Event streams: who comes when, from where, and gets exactly what he lacks. */
#include "face/expect.h"

#include "base/mem.h"
#include "base/str.h"
#include "face/open_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OPENED "data: {\"type\":\"stream_opened\","
#define DONE "data: [DONE]\n\n"

static int set_up(void **state)
{
    stand_begin(state);
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"s\",\"message_id\":\"m1\"}");
    return 0;
}

/* ---- what happens ---- */

static void begin_run(void)
{
    assert_int_equal(stand_call(st, "POST /api/v1/execute/s", NULL, "{}")->status, 202);
}

static void whole_run(const char *text)
{
    begin_run();
    stand_finish(st, "s", text);
    stand_run(st);
}

static struct http_request *watch(const char *query)
{
    char line[200];

    snprintf(line, sizeof(line), "GET /api/v1/events/s%s", query);
    return stand_call(st, line, NULL, NULL);
}

/* ---- what is seen ---- */

/* Its type, with its id before it: "stream_opened", "2:message_appended", "[DONE]". */
static void word_of(const char *frame, char out[64])
{
    char id[24] = "", type[36] = "";

    if (sscanf(frame, "id: %23[0-9]", id) == 1)
        frame = strchr(frame, '\n') + 1;
    if (sscanf(frame, "data: {\"type\":\"%35[a-z_]\"", type) != 1)
        assert_int_equal(sscanf(frame, "data: %35[][A-Z]", type), 1);
    snprintf(out, 64, "%s%s%s", id, id[0] != '\0' ? ":" : "", type);
}

static void expect_story(const struct http_request *r, const char *wanted)
{
    expect_frames(r, word_of, wanted);
}

/* ---- opening ---- */

static void headers_and_the_first_frame_go_at_once(void **state UNUSED)
{
    struct http_request *r = watch("");

    assert_int_equal(r->status, 200);
    assert_string_equal(stand_header(r, "Content-Type"), "text/event-stream; charset=utf-8");
    expect_text(r, OPENED "\"last_seq\":2,\"boot\":\"boot-1\",\"heartbeat_ms\":15000,\"server_time\":\"");
    expect_story(r, "stream_opened");
    assert_false(r->ended);
}

static void head_asks_for_headers_alone(void **state UNUSED)
{
    struct http_request *r = stand_call(st, "HEAD /api/v1/events/s", NULL, NULL);

    assert_int_equal(r->status, 200);
    assert_string_equal(stand_body(r), "");
}

static void nobody_has_no_stream(void **state UNUSED)
{
    struct http_request *r = stand_call(st, "GET /api/v1/events/nobody?after=0", NULL, NULL);

    assert_int_equal(r->status, 404);
    expect_text(r, "\"session_id\":\"nobody\"");
    assert_int_equal(stand_call(st, "GET /api/v1/events/nobody?after=x", NULL, NULL)->status, 404);
}

static void bad_cursors_are_told_the_range(void **state UNUSED)
{
    static const char *const bad[] = {"?after=-1", "?after=3",      "?after=x",
                                      "?after=",   "?follow=maybe", "?message_id=m&offset=1"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_request *r = watch(bad[i]);

        assert_int_equal(r->status, 400);
        expect_text(r, "\"session_id\":\"s\",\"first_seq\":1,\"last_seq\":2}");
    }
    assert_int_equal(stand_call(st, "GET /api/v1/events/s?after=0", "Last-Event-ID: 9", NULL)->status, 400);
}

/* ---- without a cursor ---- */

static void whoever_waits_sees_the_whole_run(void **state UNUSED)
{
    struct http_request *r = watch("");

    whole_run("yes");
    expect_story(r, "stream_opened 3:execution_started runner_progress token_budget_updated token "
                    "6:message_appended token_budget_updated 8:complete [DONE]");
    expect_text(r, "data: {\"type\":\"token\",\"content\":\"yes\",\"message_id\":\"");
    assert_true(r->ended);
}

static void whoever_comes_late_gets_state_and_text(void **state UNUSED)
{
    struct http_request *r;

    stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"title\":\"T\",\"pinned\":true}");
    begin_run();
    stand_say(st, "s", "one ");
    stand_say(st, "s", "two");
    r = watch("");
    expect_story(r, "stream_opened session_title_updated session_pinned_updated runner_progress token_budget_updated "
                    "token");
    expect_text(r, "\"title\":\"T\",\"title_version\":2,");
    expect_text(r, "\"content\":\"one two\"");
    stand_finish(st, "s", ".");
    stand_run(st);
    expect_story(r, "stream_opened session_title_updated session_pinned_updated runner_progress token_budget_updated "
                    "token token 8:message_appended token_budget_updated 10:complete [DONE]");
    expect_text(r, "\"content\":\".\",\"message_id\":\"");
}

static void whoever_comes_too_late_hears_the_end(void **state UNUSED)
{
    struct http_request *r;

    whole_run("yes");
    r = watch("");
    expect_story(r, "stream_opened token_budget_updated 8:complete [DONE]");
    assert_true(r->ended);
}

static void a_new_message_means_that_it_goes_on(void **state UNUSED)
{
    struct http_request *r;

    whole_run("yes");
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"more\",\"session_id\":\"s\"}");
    r = watch("");
    expect_story(r, "stream_opened token_budget_updated");
    whole_run("again");
    assert_true(r->ended);
    expect_text(r, "\"content\":\"again\"");
}

static void a_stopped_run_ends_in_cancelled_live_and_late(void **state UNUSED)
{
    struct http_request *live = watch("");

    begin_run();
    stand_say(st, "s", "half");
    stand_call(st, "POST /api/v1/stop/s", NULL, NULL);
    expect_story(live, "stream_opened 3:execution_started runner_progress token_budget_updated token "
                       "7:message_appended 8:cancelled [DONE]");
    expect_text(live, "\"interrupted\":true");
    expect_story(watch(""), "stream_opened token_budget_updated 8:cancelled [DONE]");
}

static void a_failed_run_is_over_though_its_work_is_not(void **state UNUSED)
{
    struct input in = {.kind = INPUT_MODEL_FAILED, .failure = FAILURE_AUTH, .text = STR("wrong key")};
    struct http_request *live = watch(""), *cursor = watch("?after=2");

    begin_run();
    stand_feed(st, "s", &in);
    stand_run(st);
    assert_true(session_has_work(stand_session(st, "s")));
    expect_story(live, "stream_opened 3:execution_started runner_progress token_budget_updated 6:error [DONE]");
    expect_text(live, "\"message\":\"wrong key\",\"kind\":\"authentication\",\"retryable\":false");
    expect_story(cursor, "stream_opened 3:execution_started runner_progress token_budget_updated 6:error [DONE]");
    expect_story(watch(""), "stream_opened token_budget_updated 6:error [DONE]");
    expect_story(watch("?after=6"), "stream_opened [DONE]");
}

/* The message waits as it did, and for nobody: its run has been. */
static void a_run_that_could_not_begin_is_over_too(void **state UNUSED)
{
    stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"budget\":{\"max_rounds\":1}}");
    whole_run("yes");
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"more\",\"session_id\":\"s\"}");
    begin_run();
    assert_int_equal(stand_session(st, "s")->inbox, 1);
    expect_story(watch(""), "stream_opened 12:budget_exceeded 13:complete [DONE]");
    expect_story(watch("?after=11"), "stream_opened 12:budget_exceeded 13:complete [DONE]");
    expect_story(watch("?after=13"), "stream_opened [DONE]");
}

static void what_a_stopped_run_left_waiting_keeps_nobody(void **state UNUSED)
{
    begin_run();
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"more\",\"session_id\":\"s\"}");
    stand_call(st, "POST /api/v1/stop/s", NULL, NULL);
    assert_int_equal(stand_session(st, "s")->inbox, 1);
    expect_story(watch(""), "stream_opened token_budget_updated 8:cancelled [DONE]");
}

static void whoever_tries_again_is_waited_for(void **state UNUSED)
{
    struct input in = {.kind = INPUT_REMOVE};
    struct http_request *plain, *cursor;

    whole_run("yes");
    in.change = (struct change){.seen = 8,
                                .place = 1,
                                .upto = 2,
                                .removed = 1,
                                .bytes = 3,
                                .last = STR("m1"),
                                .pending = true,
                                .how = REMOVAL_ERROR_RETRY};
    stand_feed(st, "s", &in);
    stand_run(st);
    plain = watch("");
    cursor = watch("?after=9");
    expect_story(plain, "stream_opened token_budget_updated");
    expect_story(cursor, "stream_opened");
    whole_run("again");
    expect_text(plain, "\"content\":\"again\"");
    assert_true(plain->ended && cursor->ended);
}

static void whoever_comes_late_hears_that_the_budget_is_spent(void **state UNUSED)
{
    stand_call(st, "POST /api/v1/execute/s", NULL, "{\"run_budget\":{\"max_rounds\":1}}");
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"more\",\"session_id\":\"s\"}");
    stand_finish(st, "s", "yes");
    stand_run(st);
    assert_true(stand_session(st, "s")->run.closing);
    expect_story(watch(""), "stream_opened 9:budget_exceeded runner_progress token_budget_updated");
    stand_finish(st, "s", "end");
    stand_run(st);
    expect_story(watch(""), "stream_opened 9:budget_exceeded token_budget_updated 14:complete [DONE]");
}

/* ---- with a cursor ---- */

static void everything_after_the_cursor_follows(void **state UNUSED)
{
    whole_run("yes");
    expect_story(watch("?after=0"), "stream_opened 2:message_appended 3:execution_started runner_progress token "
                                    "6:message_appended token_budget_updated 8:complete [DONE]");
    expect_story(watch("?after=6"), "stream_opened token_budget_updated 8:complete [DONE]");
    expect_story(watch("?after=7"), "stream_opened 8:complete [DONE]");
    expect_story(watch("?after=8"), "stream_opened [DONE]");
    expect_story(stand_call(st, "GET /api/v1/events/s?after=0", "Last-Event-ID: 7", NULL),
                 "stream_opened 8:complete [DONE]");
}

static void ends_of_older_runs_are_part_of_the_story(void **state UNUSED)
{
    whole_run("yes");
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"more\",\"session_id\":\"s\"}");
    whole_run("again");
    expect_story(watch("?after=7"), "stream_opened 8:complete 9:message_appended 10:execution_started runner_progress "
                                    "token 13:message_appended token_budget_updated 15:complete [DONE]");
}

static void a_cursor_goes_live_where_a_run_is(void **state UNUSED)
{
    struct http_request *r;

    begin_run();
    r = watch("?after=2");
    expect_story(r, "stream_opened 3:execution_started runner_progress token_budget_updated");
    stand_finish(st, "s", "yes");
    stand_run(st);
    expect_story(r, "stream_opened 3:execution_started runner_progress token_budget_updated token "
                    "6:message_appended token_budget_updated 8:complete [DONE]");
}

static void a_cursor_waits_for_the_run_of_a_message(void **state UNUSED)
{
    struct http_request *r = watch("?after=2");

    expect_story(r, "stream_opened");
    assert_false(r->ended);
    whole_run("yes");
    expect_story(r, "stream_opened 3:execution_started runner_progress token_budget_updated token "
                    "6:message_appended token_budget_updated 8:complete [DONE]");
}

static void a_cursor_may_name_a_place_in_the_text(void **state UNUSED)
{
    struct http_request *r;
    char id[ID_TEXT], query[120];

    begin_run();
    session_message_id(stand_session(st, "s"), 1, 1, 0, id);
    stand_finish(st, "s", "one two");
    stand_run(st);
    snprintf(query, sizeof(query), "?after=3&message_id=%s&offset=4", id);
    r = watch(query);
    expect_text(r, "\"content\":\"two\",\"message_id\":");
    expect_text(r, "\"offset\":4}");
    snprintf(query, sizeof(query), "?after=3&message_id=%s&offset=7", id);
    expect_story(watch(query),
                 "stream_opened runner_progress 6:message_appended token_budget_updated 8:complete [DONE]");
}

static void follow_waits_for_the_next_run(void **state UNUSED)
{
    struct http_request *r, *plain;

    whole_run("yes");
    r = watch("?after=8&follow=1");
    plain = watch("?follow=1");
    expect_story(r, "stream_opened");
    expect_story(plain, "stream_opened token_budget_updated 8:complete");
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"more\",\"session_id\":\"s\"}");
    whole_run("again");
    expect_story(r, "stream_opened 9:message_appended 10:execution_started runner_progress token_budget_updated token "
                    "13:message_appended token_budget_updated 15:complete");
    assert_false(r->ended);
    assert_false(plain->ended);
}

/* ---- text ---- */

static void text_can_be_left_out(void **state UNUSED)
{
    struct http_request *live = watch("?deltas=0");

    whole_run("yes");
    expect_story(live, "stream_opened 3:execution_started runner_progress token_budget_updated "
                       "6:message_appended token_budget_updated 8:complete [DONE]");
    expect_story(watch("?deltas=0&after=3"), "stream_opened runner_progress 6:message_appended token_budget_updated "
                                             "8:complete [DONE]");
}

static void a_window_makes_one_frame_of_many(void **state UNUSED)
{
    struct http_request *r = watch("?after=2&follow=1&batch_ms=20");

    begin_run();
    stand_say(st, "s", "a");
    stand_say(st, "s", "b");
    stand_run(st);
    expect_story(r, "stream_opened 3:execution_started runner_progress token_budget_updated");
    stand_pass(st, 20);
    expect_story(r, "stream_opened 3:execution_started runner_progress token_budget_updated token");
    expect_text(r, "\"content\":\"ab\"");
    stand_say(st, "s", "c");
    stand_finish(st, "s", "d");
    stand_run(st);
    expect_text(r, "\"content\":\"cd\",\"message_id\":");
    expect_text(r, "\"offset\":2}");
    expect_story(r, "stream_opened 3:execution_started runner_progress token_budget_updated token token "
                    "6:message_appended token_budget_updated 8:complete");
}

/* ---- slow and gone ---- */

static void a_slow_reader_falls_back_to_the_log(void **state UNUSED)
{
    struct http_request *slow = watch("?after=2&follow=1"), *quick = watch("?after=2&follow=1");

    stream_set_room(slow, false);
    begin_run();
    for (int i = 0; i < 2 * LIMIT_RING_EVENTS; i++) {
        stand_say(st, "s", "word ");
        stand_run(st);
    }
    stand_finish(st, "s", "end");
    stand_run(st);
    expect_story(slow, "stream_opened");
    stream_set_room(slow, true);
    stand_run(st);
    expect_story(slow, "stream_opened 3:execution_started runner_progress token 6:message_appended "
                       "token_budget_updated 8:complete");
    assert_true(quick->reply.n > slow->reply.n);
    assert_non_null(strstr(stand_body(quick), "8\ndata: {\"type\":\"complete\""));
}

static uint32_t page_bytes;

static bool note_page(const struct query *q, struct answer *a UNUSED)
{
    if (q->kind == QUERY_FACTS && q->n_seqs == 0)
        page_bytes = q->bytes;
    return false;
}

/* It stays in memory for as long as he does not read. */
static void whoever_is_behind_holds_a_small_page_of_the_log(void **state UNUSED)
{
    whole_run("yes");
    stand_on_query(st, note_page);
    expect_text(watch("?after=0"), "8\ndata: {\"type\":\"complete\"");
    assert_true(page_bytes > 0 && page_bytes <= 64 * 1024);
}

static void a_client_may_leave_at_any_time(void **state UNUSED)
{
    struct http_request *asking, *quiet;

    quiet = watch("");
    stream_leave(quiet);
    whole_run("yes");
    stand_hold_answers(st, true);
    asking = watch("?after=0");
    expect_story(asking, "stream_opened");
    stream_leave(asking); /* while the log is being read for it */
    stand_hold_answers(st, false);
    stand_run(st);
    expect_story(asking, "stream_opened");
}

static void silence_is_broken_by_a_heartbeat(void **state UNUSED)
{
    struct http_request *r = watch("");

    stream_be_silent(r);
    assert_string_equal(strstr(stand_body(r), "\n\n") + 2, "data: [KEEPALIVE]\n\n");
}

static void a_deleted_session_ends_without_done(void **state UNUSED)
{
    struct http_request *r = watch(""), *asking;

    stand_hold_answers(st, true);
    asking = watch("?after=0");
    stand_call(st, "DELETE /api/v1/sessions/s", NULL, NULL);
    stand_hold_answers(st, false);
    stand_run(st);
    assert_true(r->ended);
    expect_story(r, "stream_opened");
    assert_true(asking->ended);
    expect_story(asking, "stream_opened");
}

static void a_log_that_cannot_be_read_sends_the_client_back(void **state UNUSED)
{
    struct err broken = {.code = ERR_STORAGE, .text = "the disk is away"};
    struct http_request *r;

    whole_run("yes");
    stand_break_store(st, &broken);
    r = watch("?after=0");
    assert_true(r->ended);
    expect_story(r, "stream_opened");
}

static void shutdown_ends_the_streams_without_done(void **state UNUSED)
{
    struct http_request *quiet = watch(""), *asking, *opening;

    whole_run("yes");
    stand_hold_answers(st, true);
    asking = watch("?after=0");
    opening = stand_ask(st, "GET /api/v1/events/s", NULL, NULL);
    face_close_streams(stand_face(st));
    stand_run(st);
    assert_int_equal(opening->status, 503);
    assert_int_equal(watch("")->status, 503);
    assert_true(quiet->ended);
    assert_true(asking->ended);
    assert_null(strstr(stand_body(asking), DONE));
}

/* ---- titles ---- */

static void an_outdated_title_is_not_shown(void **state UNUSED)
{
    struct http_request *r = watch("");

    stream_set_room(r, false);
    stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"title\":\"Old\"}");
    stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"title\":\"New\"}");
    stream_set_room(r, true);
    expect_story(r, "stream_opened session_title_updated");
    expect_text(r, "\"title\":\"New\",\"title_version\":3,");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, stand_end)

static void a_large_frame_leaves_no_large_buffer(void **state UNUSED)
{
    enum { LARGE = 512 * 1024 };
    char *text = mem_zalloc(LARGE + 1);
    struct http_request *r;

    memset(text, 'x', LARGE);
    r = watch("?follow=true");
    whole_run(text);
    assert_true(r->reply.n > LARGE);
    assert_true(stand_face(st)->frames.cap <= 4 * OPEN_STREAM_WRITE_BYTES);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(headers_and_the_first_frame_go_at_once),
        TEST(head_asks_for_headers_alone),
        TEST(nobody_has_no_stream),
        TEST(bad_cursors_are_told_the_range),
        TEST(whoever_waits_sees_the_whole_run),
        TEST(whoever_comes_late_gets_state_and_text),
        TEST(whoever_comes_too_late_hears_the_end),
        TEST(a_new_message_means_that_it_goes_on),
        TEST(a_stopped_run_ends_in_cancelled_live_and_late),
        TEST(a_failed_run_is_over_though_its_work_is_not),
        TEST(a_run_that_could_not_begin_is_over_too),
        TEST(what_a_stopped_run_left_waiting_keeps_nobody),
        TEST(whoever_tries_again_is_waited_for),
        TEST(whoever_comes_late_hears_that_the_budget_is_spent),
        TEST(everything_after_the_cursor_follows),
        TEST(ends_of_older_runs_are_part_of_the_story),
        TEST(a_cursor_goes_live_where_a_run_is),
        TEST(a_cursor_waits_for_the_run_of_a_message),
        TEST(a_cursor_may_name_a_place_in_the_text),
        TEST(follow_waits_for_the_next_run),
        TEST(text_can_be_left_out),
        TEST(a_window_makes_one_frame_of_many),
        TEST(a_slow_reader_falls_back_to_the_log),
        TEST(whoever_is_behind_holds_a_small_page_of_the_log),
        TEST(a_client_may_leave_at_any_time),
        TEST(silence_is_broken_by_a_heartbeat),
        TEST(a_deleted_session_ends_without_done),
        TEST(a_log_that_cannot_be_read_sends_the_client_back),
        TEST(shutdown_ends_the_streams_without_done),
        TEST(an_outdated_title_is_not_shown),
        TEST(a_large_frame_leaves_no_large_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
