/* SPDX-License-Identifier: MIT */
#include "config_text.h"

static struct config *read_and_look_over(const char *text)
{
    struct config *c = read_good(text);

    config_look_over(c);
    return c;
}

static struct price price_in(const char *text, const char *provider, const char *model)
{
    struct config *c = read_and_look_over(text);
    struct price_list *l = config_prices(c);
    struct price p;

    config_free(c); /* the list does not need it */
    p = price_find(l, str_of(provider), str_of(model));
    price_list_free(l);
    return p;
}

static void prices_are_held_exactly(void **state UNUSED)
{
    struct price p = price_in("{\"models\": {\"openai/gpt-4.1\": {\"input_price\": 1.25, \"output_price\": 10, "
                              "\"cached_input_price\": 0.125}}}",
                              "openai", "gpt-4.1");

    assert_true(p.known && p.input == 1250000 && p.output == 10 * MICROS_PER_ONE && p.cached == 125000);
    p = price_in("{\"models\": {\"a/b\": {\"input_price\": 0.000001, \"output_price\": 1000000}}}", "a", "b");
    assert_true(p.known && p.input == 1 && p.output == (int64_t)1000000 * MICROS_PER_ONE);
}

static void cached_input_costs_what_input_costs_unless_it_is_said(void **state UNUSED)
{
    struct price p = price_in("{\"models\": {\"a/b\": {\"input_price\": 3, \"output_price\": 4}}}", "a", "b");

    assert_true(p.known && p.cached == 3 * MICROS_PER_ONE);
    p = price_in("{\"models\": {\"a/b\": {\"input_price\": 3, \"output_price\": 4, \"cached_input_price\": 0}}}", "a",
                 "b");
    assert_true(p.known && p.cached == 0);
}

static void nothing_costs_nothing_only_where_it_is_said(void **state UNUSED)
{
    struct price p = price_in("{\"models\": {\"a/b\": {\"input_price\": 0, \"output_price\": 0}}}", "a", "b");

    assert_true(p.known && p.input == 0 && p.output == 0 && p.cached == 0);
    assert_false(price_in("{}", "a", "b").known);
    assert_false(price_in("{\"models\": {}}", "a", "b").known);
    assert_false(price_in("{\"models\": {\"a/b\": {}}}", "a", "b").known);
    assert_false(price_in("{\"models\": {\"a/b\": {\"input_price\": null, \"output_price\": 1}}}", "a", "b").known);
}

static void half_a_price_is_not_used_and_said(void **state UNUSED)
{
    struct config *c = read_and_look_over("{\"providers\": {\"a\": {\"driver\": \"offline\"}}, \"models\": {\"a/in\": "
                                          "{\"input_price\": 1}, \"a/out\": {\"output_price\": 1}, "
                                          "\"a/cached\": {\"cached_input_price\": 1}, \"a/both\": {\"input_price\": 1, "
                                          "\"output_price\": 1}}}");
    struct price_list *l = config_prices(c);
    const char *const *n = config_notices(c);

    assert_string_equal(n[0], "models.a/in: the price is not used: output_price is missing");
    assert_string_equal(n[1], "models.a/out: the price is not used: input_price is missing");
    assert_string_equal(n[2], "models.a/cached: the price is not used: input_price is missing");
    assert_null(n[3]);
    assert_true(price_find(l, STR("a"), STR("both")).known);
    assert_false(price_find(l, STR("a"), STR("in")).known || price_find(l, STR("a"), STR("out")).known);
    price_list_free(l);
    config_free(c);
}

static void said_of(const char *text, const char *wanted)
{
    struct config *c = read_and_look_over(text);
    const char *notice = config_notices(c)[0];
    const char *is = notice == NULL ? "nothing" : notice, *should = wanted == NULL ? "nothing" : wanted;

    if (strcmp(is, should) != 0)
        fail_msg("%s:\n  is  %s\n  not %s", text, is, should);
    config_free(c);
}

#define PRICED(model) "\"models\": {\"" model "\": {\"input_price\": 1, \"output_price\": 2}}"
#define LISTS "\"providers\": {\"far\": {\"driver\": \"openai\"}, \"box\": {\"models\": [\"large\", \"small\"]}}, "

static void a_price_of_nothing_that_is_there_is_said_with_the_nearest(void **state UNUSED)
{
    said_of("{" LISTS PRICED("box/small") "}", NULL);
    said_of("{" LISTS PRICED("far/whatever/it.is") "}", NULL); /* it lists none, and may have any */
    said_of("{" PRICED("offline/offline") "}", NULL);
    said_of("{" LISTS PRICED("box/smal") "}",
            "models.box/smal: providers.box.models does not list it; did you mean box/small?");
    said_of("{" LISTS PRICED("bax/small") "}", "models.bax/small: there is no provider \"bax\"; did you mean box?");
    said_of("{" PRICED("box/small") "}", "models.box/small: there is no provider \"box\"");
    said_of("{\"defaults\": {\"model\": \"box/other\"}, " LISTS PRICED("box/other") "}", NULL);
}

#define MONEY "\"limits\": {\"max_cost\": 1}, "

static void where_money_is_limited_a_model_without_a_price_is_said(void **state UNUSED)
{
    said_of("{" MONEY "\"providers\": {\"far\": {\"driver\": \"openai\"}}}", NULL);
    said_of("{" MONEY PRICED("offline/offline") "}", NULL);
    said_of("{" MONEY "\"defaults\": {}}",
            "limits.max_cost: no provider is configured, and the built-in model has no price: it is refused");
    said_of("{" MONEY LISTS PRICED("box/large") "}",
            "limits.max_cost: box/small has no price, and is refused as all models without one; set "
            "models.box/small.input_price and .output_price");
}

static void a_model_is_named_with_its_provider_and_may_have_slashes_and_dots(void **state UNUSED)
{
    struct price p = price_in("{\"models\": {\"hub/meta/llama-3.1:free\": {\"input_price\": 1, \"output_price\": 2}}}",
                              "hub", "meta/llama-3.1:free");

    assert_true(p.known);
    refused("{\"models\": {\"gpt\": {\"input_price\": 1}}}", "did you mean \"models.PROVIDER/gpt.input_price\"?");
    refused("{\"models\": {\"openai/\": {\"input_price\": 1}}}", "unknown key \"models.openai/.input_price\"");
    refused("{\"models\": {\"/gpt\": {\"input_price\": 1}}}", "unknown key");
    refused("{\"models\": {\"a b/gpt\": {\"input_price\": 1}}}", "unknown key");
    refused("{\"models\": {\"a/g t\": {\"input_price\": 1}}}", "unknown key");
    refused("{\"models\": {\"a/b.c\": {\"inputprice\": 1}}}", "did you mean \"models.a/b.c.input_price\"?");
    refused("{\"models\": {\"a/b\": 1}}", "models.a/b: expected an object");
    refused("{\"models\": 1}", "models: expected an object");
}

static void what_is_no_price_is_refused_with_its_key(void **state UNUSED)
{
    static const char *const wrong[] = {"-1",        "1e3",       "\"1\"",   "true",          "[1]",
                                        "0.0000001", "1000000.1", "1000001", "99999999999999"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        CLEANUP(buf_done) struct buf text = BUF_INIT;

        buf_addf(&text, "{\"models\": {\"a/b\": {\"output_price\": %s}}}", wrong[i]);
        refused(text.p, "models.a/b.output_price: expected an amount from 0 to 1000000 with at most six digits");
    }
}

static void prices_are_shown_as_they_were_written(void **state UNUSED)
{
    struct config *c = read_and_look_over("{\"models\": {\"a/b.1\": {\"input_price\": 0.10, \"output_price\": 2.50}}}");
    struct config *again = config_new();
    CLEANUP(buf_done) struct buf one = BUF_INIT, all = BUF_INIT, told = BUF_INIT, twice = BUF_INIT;
    struct err err;

    assert_int_equal(config_show(c, STR("models.a/b.1.input_price"), &one, &err), 0);
    assert_string_equal(one.p, "0.1\n");
    assert_int_equal(config_show(c, STR("models"), &all, &err), 0);
    assert_string_equal(all.p, "{\n  \"models\": {\n    \"a/b.1\": {\n      \"input_price\": 0.1,\n      "
                               "\"output_price\": 2.5\n    }\n  }\n}\n");
    assert_int_equal(config_read_text(again, buf_str(&all), &err), 0);
    assert_int_equal(config_show(again, STR("models"), &twice, &err), 0);
    assert_string_equal(twice.p, all.p);
    assert_int_equal(config_explain(c, STR("models.a/b.1.output_price"), &told, &err), 0);
    assert_non_null(strstr(told.p, "now: 2.5 (from the file)"));
    assert_int_equal(config_explain(c, STR("models.other/model.output_price"), &told, &err), 0);
    config_free(again);
    config_free(c);
}

static void prices_are_changed_in_the_file_and_count_at_a_reload(void **state)
{
    const char *path = temporary_path(state, "config.json");
    struct config *before = config_new(), *after = config_new();
    uint64_t revision;
    struct err err;

    assert_int_equal(config_change_file(path, STR("models.a/b.1.input_price"), STR("1.5"), -1, &revision, &err), 0);
    assert_int_equal(config_read_file(before, path, true, &err), 0);
    assert_int_equal(config_change_file(path, STR("models.a/b.1.output_price"), STR("2"), 1, &revision, &err), 0);
    assert_int_equal(config_change_file(path, STR("models.a/b.1.input_price"), STR("x"), 2, &revision, &err),
                     -ERR_BAD_REQUEST);
    assert_int_equal(config_read_file(after, path, true, &err), 0);
    assert_null(config_needs_restart(before, after));
    assert_int_equal(config_provider_count(after), 0); /* a priced model makes no provider */
    config_free(after);
    config_free(before);
}

/* A file with it could not be read again. */
static void a_model_whose_name_is_no_text_does_not_get_into_the_file(void **state)
{
    const char *path = temporary_path(state, "config.json");
    uint64_t revision;
    struct err err;

    assert_int_not_equal(config_change_file(path, STR("models.a/\xff.input_price"), STR("1"), -1, &revision, &err), 0);
    assert_int_equal(temporary_count(state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prices_are_held_exactly),
        cmocka_unit_test(cached_input_costs_what_input_costs_unless_it_is_said),
        cmocka_unit_test(nothing_costs_nothing_only_where_it_is_said),
        cmocka_unit_test(half_a_price_is_not_used_and_said),
        cmocka_unit_test(a_price_of_nothing_that_is_there_is_said_with_the_nearest),
        cmocka_unit_test(where_money_is_limited_a_model_without_a_price_is_said),
        cmocka_unit_test(a_model_is_named_with_its_provider_and_may_have_slashes_and_dots),
        cmocka_unit_test(what_is_no_price_is_refused_with_its_key),
        cmocka_unit_test(prices_are_shown_as_they_were_written),
        TEMPORARY_TEST(prices_are_changed_in_the_file_and_count_at_a_reload),
        TEMPORARY_TEST(a_model_whose_name_is_no_text_does_not_get_into_the_file),
    };

    return cmocka_run_group_tests_name("config prices", tests, NULL, NULL);
}
