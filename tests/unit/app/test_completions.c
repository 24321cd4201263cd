/* SPDX-License-Identifier: MIT */
#include "app/command_line.h"
#include "app/completions.h"
#include "app/placeholder.h"
#include "temporary.h"

static void assert_has(const struct buf *script, const char *shell, const char *part)
{
    if (strstr(script->p, part) == NULL)
        fail_msg("%s: no \"%s\"", shell, part);
}

static void every_command_and_option_is_in_every_script(void **state UNUSED)
{
    for (const char *const *shell = completions_shells; *shell != NULL; shell++) {
        CLEANUP(buf_done) struct buf script = BUF_INIT;
        const char *dashes = strcmp(*shell, "fish") == 0 ? "-l " : "--";

        assert_true(completions_write(str_of(*shell), &script));
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            assert_has(&script, *shell, commands[i].name);
        for (size_t i = 0; i < command_options_count; i++) {
            CLEANUP(buf_done) struct buf option = BUF_INIT;

            buf_addf(&option, "%s%s", dashes, command_options[i].name);
            assert_has(&script, *shell, option.p);
        }
    }
}

static void an_unknown_shell_has_no_script(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf script = BUF_INIT;

    assert_false(completions_write(STR("tcsh"), &script));
    assert_false(completions_write(STR(""), &script));
    assert_int_equal(script.n, 0);
}

/* A name may stand in several rows; all of one name take a value, or none, and the same one. */
static void options_of_one_name_take_the_same(void **state UNUSED)
{
    for (size_t i = 0; i < command_options_count; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct command_option *a = &command_options[i], *b = &command_options[k];

            if (strcmp(a->name, b->name) != 0)
                continue;
            assert_true((a->value == NULL) == (b->value == NULL));
            assert_true(str_eq(str_of(a->value), str_of(b->value)));
            assert_int_equal(a->offset, b->offset);
            assert_int_equal(a->commands & b->commands, 0);
        }
    }
}

static void commands_of_one_first_word_stand_together(void **state UNUSED)
{
    for (size_t i = 2; i < COMMAND_COUNT; i++)
        for (size_t k = 0; k + 1 < i; k++)
            if (str_eq(command_first_word(&commands[i]), command_first_word(&commands[k])))
                assert_true(str_eq(command_first_word(&commands[i]), command_first_word(&commands[i - 1])));
}

static void placeholders_stand_for_what_is_there(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf shells = BUF_INIT, keys = BUF_INIT, words = BUF_INIT, none = BUF_INIT;

    assert_int_equal(placeholder_of(STR("ID")), PLACEHOLDER_SESSION);
    assert_int_equal(placeholder_of(STR("FILE")), PLACEHOLDER_FILE);
    assert_int_equal(placeholder_of(STR("PROMPT")), PLACEHOLDER_ANYTHING);
    placeholder_words(STR("SHELL"), &shells);
    assert_string_equal(shells.p, "bash zsh fish");
    placeholder_words(STR("KEY"), &keys);
    assert_non_null(strstr(keys.p, "server.port"));
    assert_null(strchr(keys.p, '*'));
    placeholder_words(STR("COMMAND"), &words);
    assert_non_null(strstr(words.p, "serve "));
    assert_null(strstr(words.p, "config config"));
    placeholder_words(STR("PROMPT"), &none);
    assert_int_equal(none.n, 0);
}

static void a_command_names_what_it_wants_first(void **state UNUSED)
{
    assert_true(str_is(placeholder_of_command(&commands[COMMAND_CONFIG_SHOW]), "KEY"));
    assert_true(str_is(placeholder_of_command(&commands[COMMAND_CONFIG_SET]), "KEY"));
    assert_true(str_is(placeholder_of_command(&commands[COMMAND_HELP]), "COMMAND"));
    assert_int_equal(placeholder_of_command(&commands[COMMAND_SERVE]).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_and_option_is_in_every_script),
        cmocka_unit_test(an_unknown_shell_has_no_script),
        cmocka_unit_test(options_of_one_name_take_the_same),
        cmocka_unit_test(commands_of_one_first_word_stand_together),
        cmocka_unit_test(placeholders_stand_for_what_is_there),
        cmocka_unit_test(a_command_names_what_it_wants_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
