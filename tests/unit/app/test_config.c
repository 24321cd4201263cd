/* SPDX-License-Identifier: MIT */
#include "app/small_file.h"
#include "config_text.h"

static void every_key_has_a_section_a_doc_and_a_default_in_its_range(void **state UNUSED)
{
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_key *key = &config_keys[i];

        assert_non_null(strchr(key->name, '.'));
        assert_true(strlen(key->doc) > 5);
        if (key->type == CONFIG_NUMBER)
            assert_true(key->min < key->max && key->number >= key->min && key->number <= key->max);
        assert_true((key->type == CONFIG_WORD) == (key->words != NULL));
        if (key->words != NULL && key->text != NULL) {
            bool is_word = false;

            for (const char *const *w = key->words; *w != NULL; w++)
                is_word = is_word || strcmp(*w, key->text) == 0;
            assert_true(is_word);
        }
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(key->name, config_keys[k].name);
    }
}

static void defaults_are_there_without_a_file(void **state UNUSED)
{
    struct config *c = config_new();
    struct err err;

    assert_int_equal(config_read_file(c, "/nonexistent/config.json", false, &err), 0);
    assert_int_equal(config_read_file(c, "/nonexistent/config.json", true, &err), -ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/config.json"));
    assert_string_equal(config_text(c, CONFIG_SERVER_BIND), "127.0.0.1");
    assert_int_equal(config_number(c, CONFIG_SERVER_PORT), 9562);
    assert_false(config_truth(c, CONFIG_SERVER_INSECURE_WIDE_BIND));
    assert_null(config_text(c, CONFIG_DEFAULTS_MODEL));
    assert_null(config_list(c, CONFIG_SERVER_HOSTS)[0]);
    assert_int_equal(config_provider_count(c), 0);
    assert_null(config_notices(c)[0]);
    config_free(c);
}

static void a_file_is_read_by_type(void **state UNUSED)
{
    struct config *c =
        read_good("{\"server\": {\"port\": 1, \"hosts\": [\"a\", \"b\"], \"compat_open_loopback\": true},"
                  "\"log\": {\"level\": \"warn\"}, \"defaults\": {\"model\": null},"
                  "\"revisions\": {\"server\": 3}}");

    assert_int_equal(config_number(c, CONFIG_SERVER_PORT), 1);
    assert_string_equal(config_list(c, CONFIG_SERVER_HOSTS)[1], "b");
    assert_null(config_list(c, CONFIG_SERVER_HOSTS)[2]);
    assert_true(config_truth(c, CONFIG_SERVER_COMPAT_OPEN_LOOPBACK));
    assert_string_equal(config_text(c, CONFIG_LOG_LEVEL), "warn");
    assert_null(config_text(c, CONFIG_DEFAULTS_MODEL));
    assert_int_equal(config_revision(c, STR("server")), 3);
    assert_int_equal(config_revision(c, STR("log")), 0);
    config_free(c);
}

static void what_runs_may_use_is_read_and_counts_at_a_reload(void **state UNUSED)
{
    struct config *none = config_new();
    struct config *c = read_good("{\"limits\": {\"rounds\": 300, \"tool_calls\": 7, \"max_tokens\": 5, \"wall_ms\": "
                                 "90000, \"max_cost\": 0.25}}");
    struct run_limits l = config_run_limits(none);

    assert_true(l.max_rounds == LIMIT_ROUNDS && l.max_calls == LIMIT_CALLS);
    assert_true(l.max_tokens == 0 && l.max_ms == 0 && l.max_cost == 0 && !l.unpriced);
    l = config_run_limits(c);
    assert_true(l.max_rounds == 300 && l.max_calls == 7);
    assert_true(l.max_tokens == 5 && l.max_ms == 90000 && l.max_cost == 250000);
    assert_null(config_needs_restart(none, c));
    config_free(none);
    config_free(c);
}

static void an_unknown_key_names_the_nearest(void **state UNUSED)
{
    refused("{\"sever\": {\"port\": 1}}", "unknown key \"sever.port\"; did you mean \"server.port\"?");
    refused("{\"server\": {\"prot\": 1}}", "\"server.port\"");
    refused("{\"port\": 1}", "\"port\"");
    refused("{\"providers\": {\"mine\": {\"apikey\": \"x\"}}}",
            "unknown key \"providers.mine.apikey\"; did you mean \"providers.mine.api_key\"?");
    refused("{\"providers\": {\"a b\": {\"api_key\": \"x\"}}}", "unknown key");
    refused("{\"server\": 5}", "server: expected an object");
    refused("{\"server.port\": 1}", "sections are objects");
    refused("{\"providers\": {\"a.driver\": \"openai\"}}", "providers.a.driver: expected an object");
    refused("{\"revision\": {\"server\": 1}}", "revision.server");
}

static void values_are_checked_by_type_and_range(void **state UNUSED)
{
    refused("[]", "one JSON object");
    refused("{nonsense", "");
    refused("{\"server\": {\"port\": \"1\"}}", "server.port: expected a whole number");
    refused("{\"server\": {\"port\": 1.5}}", "server.port: expected a whole number");
    refused("{\"server\": {\"port\": 65536}}", "from 0 to 65535");
    refused("{\"server\": {\"port\": -1}}", "from 0 to 65535");
    refused("{\"server\": {\"hosts\": \"a\"}}", "server.hosts: expected a list");
    refused("{\"server\": {\"hosts\": [1]}}", "server.hosts: expected a list of texts");
    refused("{\"server\": {\"bind\": \"\"}}", "server.bind: expected some text");
    refused("{\"server\": {\"bind\": \"a\\u0000b\"}}", "without NUL");
    refused("{\"server\": {\"compat_open_loopback\": 1}}", "true or false");
    refused("{\"log\": {\"level\": \"loud\"}}", "expected one of error, warn, info, debug");
    refused("{\"log\": {\"format\": \"xml\"}}", "expected one of auto, text, json, journald");
    refused("{\"log\": {\"levels\": [\"store=debug\", \"stoer=debug\"]}}",
            "log.levels: the log has no module \"stoer\"");
    refused("{\"log\": {\"levels\": [\"store=loud\"]}}", "log.levels: store: \"loud\" is none of error, warn");
    refused("{\"log\": {\"levels\": [\"store\"]}}", "log.levels: expected MODULE=LEVEL");
    refused("{\"limits\": {\"model_idle_ms\": 1}}", "limits.model_idle_ms");
    refused("{\"limits\": {\"rounds\": 0}}", "limits.rounds: expected a number from 1 to 100000");
    refused("{\"limits\": {\"tool_calls\": 0}}", "limits.tool_calls: expected a number from 1 to 10000000");
    refused("{\"limits\": {\"wall_ms\": -1}}", "limits.wall_ms: expected a number from 0 to 31536000000");
    refused("{\"limits\": {\"wall_ms\": 0.5}}", "limits.wall_ms: expected a whole number");
    refused("{\"limits\": {\"max_cost\": -1}}", "limits.max_cost: expected an amount from 0 to 1000000");
    refused("{\"limits\": {\"max_cost\": \"5\"}}", "limits.max_cost: expected an amount");
    refused("{\"limits\": {\"max_cost\": 0.0000001}}", "at most six digits");
    refused("{\"limits\": {\"max_costs\": 1}}", "did you mean \"limits.max_cost\"?");
    refused("{\"providers\": {\"x\": {\"api_key\": \"***\"}}}", "config show");
    refused("{\"revisions\": {\"server\": -1}}", "revisions");
}

static void a_secret_is_not_in_an_error(void **state UNUSED)
{
    struct config *c = config_new();
    struct err err = {0};

    assert_int_equal(config_read_text(c, STR("{\"providers\": {\"x\": {\"api_key\": \"canary\\u0000\"}}}"), &err),
                     -ERR_BAD_REQUEST);
    assert_null(strstr(err.text, "canary"));
    config_free(c);
}

static void show_never_prints_a_key(void **state UNUSED)
{
    struct config *c =
        read_good("{\"providers\": {\"x\": {\"api_key\": \"canary\"}, \"y\": {\"api_key\": \"env:K\"}}}");
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct err err;

    assert_int_equal(config_show(c, STR(""), &out, &err), 0);
    assert_int_equal(config_explain(c, STR("providers.x"), &out, &err), 0);
    assert_int_equal(config_show(c, STR("providers.x.api_key"), &out, &err), 0);
    assert_null(strstr(out.p, "canary"));
    assert_non_null(strstr(out.p, "***"));
    assert_non_null(strstr(out.p, "env:K"));
    config_free(c);
}

static void what_is_shown_can_be_read_again(void **state UNUSED)
{
    struct config *c =
        read_good("{\"server\": {\"port\": 1, \"hosts\": [\"a\"]}, \"providers\": {\"x.y\": {\"models\": "
                  "[\"m\"]}}, \"revisions\": {\"server\": 2}}");
    CLEANUP(buf_done) struct buf first = BUF_INIT, second = BUF_INIT;
    struct config *again = config_new();
    struct err err;

    assert_int_equal(config_show(c, STR(""), &first, &err), 0);
    if (config_read_text(again, buf_str(&first), &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(config_show(again, STR(""), &second, &err), 0);
    assert_string_equal(first.p, second.p);
    assert_null(config_needs_restart(c, again));
    config_free(again);
    config_free(c);
}

static void show_takes_sections_and_keys(void **state UNUSED)
{
    struct config *c = config_new();
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct err err;

    assert_int_equal(config_show(c, STR("server.port"), &out, &err), 0);
    assert_string_equal(out.p, "9562\n");
    buf_clear(&out);
    assert_int_equal(config_show(c, STR("log"), &out, &err), 0);
    assert_string_equal(out.p, "{\n  \"log\": {\n    \"format\": \"auto\",\n    \"level\": \"info\",\n    \"levels\": "
                               "[]\n  }\n}\n");
    assert_int_equal(config_show(c, STR("server.prot"), &out, &err), -ERR_NOT_FOUND);
    assert_int_equal(config_explain(c, STR("server.prot"), &out, &err), -ERR_NOT_FOUND);
    assert_int_equal(config_explain(c, STR("server.port"), &out, &err), 0);
    assert_non_null(strstr(out.p, "the default"));
    config_free(c);
}

static struct config *with_environment(const char *text, char *const *environment)
{
    struct config *c = read_good(text);
    struct err err = {0};

    if (config_read_environment(c, environment, &err) < 0)
        fail_msg("%s", err.text);
    return c;
}

static char *const openai_environment[] = {(char[]){"OPENAI_API_KEY=sk-1"}, (char[]){"OPENAI_BASE_URL=http://h/v1"},
                                           (char[]){"CULM_MODEL=m"}, NULL};

static void the_environment_makes_a_provider(void **state UNUSED)
{
    struct config *c = with_environment("{}", openai_environment);
    struct config_provider p;
    struct err err;

    assert_int_equal(config_provider_count(c), 1);
    assert_int_equal(config_provider(c, 0, &p, &err), 0);
    assert_string_equal(p.name, "openai");
    assert_string_equal(p.driver, "openai");
    assert_string_equal(p.api_key, "sk-1");
    assert_string_equal(p.base_url, "http://h/v1");
    assert_null(p.models[0]);
    assert_string_equal(config_text(c, CONFIG_DEFAULTS_MODEL), "m");
    assert_null(config_notices(c)[0]);
    config_free(c);
}

static void the_file_has_the_word_over_the_environment(void **state UNUSED)
{
    struct config *c = with_environment("{\"defaults\": {\"model\": \"file\"}}", openai_environment);

    assert_string_equal(config_text(c, CONFIG_DEFAULTS_MODEL), "file");
    config_free(c);
}

static void a_key_of_the_environment_is_not_sent_to_an_address_of_the_file(void **state UNUSED)
{
    struct config *c =
        with_environment("{\"providers\": {\"openai\": {\"base_url\": \"http://elsewhere\"}}}", openai_environment);
    struct config_provider p;
    struct err err;

    assert_int_equal(config_provider(c, 0, &p, &err), 0);
    assert_string_equal(p.base_url, "http://elsewhere");
    assert_null(p.api_key);
    assert_non_null(strstr(config_notices(c)[0], "OPENAI_API_KEY"));
    config_free(c);
}

static void models_of_the_file_go_with_a_key_of_the_environment(void **state UNUSED)
{
    struct config *c = with_environment("{\"providers\": {\"openai\": {\"models\": [\"m1\"]}}}", openai_environment);
    struct config_provider p;
    struct err err;

    assert_int_equal(config_provider_count(c), 1);
    assert_int_equal(config_provider(c, 0, &p, &err), 0);
    assert_string_equal(p.models[0], "m1");
    assert_string_equal(p.api_key, "sk-1");
    config_free(c);
}

static void a_key_may_be_the_name_of_a_variable(void **state UNUSED)
{
    char *const environment[] = {(char[]){"MY_KEY=sk-9"}, (char[]){"EMPTY="}, NULL};
    struct config *c = with_environment("{\"providers\": {\"a\": {\"api_key\": \"env:MY_KEY\"}, \"b\": {\"api_key\": "
                                        "\"env:OTHER\"}, \"c\": {\"api_key\": \"env:EMPTY\"}}}",
                                        environment);
    struct config_provider p;
    struct err err;

    assert_int_equal(config_provider(c, 0, &p, &err), 0);
    assert_string_equal(p.api_key, "sk-9");
    assert_int_equal(config_provider(c, 1, &p, &err), -ERR_BAD_REQUEST);
    assert_non_null(strstr(err.text, "OTHER"));
    assert_int_equal(config_provider(c, 2, &p, &err), -ERR_BAD_REQUEST);
    config_free(c);
}

static void what_the_environment_cannot_give_is_said_once(void **state UNUSED)
{
    char *const environment[] = {(char[]){"ANTHROPIC_API_KEY=a"}, (char[]){"GEMINI_API_KEY=g"},
                                 (char[]){"GOOGLE_API_KEY=g"},    (char[]){"CULM_NONSENSE=1"},
                                 (char[]){"CULM_\x86 NONE=1"},    (char[]){"CULM_CRASH=x"},
                                 (char[]){"CULM_DATA_DIR=/x"},    NULL};
    struct config *c = with_environment("{}", environment);
    const char *const *n = config_notices(c);

    assert_int_equal(config_provider_count(c), 0);
    assert_non_null(strstr(n[0], "ANTHROPIC_API_KEY"));
    assert_non_null(strstr(n[1], "GEMINI_API_KEY"));
    assert_non_null(strstr(n[2], "CULM_NONSENSE"));
    assert_non_null(strstr(n[3], "CULM_\xef\xbf\xbd NONE"));
    assert_null(n[4]);
    config_free(c);
}

static void options_have_the_word_over_all(void **state UNUSED)
{
    struct config *c = read_good("{\"server\": {\"port\": 1}}");
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct err err;

    assert_int_equal(config_set(c, STR("server.port"), STR("2"), CONFIG_FROM_OPTION, &err), 0);
    assert_int_equal(config_number(c, CONFIG_SERVER_PORT), 2);
    assert_int_equal(config_explain(c, STR("server.port"), &out, &err), 0);
    assert_non_null(strstr(out.p, "from the command line"));
    assert_int_equal(config_set(c, STR("server.port"), STR("x"), CONFIG_FROM_OPTION, &err), -ERR_BAD_REQUEST);
    assert_int_equal(config_set(c, STR("server.prot"), STR("1"), CONFIG_FROM_OPTION, &err), -ERR_NOT_FOUND);
    assert_int_equal(config_number(c, CONFIG_SERVER_PORT), 2);
    config_free(c);
}

static void a_reload_says_what_needs_a_restart(void **state UNUSED)
{
    struct config *a = read_good("{\"providers\": {\"x\": {}}}"), *b = read_good("{\"server\": {\"port\": 1}}");
    struct config *c = read_good("{\"log\": {\"level\": \"debug\"}, \"providers\": {\"x\": {\"models\": [\"m\"]}}}");
    struct config *x = read_good("{\"providers\": {\"x\": {\"models\": [\"n\"]}}}"), *none = config_new();

    assert_null(config_needs_restart(none, none));
    assert_string_equal(config_needs_restart(none, b), "server.port");
    assert_null(config_needs_restart(x, c));
    assert_non_null(config_needs_restart(c, none));
    config_free(a);
    config_free(b);
    config_free(c);
    config_free(x);
    config_free(none);
}

static void the_documentation_is_that_of_the_table(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf wanted = BUF_INIT, stored = BUF_INIT;
    struct err err;

    assert_int_equal(small_file_read(CONFIGURATION_MD, &stored, &err), 0);
    config_write_markdown(&wanted);
    if (!str_eq(buf_str(&wanted), buf_str(&stored)))
        fail_msg("docs/configuration.md is old: culm config explain --markdown > docs/configuration.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_a_section_a_doc_and_a_default_in_its_range),
        cmocka_unit_test(defaults_are_there_without_a_file),
        cmocka_unit_test(a_file_is_read_by_type),
        cmocka_unit_test(what_runs_may_use_is_read_and_counts_at_a_reload),
        cmocka_unit_test(an_unknown_key_names_the_nearest),
        cmocka_unit_test(values_are_checked_by_type_and_range),
        cmocka_unit_test(a_secret_is_not_in_an_error),
        cmocka_unit_test(show_never_prints_a_key),
        cmocka_unit_test(what_is_shown_can_be_read_again),
        cmocka_unit_test(show_takes_sections_and_keys),
        cmocka_unit_test(the_environment_makes_a_provider),
        cmocka_unit_test(the_file_has_the_word_over_the_environment),
        cmocka_unit_test(a_key_of_the_environment_is_not_sent_to_an_address_of_the_file),
        cmocka_unit_test(models_of_the_file_go_with_a_key_of_the_environment),
        cmocka_unit_test(a_key_may_be_the_name_of_a_variable),
        cmocka_unit_test(what_the_environment_cannot_give_is_said_once),
        cmocka_unit_test(options_have_the_word_over_all),
        cmocka_unit_test(a_reload_says_what_needs_a_restart),
        cmocka_unit_test(the_documentation_is_that_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
