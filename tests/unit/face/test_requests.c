/* SPDX-License-Identifier: MIT */
#include "face/bamboo/requests.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;
static struct json *body;
static struct err err;

static int set_up(void **state UNUSED)
{
    arena_init(&arena);
    err = (struct err){.code = ERR_OK};
    return 0;
}

static int tear_down(void **state UNUSED)
{
    arena_done(&arena);
    return 0;
}

static int read(const struct record *r, const char *text, void *out)
{
    assert_int_equal(json_parse(&arena, str_of(text), &body, &err), 0);
    return record_read(r, body, &arena, out, &err);
}

static void a_chat_with_everything(void **state UNUSED)
{
    struct chat_request q = {.execute = false};

    assert_int_equal(read(&chat_record,
                          "{\"message\":\"hi\",\"session_id\":\"s\",\"message_id\":\"m\",\"system_prompt\":\"p\","
                          "\"enhance_prompt\":\"e\",\"workspace_path\":\"/tmp\",\"execute\":true,\"model\":\"a/b\","
                          "\"provider\":\"a\",\"model_ref\":null,\"reasoning_effort\":\"high\","
                          "\"client_sync\":{\"client_message_count\":3,\"client_last_message_id\":\"l\"},"
                          "\"run_budget\":{\"max_total_tokens\":10,\"max_rounds\":2,\"max_tool_calls\":4,"
                          "\"max_subagents\":1},\"on_busy\":\"interrupt\",\"no_human_approver\":true,\"whatever\":{"
                          "\"is\":[\"ignored\"]}}",
                          &q),
                     0);
    assert_true(str_is(q.message, "hi") && str_is(q.session_id, "s") && str_is(q.message_id, "m"));
    assert_true(str_is(q.system_prompt, "p") && str_is(q.enhance_prompt, "e") && str_is(q.workspace_path, "/tmp"));
    assert_true(q.execute && str_is(q.wish.model, "a/b") && str_is(q.wish.provider, "a"));
    assert_string_equal(effort_names[q.wish.effort], "high");
    assert_int_equal(q.client_sync.message_count, 3);
    assert_true(str_is(q.client_sync.last_message_id, "l"));
    assert_int_equal(q.budget.limits.max_tokens, 10);
    assert_int_equal(q.budget.limits.max_rounds, 2);
    assert_int_equal(q.budget.limits.max_calls, 4);
    assert_int_equal(q.budget.limits.max_children, 1);
    assert_int_equal(q.on_busy, BUSY_INTERRUPT);
    assert_true(q.no_human_approver);
}

static void a_cleanup_says_what_goes(void **state UNUSED)
{
    static const struct {
        const char *body;
        int mode;
    } rows[] = {{"{\"mode\":\"all\"}", CLEANUP_ALL},
                {"{\"mode\":\"empty\",\"keep_pinned\":false}", CLEANUP_EMPTY},
                {"{\"mode\":\"children\",\"keep_pinned\":null}", CLEANUP_CHILDREN},
                {"{\"mode\":\"pinned\"}", CLEANUP_NONE},
                {"{\"mode\":\"\"}", CLEANUP_NONE},
                {"{}", CLEANUP_NONE}};
    struct cleanup_request q;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        q = (struct cleanup_request){.keep_pinned = false};
        assert_int_equal(read(&cleanup_record, rows[i].body, &q), 0);
        assert_int_equal(cleanup_mode(q.mode), rows[i].mode);
        assert_false(q.keep_pinned);
    }
    assert_true(read(&cleanup_record, "{\"mode\":[]}", &q) < 0);
}

static void a_fork_names_a_fact_or_a_message(void **state UNUSED)
{
    struct fork_request q = {.at_seq = 0};

    assert_int_equal(read(&fork_record, "{\"at_seq\":7}", &q), 0);
    assert_int_equal(q.at_seq, 7);
    assert_int_equal(read(&fork_record, "{\"at_seq\":null,\"message_id\":\"m\"}", &q), 0);
    assert_true(str_is(q.message_id, "m"));
    assert_true(read(&fork_record, "{\"at_seq\":-1}", &q) < 0);
}

static void a_truncation_says_how(void **state UNUSED)
{
    struct truncate_request q = {.mode = 0};
    struct restore_request r = {.restore_files = false};

    assert_int_equal(read(&truncate_record, "{\"mode\":\"error_retry\"}", &q), 0);
    assert_int_equal(q.mode, TRUNCATE_ERROR_RETRY);
    assert_int_equal(read(&truncate_record, "{\"mode\":\"after_last_user\"}", &q), 0);
    assert_int_equal(q.mode, TRUNCATE_AFTER_LAST_USER);
    assert_true(read(&truncate_record, "{\"mode\":\"all\"}", &q) < 0);
    assert_true(read(&truncate_record, "{}", &q) < 0);
    assert_int_equal(read(&restore_record, "{\"target_message_id\":\"m\",\"restore_files\":true}", &r), 0);
    assert_true(str_is(r.target_message_id, "m") && r.restore_files);
}

static void guidance_is_for_the_next_round_unless_it_says_otherwise(void **state UNUSED)
{
    struct guidance_request q = {.mode = 0};

    assert_int_equal(read(&guidance_record, "{\"id\":\"m\",\"text\":\"t\",\"images\":[]}", &q), 0);
    assert_true(str_is(q.id, "m") && str_is(q.text, "t"));
    assert_int_equal(q.mode, GUIDANCE_AFTER_ROUND);
    assert_int_equal(request_refused(&q.unsupported, body, &err), 0);
    assert_int_equal(read(&guidance_record, "{\"text\":\"t\",\"mode\":\"after_run\"}", &q), 0);
    assert_int_equal(q.mode, GUIDANCE_AFTER_RUN);
    assert_true(read(&guidance_record, "{\"mode\":\"after_run\"}", &q) < 0);
}

static void errors_name_the_path(void **state UNUSED)
{
    static const struct {
        const struct record *record;
        const char *text, *says;
    } bad[] = {
        {&chat_record, "{}", "message"},
        {&chat_record, "{\"message\":null}", "message"},
        {&chat_record, "{\"message\":7}", "message"},
        {&chat_record, "{\"message\":\"x\",\"execute\":1}", "execute"},
        {&chat_record, "{\"message\":\"x\",\"session_id\":[]}", "session_id"},
        {&chat_record, "{\"message\":\"x\",\"reasoning_effort\":\"much\"}",
         "reasoning_effort: expected one of \"none\", \"low\""},
        {&chat_record, "{\"message\":\"x\",\"permission_mode\":\"all\"}", "permission_mode"},
        {&chat_record, "{\"message\":\"x\",\"client_sync\":{}}", "client_sync.client_message_count"},
        {&execute_record, "{\"client_sync\":3}", "client_sync"},
        {&execute_record, "{\"run_budget\":{\"max_rounds\":-1}}", "run_budget.max_rounds"},
        {&execute_record, "{\"run_budget\":{\"max_total_tokens\":-1}}", "run_budget.max_total_tokens"},
        {&execute_record, "[]", "object"},
        {&create_record, "{\"title\":1}", "title"},
        {&patch_record, "{\"pinned\":\"yes\"}", "pinned"},
        {&respond_record, "{\"response\":{}}", "response"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        void *out = arena_zalloc(&arena, bad[i].record->size);

        assert_int_equal(read(bad[i].record, bad[i].text, out), -ERR_BAD_REQUEST);
        if (str_find(str_of(err.text), str_of(bad[i].says)) < 0)
            fail_msg("%s: %s", bad[i].text, err.text);
    }
}

static void null_counts_as_absent(void **state UNUSED)
{
    struct patch_request q = {.pinned = false};

    assert_int_equal(read(&patch_record, "{\"title\":null,\"pinned\":null,\"model\":null,\"model_ref\":null}", &q), 0);
    assert_false(request_has(body, "title"));
    assert_false(request_has(body, "nothing"));
    assert_int_equal(read(&patch_record, "{\"title\":\"\"}", &q), 0);
    assert_true(request_has(body, "title"));
}

static void a_model_is_named_in_three_ways(void **state UNUSED)
{
    static const struct {
        const char *text, *provider, *ref, *effort;
    } rows[] = {
        {"{}", "", "", ""},
        {"{\"model\":\" unknown \"}", "", "", ""},
        {"{\"model\":\"default\",\"provider\":\"\"}", "", "", ""},
        {"{\"model\":\"gpt\"}", "", "gpt", ""},
        {"{\"model\":\"gpt\",\"provider\":\"openai\",\"reasoning_effort\":\"low\"}", "openai", "gpt", "low"},
        {"{\"provider\":\"openai\"}", "openai", "", ""},
        {"{\"model\":\"gpt\",\"model_ref\":\"a/b\"}", "", "a/b", ""},
        {"{\"model_ref\":{\"provider\":\"a\",\"model\":\"b\",\"reasoning_effort\":\"max\"}}", "a", "b", "max"},
        {"{\"model_ref\":{\"model\":\"b\"},\"provider\":\"x\",\"reasoning_effort\":\"none\"}", "", "b", "none"},
        {"{\"model_ref\":null,\"model\":\"m\"}", "", "m", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct execute_request q = {.budget.unpriced = 0};
        struct model_choice choice;

        assert_int_equal(read(&execute_record, rows[i].text, &q), 0);
        assert_int_equal(model_wish_read(&q.wish, body, &arena, &choice, &err), 0);
        if (!str_is(choice.provider, rows[i].provider) || !str_is(choice.ref, rows[i].ref) ||
            !str_is(choice.effort, rows[i].effort))
            fail_msg("%s", rows[i].text);
        assert_int_equal(choice.given, rows[i].provider[0] != '\0' || rows[i].ref[0] != '\0');
    }
}

static void a_broken_model_reference_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"{\"model_ref\":7}", "{\"model_ref\":{}}", "{\"model_ref\":{\"model\":[]}}"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct execute_request q = {.budget.unpriced = 0};
        struct model_choice choice;

        assert_int_equal(read(&execute_record, bad[i], &q), 0);
        assert_int_equal(model_wish_read(&q.wish, body, &arena, &choice, &err), -ERR_BAD_REQUEST);
        assert_true(str_find(str_of(err.text), STR("model_ref")) >= 0);
    }
}

static void what_would_be_a_lie_is_refused(void **state UNUSED)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        {"{\"message\":\"x\"}", 0},
        {"{\"message\":\"x\",\"images\":[],\"selected_skill_ids\":[],\"workflow_selection\":null}", 0},
        {"{\"message\":\"x\",\"project_id\":\"\",\"thinking_mode\":\"standard\",\"permission_mode\":\"auto\"}", 0},
        {"{\"message\":\"x\",\"images\":[{\"base64\":\"\"}]}", -ERR_BAD_REQUEST},
        {"{\"message\":\"x\",\"workflow_selection\":{\"id\":\"w\"}}", -ERR_BAD_REQUEST},
        {"{\"message\":\"x\",\"selected_skill_ids\":[\"a\"]}", -ERR_BAD_REQUEST},
        {"{\"message\":\"x\",\"gold_config\":{\"on\":true}}", -ERR_BAD_REQUEST},
        {"{\"message\":\"x\",\"thinking_mode\":\"ultra\"}", -ERR_BAD_REQUEST},
        {"{\"message\":\"x\",\"project_id\":\"p\"}", -ERR_NOT_FOUND},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chat_request q = {.execute = false};

        assert_int_equal(read(&chat_record, rows[i].text, &q), 0);
        if (request_refused(&q.unsupported, body, &err) != rows[i].rc)
            fail_msg("%s", rows[i].text);
    }
}

static void a_workspace_is_a_directory_by_its_full_path(void **state UNUSED)
{
    assert_int_equal(workspace_check(STR("/"), &arena, &err), 0);
    assert_int_equal(workspace_check(STR("tmp"), &arena, &err), -ERR_BAD_REQUEST);
    assert_int_equal(workspace_check(STR(""), &arena, &err), -ERR_BAD_REQUEST);
    assert_int_equal(workspace_check(STR("/etc/passwd"), &arena, &err), -ERR_BAD_REQUEST);
    assert_int_equal(workspace_check(STR("/tmp\0/x"), &arena, &err), -ERR_BAD_REQUEST);
}

static void tags_in_each_of_their_forms(void **state UNUSED)
{
    static const char *const bad[] = {"", "\"\"", "x", "\"x\"", "-1", "\"1", "1\"", "\"1\", \"2\"", "W/", "w/\"1\""};
    uint64_t v = 0;

    assert_true(etag_parse(STR("\"7\""), &v) && v == 7);
    assert_true(etag_parse(STR("7"), &v) && v == 7);
    assert_true(etag_parse(STR(" W/\"8\" "), &v) && v == 8);
    assert_true(etag_parse(STR("*"), &v) && v == 0);
    assert_true(etag_parse(STR("\"0\""), &v) && v != 0); /* no session has it; "any" it must not be */
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(etag_parse(str_of(bad[i]), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chat_with_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cleanup_says_what_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fork_names_a_fact_or_a_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_truncation_says_how, set_up, tear_down),
        cmocka_unit_test_setup_teardown(guidance_is_for_the_next_round_unless_it_says_otherwise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_name_the_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(null_counts_as_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_is_named_in_three_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_model_reference_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_be_a_lie_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_workspace_is_a_directory_by_its_full_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tags_in_each_of_their_forms, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
