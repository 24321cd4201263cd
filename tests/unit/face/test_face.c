/* SPDX-License-Identifier: MIT */
/* Requests from end to end: what a client sends, what it gets. */
#include "face/expect.h"

#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void post(const char *session_id, const char *message_id)
{
    char body[200];

    snprintf(body, sizeof(body), "{\"message\":\"hi\",\"session_id\":\"%s\",\"message_id\":\"%s\"}", session_id,
             message_id);
    assert_int_equal(stand_call(st, "POST /api/v1/chat", NULL, body)->status, 201);
}

static void run_whole_turn(const char *session_id)
{
    char line[100];

    post(session_id, "m1");
    snprintf(line, sizeof(line), "POST /api/v1/execute/%s", session_id);
    assert_int_equal(stand_call(st, line, NULL, "{}")->status, 202);
    stand_finish(st, session_id, "yes");
    stand_run(st);
}

static const char *run_id_of(const char *session_id)
{
    static char id[ID_TEXT];

    session_run_id(stand_session(st, session_id), stand_session(st, session_id)->runs, id);
    return id;
}

PRINTF(1, 2) static const char *format(const char *fmt, ...)
{
    static char text[2][600];
    static int turn;
    va_list args;

    turn = 1 - turn;
    va_start(args, fmt);
    vsnprintf(text[turn], sizeof(text[turn]), fmt, args);
    va_end(args);
    return text[turn];
}

/* ---- health and discovery ---- */

static void health_needs_nothing(void **state UNUSED)
{
    const struct http_request *r = stand_knock(st, "GET /api/v1/health", "Host: localhost:9562", NULL);

    expect(r, 200, "OK");
    assert_string_equal(stand_header(r, "Content-Type"), "text/plain; charset=utf-8");
    expect(stand_knock(st, "GET /v1/health", "Host: localhost:9562", NULL), 200, "OK");
    r = stand_knock(st, "GET /healthz", "Host: localhost:9562", NULL);
    expect(r, 200, "{\"status\":\"ok\",\"version\":\"0.0\"}");
    expect(stand_knock(st, "GET /readyz", "Host: localhost:9562", NULL), 200,
           "{\"status\":\"ok\",\"version\":\"0.0\"}");
}

static bool not_ready(void *arg UNUSED, struct err *err)
{
    err_set(err, ERR_STORAGE, "the disk is full");
    return false;
}

static void readyz_says_what_is_in_the_way(void **state UNUSED)
{
    struct http_request *r;

    st = stand_new();
    stand_options(st)->ready = not_ready;
    stand_start(st);
    r = stand_call(st, "GET /readyz", NULL, NULL);
    expect_part(r, 503, "the disk is full");
    assert_string_equal(stand_header(r, "Retry-After"), "1");
    stand_free(st);
}

static void bootstrap_tells_who_asks(void **state UNUSED)
{
    const struct http_request *r = stand_knock(st, "GET /api/v1/bootstrap", "Host: localhost:9562", NULL);

    expect_part(r, 200, "\"product\":\"culm\"");
    expect_part(r, 200, "\"policy\":\"credential_required\",\"request_state\":\"unauthenticated\"");
    expect_part(stand_call(st, "GET /api/v1/bootstrap", NULL, NULL), 200, "\"request_state\":\"authenticated\"");
}

/* ---- door and router ---- */

static void the_door_answers_in_the_standard_form(void **state UNUSED)
{
    const struct http_request *r = stand_knock(st, "GET /api/v1/sessions", "Host: localhost:9562", NULL);

    expect_part(r, 401, "{\"error\":{\"message\":\"Send the token");
    expect_part(r, 401, "\"type\":\"api_error\",\"code\":\"unauthorized\"},\"request_id\":\"r-1\"}");
    assert_string_equal(stand_header(r, "WWW-Authenticate"), "Bearer realm=\"culm\"");
    expect_part(stand_knock(st, "GET /healthz", "Host: evil", NULL), 421, "misdirected_request");
    expect_part(stand_ask(st, "GET /healthz", "Origin: http://evil", NULL), 403, "forbidden");
    expect_part(stand_ask(st, "POST /api/v1/chat", "Content-Type: text/plain", "{}"), 415, "unsupported_media_type");
}

static void two_credentials_are_none(void **state UNUSED)
{
    expect_part(stand_ask(st, "GET /api/v1/sessions", "Authorization: Bearer other", NULL), 401, "unauthorized");
}

static void unknown_paths_are_empty(void **state UNUSED)
{
    expect(stand_call(st, "GET /api/v1/nothing", NULL, NULL), 404, "");
    expect(stand_call(st, "POST /v1/chat", NULL, "{}"), 404, "");
    assert_int_equal(stand_knock(st, "GET /api/v1/nothing", "Host: localhost:9562", NULL)->status, 401);
    assert_int_equal(stand_knock(st, "GET /v1/nothing", "Host: localhost:9562", NULL)->status, 401);
    expect(stand_knock(st, "GET /docs", "Host: localhost:9562", NULL), 404, "");
}

static void known_paths_tell_their_methods(void **state UNUSED)
{
    const struct http_request *r = stand_call(st, "TRACE /api/v1/sessions/a", NULL, NULL);

    expect_part(r, 405, "method_not_allowed");
    assert_string_equal(stand_header(r, "Allow"), "GET, HEAD, PATCH, DELETE");
    assert_int_equal(stand_call(st, "OPTIONS /api/v1/chat", NULL, NULL)->status, 405);
}

static void ids_in_paths_are_checked(void **state UNUSED)
{
    static const char *const bad[] = {"GET /api/v1/sessions/a%20b", "GET /api/v1/sessions/..",
                                      "GET /api/v1/sessions/%zz", "GET /api/v1/runs/%2e", "POST /api/v1/execute/a%2Fb"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_part(stand_call(st, bad[i], NULL, NULL), 400, "_id: 1 to 128 characters");
    expect_part(stand_call(st, "GET /api/v1/sessions/a%2Eb", NULL, NULL), 404, "\"session_id\":\"a.b\"");
}

/* Whatever the route, and whether it knows the parameter or not. */
static void a_query_that_cannot_be_decoded_is_refused_by_name(void **state UNUSED)
{
    static const struct {
        const char *line, *says;
    } rows[] = {{"GET /api/v1/sessions/a?at_seq=%ZZ", "query: at_seq: "},
                {"GET /api/v1/history/a?at_seq=1%", "query: at_seq: "},
                {"GET /api/v1/sessions?limit=%zz&q=x", "query: limit: "},
                {"GET /api/v1/sessions?limit=5&q=%ff", "query: q: "},
                {"GET /api/v1/events/a?after=%", "query: after: "},
                {"GET /api/v1/stream?since=%5", "query: since: "},
                {"GET /api/v1/sessions/a/facts?types=%c3", "query: types: "},
                {"GET /api/v1/questions?state=%2", "query: state: "},
                {"GET /api/v1/sessions/a/runs?limit=%g0", "query: limit: "},
                {"POST /api/v1/chat?what=%", "query: what: "},
                {"GET /api/v1/sessions?%zz=1", "query: %zz: "}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_part(stand_call(st, rows[i].line, NULL, NULL), 400, rows[i].says);
}

static void configured_origins_may_call(void **state UNUSED)
{
    static const char *const origins[] = {"https://page.example", NULL};
    const struct http_request *r;

    st = stand_new();
    stand_options(st)->origins = origins;
    stand_start(st);
    r = stand_knock(st, "OPTIONS /api/v1/sessions/a",
                    "Host: localhost:9562\nOrigin: https://page.example\nAccess-Control-Request-Method: PATCH", NULL);
    assert_int_equal(r->status, 204);
    assert_string_equal(stand_header(r, "Access-Control-Allow-Methods"), "GET, HEAD, PATCH, DELETE");
    assert_string_equal(stand_header(r, "Access-Control-Allow-Origin"), "https://page.example");
    r = stand_ask(st, "GET /healthz", "Origin: https://page.example", NULL);
    assert_int_equal(r->status, 200);
    assert_string_equal(stand_header(r, "Vary"), "Origin");
    assert_null(stand_header(stand_ask(st, "GET /healthz", NULL, NULL), "Access-Control-Allow-Origin"));
    stand_free(st);
}

/* ---- chat ---- */

static void a_message_is_kept(void **state UNUSED)
{
    expect(
        stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\" s \",\"message_id\":\"m1\"}"),
        201,
        "{\"session_id\":\"s\",\"stream_url\":\"/api/v1/events/s\",\"status\":\"streaming\",\"message_id\":\"m1\","
        "\"ingress_seq\":2}");
    assert_int_equal(stand_session(st, "s")->inbox, 1);
    assert_false(stand_session(st, "s")->run.active);
}

static void a_message_is_kept_and_started(void **state UNUSED)
{
    struct http_request *r = stand_call(st, "POST /api/v1/chat", NULL,
                                        "{\"message\":\"hi\",\"session_id\":\"s\",\"message_id\":\"m1\","
                                        "\"execute\":true,\"model\":\"offline\"}");

    expect(r, 201,
           format("{\"session_id\":\"s\",\"stream_url\":\"/api/v1/events/s\",\"status\":\"streaming\","
                  "\"message_id\":\"m1\",\"ingress_seq\":2,\"execute_status\":\"started\",\"run_id\":\"%s\","
                  "\"events_url\":\"/api/v1/events/s\"}",
                  run_id_of("s")));
    assert_true(stand_session(st, "s")->run.active);
    assert_string_equal(stand_session(st, "s")->model, "offline");
    r = stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"more\",\"session_id\":\"s\",\"execute\":true}");
    expect_part(r, 201, format("\"execute_status\":\"already_running\",\"run_id\":\"%s\"", run_id_of("s")));
}

static void ids_are_made_where_none_is_given(void **state UNUSED)
{
    struct http_request *a = stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\"}");
    struct http_request *b = stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"\"}");

    assert_int_equal(a->status, 201);
    assert_int_equal(b->status, 201);
    assert_string_not_equal(stand_body(a), stand_body(b));
}

static void a_new_session_gets_its_system_text(void **state UNUSED)
{
    post("s", "m1");
    assert_int_equal(stand_session(st, "s")->system_bytes, strlen("You are culm."));
    stand_call(st, "POST /api/v1/chat", NULL,
               "{\"message\":\"hi\",\"session_id\":\"t\",\"system_prompt\":\"Be brief.\"}");
    assert_int_equal(stand_session(st, "t")->system_bytes, strlen("Be brief."));
    stand_call(st, "POST /api/v1/chat", NULL,
               "{\"message\":\"hi\",\"session_id\":\"u\",\"system_prompt\":\" \",\"enhance_prompt\":\"Rhyme.\"}");
    assert_int_equal(stand_session(st, "u")->system_bytes, strlen("You are culm.\n\nRhyme."));
}

static void chats_that_are_refused(void **state UNUSED)
{
    static const struct {
        const char *headers, *body, *says;
        int status;
    } rows[] = {
        {NULL, "{\"message\":\"x\"", "JSON", 400},
        {NULL, "{}", "message: is missing", 400},
        {NULL, "", "message: is missing", 400},
        {NULL, "{\"message\":\" \"}", "message: must not be empty", 400},
        {NULL, "{\"message\":\"x\",\"session_id\":\"a/b\"}", "session_id: 1 to 128", 400},
        {NULL, "{\"message\":\"x\",\"message_id\":\"..\"}", "message_id: 1 to 128", 400},
        {NULL, "{\"message\":\"x\",\"model\":\"nonsense\"}", "nearest: \\\"offline\\\"", 400},
        {NULL, "{\"message\":\"x\",\"images\":[1]}", "images", 400},
        {NULL, "{\"message\":\"x\",\"project_id\":\"p\"}", "target Project not found", 404},
        {NULL, "{\"message\":\"x\",\"workspace_path\":\"/no/such/place\"}", "\"code\":\"workspace_invalid\"", 400},
        {"Idempotency-Key: a b", "{\"message\":\"x\"}", "\"code\":\"invalid_idempotency_key\"", 400},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_part(stand_call(st, "POST /api/v1/chat", rows[i].headers, rows[i].body), rows[i].status, rows[i].says);
}

static void what_cannot_be_stored_may_be_tried_again(void **state UNUSED)
{
    struct err full = {.code = ERR_STORAGE, .text = "the disk is full"};
    struct http_request *r;

    stand_refuse(st, &full);
    r = stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\"}");
    expect(r, 503,
           "{\"error\":{\"message\":\"the disk is "
           "full\",\"type\":\"api_error\",\"code\":\"storage_unavailable\"},\"request_id\":\"r-1\"}");
    assert_string_equal(stand_header(r, "Retry-After"), "1");
}

static void a_full_inbox_says_so(void **state UNUSED)
{
    struct input in = {.kind = INPUT_POST, .session_id = STR("s"), .text = STR("x"), .nonce = 1};

    post("s", "m1");
    for (int i = 1; i < LIMIT_INBOX_MESSAGES; i++)
        stand_feed(st, "s", &in);
    expect_part(stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"s\"}"), 429,
                "\"code\":\"inbox_full\"");
}

static void large_bodies_go_through_the_workers(void **state UNUSED)
{
    static char nobody; /* only that there are workers matters: their double runs the job at once */
    size_t n = LIMIT_BODY_INLINE_BYTES + 100;
    char *body = mem_alloc(n + 1);
    struct http_request *r;

    st = stand_new();
    stand_options(st)->workers = (struct workers *)(void *)&nobody;
    stand_start(st);
    snprintf(body, n + 1, "{\"message\":\"%0*d\"}", (int)n - 14, 7);
    r = stand_call(st, "POST /api/v1/chat", NULL, body);
    assert_int_equal(r->status, 201);
    body[n - 1] = 'x';
    r = stand_call(st, "POST /api/v1/chat", NULL, body);
    assert_int_equal(r->status, 400);
    stand_free(st);
    mem_free(body);
}

static void the_access_log_is_told_whose_request_it_was(void **state UNUSED)
{
    struct err full = {.code = ERR_STORAGE, .text = "the disk is full"};
    struct http_request *r;

    assert_string_equal(
        stand_label(stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"s\"}")),
        "route=/chat session=s run= code=-");
    r = stand_call(st, "POST /api/v1/sessions/s/execute", NULL, "{}");
    assert_string_equal(stand_label(r),
                        format("route=/sessions/{session}/execute session=s run=%s code=-", run_id_of("s")));
    r = stand_call(st, "GET /api/v1/events/s", NULL, NULL);
    assert_string_equal(stand_label(r), "route=/events/{session} session=s run= code=-");
    assert_string_equal(stand_label(stand_call(st, "GET /api/v1/runs/r9", NULL, NULL)),
                        "route=/runs/{run} session= run=r9 code=-");
    assert_string_equal(stand_label(stand_call(st, "GET /nowhere", NULL, NULL)), "route=- session= run= code=-");
    stand_refuse(st, &full);
    r = stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"s\"}");
    assert_string_equal(stand_label(r), "route=/chat session=s run= code=storage_unavailable");
}

/* ---- execute ---- */

static void a_run_is_started_joined_and_over(void **state UNUSED)
{
    struct http_request *r;

    post("s", "m1");
    r = stand_call(st, "POST /api/v1/sessions/s/execute", NULL, NULL);
    expect(r, 202,
           format("{\"session_id\":\"s\",\"status\":\"started\",\"events_url\":\"/api/v1/events/s\",\"run_id\":\"%s\"}",
                  run_id_of("s")));
    expect(stand_call(st, "POST /api/v1/execute/s", NULL, "{}"), 200,
           format("{\"session_id\":\"s\",\"status\":\"already_running\",\"events_url\":\"/api/v1/events/s\","
                  "\"run_id\":\"%s\"}",
                  run_id_of("s")));
    stand_finish(st, "s", "yes");
    expect(stand_call(st, "POST /api/v1/execute/s", NULL, "{}"), 200,
           "{\"session_id\":\"s\",\"status\":\"completed\",\"events_url\":\"/api/v1/events/s\"}");
}

static void another_view_is_told_and_nothing_starts(void **state UNUSED)
{
    post("s", "m1");
    expect(stand_call(st, "POST /api/v1/execute/s", NULL, "{\"client_sync\":{\"client_message_count\":7}}"), 200,
           "{\"session_id\":\"s\",\"status\":\"completed\",\"events_url\":\"/api/v1/events/s\",\"sync\":{"
           "\"need_sync\":true,\"reason\":\"message_count_mismatch\",\"server_message_count\":2,"
           "\"server_last_message_id\":\"m1\",\"has_pending_question\":false,\"has_pending_user_message\":true}}");
    assert_false(stand_session(st, "s")->run.active);
    expect_part(stand_call(st, "POST /api/v1/execute/s", NULL,
                           "{\"client_sync\":{\"client_message_count\":2,\"client_last_message_id\":\"m1\"}}"),
                202, "\"need_sync\":false");
}

static void the_smaller_one_of_a_request_and_of_the_server_limits_a_run(void **state UNUSED)
{
    const struct run_limits most = {.max_rounds = 5, .max_calls = 6, .max_tokens = 70, .max_ms = 80};
    const struct run_limits *l;

    face_set_limits(stand_face(st), &most);
    post("s", "m1");
    stand_call(st, "POST /api/v1/execute/s", NULL,
               "{\"run_budget\":{\"max_rounds\":3,\"max_tool_calls\":9,\"max_wall_ms\":80000,\"max_cost_micros\":4,"
               "\"unpriced\":\"allow\"}}");
    l = &stand_session(st, "s")->run.limits;
    assert_true(l->max_rounds == 3 && l->max_calls == 6 && l->max_tokens == 70);
    assert_true(l->max_ms == 80 && l->max_cost == 4 && l->unpriced);
    face_set_limits(stand_face(st), &(struct run_limits){.max_rounds = 2, .max_calls = 1});
    assert_int_equal(l->max_rounds, 3); /* this run keeps its own */
    stand_finish(st, "s", "yes");
    post("s", "m2");
    stand_call(st, "POST /api/v1/execute/s", NULL, "{}");
    l = &stand_session(st, "s")->run.limits;
    assert_true(l->max_rounds == 2 && l->max_calls == 1);
    assert_true(l->max_tokens == 0 && l->max_ms == 0 && l->max_cost == 0 && !l->unpriced);
}

static void executes_that_are_refused(void **state UNUSED)
{
    post("s", "m1");
    expect(stand_call(st, "POST /api/v1/execute/nobody", NULL, "{}"), 404,
           "{\"error\":{\"message\":\"Session not "
           "found\",\"type\":\"api_error\",\"code\":\"not_found\"},\"request_id\":\"r-1\","
           "\"session_id\":\"nobody\"}");
    expect_part(stand_call(st, "POST /api/v1/execute/s", NULL, "{\"model\":\"nonsense\"}"), 400, "nearest");
    expect_part(stand_call(st, "POST /api/v1/execute/s", "Bamboo-Run-Id: r", "{}"), 400, "Bamboo-Run-Id");
    expect_part(stand_call(st, "POST /api/v1/execute/s", NULL, "[]"), 400, "object");
    assert_false(stand_session(st, "s")->run.active);
}

/* ---- stop ---- */

static void a_run_is_stopped(void **state UNUSED)
{
    post("s", "m1");
    stand_call(st, "POST /api/v1/execute/s", NULL, "{}");
    expect(stand_call(st, "POST /api/v1/stop/s", NULL, NULL), 200,
           "{\"success\":true,\"message\":\"Agent execution stopped\"}");
    expect(stand_call(st, "POST /api/v1/sessions/s/stop", NULL, NULL), 404,
           "{\"success\":false,\"message\":\"No active agent execution found\"}");
    expect(stand_call(st, "POST /api/v1/stop/nobody", NULL, NULL), 404,
           "{\"success\":false,\"message\":\"No active agent execution found\"}");
}

static void only_the_named_run_is_stopped(void **state UNUSED)
{
    post("s", "m1");
    stand_call(st, "POST /api/v1/execute/s", NULL, "{}");
    expect_part(stand_call(st, "POST /api/v1/stop/s", "Bamboo-Run-Id: other", NULL), 409,
                "Requested run is not the current cancellable owner");
    expect_part(stand_call(st, "POST /api/v1/stop/s", "Bamboo-Run-Id: a b", NULL), 400, "Bamboo-Run-Id");
    expect_part(stand_call(st, "POST /api/v1/stop/s", "Bamboo-Run-Id: ", NULL), 400, "Bamboo-Run-Id");
    assert_true(stand_session(st, "s")->run.active);
    expect(stand_call(st, "POST /api/v1/stop/s", format("Bamboo-Run-Id: %s", run_id_of("s")), NULL), 200,
           format("{\"success\":true,\"session_id\":\"s\",\"run_id\":\"%s\"}", run_id_of("s")));
}

/* ---- history ---- */

static struct message transcript[3];
static bool is_cut;

static bool answer_messages(const struct query *q, struct answer *a)
{
    if (q->kind != QUERY_MESSAGES)
        return false;
    assert_int_equal(q->limit, LIMIT_HISTORY_MESSAGES);
    a->messages = transcript;
    a->n = 3;
    a->total = 3;
    a->more = is_cut;
    if (str_is(q->after_message, "m0")) {
        a->messages++;
        a->n--;
    }
    return true;
}

static void history_whole_since_and_cut(void **state UNUSED)
{
    transcript[0] = (struct message){.role = ROLE_TOOL, .id = STR("m0"), .call_id = STR("c")};
    transcript[1] = (struct message){.role = ROLE_USER, .id = STR("m1"), .text = STR("hi")};
    transcript[2] = (struct message){.role = ROLE_ASSISTANT, .id = STR("m2"), .text = STR("yes")};
    is_cut = false;
    stand_on_query(st, answer_messages);
    expect_part(stand_call(st, "GET /api/v1/history/s", NULL, NULL), 200,
                "],\"is_delta\":false,\"truncated\":false,\"total_message_count\":3,\"compression_events\":[]}");
    expect_part(stand_call(st, "GET /api/v1/history/s?since_message_id=m0", NULL, NULL), 200,
                "{\"session_id\":\"s\",\"messages\":[{\"id\":\"m1\"");
    expect_part(stand_call(st, "GET /api/v1/history/s?since_message_id=m0", NULL, NULL), 200, "\"is_delta\":true");
    expect_part(stand_call(st, "GET /api/v1/history/s?since_message_id=other", NULL, NULL), 200, "\"is_delta\":false");
    is_cut = true;
    expect_part(stand_call(st, "GET /api/v1/sessions/s/history", NULL, NULL), 200,
                "{\"session_id\":\"s\",\"messages\":[{\"id\":\"m1\"");
    expect(stand_call(st, "GET /api/v1/history/s?projection=messages", NULL, NULL), 200,
           "{\"session_id\":\"s\",\"projection\":\"messages\",\"messages\":["
           "{\"id\":\"m1\",\"role\":\"user\",\"content\":\"hi\",\"created_at\":\"1970-01-01T00:00:00.000Z\"},"
           "{\"id\":\"m2\",\"role\":\"assistant\",\"content\":\"yes\",\"created_at\":\"1970-01-01T00:00:00.000Z\"}],"
           "\"is_delta\":false,\"truncated\":true,\"total_message_count\":3}");
    expect_part(stand_call(st, "GET /api/v1/history/s?projection=all", NULL, NULL), 400, "projection");
}

static bool answer_nothing(const struct query *q, struct answer *a UNUSED)
{
    return q->kind == QUERY_MESSAGES || q->kind == QUERY_RUNS;
}

static void nothing_yet_is_not_nobody(void **state UNUSED)
{
    post("s", "m1");
    stand_on_query(st, answer_nothing);
    expect_part(stand_call(st, "GET /api/v1/history/s", NULL, NULL), 200, "\"messages\":[]");
    expect_part(stand_call(st, "GET /api/v1/history/nobody", NULL, NULL), 404, "\"session_id\":\"nobody\"");
    expect_part(stand_call(st, "GET /api/v1/sessions/s/runs", NULL, NULL), 200, "\"runs\":[]");
    expect_part(stand_call(st, "GET /api/v1/sessions/nobody/runs", NULL, NULL), 404, "Session not found");
}

static bool answer_too_late(const struct query *q, struct answer *a)
{
    if (q->at_seq != 1)
        return false;
    a->rc = err_set(&a->err, ERR_TIMEOUT, "looking back takes too long");
    return true;
}

static void a_look_back_that_takes_too_long_is_504(void **state UNUSED)
{
    static const char *const paths[] = {"GET /api/v1/sessions/s?at_seq=1", "GET /api/v1/history/s?at_seq=1"};

    post("s", "m1");
    stand_on_query(st, answer_too_late);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        expect_part(stand_call(st, paths[i], NULL, NULL), 504, "\"code\":\"timeout\"");
    expect_part(stand_call(st, "POST /api/v1/sessions/s/fork", NULL, "{\"at_seq\":1}"), 504, "takes too long");
    expect_part(stand_call(st, "GET /api/v1/sessions/s", NULL, NULL), 200, "\"id\":\"s\"");
}

static void a_store_that_fails_is_503(void **state UNUSED)
{
    struct err broken = {.code = ERR_STORAGE, .text = "the disk is away"};

    stand_break_store(st, &broken);
    expect_part(stand_call(st, "GET /api/v1/history/s", NULL, NULL), 503, "the disk is away");
    expect_part(stand_call(st, "GET /api/v1/sessions", NULL, NULL), 503, "storage_unavailable");
}

/* ---- sessions ---- */

static void a_session_is_made_and_read(void **state UNUSED)
{
    struct http_request *r = stand_call(st, "POST /api/v1/sessions", NULL, "{\"title\":\" T \"}");

    expect_part(r, 201, "\"title\":\"T\"");
    assert_string_equal(stand_header(r, "ETag"), "\"1\"");
    expect_part(stand_call(st, "POST /api/v1/sessions", NULL, NULL), 201, "\"title\":\"New Session\"");
    expect_part(stand_call(st, "POST /api/v1/sessions", NULL, "{\"model_ref\":{\"provider\":\"p\",\"model\":\"m\"}}"),
                201, "\"model\":\"m\",\"model_ref\":{\"provider\":\"p\",\"model\":\"m\"},\"provider\":\"p\"");
    expect_part(stand_call(st, "POST /api/v1/sessions", "Idempotency-Key: k", "{}"), 201, "\"session\"");
    expect_part(stand_call(st, "POST /api/v1/sessions", "Idempotency-Key: k", "{}"), 200, "\"session\"");
    expect_part(stand_call(st, "POST /api/v1/sessions", NULL, "{\"gold_config\":{\"a\":1}}"), 400, "gold_config");
    post("s", "m1");
    r = stand_call(st, "GET /api/v1/sessions/s", NULL, NULL);
    expect_part(r, 200, "{\"session\":{\"id\":\"s\"");
    assert_string_equal(stand_header(r, "ETag"), "\"1\"");
    expect_part(stand_call(st, "GET /api/v1/sessions/nobody", NULL, NULL), 404, "\"session_id\":\"nobody\"");
}

static void title_and_pin_are_changed(void **state UNUSED)
{
    struct http_request *r;

    post("s", "m1");
    r = stand_call(st, "PATCH /api/v1/sessions/s", "If-Match: \"1\"", "{\"title\":\"New\",\"pinned\":true}");
    expect_part(r, 200, "\"title\":\"New\",\"title_version\":2,\"title_generated\":false,\"pinned\":true");
    assert_string_equal(stand_header(r, "ETag"), "\"3\"");
    r = stand_call(st, "PATCH /api/v1/sessions/s", "If-Match: \"1\"", "{\"title\":\"Late\"}");
    expect_part(r, 412, "\"session_id\":\"s\",\"current_version\":3}");
    assert_string_equal(stand_header(r, "ETag"), "\"3\"");
    expect_part(stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"pinned\":false}"), 200, "\"pinned\":false");
    expect_part(stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{}"), 200, "\"title\":\"New\"");
}

static void the_model_is_changed(void **state UNUSED)
{
    post("s", "m1");
    expect_part(stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"model\":\"m\",\"provider\":\"p\"}"), 200,
                "\"model_ref\":{\"provider\":\"p\",\"model\":\"m\"}");
    assert_int_equal(stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"reasoning_effort\":\"low\"}")->status, 200);
    assert_string_equal(stand_session(st, "s")->model, "m");
    assert_int_equal(stand_call(st, "PATCH /api/v1/sessions/s", NULL, "{\"clear_reasoning_effort\":true}")->status,
                     200);
    expect_part(stand_call(st, "PATCH /api/v1/sessions/nobody", NULL, "{\"reasoning_effort\":\"low\"}"), 404,
                "Session not found");
}

static void changes_that_are_refused(void **state UNUSED)
{
    static const struct {
        const char *headers, *body, *says;
        int status;
    } rows[] = {
        {NULL, "{\"title\":\" \"}", "title: must not be blank", 400},
        {"If-Match: x", "{\"title\":\"t\"}", "If-Match", 400},
        {"If-Match: ", "{\"title\":\"t\"}", "If-Match", 400},
        {NULL, "{\"permission_mode\":\"default\"}", "precondition_required", 428},
        {NULL, "{\"project_id\":null}", "precondition_required", 428},
        {NULL, "{\"workspace_path\":\"/\"}", "precondition_required", 428},
        {"If-Match: 1", "{\"workspace_path\":\"/\"}", "workspace_path", 400},
        {"If-Match: 1", "{\"permission_mode\":\"bypass\"}", "permission_mode", 400},
        {"If-Match: 1", "{\"permission_mode\":\"default\",\"bypass_permissions\":false}", "exclude", 400},
        {"If-Match: 1", "{\"project_id\":\"p\"}", "target Project not found", 404},
        {NULL, "{\"bypass_permissions\":true}", "permission_mode", 400},
        {NULL, "{\"thinking_mode\":\"ultra\"}", "root_mode_operation_required", 400},
        {NULL, "{\"model\":\"nonsense\"}", "nearest", 400},
    };

    post("s", "m1");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_part(stand_call(st, "PATCH /api/v1/sessions/s", rows[i].headers, rows[i].body), rows[i].status,
                    rows[i].says);
    assert_int_equal(stand_session(st, "s")->metadata_version, 1);
    assert_int_equal(stand_call(st, "PATCH /api/v1/sessions/s", "If-Match: 1",
                                "{\"permission_mode\":\"default\",\"project_id\":null}")
                         ->status,
                     200);
}

static void a_session_is_deleted(void **state UNUSED)
{
    post("s", "m1");
    expect(stand_call(st, "DELETE /api/v1/sessions/s", NULL, NULL), 200, "");
    expect_part(stand_call(st, "DELETE /api/v1/sessions/s", NULL, NULL), 404, "Session not found");
}

static struct session_row list_rows[2];

static bool answer_list(const struct query *q, struct answer *a)
{
    assert_int_equal(q->kind, QUERY_SESSIONS);
    if (str_is(q->search, "find")) {
        assert_true(str_is(q->state, "done") && str_is(q->session_kind, "root") && str_is(q->root, "r"));
        assert_true(str_is(q->cursor, "c") && q->limit == 1 && q->offset == 0);
        a->next = STR("d");
    }
    list_rows[0] = (struct session_row){.id = STR("a"), .state = STR("idle")};
    list_rows[1] = (struct session_row){.id = STR("b"), .state = STR("idle")};
    a->sessions = list_rows;
    a->n = 2;
    a->total = 9;
    return true;
}

static void sessions_are_listed_in_pages(void **state UNUSED)
{
    stand_on_query(st, answer_list);
    expect_part(stand_call(st, "GET /api/v1/sessions?limit=2&offset=4", NULL, NULL), 200,
                "],\"total\":9,\"limit\":2,\"offset\":4,\"next_offset\":6,\"feed_seq\":0,\"features\":[");
    expect_part(stand_call(st, "GET /api/v1/sessions?offset=7", NULL, NULL), 200,
                "],\"total\":9,\"limit\":200,\"offset\":7,\"feed_seq\":0,\"features\":[");
    expect_part(stand_call(st, "GET /api/v1/sessions?limit=5000", NULL, NULL), 200, "\"limit\":1000,");
    expect_part(stand_call(st, "GET /api/v1/sessions?q=find&state=done&kind=root&root_session_id=r&cursor=c&limit=0",
                           NULL, NULL),
                200, "\"limit\":1,\"offset\":0,\"next_cursor\":\"d\",\"feed_seq\":0,\"features\":[");
}

static void lists_that_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {"limit=x", "limit=-1", "offset=1.5", "state=nonsense", "kind=other"};
    char line[80];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(line, sizeof(line), "GET /api/v1/sessions?%s", bad[i]);
        expect_part(stand_call(st, line, NULL, NULL), 400, "query: ");
    }
    expect_part(stand_call(st, "GET /api/v1/sessions?kind=other", NULL, NULL), 400,
                "query: kind: expected one of \\\"root\\\", \\\"child\\\"");
}

/* ---- runs ---- */

static struct run_row run_rows[2];
static int64_t tokens_before; /* of each of them, beside the few below */

static bool answer_runs(const struct query *q, struct answer *a)
{
    if (q->kind == QUERY_RUN && !str_is(q->run_id, "r1"))
        return false;
    run_rows[0] = (struct run_row){.id = STR("r2"), .session_id = STR("s"), .rounds = 2, .usage = {3, 4, 0, 0, true}};
    run_rows[1] = (struct run_row){.id = STR("r1"), .session_id = STR("s"), .rounds = 1, .usage = {1, 1, 0, 0, true}};
    for (size_t i = 0; i < ARRAY_LEN(run_rows); i++)
        run_rows[i].usage.prompt_tokens = amount_add(run_rows[i].usage.prompt_tokens, tokens_before);
    a->runs = q->kind == QUERY_RUN ? &run_rows[1] : run_rows;
    a->n = q->kind == QUERY_RUN ? 1 : 2;
    return true;
}

static void runs_have_records(void **state UNUSED)
{
    stand_on_query(st, answer_runs);
    expect_part(stand_call(st, "GET /api/v1/runs/r1", NULL, NULL), 200, "{\"run\":{\"run_id\":\"r1\"");
    expect(stand_call(st, "GET /api/v1/runs/nothing", NULL, NULL), 404,
           "{\"error\":{\"message\":\"Run not "
           "found\",\"type\":\"api_error\",\"code\":\"not_found\"},\"request_id\":\"r-1\","
           "\"run_id\":\"nothing\"}");
    expect_part(stand_call(st, "GET /api/v1/sessions/s/runs", NULL, NULL), 200,
                "\"sum\":{\"runs\":2,\"rounds\":3,\"tool_calls\":0,\"usage\":{\"prompt_tokens\":4,"
                "\"completion_tokens\":5,\"total_tokens\":9},\"cost_micros\":0},\"more\":false}");
    expect_part(stand_call(st, "GET /api/v1/runs/active", NULL, NULL), 200,
                "{\"sessions\":[{\"session_id\":\"s\",\"run_id\":\"r2\"");
    tokens_before = INT64_MAX; /* a sum stops at the largest number that is told */
    expect_part(stand_call(st, "GET /api/v1/sessions/s/runs", NULL, NULL), 200,
                "\"tool_calls\":0,\"usage\":{\"prompt_tokens\":4294967295,\"completion_tokens\":5,"
                "\"total_tokens\":4294967295},\"cost_micros\":0},\"more\"");
    tokens_before = 0;
}

/* ---- facts ---- */

static void facts_come_in_pages_both_ways(void **state UNUSED)
{
    struct http_request *r;

    run_whole_turn("s");
    r = stand_call(st, "GET /api/v1/sessions/s/facts?limit=2", NULL, NULL);
    expect_part(r, 200, "{\"session_id\":\"s\",\"facts\":[{\"type\":\"session_created\",\"seq\":1,");
    expect_part(r, 200, "{\"type\":\"message_appended\",\"session_id\":\"s\",\"message_id\":\"m1\",\"role\":\"user\"");
    expect_part(r, 200, "\"more\":true,\"next_after\":2}");
    r = stand_call(st, "GET /api/v1/sessions/s/facts?before=4&limit=2", NULL, NULL);
    expect_part(r, 200, "\"facts\":[{\"type\":\"execution_started\"");
    expect_part(r, 200, "\"more\":true,\"next_before\":2}");
    r = stand_call(st, "GET /api/v1/sessions/s/facts?types=complete,session_created", NULL, NULL);
    expect_part(r, 200, "{\"type\":\"session_created\",\"seq\":1,");
    expect_part(r, 200, "{\"type\":\"complete\",");
    assert_null(strstr(stand_body(r), "message_appended"));
    r = stand_call(st, "GET /api/v1/sessions/s/facts?types=cancelled", NULL, NULL);
    expect_part(r, 200, "\"facts\":[],\"first_seq\":1,");
}

static void facts_that_are_refused(void **state UNUSED)
{
    post("s", "m1");
    expect_part(stand_call(st, "GET /api/v1/sessions/nobody/facts", NULL, NULL), 404, "Session not found");
    expect_part(stand_call(st, "GET /api/v1/sessions/s/facts?after=x", NULL, NULL), 400, "after");
    expect_part(stand_call(st, "GET /api/v1/sessions/s/facts?types=token", NULL, NULL), 400, "types");
}

/* ---- questions ---- */

static void no_question_is_open(void **state UNUSED)
{
    post("s", "m1");
    expect(stand_call(st, "GET /api/v1/respond/s/pending", NULL, NULL), 200,
           "{\"has_pending_question\":false,\"interaction_kind\":null,\"questions\":[]}");
    expect_part(stand_call(st, "GET /api/v1/sessions/nobody/respond/pending", NULL, NULL), 404, "Session not found");
    expect_part(stand_call(st, "POST /api/v1/respond/s", NULL, "{\"response\":\"yes\"}"), 400,
                "\"message\":\"No pending question waiting for response\"");
    expect_part(stand_call(st, "POST /api/v1/respond/s", NULL, "{}"), 400, "response: is missing");
    expect_part(stand_call(st, "POST /api/v1/respond/nobody", NULL, "{\"dismiss\":true}"), 404, "Session not found");
}

/* ---- the end ---- */

static void who_still_waits_when_the_face_goes_is_told(void **state UNUSED)
{
    struct http_request *query, *reply, *watch;

    st = stand_new();
    stand_start(st);
    post("s", "m1");
    query = stand_ask(st, "GET /api/v1/sessions/s", NULL, NULL);
    reply = stand_ask(st, "POST /api/v1/stop/s", NULL, NULL);
    watch = stand_ask(st, "GET /api/v1/events/s", NULL, NULL);
    stand_close(st);
    expect_part(query, 503, "The server is stopping.");
    expect_part(reply, 503, "The server is stopping.");
    expect_part(watch, 503, "The server is stopping.");
    stand_free(st);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stand_begin, stand_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(health_needs_nothing),
        cmocka_unit_test(readyz_says_what_is_in_the_way),
        TEST(bootstrap_tells_who_asks),
        TEST(the_door_answers_in_the_standard_form),
        TEST(two_credentials_are_none),
        TEST(unknown_paths_are_empty),
        TEST(known_paths_tell_their_methods),
        TEST(ids_in_paths_are_checked),
        TEST(a_query_that_cannot_be_decoded_is_refused_by_name),
        cmocka_unit_test(configured_origins_may_call),
        TEST(a_message_is_kept),
        TEST(a_message_is_kept_and_started),
        TEST(ids_are_made_where_none_is_given),
        TEST(a_new_session_gets_its_system_text),
        TEST(chats_that_are_refused),
        TEST(what_cannot_be_stored_may_be_tried_again),
        TEST(the_access_log_is_told_whose_request_it_was),
        TEST(a_full_inbox_says_so),
        cmocka_unit_test(large_bodies_go_through_the_workers),
        TEST(a_run_is_started_joined_and_over),
        TEST(another_view_is_told_and_nothing_starts),
        TEST(the_smaller_one_of_a_request_and_of_the_server_limits_a_run),
        TEST(executes_that_are_refused),
        TEST(a_run_is_stopped),
        TEST(only_the_named_run_is_stopped),
        TEST(history_whole_since_and_cut),
        TEST(nothing_yet_is_not_nobody),
        TEST(a_look_back_that_takes_too_long_is_504),
        TEST(a_store_that_fails_is_503),
        TEST(a_session_is_made_and_read),
        TEST(title_and_pin_are_changed),
        TEST(the_model_is_changed),
        TEST(changes_that_are_refused),
        TEST(a_session_is_deleted),
        TEST(sessions_are_listed_in_pages),
        TEST(lists_that_are_refused),
        TEST(runs_have_records),
        TEST(facts_come_in_pages_both_ways),
        TEST(facts_that_are_refused),
        TEST(no_question_is_open),
        cmocka_unit_test(who_still_waits_when_the_face_goes_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
