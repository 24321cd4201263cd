/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "model/openai_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct call two_calls[] = {
    {.id = {"c1", 2}, .name = {"read", 4}, .args = {"{\"p\":1}", 7}},
    {.id = {"c2", 2}, .name = {"list", 4}, .args = {"{broken", 7}},
};

#define MESSAGE(role_, ...) {.role = ROLE_##role_, __VA_ARGS__}
#define CALLS(n) .calls = {two_calls, n}
#define RESULT(id_, text_) {.role = ROLE_TOOL, .call_id = {id_, sizeof(id_) - 1}, .text = {text_, sizeof(text_) - 1}}
#define TEXT(s) .text = {s, sizeof(s) - 1}

static const char head[] = "{\"model\":\"m\",\"messages\":[";
static const char tail[] = "],\"stream\":true,\"stream_options\":{\"include_usage\":true}}";

static void check_messages(const struct message *messages, size_t n, const char *expected)
{
    CLEANUP(buf_done) struct buf got = BUF_INIT;
    CLEANUP(buf_done) struct buf want = BUF_INIT;
    struct model_request q = {.model = STR("m"), .messages = messages, .n_messages = n};

    buf_addf(&want, "%s%s%s", head, expected, tail);
    openai_request_write(&q, false, &got);
    assert_string_equal(got.p, want.p);
}

static void texts_are_sent_in_order(void **state UNUSED)
{
    const struct message messages[] = {
        MESSAGE(SYSTEM, TEXT("be brief")),
        MESSAGE(USER, TEXT("say \"hi\"\n")),
        MESSAGE(ASSISTANT, TEXT("hi")),
        MESSAGE(USER, TEXT("h\xc3\xa9")),
    };

    check_messages(messages, ARRAY_LEN(messages),
                   "{\"role\":\"system\",\"content\":\"be brief\"},"
                   "{\"role\":\"user\",\"content\":\"say \\\"hi\\\"\\n\"},"
                   "{\"role\":\"assistant\",\"content\":\"hi\"},"
                   "{\"role\":\"user\",\"content\":\"h\xc3\xa9\"}");
}

#define CALL_1 "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"read\",\"arguments\":\"{\\\"p\\\":1}\"}}"
#define CALL_2 "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"list\",\"arguments\":\"{broken\"}}"
#define ANSWER_1(text) "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"" text "\"}"
#define ANSWER_2(text) "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"" text "\"}"

static void results_follow_their_calls_in_the_order_of_the_calls(void **state UNUSED)
{
    const struct message messages[] = {
        MESSAGE(USER, TEXT("go")), MESSAGE(ASSISTANT, CALLS(2)),     RESULT("c2", "two"),
        RESULT("c1", "one"),       MESSAGE(ASSISTANT, TEXT("done")),
    };

    check_messages(messages, ARRAY_LEN(messages),
                   "{\"role\":\"user\",\"content\":\"go\"},"
                   "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL_1 "," CALL_2
                   "]}," ANSWER_1("one") "," ANSWER_2("two") ",{\"role\":\"assistant\",\"content\":\"done\"}");
}

static void a_missing_result_is_made_up_and_a_lost_one_left_out(void **state UNUSED)
{
    const struct message messages[] = {
        RESULT("c9", "whose?"),       MESSAGE(ASSISTANT, TEXT("I look"), CALLS(2)),
        RESULT("c1", "one"),          RESULT("c1", "again"),
        MESSAGE(USER, TEXT("well?")),
    };

    check_messages(messages, ARRAY_LEN(messages),
                   "{\"role\":\"assistant\",\"content\":\"I look\",\"tool_calls\":[" CALL_1 "," CALL_2 "]}," ANSWER_1(
                       "one") "," ANSWER_2("no result was recorded") ",{\"role\":\"user\",\"content\":\"well?\"}");
}

static void an_interrupted_answer_is_only_its_text(void **state UNUSED)
{
    const struct message messages[] = {
        MESSAGE(ASSISTANT, TEXT("I was"), CALLS(1), .interrupted = true),
        MESSAGE(ASSISTANT, .interrupted = true),
        MESSAGE(USER, TEXT("go on")),
    };

    check_messages(messages, ARRAY_LEN(messages),
                   "{\"role\":\"assistant\",\"content\":\"I was\"},{\"role\":\"user\",\"content\":\"go on\"}");
}

static void options_depend_on_whose_server_it_is(void **state UNUSED)
{
    static const struct {
        bool official;
        int64_t max;
        struct str effort;
        const char *json;
    } table[] = {
        {false, 0, {"", 0}, "{\"include_usage\":true}}"},
        {false, 500, {"low", 3}, "{\"include_usage\":true},\"max_tokens\":500,\"reasoning_effort\":\"low\"}"},
        {true, 500, {"", 0}, "{\"include_usage\":true,\"include_obfuscation\":false},\"max_completion_tokens\":500}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf got = BUF_INIT;
        CLEANUP(buf_done) struct buf want = BUF_INIT;
        struct model_request q = {.model = STR("m"), .effort = table[i].effort, .max_output_tokens = table[i].max};

        openai_request_write(&q, table[i].official, &got);
        buf_addf(&want, "%s],\"stream\":true,\"stream_options\":%s", head, table[i].json);
        assert_string_equal(got.p, want.p);
    }
}

static void base_urls_may_lack_the_version(void **state UNUSED)
{
    static const struct {
        const char *base, *url;
        bool official;
    } table[] = {
        {"https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions", true},
        {"https://API.openai.com", "https://API.openai.com/v1/chat/completions", true},
        {"https://api.openai.com.evil.org/v1", "https://api.openai.com.evil.org/v1/chat/completions", false},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/chat/completions", false},
        {"http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1/chat/completions", false},
        {"http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1/chat/completions", false},
        {"https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions", false},
        {"https://g.example/v1beta/openai//", "https://g.example/v1beta/openai/chat/completions", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf url = BUF_INIT, models = BUF_INIT;

        openai_url(table[i].base, &url);
        assert_string_equal(url.p, table[i].url);
        openai_models_url(table[i].base, &models);
        assert_memory_equal(models.p, table[i].url, strlen(table[i].url) - strlen("chat/completions"));
        assert_string_equal(models.p + models.n - strlen("/models"), "/models");
        assert_int_equal(openai_is_official(table[i].base), table[i].official);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_sent_in_order),
        cmocka_unit_test(results_follow_their_calls_in_the_order_of_the_calls),
        cmocka_unit_test(a_missing_result_is_made_up_and_a_lost_one_left_out),
        cmocka_unit_test(an_interrupted_answer_is_only_its_text),
        cmocka_unit_test(options_depend_on_whose_server_it_is),
        cmocka_unit_test(base_urls_may_lack_the_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
