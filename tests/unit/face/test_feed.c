/* SPDX-License-Identifier: MIT */
/* The account feed on the wire, and its stream: replay, then live, notices, cursors. */
#include "face/expect.h"

#include "base/mem.h"
#include "base/str.h"
#include "face/bamboo/feed_wire.h"
#include "face/stand_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the store: deletions, which need no fact, with numbers of their own ---- */

#define FIRST 3 /* number of the oldest that is kept */
#define PAGE 2

static uint64_t newest;
static bool is_broken;

static void answer_feed(const struct query *q, struct answer *a)
{
    uint64_t from = q->after + 1 > FIRST ? q->after + 1 : FIRST;

    a->first_seq = FIRST;
    a->last_seq = a->upto = newest;
    if (is_broken)
        a->rc = err_set(&a->err, ERR_STORAGE, "the disk is gone");
    if (is_broken || q->after >= newest)
        return;
    a->feed = arena_zalloc(&a->arena, PAGE * sizeof(*a->feed));
    while (from <= newest && a->n < PAGE)
        a->feed[a->n++] =
            (struct feed_row){.seq = from++, .at = 1, .event = FEED_SESSION_DELETED, .session_id = STR("gone")};
    a->more = from <= newest;
    a->upto = from - 1;
}

static bool on_query(const struct query *q, struct answer *a)
{
    if (q->kind == QUERY_FEED) {
        answer_feed(q, a);
    } else if (q->kind == QUERY_SESSION) {
        a->sessions = arena_zalloc(&a->arena, sizeof(*a->sessions));
        a->sessions->id = arena_str(&a->arena, q->session_id);
        a->sessions->last_seq = 7;
        a->n = 1;
    }
    return q->kind == QUERY_FEED || q->kind == QUERY_SESSION;
}

static int set_up(void **state UNUSED)
{
    newest = 8;
    is_broken = false;
    st = stand_new();
    stand_on_query(st, on_query);
    stand_start(st);
    return 0;
}

static void happen(void)
{
    feed_hub_set_newest(stand_feed_hub(), ++newest);
    stand_run(st);
}

static void change(const char *id)
{
    feed_hub_touch(stand_feed_hub(), str_of(id));
    stand_run(st);
}

static struct http_request *watch(const char *query, const char *headers)
{
    char line[200];

    snprintf(line, sizeof(line), "GET /api/v1/stream%s", query);
    return stand_call(st, line, headers, NULL);
}

/* The id of an event, the type of a notice. */
static void word_of(const char *frame, char out[64])
{
    if (sscanf(frame, "id: %63[0-9]", out) != 1 && sscanf(frame, "data: {\"type\":\"%63[a-z_]", out) != 1)
        assert_int_equal(sscanf(frame, "data: [%63[A-Z]", out), 1);
}

static void expect_story(const struct http_request *r, const char *wanted)
{
    expect_frames(r, word_of, wanted);
}

/* ---- the stream ---- */

static void everything_that_is_kept_and_then_what_happens(void **state UNUSED)
{
    struct http_request *r = watch("", NULL);

    assert_int_equal(r->status, 200);
    assert_string_equal(stand_header(r, "Content-Type"), "text/event-stream; charset=utf-8");
    expect_text(r, "data: {\"type\":\"stream_opened\",\"first_seq\":3,\"last_seq\":8,\"boot\":\"boot-1\","
                   "\"heartbeat_ms\":15000,\"server_time\":\"");
    expect_text(r, "\n\nid: 3\ndata: {\"seq\":3,\"ts\":\"1970-01-01T00:00:00.001Z\",\"session_id\":\"gone\","
                   "\"event\":{\"type\":\"session_deleted\",\"session_id\":\"gone\"}}\n\nid: 4\n");
    expect_story(r, "stream_opened 3 4 5 6 7 8");
    happen();
    happen();
    expect_story(r, "stream_opened 3 4 5 6 7 8 9 10");
    stream_be_silent(r);
    expect_story(r, "stream_opened 3 4 5 6 7 8 9 10 KEEPALIVE");
    assert_false(r->ended);
    stream_leave(r);
}

static void a_cursor_continues_and_the_header_wins(void **state UNUSED)
{
    struct http_request *a = watch("?since=6", NULL), *b = watch("?since=x", "Last-Event-ID: 8\n"),
                        *c = watch("?since=0", "Last-Event-ID: 0\n"), *d = watch("?since=2", NULL);

    happen();
    expect_story(a, "stream_opened 7 8 9");
    expect_story(b, "stream_opened 9");
    expect_story(c, "stream_opened 3 4 5 6 7 8 9");
    expect_story(d, "stream_opened 3 4 5 6 7 8 9"); /* the last that is gone was seen: nothing is lost */
}

static void what_is_not_kept_any_more_is_told_once(void **state UNUSED)
{
    struct http_request *r = watch("?since=1", NULL);

    expect_text(r, "data: {\"type\":\"feed_reset\",\"from_seq\":1}\n\n");
    expect_story(r, "stream_opened feed_reset");
    happen();
    expect_story(r, "stream_opened feed_reset 9");
}

static void bad_cursors_are_told_the_range(void **state UNUSED)
{
    static const char *const bad[] = {"?since=-1", "?since=9", "?since=x", "?since=", "?since=18446744073709551616"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_request *r = watch(bad[i], NULL);

        assert_int_equal(r->status, 400);
        expect_text(r, ",\"first_seq\":3,\"last_seq\":8}");
    }
    assert_int_equal(watch("", "Last-Event-ID: nine\n")->status, 400);
    assert_int_equal(watch("", "Last-Event-ID: 9\n")->status, 400);
}

static void states_of_sessions_are_notices(void **state UNUSED)
{
    struct http_request *r = watch("?since=8", NULL);

    change("s");
    expect_story(r, "stream_opened session_state");
    expect_text(r, "\n\ndata: {\"type\":\"session_state\",\"session\":{\"id\":\"s\",");
    expect_text(r, ",\"last_seq\":7,\"metadata_version\":0}}\n\n");
}

static void who_takes_nothing_is_given_nothing_and_then_all(void **state UNUSED)
{
    struct http_request *slow = watch("?since=8", NULL), *fast = watch("?since=8", NULL);
    CLEANUP(buf_done) struct buf wanted = BUF_INIT;

    stream_set_room(slow, false);
    buf_addf(&wanted, "stream_opened");
    for (int i = 0; i < LIMIT_RING_EVENTS + 50; i++) {
        happen();
        if (i < 700)
            buf_addf(&wanted, " %d", i + 9);
    }
    change("s");
    expect_story(slow, "stream_opened");
    assert_int_equal(strncmp(frames_told(fast, word_of), wanted.p, wanted.n), 0);
    stream_set_room(slow, true);
    stand_run(st);
    assert_string_equal(strchr(stand_body(slow), '\n'), strchr(stand_body(fast), '\n'));
}

static void who_leaves_is_forgotten_whatever_is_on_its_way(void **state UNUSED)
{
    struct http_request *r;

    stand_hold_answers(st, true);
    r = watch("?since=3", NULL);
    stand_hold_answers(st, false);
    stand_run(st);
    stand_hold_answers(st, true);
    feed_hub_set_newest(stand_feed_hub(), ++newest);
    stand_run(st);
    stream_leave(r);
    r = watch("?since=3", NULL); /* and this one waits for its range when the face goes */
    assert_int_equal(r->status, 0);
}

static void a_stream_that_reads_a_page_when_the_face_goes(void **state UNUSED)
{
    struct http_request *r = stand_ask(st, "GET /api/v1/stream", NULL, NULL);

    while (r->status == 0)
        stand_run(st);
    face_close_streams(stand_face(st));
    assert_true(r->ended);
    assert_int_equal(watch("", NULL)->status, 503);
}

static void a_store_that_fails_ends_the_stream_and_not_the_client(void **state UNUSED)
{
    struct http_request *r = watch("?since=8", NULL);

    is_broken = true;
    assert_int_equal(watch("", NULL)->status, 503);
    happen();
    assert_true(r->ended);
    expect_story(r, "stream_opened");
    is_broken = false;
    r = watch("?since=8", NULL);
    expect_story(r, "stream_opened 9");
}

static void what_is_only_read_tells_what_it_holds_and_ends(void **state UNUSED)
{
    struct http_request *r;

    stand_free(st);
    st = stand_new();
    stand_options(st)->is_archive = true;
    stand_on_query(st, on_query);
    stand_start(st);
    r = watch("?since=5", NULL);
    expect_story(r, "stream_opened 6 7 8");
    assert_true(r->ended);
}

static void head_asks_for_headers_alone(void **state UNUSED)
{
    struct http_request *r = stand_call(st, "HEAD /api/v1/stream", NULL, NULL);

    assert_int_equal(r->status, 200);
    assert_string_equal(stand_body(r), "");
    assert_int_equal(feed_hub_watchers(stand_feed_hub()), 0);
}

/* ---- the wire ---- */

static void expect_event(enum feed_event event, const struct fact *f, const char *wanted)
{
    struct feed_row row = {.seq = 9, .at = 1000, .event = event, .session_id = STR("s"), .title_version = 4, .fact = f};
    CLEANUP(buf_done) struct buf out = BUF_INIT, whole = BUF_INIT;

    buf_addf(&whole,
             "id: 9\ndata: {\"seq\":9,\"ts\":\"1970-01-01T00:00:01.000Z\",\"session_id\":\"s\",\"event\":%s}\n\n",
             wanted);
    feed_frame_event(&row, &out);
    assert_string_equal(out.p, whole.p);
}

static void each_event_has_its_fields(void **state UNUSED)
{
    struct fact created = {.kind = FACT_SESSION_CREATED, .seq = 1, .at = 1000};
    struct fact child = {
        .kind = FACT_SESSION_CREATED, .seq = 1, .at = 1000, .title = STR("T"), .parent = STR("p"), .root = STR("p")};
    struct fact changed = {.kind = FACT_SESSION_UPDATED,
                           .seq = 3,
                           .at = 1000,
                           .set_title = true,
                           .title = STR("T"),
                           .set_pinned = true,
                           .set_model = true,
                           .provider = STR("p"),
                           .model = STR("m")};
    struct fact ended = {.kind = FACT_RUN_ENDED, .seq = 8, .at = 1000, .id = STR("r"), .end = END_COMPLETED};
    struct fact effort = {.kind = FACT_SESSION_UPDATED, .seq = 3, .at = 1000, .set_effort = true, .effort = STR("low")};

    expect_event(FEED_SESSION_CREATED, &created,
                 "{\"type\":\"session_created\",\"session_id\":\"s\",\"project_id\":null,\"title\":\"New Session\","
                 "\"kind\":\"root\",\"created_at\":\"1970-01-01T00:00:01.000Z\",\"seq\":1,\"at\":1000}");
    expect_event(FEED_SESSION_CREATED, &child,
                 "{\"type\":\"session_created\",\"session_id\":\"s\",\"project_id\":null,\"title\":\"T\","
                 "\"kind\":\"child\",\"created_at\":\"1970-01-01T00:00:01.000Z\",\"seq\":1,\"at\":1000}");
    expect_event(FEED_TITLE_UPDATED, &changed,
                 "{\"type\":\"session_title_updated\",\"session_id\":\"s\",\"title\":\"T\",\"title_version\":4,"
                 "\"title_generated\":false,\"source\":\"manual\",\"updated_at\":\"1970-01-01T00:00:01.000Z\","
                 "\"seq\":3,\"at\":1000}");
    expect_event(FEED_PINNED_UPDATED, &changed,
                 "{\"type\":\"session_pinned_updated\",\"session_id\":\"s\",\"pinned\":false,"
                 "\"updated_at\":\"1970-01-01T00:00:01.000Z\",\"seq\":3,\"at\":1000}");
    expect_event(FEED_MODEL_UPDATED, &changed,
                 "{\"type\":\"session_model_updated\",\"session_id\":\"s\",\"provider\":\"p\",\"model\":\"m\","
                 "\"updated_at\":\"1970-01-01T00:00:01.000Z\",\"seq\":3,\"at\":1000}");
    expect_event(FEED_MODEL_UPDATED, &effort,
                 "{\"type\":\"session_model_updated\",\"session_id\":\"s\",\"reasoning_effort\":\"low\","
                 "\"updated_at\":\"1970-01-01T00:00:01.000Z\",\"seq\":3,\"at\":1000}");
    expect_event(FEED_RUN_ENDED, &ended,
                 "{\"type\":\"complete\",\"run_id\":\"r\",\"end\":\"completed\",\"usage\":{\"prompt_tokens\":0,"
                 "\"completion_tokens\":0,\"total_tokens\":0},\"seq\":8,\"at\":1000}");
    expect_event(FEED_HISTORY_COMMITTED, &ended,
                 "{\"type\":\"session_history_committed\",\"session_id\":\"s\",\"seq\":8,\"at\":1000}");
    expect_event(FEED_UNREADABLE, NULL, "{\"type\":\"event_unreadable\",\"session_id\":\"s\"}");
}

/* Also one that is added to the table and nowhere else: it is what the session's stream has. */
static void every_row_of_the_table_has_an_event(void **state UNUSED)
{
    static const enum fact_kind kinds[] = {
#define X(event, kind, part, when) FACT_##kind,
        FEED_EVENTS(X)
#undef X
    };

    for (int i = 0; i < FEED_EVENT_COUNT; i++) {
        struct fact f = {.kind = kinds[i], .set_title = true, .set_pinned = true, .set_model = true};
        struct feed_row row = {.seq = 1, .event = (enum feed_event)i, .session_id = STR("s"), .fact = &f};
        CLEANUP(buf_done) struct buf out = BUF_INIT;

        feed_frame_event(&row, &out);
        assert_non_null(strstr(out.p, "\"event\":{\"type\":\""));
    }
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, stand_end)
    const struct CMUnitTest cases[] = {
        CASE(everything_that_is_kept_and_then_what_happens),
        CASE(a_cursor_continues_and_the_header_wins),
        CASE(what_is_not_kept_any_more_is_told_once),
        CASE(bad_cursors_are_told_the_range),
        CASE(states_of_sessions_are_notices),
        CASE(who_takes_nothing_is_given_nothing_and_then_all),
        CASE(who_leaves_is_forgotten_whatever_is_on_its_way),
        CASE(a_stream_that_reads_a_page_when_the_face_goes),
        CASE(a_store_that_fails_ends_the_stream_and_not_the_client),
        CASE(what_is_only_read_tells_what_it_holds_and_ends),
        CASE(head_asks_for_headers_alone),
        cmocka_unit_test(each_event_has_its_fields),
        cmocka_unit_test(every_row_of_the_table_has_an_event),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
