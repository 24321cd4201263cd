/* SPDX-License-Identifier: MIT */
/* What is counted of a provider's calls, over the fake provider. */
#include <stdio.h>

#include "base/clock.h"
#include "model/outcome.h"
#include "model/tally.h"

#define SAY "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n"
#define END                                                                                                            \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n"                               \
    "data: [DONE]\n\n"
#define BODY(literal) {literal, sizeof(literal) - 1}

static const struct message prompt[] = {{.role = ROLE_USER, .text = {"hello", 5}}};
static const struct model_request request = {
    .provider = {"fake", 4}, .model = {"m", 1}, .messages = prompt, .n_messages = 1};

/* One call; the tally of its provider. */
static const struct model_tally *call(struct provider *p, struct outcome *o, const struct model_request *q)
{
    outcome_run(o, q);
    outcome_done(o);
    return model_tally_next(p->registry, NULL);
}

static void answers_and_their_tokens_are_counted(void **state UNUSED)
{
    struct reply_script reply = {.status = 200, .body = BODY(SAY END)};
    struct model_request again = request;
    const struct model_tally *t;
    struct histogram_reading first;
    struct provider p;
    struct outcome o;

    provider_open(&p, &reply, 1);
    outcome_init(&o, &p);
    call(&p, &o, &request);
    again.is_retry = true;
    outcome_init(&o, &p);
    t = call(&p, &o, &again);
    assert_string_equal(t->name, "fake");
    assert_int_equal(t->calls, 2);
    assert_int_equal(t->retries, 1);
    assert_int_equal(t->answered, 2);
    assert_int_equal(t->in_flight, 0);
    assert_int_equal(t->prompt_tokens, 18);
    assert_int_equal(t->completion_tokens, 4);
    assert_true(t->last_answered_at > 0 && t->last_answered_at <= clock_wall_ms());
    assert_int_equal(t->last_failed_at, 0);
    histogram_read(&t->first_piece, &first);
    assert_int_equal(first.count, 2);
    provider_close(&p);
}

static void failures_are_counted_by_their_kind(void **state UNUSED)
{
    struct reply_script replies[] = {
        {.status = 429, .type = "application/json", .body = BODY("{\"error\":{\"message\":\"slow down\"}}")},
        {.status = 200, .body = BODY(SAY)}};
    const struct model_tally *t;
    struct histogram_reading first;
    struct provider p;
    struct outcome o;

    provider_open(&p, replies, ARRAY_LEN(replies));
    outcome_init(&o, &p);
    t = call(&p, &o, &request);
    assert_int_equal(t->failed[FAILURE_RATE_LIMIT], 1);
    assert_int_equal(t->last_failure.failure, FAILURE_RATE_LIMIT);
    assert_non_null(strstr(t->last_failure.text, "slow down"));
    outcome_init(&o, &p);
    t = call(&p, &o, &request);
    assert_int_equal(t->failed[FAILURE_CUT], 1);
    assert_int_equal(t->calls, 2);
    assert_int_equal(t->answered + t->cancelled + t->in_flight, 0);
    assert_true(t->last_failed_at > 0);
    histogram_read(&t->first_piece, &first);
    assert_int_equal(first.count, 1);
    provider_close(&p);
}

static void a_call_that_is_given_up_is_neither(void **state UNUSED)
{
    struct reply_script reply = {.status = 200, .body = BODY(SAY END)};
    const struct model_tally *t;
    struct provider p;
    struct outcome o;

    provider_open(&p, &reply, 1);
    outcome_init(&o, &p);
    outcome_start(&o, &request);
    t = model_tally_next(p.registry, NULL);
    assert_int_equal(t->in_flight, 1);
    model_cancel(o.stream);
    outcome_done(&o);
    assert_int_equal(t->in_flight, 0);
    assert_int_equal(t->cancelled, 1);
    assert_int_equal(t->answered, 0);
    provider_close(&p);
}

static void a_tally_outlives_the_configuration_of_its_provider(void **state UNUSED)
{
    struct reply_script reply = {.status = 200, .body = BODY(SAY END)};
    const struct model_tally *t;
    struct provider p;
    struct outcome o;

    provider_open(&p, &reply, 1);
    outcome_init(&o, &p);
    t = call(&p, &o, &request);
    assert_int_equal(model_registry_add(p.registry,
                                        &(struct model_provider){.name = "fake", .driver = "openai", .base_url = p.url},
                                        NULL),
                     0);
    outcome_init(&o, &p);
    assert_ptr_equal(call(&p, &o, &request), t);
    assert_int_equal(t->calls, 2);
    t = model_tally_next(p.registry, t);
    assert_string_equal(t->name, "offline");
    assert_int_equal(t->calls, 0);
    assert_null(model_tally_next(p.registry, t));
    provider_close(&p);
}

static void a_provider_that_does_not_exist_has_no_tally(void **state UNUSED)
{
    struct model_request nobody = request;
    struct reply_script reply = {.status = 200};
    struct provider p;
    struct outcome o;

    nobody.provider = STR("nobody");
    outcome_of(&o, &p, &reply, &nobody);
    assert_true(o.failed);
    outcome_done(&o);
    for (const struct model_tally *t = NULL; (t = model_tally_next(p.registry, t)) != NULL;)
        assert_int_equal(t->calls, 0);
    provider_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_their_tokens_are_counted),
        cmocka_unit_test(failures_are_counted_by_their_kind),
        cmocka_unit_test(a_call_that_is_given_up_is_neither),
        cmocka_unit_test(a_tally_outlives_the_configuration_of_its_provider),
        cmocka_unit_test(a_provider_that_does_not_exist_has_no_tally),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
