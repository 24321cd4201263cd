/* SPDX-License-Identifier: MIT */
/* Where there is no default model: what still says which model a run takes, and what is done when nothing does. */
#include "base/str.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAMED .provider = STR("p"), .model = STR("m")

static void begin(struct rig *r)
{
    rig_init(r);
    r->without_default = true;
}

static void a_run_without_any_model_is_refused_and_nothing_is_done(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1"), "| reply(no_model) > absent"},
        {POST("m1"), "session_created message_posted(m1) | reply(posted m1) > ready"},
        {RESUME(), "| reply(no_model) > ready"},
        {EXECUTE("m2"), "| reply(no_model) > ready"},
        {RESUME(NAMED),
         "run_started(1) round_started(1.1 +1) budget | model_start(1.1.0) reply(started run 1) > model"},
        {RESUME(), "| reply(running run 1) > model"},
        {EXECUTE("m2"), "message_posted(m2) | reply(posted m2 joined run 1) > model"},
    };
    struct rig r;

    begin(&r);
    TELL(&r, story);
    assert_true(str_is(rig_fact(&r, FACT_MESSAGE_POSTED)->id, "m2"));
    rig_done(&r);
}

static void the_model_of_the_session_is_enough(void **state UNUSED)
{
    const struct line story[] = {
        {CREATE(.set_model = true, NAMED), NULL},
        {EXECUTE("m1"),
         "message_posted(m1) run_started(1) round_started(1.1 +1) budget | model_start(1.1.0) reply(posted m1 started "
         "run 1) > model"},
    };
    struct rig r;

    begin(&r);
    TELL(&r, story);
    assert_true(str_is(rig_effect(&r, EFFECT_MODEL_START)->model, "m"));
    assert_true(str_is(rig_effect(&r, EFFECT_MODEL_START)->provider, "p"));
    rig_done(&r);
}

static void the_model_of_the_run_before_is_the_last_resort(void **state UNUSED)
{
    const struct line story[] = {
        {EXECUTE("m1", NAMED), NULL}, {DELTA(1, 1, 0, "a"), NULL}, {DONE(1, 1, 0), NULL}, {EXECUTE("m2"), NULL}};
    struct rig r;

    begin(&r);
    TELL(&r, story);
    assert_true(str_is(rig_fact(&r, FACT_RUN_STARTED)->model, "m"));
    assert_true(str_is(rig_fact(&r, FACT_RUN_STARTED)->provider, "p"));
    rig_done(&r);
}

static void what_would_start_nothing_is_answered_as_ever(void **state UNUSED)
{
    const struct line story[] = {
        {RESUME(), "| reply(not_found) > absent"},
        {CREATE(), NULL},
        {RESUME(), "| reply(nothing) > idle"},
        {RESUME(.sync = {.present = true, .message_count = 7}), "| reply(need_sync message_count_mismatch) > idle"},
        {EXECUTE("m1", .sync = {.present = true, .message_count = 7}),
         "message_posted(m1) | reply(posted m1 message_count_mismatch) > ready"},
    };
    struct rig r;

    begin(&r);
    TELL(&r, story);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_without_any_model_is_refused_and_nothing_is_done),
        cmocka_unit_test(the_model_of_the_session_is_enough),
        cmocka_unit_test(the_model_of_the_run_before_is_the_last_resort),
        cmocka_unit_test(what_would_start_nothing_is_answered_as_ever),
    };

    return cmocka_run_group_tests_name("model choice", tests, NULL, NULL);
}
