/* SPDX-License-Identifier: MIT */
#include "base/micros.h"
#include "base/str.h"
#include "session/price.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MILLION 1000000
#define ONE ((int64_t)MICROS_PER_ONE)

/* Of a million tokens: 3 of input, 15 of output, 0.30 of cached input. */
static const struct price usual = {.input = 3 * ONE, .output = 15 * ONE, .cached = 300000, .known = true};
static const struct price greatest = {.input = INT64_MAX, .output = INT64_MAX, .cached = INT64_MAX, .known = true};
static const struct price least = {.input = 1, .output = 1, .cached = 1, .known = true};

static void calls_cost_what_their_tokens_cost_rounded_up_once(void **state UNUSED)
{
    static const struct {
        struct price price;
        struct usage usage;
        int64_t micros;
    } table[] = {
        {usual, {.prompt_tokens = 0}, 0},
        {usual, {.prompt_tokens = MILLION}, 3 * ONE},
        {usual, {.completion_tokens = MILLION}, 15 * ONE},
        {usual, {.prompt_tokens = 1000, .completion_tokens = 100}, 4500},
        /* reasoning is a part of the completion, cached input one of the prompt */
        {usual, {.completion_tokens = 100, .reasoning_tokens = 90}, 1500},
        {usual, {.prompt_tokens = 1000, .cached_tokens = 1000}, 300},
        {usual, {.prompt_tokens = 1000, .cached_tokens = 400}, 1920},
        /* one of each: 1 + 1 + 1 millionths of a micro are one micro, not three */
        {least, {.prompt_tokens = 2, .cached_tokens = 1, .completion_tokens = 1}, 1},
        {least, {.prompt_tokens = MILLION}, 1},
        {least, {.prompt_tokens = MILLION + 1}, 2},
        /* what does not add up */
        {usual, {.prompt_tokens = 10, .cached_tokens = 1000}, 3},
        {usual, {.prompt_tokens = 1000, .cached_tokens = -5}, 3000},
        {usual, {.prompt_tokens = -5, .completion_tokens = -5, .cached_tokens = 7}, 0},
        {usual, {.prompt_tokens = INT64_MIN, .cached_tokens = INT64_MAX}, 0},
        /* the largest number is where it stops */
        {greatest, {.prompt_tokens = INT64_MAX, .completion_tokens = INT64_MAX}, INT64_MAX},
        {greatest, {.prompt_tokens = INT64_MAX, .completion_tokens = INT64_MAX, .cached_tokens = 1}, INT64_MAX},
        {greatest, {.prompt_tokens = MILLION}, INT64_MAX},
        {{.input = 15 * ONE, .output = 15 * ONE}, {.prompt_tokens = MILLION}, 0}, /* not known */
        {{.known = true}, {.prompt_tokens = MILLION, .completion_tokens = MILLION}, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int64_t micros = price_of_usage(&table[i].price, &table[i].usage);

        if (micros != table[i].micros)
            fail_msg("line %zu: %" PRId64 " instead of %" PRId64, i, micros, table[i].micros);
    }
}

static void the_worst_case_is_never_less_than_what_it_comes_to(void **state UNUSED)
{
    static const struct price dear_cache = {.input = ONE, .output = ONE, .cached = 5 * ONE, .known = true};

    assert_true(price_worst_case(&usual, 1000, 100) == 4500);
    assert_true(price_worst_case(&dear_cache, MILLION, 0) == 5 * ONE);
    assert_true(price_worst_case(&usual, 0, 0) == 0 && price_worst_case(&usual, -1, -1) == 0);
    assert_true(price_worst_case(&greatest, INT64_MAX, INT64_MAX) == INT64_MAX);
    assert_true(price_worst_case(&(struct price){.input = 1}, MILLION, MILLION) == 0);
    for (int64_t cached = 0; cached <= 7; cached++) {
        const struct price *prices[] = {&usual, &dear_cache, &least};
        const struct usage u = {.prompt_tokens = 7, .cached_tokens = cached, .completion_tokens = 3};

        for (size_t i = 0; i < ARRAY_LEN(prices); i++)
            assert_true(price_of_usage(prices[i], &u) <= price_worst_case(prices[i], 7, 3));
    }
}

static void a_call_that_failed_costs_what_was_counted_else_its_prompt(void **state UNUSED)
{
    static const struct {
        struct usage counted;
        int64_t prompt, reserved, micros;
    } table[] = {
        {{.prompt_tokens = 900}, 1000, 9000, 3000},
        {{.prompt_tokens = 900, .reported = true}, 1000, 9000, 2700},
        {{.prompt_tokens = 900, .completion_tokens = 1000, .reported = true}, 1000, 9000, 17700},
        {{.reported = true}, 1000, 9000, 0},
        {{0}, 1000, 500, 500},
        {{0}, 0, 500, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(price_of_failed(&usual, &table[i].counted, table[i].prompt, table[i].reserved),
                         table[i].micros);
}

static void a_model_is_found_by_its_provider_and_its_name(void **state UNUSED)
{
    char provider[] = "openai", model[] = "gpt";
    const struct price_entry entries[] = {
        {str_of(provider), str_of(model), {.input = 1, .known = true}},
        {STR("other"), STR("gpt"), {.input = 2, .known = true}},
        {STR("other"), STR("a/b.c"), {.input = 3, .known = true}},
        {STR("other"), STR("gpt"), {.input = 4, .known = true}},
    };
    struct price_list *l = price_list_new(entries, ARRAY_LEN(entries));

    memset(provider, 'x', strlen(provider)); /* it has copies of its own */
    memset(model, 'x', strlen(model));
    assert_true(price_find(l, STR("openai"), STR("gpt")).input == 1);
    assert_true(price_find(l, STR("other"), STR("gpt")).input == 2);
    assert_true(price_find(l, STR("other"), STR("a/b.c")).input == 3);
    assert_false(price_find(l, STR("openai"), STR("a/b.c")).known);
    assert_false(price_find(l, STR("openai"), STR_NULL).known);
    price_list_free(l);
}

static void no_list_and_an_empty_one_know_no_price(void **state UNUSED)
{
    struct price_list *empty = price_list_new(NULL, 0);

    assert_false(price_find(NULL, STR("a"), STR("b")).known);
    assert_false(price_find(empty, STR("a"), STR("b")).known);
    price_list_free(empty);
    price_list_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_cost_what_their_tokens_cost_rounded_up_once),
        cmocka_unit_test(the_worst_case_is_never_less_than_what_it_comes_to),
        cmocka_unit_test(a_call_that_failed_costs_what_was_counted_else_its_prompt),
        cmocka_unit_test(a_model_is_found_by_its_provider_and_its_name),
        cmocka_unit_test(no_list_and_an_empty_one_know_no_price),
    };

    return cmocka_run_group_tests_name("price", tests, NULL, NULL);
}
