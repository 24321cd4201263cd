/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "session/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct message made_from(const struct fact *f)
{
    struct message m;

    assert_true(message_from_fact(f, &m));
    assert_true(m.seq == f->seq && m.at == f->at && m.place == f->place && str_eq(m.id, f->id));
    return m;
}

static void the_system_text_is_the_first_message(void **state UNUSED)
{
    const struct fact f = {.kind = FACT_SESSION_CREATED, .seq = 1, .at = 5, .id = STR("s"), .system = STR("Be kind.")};
    struct message m = made_from(&f);

    assert_true(m.role == ROLE_SYSTEM && m.place == 0 && str_is(m.text, "Be kind."));
}

static void a_posted_message_is_the_users(void **state UNUSED)
{
    const struct fact f = {.kind = FACT_MESSAGE_POSTED, .seq = 2, .id = STR("m1"), .text = STR("hello")};
    struct message m = made_from(&f);

    assert_true(m.role == ROLE_USER && str_is(m.text, "hello"));
}

static void an_answer_brings_its_reasoning_and_calls(void **state UNUSED)
{
    struct call calls[] = {{.id = STR("c1"), .name = STR("read")}};
    const struct fact f = {.kind = FACT_ASSISTANT,
                           .seq = 3,
                           .id = STR("a"),
                           .place = 2,
                           .text = STR("ok"),
                           .reasoning = STR("why"),
                           .calls = {calls, 1},
                           .interrupted = true};
    struct message m = made_from(&f);

    assert_true(m.role == ROLE_ASSISTANT && str_is(m.text, "ok") && str_is(m.reasoning, "why"));
    assert_true(m.calls.items == calls && m.calls.count == 1 && m.interrupted);
}

static void a_result_is_a_success_only_if_the_tool_says_so(void **state UNUSED)
{
    for (int outcome = OUTCOME_OK; call_outcome_names[outcome] != NULL; outcome++) {
        const struct fact f = {.kind = FACT_CALL_ENDED,
                               .seq = 4,
                               .id = STR("r1"),
                               .place = 3,
                               .call_id = STR("c1"),
                               .tool = STR("read"),
                               .text = STR("result"),
                               .outcome = outcome};
        struct message m = made_from(&f);

        assert_true(m.role == ROLE_TOOL && str_is(m.call_id, "c1") && str_is(m.tool, "read"));
        assert_true(str_is(m.text, "result"));
        assert_int_equal(m.success, outcome == OUTCOME_OK);
    }
}

static void other_facts_are_no_messages(void **state UNUSED)
{
    for (int kind = FACT_UNKNOWN; kind < FACT_KIND_COUNT; kind++) {
        struct fact f = {.kind = (enum fact_kind)kind, .text = STR("text")};
        struct message m;
        bool is = kind == FACT_MESSAGE_POSTED || kind == FACT_ASSISTANT || kind == FACT_CALL_ENDED ||
                  kind == FACT_MESSAGE_EDITED || kind == FACT_MESSAGE_IMPORTED;

        assert_int_equal(message_from_fact(&f, &m), is); /* a session without a system text has no such message */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_text_is_the_first_message),
        cmocka_unit_test(a_posted_message_is_the_users),
        cmocka_unit_test(an_answer_brings_its_reasoning_and_calls),
        cmocka_unit_test(a_result_is_a_success_only_if_the_tool_says_so),
        cmocka_unit_test(other_facts_are_no_messages),
    };

    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
