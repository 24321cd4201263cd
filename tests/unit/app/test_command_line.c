/* SPDX-License-Identifier: MIT */
#include "app/command_line.h"
#include "temporary.h"

#define WORDS_MAX 10

static int parse(const char *text, struct command_line *out, struct err *err)
{
    static char copy[200];
    char *words[WORDS_MAX];
    int n = 0;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *p = copy; *p != '\0' && n < WORDS_MAX;) {
        words[n++] = p;
        p += strcspn(p, " ");
        if (*p != '\0')
            *p++ = '\0';
    }
    return command_line_parse(n, words, out, err);
}

static struct command_line good(const char *text)
{
    struct command_line line;
    struct err err;

    if (parse(text, &line, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return line;
}

static void refused(const char *text, const char *part)
{
    struct command_line line;
    struct err err;

    assert_int_equal(parse(text, &line, &err), -ERR_BAD_REQUEST);
    if (strstr(err.text, part) == NULL)
        fail_msg("%s: \"%s\" is not in \"%s\"", text, part, err.text);
}

static void every_command_has_a_name_a_summary_and_a_function(void **state UNUSED)
{
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        assert_true(strlen(c->name) > 2 && strlen(c->summary) > 5);
        assert_non_null(c->run);
        assert_true(c->min_args <= c->max_args && c->max_args <= COMMAND_ARGS_MAX);
    }
}

static void options_stand_before_and_behind_the_words(void **state UNUSED)
{
    struct command_line line = good("run --session s1 hello --model=a/b --quiet");

    assert_ptr_equal(line.command, &commands[COMMAND_RUN]);
    assert_string_equal(line.session, "s1");
    assert_string_equal(line.model, "a/b");
    assert_string_equal(line.args[0], "hello");
    assert_true(line.quiet);
    assert_false(line.json);
    line = good("--data-dir d serve --port 0");
    assert_string_equal(line.data_dir, "d");
    assert_string_equal(line.port, "0");
}

static void data_dir_and_help_are_for_every_command(void **state UNUSED)
{
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        char text[100];
        struct command_line line;

        snprintf(text, sizeof(text), "%s --data-dir d --help", c->name);
        line = good(text);
        assert_ptr_equal(line.command, c);
        assert_string_equal(line.data_dir, "d");
        assert_true(line.help);
    }
}

static void two_words_are_one_command(void **state UNUSED)
{
    struct command_line line = good("config set server.port 1");

    assert_ptr_equal(line.command, &commands[COMMAND_CONFIG_SET]);
    assert_string_equal(line.args[1], "1");
    assert_ptr_equal(good("config show").command, &commands[COMMAND_CONFIG_SHOW]);
    assert_string_equal(good("config --help").group, "config");
    refused("config", "config --help");
    refused("config sow", "did you mean \"config show\"?");
}

static void words_behind_two_dashes_are_no_options(void **state UNUSED)
{
    assert_string_equal(good("run -- --quiet").args[0], "--quiet");
    assert_string_equal(good("run -").args[0], "-");
}

static void what_is_wrong_names_the_nearest(void **state UNUSED)
{
    refused("", "culm help");
    refused("sevre", "did you mean \"serve\"?");
    refused("run --sesion x y", "did you mean --session?");
    refused("serve --json", "unknown option --json for culm serve");
    refused("run", "usage: culm run PROMPT");
    refused("run a b", "unexpected \"b\"");
    refused("run --session", "--session wants a value");
    refused("run --quiet=1 a", "--quiet takes no value");
    refused("run -q a", "two dashes");
}

static void help_is_made_of_the_tables(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf all = BUF_INIT, run = BUF_INIT, config = BUF_INIT;

    command_line_help(NULL, NULL, &all);
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        assert_non_null(strstr(all.p, c->name));
    assert_null(strstr(all.p, "--session"));
    command_line_help(&commands[COMMAND_RUN], NULL, &run);
    assert_non_null(strstr(run.p, "usage: culm run [OPTION...] PROMPT"));
    assert_non_null(strstr(run.p, "--session ID"));
    assert_null(strstr(run.p, "--port"));
    command_line_help(NULL, "config", &config);
    assert_non_null(strstr(config.p, "config explain"));
    assert_null(strstr(config.p, "serve"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_a_name_a_summary_and_a_function),
        cmocka_unit_test(options_stand_before_and_behind_the_words),
        cmocka_unit_test(data_dir_and_help_are_for_every_command),
        cmocka_unit_test(two_words_are_one_command),
        cmocka_unit_test(words_behind_two_dashes_are_no_options),
        cmocka_unit_test(what_is_wrong_names_the_nearest),
        cmocka_unit_test(help_is_made_of_the_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
