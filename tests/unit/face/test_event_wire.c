/* SPDX-License-Identifier: MIT */
#include "face/bamboo/event_wire.h"

#include "base/json.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define AT 1700000000123
#define TIME "2023-11-14T22:13:20.123Z"
#define TAIL ",\"seq\":9,\"at\":1700000000123}"

static const struct call one_call = {.id = {"c1", 2}, .name = {"find", 4}, .args = {"{\"a\": 1}", 8}};

/* A fact and the whole event it becomes; NULL: none. */
static const struct {
    struct fact fact;
    const char *json;
} rows[] = {
    {{.kind = FACT_SESSION_CREATED, .title = {"t", 1}}, NULL},
    {{.kind = FACT_CANCEL_REQUESTED}, NULL},
    {{.kind = FACT_UNKNOWN}, NULL},
    {{.kind = FACT_SESSION_UPDATED, .set_model = true, .model = {"m", 1}}, NULL},
    {{.kind = FACT_SESSION_UPDATED, .set_title = true, .title = {"a \"b\"", 5}},
     "{\"type\":\"session_title_updated\",\"session_id\":\"s\",\"title\":\"a \\\"b\\\"\",\"title_version\":4,"
     "\"title_generated\":false,\"source\":\"manual\",\"updated_at\":\"" TIME "\"" TAIL},
    {{.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = true},
     "{\"type\":\"session_pinned_updated\",\"session_id\":\"s\",\"pinned\":true,\"updated_at\":\"" TIME "\"" TAIL},
    {{.kind = FACT_MESSAGE_POSTED, .id = {"m", 1}, .text = {"hi\n", 3}},
     "{\"type\":\"message_appended\",\"session_id\":\"s\",\"message_id\":\"m\",\"role\":\"user\","
     "\"content\":\"hi\\n\",\"created_at\":\"" TIME "\"" TAIL},
    {{.kind = FACT_RUN_STARTED, .id = {"r", 1}},
     "{\"type\":\"execution_started\",\"run_id\":\"r\",\"session_id\":\"s\","
     "\"started_at\":\"2023-11-14T22:13:20.123+00:00\"" TAIL},
    {{.kind = FACT_RUN_RECOVERED}, NULL},
    {{.kind = FACT_RUN_RECOVERED, .discarded = {"m", 1}},
     "{\"type\":\"message_discarded\",\"session_id\":\"s\",\"message_id\":\"m\",\"reason\":\"restart\"" TAIL},
    {{.kind = FACT_MODEL_FAILED, .retry = true}, NULL},
    {{.kind = FACT_MODEL_FAILED, .retry = true, .discarded = {"m", 1}},
     "{\"type\":\"message_discarded\",\"session_id\":\"s\",\"message_id\":\"m\",\"reason\":\"retry\"" TAIL},
    {{.kind = FACT_ROUND_STARTED, .round = 3},
     "{\"type\":\"runner_progress\",\"session_id\":\"s\",\"round_count\":3" TAIL},
    {{.kind = FACT_ASSISTANT, .id = {"m", 1}, .text = {"yes", 3}},
     "{\"type\":\"message_appended\",\"session_id\":\"s\",\"message_id\":\"m\",\"role\":\"assistant\","
     "\"content\":\"yes\",\"created_at\":\"" TIME "\"" TAIL},
    {{.kind = FACT_ASSISTANT, .id = {"m", 1}, .interrupted = true, .calls = {(void *)(uintptr_t)&one_call, 1}},
     "{\"type\":\"message_appended\",\"session_id\":\"s\",\"message_id\":\"m\",\"role\":\"assistant\","
     "\"content\":\"\",\"created_at\":\"" TIME "\",\"interrupted\":true,\"tool_calls\":[{\"id\":\"c1\","
     "\"type\":\"function\",\"function\":{\"name\":\"find\",\"arguments\":\"{\\\"a\\\": 1}\"}}]" TAIL},
    {{.kind = FACT_BUDGET, .budget = {.system_tokens = 1, .total_tokens = 2, .used_tokens = 3}},
     "{\"type\":\"token_budget_updated\",\"usage\":{\"system_tokens\":1,\"summary_tokens\":0,\"window_tokens\":0,"
     "\"total_tokens\":2,\"max_context_tokens\":0,\"budget_limit\":0,\"truncation_occurred\":false,"
     "\"segments_removed\":0,\"prompt_cached_tool_outputs\":0,\"prompt_cached_tool_tokens_saved\":0,"
     "\"thinking_tokens\":0,\"cache_read_input_tokens\":0,\"used_tokens\":3,\"cost_micros\":0,\"reserved_micros\":"
     "0}" TAIL},
    {{.kind = FACT_BUDGET_EXCEEDED, .tool = {"max_rounds", 10}, .limit = 5, .actual = 6},
     "{\"type\":\"budget_exceeded\",\"session_id\":\"s\",\"kind\":\"max_rounds\",\"limit\":5,\"actual\":6" TAIL},
    {{.kind = FACT_BUDGET_EXCEEDED, .tool = {"max_cost_micros", 15}, .limit = 9, .actual = 6, .cost = 4},
     "{\"type\":\"budget_exceeded\",\"session_id\":\"s\",\"kind\":\"max_cost_micros\",\"limit\":9,\"actual\":6,"
     "\"needed\":4" TAIL},
    {{.kind = FACT_CALL_STARTED, .call_id = {"c", 1}, .tool = {"find", 4}, .args = {" {\"a\":\n[1,\r\n2]} ", 16}},
     "{\"type\":\"tool_start\",\"tool_call_id\":\"c\",\"tool_name\":\"find\",\"arguments\":{\"a\": [1,  2]}" TAIL},
    {{.kind = FACT_CALL_STARTED, .call_id = {"c", 1}, .tool = {"find", 4}, .args = {"{\"a\":", 5}},
     "{\"type\":\"tool_start\",\"tool_call_id\":\"c\",\"tool_name\":\"find\",\"arguments\":\"{\\\"a\\\":\"" TAIL},
    {{.kind = FACT_CALL_STARTED, .call_id = {"c", 1}, .tool = {"find", 4}},
     "{\"type\":\"tool_start\",\"tool_call_id\":\"c\",\"tool_name\":\"find\",\"arguments\":{}" TAIL},
    {{.kind = FACT_CALL_ENDED, .call_id = {"c", 1}, .outcome = OUTCOME_OK, .text = {"found", 5}},
     "{\"type\":\"tool_complete\",\"tool_call_id\":\"c\",\"result\":{\"success\":true,\"result\":\"found\","
     "\"display_preference\":null}" TAIL},
    {{.kind = FACT_CALL_ENDED, .call_id = {"c", 1}, .outcome = OUTCOME_NO_TOOL, .text = {"none", 4}},
     "{\"type\":\"tool_error\",\"tool_call_id\":\"c\",\"error\":\"none\",\"outcome\":\"no_such_tool\"" TAIL},
    {{.kind = FACT_CALL_ENDED, .call_id = {"c", 1}, .outcome = OUTCOME_CANCELLED},
     "{\"type\":\"tool_error\",\"tool_call_id\":\"c\",\"error\":\"\",\"outcome\":\"cancelled\"" TAIL},
    {{.kind = FACT_RUN_ENDED,
      .id = {"r", 1},
      .end = END_COMPLETED,
      .usage = {.prompt_tokens = 3, .completion_tokens = INT64_MAX / 2}},
     "{\"type\":\"complete\",\"run_id\":\"r\",\"end\":\"completed\",\"usage\":{\"prompt_tokens\":3,"
     "\"completion_tokens\":4294967295,\"total_tokens\":4294967295}" TAIL},
    {{.kind = FACT_RUN_ENDED, .id = {"r", 1}, .end = END_SUSPENDED, .reason = {"question", 8}},
     "{\"type\":\"run_suspended\",\"run_id\":\"r\",\"end\":\"suspended\",\"kind\":\"question\",\"usage\":{"
     "\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}" TAIL},
    {{.kind = FACT_QUESTION_ASKED,
      .id = {"q", 1},
      .call_id = {"c", 1},
      .tool = {"ask_user", 8},
      .text = {"Which?", 6},
      .options = {"[\"a\",\n\"b\"]", 10},
      .due = 9,
      .fallback = {"a", 1}},
     "{\"type\":\"need_clarification\",\"session_id\":\"s\",\"question\":\"Which?\",\"options\":[\"a\", \"b\"],"
     "\"tool_call_id\":\"c\",\"tool_name\":\"ask_user\",\"allow_custom\":false,\"source\":\"pause_tool\","
     "\"question_id\":\"q\",\"due\":9,\"on_expiry\":{\"action\":\"answer\",\"answer\":\"a\"}" TAIL},
    {{.kind = FACT_QUESTION_ASKED, .id = {"q", 1}, .call_id = {"c", 1}, .text = {"?", 1}, .allow_custom = true},
     "{\"type\":\"need_clarification\",\"session_id\":\"s\",\"question\":\"?\",\"options\":null,"
     "\"tool_call_id\":\"c\",\"tool_name\":\"\",\"allow_custom\":true,\"source\":\"pause_tool\",\"question_id\":"
     "\"q\"" TAIL},
    {{.kind = FACT_QUESTION_CLOSED,
      .id = {"q", 1},
      .call_id = {"c", 1},
      .how = CLOSING_ANSWERED,
      .by = {"user", 4},
      .text = {"b", 1}},
     "{\"type\":\"question_closed\",\"session_id\":\"s\",\"question_id\":\"q\",\"tool_call_id\":\"c\","
     "\"how\":\"answered\",\"by\":\"user\",\"answer\":\"b\"" TAIL},
    {{.kind = FACT_MESSAGE_EDITED, .id = {"m", 1}, .role = ROLE_ASSISTANT, .text = {"new", 3}},
     "{\"type\":\"message_edited\",\"session_id\":\"s\",\"message_id\":\"m\",\"role\":\"assistant\","
     "\"content\":\"new\"" TAIL},
    {{.kind = FACT_MESSAGES_REMOVED, .place = 3, .removed = 2, .last = {"m", 1}, .how = REMOVAL_RESTORE},
     "{\"type\":\"messages_removed\",\"session_id\":\"s\",\"mode\":\"restore\",\"first_place\":3,"
     "\"messages_removed\":2,\"last_message_id\":\"m\"" TAIL},
    {{.kind = FACT_RUN_ENDED, .id = {"r", 1}, .end = END_BUDGET},
     "{\"type\":\"complete\",\"run_id\":\"r\",\"end\":\"budget\",\"usage\":{\"prompt_tokens\":0,"
     "\"completion_tokens\":0,\"total_tokens\":0}" TAIL},
    {{.kind = FACT_RUN_ENDED, .id = {"r", 1}, .end = END_CANCELLED},
     "{\"type\":\"cancelled\",\"run_id\":\"r\",\"message\":\"Agent execution cancelled by user\",\"by\":\"\"" TAIL},
    {{.kind = FACT_RUN_ENDED, .id = {"r", 1}, .end = END_ERROR, .failure = FAILURE_RATE_LIMIT, .text = {"slow", 4}},
     "{\"type\":\"error\",\"run_id\":\"r\",\"message\":\"slow\",\"kind\":\"rate_limit\",\"retryable\":true" TAIL},
};

static void every_kind_has_its_event(void **state UNUSED)
{
    struct event_context c = {.session_id = STR("s"), .title_version = 4};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out CLEANUP(buf_done) = BUF_INIT;
        struct fact f = rows[i].fact;

        f.seq = 9;
        f.at = AT;
        assert_int_equal(event_wire_write(&c, &f, &out), rows[i].json != NULL);
        if (!str_is(buf_str(&out), rows[i].json == NULL ? "" : rows[i].json))
            fail_msg("row %zu: %s", i, buf_str(&out).p);
    }
}

/* What a client can ask for by name is what the table writes, and the other way round. */
static void every_type_names_its_kinds(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *type = event_wire_type(&rows[i].fact);

        if (type != NULL && (event_wire_kinds(str_of(type)) & (1ull << rows[i].fact.kind)) == 0)
            fail_msg("%s", type);
    }
    assert_int_equal(event_wire_kinds(STR("token")), 0);
    assert_int_equal(event_wire_kinds(STR("")), 0);
}

/* The class of a fact says whether its frame has a number; only what has an event has a class. */
static void only_facts_are_numbered(void **state UNUSED)
{
    struct event_context c = {.session_id = STR("s")};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out CLEANUP(buf_done) = BUF_INIT;
        struct fact f = rows[i].fact;
        bool numbered = fact_wire_class(f.kind) == FACT_WIRE_FACT;

        f.seq = 9;
        if (!event_frame_fact(&c, &f, &out)) {
            assert_int_equal(out.n, 0);
            continue;
        }
        assert_int_not_equal(fact_wire_class(f.kind), FACT_WIRE_HIDDEN);
        assert_true(str_has_prefix(buf_str(&out), numbered ? STR("id: 9\ndata: {") : STR("data: {")));
        assert_string_equal(out.p + out.n - 3, "}\n\n");
        /* One line per field: the JSON holds no line end. */
        assert_ptr_equal(strchr(strstr(out.p, "data: "), '\n'), out.p + out.n - 2);
    }
}

static void deltas_carry_their_place(void **state UNUSED)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;

    event_frame_delta(DELTA_TEXT, STR("m"), 12, STR("a\nb"), &out);
    event_frame_delta(DELTA_REASONING, STR("m"), 0, STR("hm"), &out);
    assert_string_equal(
        out.p, "data: {\"type\":\"token\",\"content\":\"a\\nb\",\"message_id\":\"m\",\"offset\":12}\n\n"
               "data: {\"type\":\"reasoning_token\",\"content\":\"hm\",\"message_id\":\"m\",\"offset\":0}\n\n");
}

static void what_the_provider_counted_is_shown(void **state UNUSED)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);
    struct budget b = {.provider_input_tokens = 11, .cache_read_input_tokens = 4};

    budget_write(&b, &w);
    assert_non_null(strstr(out.p, "\"provider_prompt_usage\":{\"input_tokens\":11,\"cache_creation_input_tokens\":0,"
                                  "\"cache_read_input_tokens\":4,\"retained_from_previous_call\":false}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_event),
        cmocka_unit_test(every_type_names_its_kinds),
        cmocka_unit_test(only_facts_are_numbered),
        cmocka_unit_test(deltas_carry_their_place),
        cmocka_unit_test(what_the_provider_counted_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
