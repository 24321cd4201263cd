/* SPDX-License-Identifier: MIT */
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>

#include "model/outcome.h"

#define EVENT(json) "data: " json "\n\n"
#define CHUNK(delta) EVENT("{\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}]}")
#define SAY(text) CHUNK("{\"content\":\"" text "\"}")
#define FINISH(reason) EVENT("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}")
#define USAGE EVENT("{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}")
#define DONE EVENT("[DONE]")
#define CALL(fragment) CHUNK("{\"tool_calls\":[" fragment "]}")
#define BODY(literal) {literal, sizeof(literal) - 1}

static const struct message prompt[] = {{.role = ROLE_USER, .text = {"hello", 5}}};
static const struct model_request request = {
    .provider = {"fake", 4}, .model = {"m", 1}, .messages = prompt, .n_messages = 1};

/* calls as name:args| */
static void describe_calls(const struct outcome *o, struct buf *out)
{
    for (size_t i = 0; i < o->result.calls.count; i++) {
        const struct call *c = (const struct call *)o->result.calls.items + i;

        buf_addf(out, STR_FMT ":" STR_FMT "|", STR_ARG(c->name), STR_ARG(c->args));
    }
}

static void answers_are_told(void **state UNUSED)
{
    static const struct {
        struct str body;
        const char *text, *reasoning, *calls;
        int stop;
        bool reported, repaired;
    } table[] = {
        {BODY(SAY("a") SAY("b") SAY("c") FINISH("stop") USAGE DONE), "abc", "", "", STOP_END, true, false},
        {BODY(SAY("a") FINISH("stop")), "a", "", "", STOP_END, false, false},
        {BODY(SAY("a") DONE), "a", "", "", STOP_END, false, false},
        {BODY(SAY("a") "data: [DONE]"), "a", "", "", STOP_END, false, false},
        {BODY(CHUNK("{\"reasoning_content\":\"hm\"}") SAY("a") FINISH("length") DONE), "a", "hm", "", STOP_LENGTH,
         false, false},
        {BODY(CHUNK("{\"refusal\":\"no\"}") FINISH("content_filter") DONE), "no", "", "", STOP_FILTER, false, false},
        {BODY(CALL("{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}")
                  CALL("{\"index\":0,\"function\":{\"arguments\":\"}\"}}") FINISH("tool_calls") DONE),
         "", "", "f:{}|", STOP_CALLS, false, false},
        {BODY(CALL("{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}") FINISH("stop")
                  DONE),
         "", "", "f:{}|", STOP_CALLS, false, false},
        {BODY(CALL("{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}") DONE), "", "",
         "f:{}|", STOP_CALLS, false, false},
        {BODY(CALL("{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\"}}") FINISH("length")
                  DONE),
         "", "", "", STOP_LENGTH, false, false},
        {BODY(CALL("{\"index\":0,\"function\":{\"arguments\":\"{}\"}}") FINISH("tool_calls") DONE), "", "", "",
         STOP_END, false, false},
        {BODY(DONE), "", "", "", STOP_END, false, false},
        {BODY(SAY("half \xe2\x82") SAY("\xac.") DONE), "half \xe2\x82\xac.", "", "", STOP_END, false, false},
        {BODY(SAY("x") SAY("half \xe2\x82") SAY("\xac.") DONE), "xhalf \xe2\x82\xac.", "", "", STOP_END, false, false},
        {BODY(SAY("half \xe2\x82") DONE), "half \xef\xbf\xbd", "", "", STOP_END, false, true},
        {BODY(SAY("broken \xff.") DONE), "broken \xef\xbf\xbd.", "", "", STOP_END, false, true},
        {BODY(SAY("\\ud83d") SAY("\\ude00") DONE), "\xef\xbf\xbd\xef\xbf\xbd", "", "", STOP_END, false, true},
        {BODY(": ping\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n"), "a",
         "", "", STOP_END, false, false},
        {BODY("{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"whole\"},\"finish_reason\":\"stop\"}],"
              "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}"),
         "whole", "", "", STOP_END, true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct reply_script reply = {.status = 200, .body = table[i].body};
        CLEANUP(buf_done) struct buf calls = BUF_INIT;
        struct provider p;
        struct outcome o;

        outcome_of(&o, &p, &reply, &request);
        assert_string_equal(o.failure.text, "");
        assert_true(o.done);
        describe_calls(&o, &calls);
        assert_string_equal(buf_text(&o.text), table[i].text);
        assert_string_equal(buf_text(&o.reasoning), table[i].reasoning);
        assert_string_equal(buf_text(&calls), table[i].calls);
        assert_int_equal(o.result.stop, table[i].stop);
        assert_int_equal(o.result.usage.reported, table[i].reported);
        assert_int_equal(o.result.repaired, table[i].repaired);
        if (table[i].reported) {
            assert_int_equal(o.result.usage.prompt_tokens, 9);
            assert_int_equal(o.result.usage.completion_tokens, 2);
        } else {
            assert_true(o.result.usage.prompt_tokens > 0);
        }
        outcome_close(&o);
    }
}

static void failures_are_typed(void **state UNUSED)
{
    static const struct {
        struct reply_script reply;
        int failure;
        int64_t wait_ms;
        const char *text;
    } table[] = {
        {{.status = 400, .body = BODY("{\"error\":{\"message\":\"no such field\"}}")},
         FAILURE_REQUEST,
         0,
         "fake: HTTP 400: no such field (it refused the request)"},
        {{.status = 400, .body = BODY("{\"error\":{\"message\":\"long\",\"code\":\"context_length_exceeded\"}}")},
         FAILURE_OVERFLOW,
         0,
         "fake: HTTP 400: long (the conversation is longer than the model can read)"},
        {{.status = 401, .body = BODY("{\"error\":{\"message\":\"bad key sk-secret\"}}")},
         FAILURE_AUTH,
         0,
         "fake: HTTP 401: bad key [key] (check the API key)"},
        {{.status = 404, .body = BODY("nothing\there")},
         FAILURE_NO_MODEL,
         0,
         "fake: HTTP 404: nothing\\x09here (check the model name and the base URL)"},
        {{.status = 404, .body = BODY("<html><h1>404</h1>")},
         FAILURE_NO_MODEL,
         0,
         "fake: HTTP 404 (check the model name and the base URL)"},
        {{.status = 408, .body = BODY("")}, FAILURE_TIMEOUT, 0, "fake: HTTP 408 (the provider has a problem)"},
        {{.status = 413, .body = BODY("{\"detail\":\"big\"}")},
         FAILURE_OVERFLOW,
         0,
         "fake: HTTP 413: big (the conversation is longer than the model can read)"},
        {{.status = 429, .headers = {"Retry-After", "3"}, .body = BODY("{}")},
         FAILURE_RATE_LIMIT,
         3000,
         "fake: HTTP 429 (too many requests: wait, or raise the limit)"},
        {{.status = 429, .headers = {"Retry-After", "3", "Retry-After-Ms", "250"}, .body = BODY("{}")},
         FAILURE_RATE_LIMIT,
         250,
         "fake: HTTP 429 (too many requests: wait, or raise the limit)"},
        {{.status = 429, .body = BODY("{\"error\":{\"type\":\"insufficient_quota\"}}")},
         FAILURE_AUTH,
         0,
         "fake: HTTP 429 (the account has no credit left: check its plan)"},
        {{.status = 500, .body = BODY("{\"message\":\"oops\"}")},
         FAILURE_SERVER,
         0,
         "fake: HTTP 500: oops (the provider has a problem)"},
        {{.status = 308, .headers = {"Location", "https://x.example/v1"}, .body = BODY("")},
         FAILURE_CONFIG,
         0,
         "fake: HTTP 308: https://x.example/v1 (it redirects: give its final address as the base URL)"},
        {{.status = 200, .type = "text/html", .body = BODY("\n<!doctype html>")}, FAILURE_CONFIG, 0, NULL},
        {{.status = 200, .body = BODY("")}, FAILURE_CUT, 0, "fake: the answer (HTTP 200) was empty"},
        {{.status = 200, .body = BODY(SAY("a"))},
         FAILURE_CUT,
         0,
         "fake: the answer ended without saying that it was complete"},
        {{.status = 200, .body = BODY(SAY("a") "data: {\"choi")}, FAILURE_CUT, 0, NULL},
        {{.status = 200, .body = BODY("{\"choices\":[{\"mess")}, FAILURE_CUT, 0, NULL},
        {{.status = 200, .body = BODY(CALL("{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}") DONE)},
         FAILURE_CUT,
         0,
         "fake: the answer ended inside a tool call"},
        {{.status = 200, .body = BODY(SAY("a") EVENT("nonsense") DONE)}, FAILURE_PROTOCOL, 0, NULL},
        {{.status = 200, .body = BODY(SAY("a") EVENT("{\"error\":{\"message\":\"later\",\"code\":429}}"))},
         FAILURE_RATE_LIMIT,
         0,
         "fake: HTTP 429: later (too many requests: wait, or raise the limit)"},
        {{.status = 200, .body = BODY("event: error\ndata: {\"what\":1}\n\n")},
         FAILURE_SERVER,
         0,
         "fake: error in the stream (the provider has a problem)"},
        {{.status = 200, .body = BODY("{\"error\":\"out of memory\"}")},
         FAILURE_SERVER,
         0,
         "fake: error in the stream: out of memory (the provider has a problem)"},
        {{.status = 200, .body = BODY(SAY("a")), .end = REPLY_CUTS}, FAILURE_NETWORK, 0, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct provider p;
        struct outcome o;

        outcome_of(&o, &p, &table[i].reply, &request);
        assert_true(o.failed);
        assert_string_equal(failure_names[o.failure.failure], failure_names[table[i].failure]);
        assert_int_equal(o.failure.wait_ms, table[i].wait_ms);
        if (table[i].text != NULL)
            assert_string_equal(o.failure.text, table[i].text);
        assert_null(strstr(o.failure.text, "sk-secret"));
        outcome_close(&o);
    }
}

static void a_long_error_is_read_no_further_than_needed(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 500, .body = BODY("0123456789abcdef"), .repeat = 1 << 20};
    struct provider p;
    struct outcome o;

    outcome_of(&o, &p, &reply, &request);
    assert_int_equal(o.failure.failure, FAILURE_SERVER);
    assert_in_range(strlen(o.failure.text), 160, sizeof(o.failure.text) - 1);
    outcome_close(&o);
}

static void a_server_that_is_not_there_is_a_network_failure(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 200};
    struct provider p;
    struct outcome o;

    provider_open(&p, &reply, 1);
    http_server_stop_listening(p.server);
    outcome_init(&o, &p);
    outcome_run(&o, &request);
    assert_int_equal(o.failure.failure, FAILURE_NETWORK);
    outcome_close(&o);
}

static void an_answer_is_complete_though_the_connection_breaks_behind_it(void **state UNUSED)
{
    static const struct reply_script reply = {
        .status = 200, .body = BODY(SAY("a") FINISH("stop") USAGE), .end = REPLY_CUTS};
    struct provider p;
    struct outcome o;

    outcome_of(&o, &p, &reply, &request);
    assert_true(o.done);
    assert_int_equal(o.result.usage.prompt_tokens, 9);
    outcome_close(&o);
}

static void what_was_counted_before_a_failure_is_told_with_it(void **state UNUSED)
{
    static const struct {
        struct str body;
        int64_t prompt, completion;
    } table[] = {
        {BODY(SAY("a") USAGE), 9, 2},
        {BODY(USAGE "data: {not json\n\n"), 9, 2},
        {BODY(USAGE EVENT("{\"error\":{\"message\":\"overloaded\"}}")), 9, 2},
        {BODY(SAY("a") EVENT("{\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}")), 0, 0},
        {BODY(SAY("a")), 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct reply_script reply = {.status = 200, .body = table[i].body};
        struct provider p;
        struct outcome o;

        outcome_of(&o, &p, &reply, &request);
        assert_true(o.failed);
        assert_int_equal(o.failure.usage.reported, table[i].prompt > 0);
        assert_int_equal(o.failure.usage.prompt_tokens, table[i].prompt);
        assert_int_equal(o.failure.usage.completion_tokens, table[i].completion);
        outcome_close(&o);
    }
}

static void an_answer_is_complete_though_the_body_never_ends(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 200, .body = BODY(SAY("a") DONE), .end = REPLY_HANGS};
    struct provider p;
    struct outcome o;

    outcome_of(&o, &p, &reply, &request);
    assert_true(o.done);
    assert_string_equal(buf_text(&o.text), "a");
    outcome_close(&o);
}

static void the_request_is_as_it_should_be(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 200, .body = BODY(SAY("a") DONE)};
    struct provider p;
    struct outcome o;

    outcome_of(&o, &p, &reply, &request);
    assert_string_equal(p.path.p, "/v1/chat/completions");
    assert_string_equal(p.authorization.p, "Bearer sk-secret");
    assert_string_equal(p.body.p,
                        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],\"stream\":"
                        "true,\"stream_options\":{\"include_usage\":true}}");
    outcome_close(&o);
}

static void connections_are_used_again(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 200, .body = BODY(SAY("a") FINISH("stop") USAGE DONE)};
    struct provider p;

    provider_open(&p, &reply, 1);
    for (int i = 0; i < 5; i++) {
        struct outcome o;

        outcome_init(&o, &p);
        outcome_run(&o, &request);
        assert_true(o.done);
        outcome_done(&o);
    }
    assert_int_equal(p.requests, 5);
    assert_int_equal(http_client_connects(p.client), 1);
    provider_close(&p);
}

static void each_silence_has_its_own_bound(void **state UNUSED)
{
    static const struct {
        struct reply_script reply;
        int64_t headers_ms, content_ms, idle_ms;
        const char *text;
    } table[] = {
        {{.status = 0}, 40, 60000, 60000, "fake: the provider did not begin to answer"},
        {{.status = 200, .body = BODY(": hi\n\n"), .end = REPLY_HANGS},
         60000,
         60000,
         40,
         "fake: the provider fell silent before its answer"},
        {{.status = 200, .body = BODY(": ping\n\n"), .every_ms = 5},
         60000,
         100,
         60000,
         "fake: the provider sent no content, only signs of life"},
        {{.status = 200, .body = BODY(SAY("a")), .end = REPLY_HANGS},
         60000,
         60000,
         500,
         "fake: the provider fell silent in mid-answer"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct provider p;
        struct outcome o;

        provider_open(&p, &table[i].reply, 1);
        model_registry_set_timers(p.registry, table[i].headers_ms, table[i].content_ms, table[i].idle_ms);
        outcome_init(&o, &p);
        outcome_run(&o, &request);
        assert_int_equal(o.failure.failure, FAILURE_TIMEOUT);
        assert_string_equal(o.failure.text, table[i].text);
        outcome_close(&o);
    }
}

static void a_cancel_in_a_callback_is_silent_and_hangs_up(void **state UNUSED)
{
    static const struct reply_script reply = {
        .status = 200, .body = BODY(SAY("a") SAY("b") SAY("c") SAY("d")), .end = REPLY_HANGS};

    for (size_t at = 1; at <= 4; at++) {
        struct provider p;
        struct outcome o;

        provider_open(&p, &reply, 1);
        outcome_init(&o, &p);
        o.cancel_at_delta = at;
        outcome_run(&o, &request);
        assert_int_equal(o.deltas, at);
        assert_int_equal(o.ends, 0);
        p.stop_when_closed = true;
        loop_run(p.loop);
        assert_int_equal(p.closed, 1);
        assert_int_equal(o.deltas, at);
        outcome_close(&o);
    }
}

static void a_cancel_in_the_end_does_no_harm(void **state UNUSED)
{
    static const struct reply_script replies[] = {{.status = 200, .body = BODY(SAY("a") DONE)},
                                                  {.status = 500, .body = BODY("")}};

    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        struct provider p;
        struct outcome o;

        provider_open(&p, &replies[i], 1);
        outcome_init(&o, &p);
        o.cancel_in_end = true;
        outcome_run(&o, &request);
        assert_int_equal(o.ends, 1);
        outcome_close(&o);
    }
}

static void a_cancel_before_anything_came_is_silent(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 200, .body = BODY(SAY("a") DONE)};
    struct provider p;
    struct outcome cancelled, other;

    provider_open(&p, &reply, 1);
    outcome_init(&cancelled, &p);
    outcome_init(&other, &p);
    outcome_start(&cancelled, &request);
    model_cancel(cancelled.stream);
    outcome_run(&other, &request);
    assert_true(other.done);
    assert_int_equal(cancelled.deltas + cancelled.ends, 0);
    outcome_done(&cancelled);
    outcome_done(&other);
    provider_close(&p);
}

static void the_registry_may_go_before_its_streams(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 200, .body = BODY(SAY("a") DONE)};
    struct provider p;
    struct outcome o;

    provider_open(&p, &reply, 1);
    outcome_init(&o, &p);
    outcome_start(&o, &request);
    provider_close(&p);
    assert_int_equal(o.deltas + o.ends, 0);
    outcome_done(&o);
}

static void an_instance_may_be_replaced_in_mid_stream(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 401, .body = BODY("{\"error\":{\"message\":\"sk-secret\"}}")};
    struct model_provider other = {.name = "fake", .driver = "offline"};
    struct provider p;
    struct outcome o;

    provider_open(&p, &reply, 1);
    outcome_init(&o, &p);
    outcome_start(&o, &request);
    assert_int_equal(model_registry_add(p.registry, &other, NULL), 0);
    loop_run(p.loop);
    assert_string_equal(o.failure.text, "fake: HTTP 401: [key] (check the API key)");
    outcome_close(&o);
}

static void caps_end_the_call(void **state UNUSED)
{
    char *mega = mem_alloc(1024 * 1024);
    CLEANUP(buf_done) struct buf big = BUF_INIT;
    struct {
        struct reply_script reply;
        int failure;
    } table[2];

    memset(mega, 'x', 1024 * 1024);
    buf_add_str(&big, STR("data: {\"choices\":[{\"delta\":{\"content\":\""));
    buf_add(&big, mega, 1024 * 1024);
    buf_add_str(&big, STR("\"}}]}\n\n"));
    table[0].reply = (struct reply_script){.status = 200, .body = buf_str(&big), .repeat = 1000, .end = REPLY_HANGS};
    table[0].failure = FAILURE_TOO_BIG;
    /* 100 MB without the end of a line */
    table[1].reply =
        (struct reply_script){.status = 200, .body = {mega, 1024 * 1024}, .repeat = 100, .end = REPLY_HANGS};
    table[1].failure = FAILURE_PROTOCOL;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct provider p;
        struct outcome o;

        outcome_of(&o, &p, &table[i].reply, &request);
        assert_int_equal(o.failure.failure, table[i].failure);
        assert_in_range(o.text.n, 0, LIMIT_MODEL_ANSWER_BYTES);
        outcome_close(&o);
    }
    mem_free(mega);
}

static void what_is_wrong_at_the_start_comes_as_a_failure(void **state UNUSED)
{
    static const struct reply_script reply = {.status = 200};
    static const struct {
        struct str provider, model;
        int failure;
    } table[] = {
        {{"gone", 4}, {"m", 1}, FAILURE_CONFIG},
        {{"nokey", 5}, {"m", 1}, FAILURE_AUTH},
        {{"nolist", 6}, {"default", 7}, FAILURE_CONFIG},
    };
    struct provider p;

    provider_open(&p, &reply, 1);
    assert_int_equal(
        model_registry_add(p.registry, &(struct model_provider){.name = "nokey", .driver = "openai"}, NULL), 0);
    assert_int_equal(
        model_registry_add(
            p.registry,
            &(struct model_provider){.name = "nolist", .driver = "openai", .base_url = "http://127.0.0.1:1"}, NULL),
        0);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct model_request q = request;
        struct outcome o;

        q.provider = table[i].provider;
        q.model = table[i].model;
        outcome_init(&o, &p);
        outcome_run(&o, &q);
        assert_int_equal(o.failure.failure, table[i].failure);
        outcome_done(&o);
        outcome_init(&o, &p);
        outcome_start(&o, &q);
        model_cancel(o.stream);
        assert_int_equal(o.ends, 0);
        outcome_done(&o);
    }
    provider_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_told),
        cmocka_unit_test(failures_are_typed),
        cmocka_unit_test(a_long_error_is_read_no_further_than_needed),
        cmocka_unit_test(a_server_that_is_not_there_is_a_network_failure),
        cmocka_unit_test(an_answer_is_complete_though_the_connection_breaks_behind_it),
        cmocka_unit_test(what_was_counted_before_a_failure_is_told_with_it),
        cmocka_unit_test(an_answer_is_complete_though_the_body_never_ends),
        cmocka_unit_test(the_request_is_as_it_should_be),
        cmocka_unit_test(connections_are_used_again),
        cmocka_unit_test(each_silence_has_its_own_bound),
        cmocka_unit_test(a_cancel_in_a_callback_is_silent_and_hangs_up),
        cmocka_unit_test(a_cancel_in_the_end_does_no_harm),
        cmocka_unit_test(a_cancel_before_anything_came_is_silent),
        cmocka_unit_test(the_registry_may_go_before_its_streams),
        cmocka_unit_test(an_instance_may_be_replaced_in_mid_stream),
        cmocka_unit_test(caps_end_the_call),
        cmocka_unit_test(what_is_wrong_at_the_start_comes_as_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
