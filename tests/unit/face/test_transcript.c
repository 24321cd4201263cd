/* SPDX-License-Identifier: MIT */
#include "face/bamboo/transcript.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define AT 1700000000123
#define TIME "2023-11-14T22:13:20.123Z"

static const struct call one_call = {.id = {"c1", 2}, .name = {"find", 4}, .args = {"{}", 2}};

static const struct {
    struct message message;
    const char *json, *in_short;
} messages[] = {
    {{.role = ROLE_SYSTEM, .id = {"s", 1}, .text = {"be good", 7}},
     "{\"id\":\"s\",\"role\":\"system\",\"content\":\"be good\",\"created_at\":\"" TIME "\"}",
     NULL},
    {{.role = ROLE_USER, .id = {"u", 1}, .text = {"hi", 2}},
     "{\"id\":\"u\",\"role\":\"user\",\"content\":\"hi\",\"created_at\":\"" TIME "\"}",
     "{\"id\":\"u\",\"role\":\"user\",\"content\":\"hi\",\"created_at\":\"" TIME "\"}"},
    {{.role = ROLE_ASSISTANT, .id = {"a", 1}, .text = {"hm", 2}, .reasoning = {"why", 3}},
     "{\"id\":\"a\",\"role\":\"assistant\",\"content\":\"hm\",\"reasoning\":\"why\",\"phase\":\"final_answer\","
     "\"created_at\":\"" TIME "\"}",
     "{\"id\":\"a\",\"role\":\"assistant\",\"content\":\"hm\",\"created_at\":\"" TIME "\"}"},
    {{.role = ROLE_ASSISTANT, .id = {"a", 1}, .calls = {(void *)(uintptr_t)&one_call, 1}},
     "{\"id\":\"a\",\"role\":\"assistant\",\"content\":\"\",\"phase\":\"commentary\",\"tool_calls\":[{\"id\":\"c1\","
     "\"type\":\"function\",\"function\":{\"name\":\"find\",\"arguments\":\"{}\"}}],\"created_at\":\"" TIME "\"}",
     NULL},
    {{.role = ROLE_ASSISTANT, .id = {"a", 1}, .text = {"half", 4}, .interrupted = true},
     "{\"id\":\"a\",\"role\":\"assistant\",\"content\":\"half\",\"phase\":\"final_answer\",\"created_at\":\"" TIME
     "\",\"metadata\":{\"interrupted\":true}}",
     "{\"id\":\"a\",\"role\":\"assistant\",\"content\":\"half\",\"created_at\":\"" TIME "\"}"},
    {{.role = ROLE_TOOL, .id = {"t", 1}, .text = {"no", 2}, .call_id = {"c1", 2}, .tool = {"find", 4}},
     "{\"id\":\"t\",\"role\":\"tool\",\"content\":\"no\",\"tool_call_id\":\"c1\",\"tool_success\":false,"
     "\"created_at\":\"" TIME "\"}",
     NULL},
};

static void messages_in_both_forms(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct buf full CLEANUP(buf_done) = BUF_INIT;
        struct buf brief CLEANUP(buf_done) = BUF_INIT;
        struct json_writer w = JSON_WRITER(&full), v = JSON_WRITER(&brief);
        struct message m = messages[i].message;

        m.at = AT;
        message_write(&m, &w);
        assert_string_equal(buf_str(&full).p, messages[i].json);
        assert_int_equal(message_write_short(&m, &v), messages[i].in_short != NULL);
        assert_string_equal(buf_str(&brief).p, messages[i].in_short == NULL ? "" : messages[i].in_short);
    }
}

static void a_fresh_session(void **state UNUSED)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);
    struct session_row s = {.id = STR("s"),
                            .state = STR("idle"),
                            .created_at = AT,
                            .updated_at = AT,
                            .metadata_version = 1,
                            .title_version = 1,
                            .last_seq = 1};

    session_row_write(&s, true, &w);
    assert_string_equal(
        out.p,
        "{\"id\":\"s\",\"project_id\":null,\"kind\":\"root\",\"title\":\"New Session\",\"title_version\":1,"
        "\"title_generated\":false,\"pinned\":false,\"parent_session_id\":null,\"root_session_id\":\"s\","
        "\"spawn_depth\":0,\"created_at\":\"" TIME "\",\"updated_at\":\"" TIME "\",\"last_activity_at\":\"" TIME
        "\",\"message_count\":0,\"has_attachments\":false,\"is_running\":false,\"state\":\"idle\",\"doing\":\"\","
        "\"has_pending_question\":false,\"open_questions\":0,\"running_child_count\":0,\"subagent_count\":0,"
        "\"cost_micros\":0,\"last_seq\":1,\"metadata_version\":1}");
}

static void a_session_with_everything(void **state UNUSED)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);
    struct session_row s = {.id = STR("s"),
                            .title = STR("T"),
                            .parent = STR("p"),
                            .root = STR("r"),
                            .provider = STR("openai"),
                            .model = STR("gpt"),
                            .effort = STR("low"),
                            .workspace = STR("/w"),
                            .source = STR("other"),
                            .source_seq = 7,
                            .state = STR("error"),
                            .last_run_status = STR("error"),
                            .last_error = STR("why"),
                            .has_budget = true};

    session_row_write(&s, true, &w);
    assert_non_null(strstr(out.p, "\"kind\":\"child\",\"title\":\"T\""));
    assert_non_null(strstr(out.p, "\"parent_session_id\":\"p\",\"root_session_id\":\"r\""));
    assert_non_null(strstr(out.p, "\"model\":\"gpt\",\"model_ref\":{\"provider\":\"openai\",\"model\":\"gpt\","
                                  "\"reasoning_effort\":\"low\"},\"provider\":\"openai\",\"reasoning_effort\":\"low\","
                                  "\"workspace_path\":\"/w\",\"forked_from\":{\"session_id\":\"other\",\"seq\":7}"));
    assert_non_null(strstr(out.p, "\"last_run_status\":\"error\",\"last_run_error\":\"why\""));
    assert_non_null(strstr(out.p, "\"token_usage\":{\"system_tokens\":0"));
    s.is_running = true;
    s.cost = s.budget.cost_micros = INT64_MAX;
    session_row_write(&s, false, &w);
    assert_non_null(strstr(out.p, "\"subagent_count\":0,\"cost_micros\":9223372036854775807"));
}

static void a_budget_is_shown_with_what_was_used_of_it(void **state UNUSED)
{
    static const struct {
        struct run_limits limits;
        const char *said;
    } rows[] = {
        {{0}, "null"},
        {{.max_ms = 5}, "{\"max_wall_ms\":5}"},
        {{.max_rounds = 2}, "{\"max_rounds\":2}"},
        {{.unpriced = true}, "{\"unpriced\":\"allow\"}"},
        {{.max_tokens = 1, .max_rounds = 2, .max_calls = 3, .max_children = 5, .max_cost = 4},
         "{\"max_total_tokens\":1,\"max_rounds\":2,\"max_tool_calls\":3,\"max_subagents\":5,\"max_cost_micros\":4}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out CLEANUP(buf_done) = BUF_INIT, all CLEANUP(buf_done) = BUF_INIT,
                       wanted CLEANUP(buf_done) = BUF_INIT;
        struct json_writer w = JSON_WRITER(&out), v = JSON_WRITER(&all);
        struct session_row s = {.has_fold = true,
                                .limits = rows[i].limits,
                                .spent = {.tokens = 10, .cost = 40, .ms = 50, .rounds = 20, .calls = 30}};

        session_row_write(&s, true, &w);
        buf_addf(&wanted,
                 "\"budget\":%s,\"budget_used\":{\"total_tokens\":10,\"rounds\":20,\"tool_calls\":30,"
                 "\"wall_ms\":50,\"cost_micros\":40},\"last_seq\"",
                 rows[i].said);
        assert_non_null(strstr(out.p, wanted.p));
        session_row_write(&s, false, &v); /* lists do not read logs */
        assert_null(strstr(all.p, "\"budget"));
    }
}

static void an_answer_and_its_results_belong_together(void **state UNUSED)
{
    static const struct message all[] = {
        {.role = ROLE_USER, .id = {"u", 1}},      {.role = ROLE_ASSISTANT, .id = {"a", 1}},
        {.role = ROLE_TOOL, .id = {"x", 1}},      {.role = ROLE_TOOL, .id = {"u", 1}},
        {.role = ROLE_ASSISTANT, .id = {"b", 1}}, {.role = ROLE_USER, .id = {"v", 1}}};
    static const size_t ends[] = {1, 4, 4, 4, 5, 6};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(message_group_end(all, ARRAY_LEN(all), i), ends[i]);
    assert_int_equal(message_find(all, ARRAY_LEN(all), STR("u")), 3);
    assert_int_equal(message_find(all, 2, STR("u")), 0);
    assert_true(message_find(all, ARRAY_LEN(all), STR("w")) == SIZE_MAX);
}

static void runs_that_go_on_and_that_ended(void **state UNUSED)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);
    struct run_row r = {.id = STR("r"),
                        .session_id = STR("s"),
                        .status = STR("running"),
                        .origin = STR("http"),
                        .started_at = AT,
                        .number = 1};

    run_row_write(&r, &w);
    assert_non_null(strstr(out.p,
                           "{\"run_id\":\"r\",\"session_id\":\"s\",\"number\":1,\"status\":\"running\",\"end\":null,"
                           "\"started_at\":\"" TIME "\",\"completed_at\":null,"));
    buf_clear(&out);
    w = JSON_WRITER(&out);
    r.status = STR("error");
    r.end = STR("error");
    r.error = STR("why");
    r.failure = STR("network");
    r.ended_at = AT;
    run_row_write(&r, &w);
    assert_non_null(strstr(out.p, "\"status\":\"error\",\"end\":\"error\",\"error\":\"why\",\"kind\":\"network\""));
    assert_non_null(strstr(out.p, "\"completed_at\":\"" TIME "\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_in_both_forms),
        cmocka_unit_test(a_fresh_session),
        cmocka_unit_test(a_session_with_everything),
        cmocka_unit_test(a_budget_is_shown_with_what_was_used_of_it),
        cmocka_unit_test(an_answer_and_its_results_belong_together),
        cmocka_unit_test(runs_that_go_on_and_that_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
