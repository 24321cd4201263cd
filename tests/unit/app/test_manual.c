/* SPDX-License-Identifier: MIT */
#include "app/command_line.h"
#include "app/manual.h"
#include "app/small_file.h"
#include "temporary.h"

static void it_says_every_command_and_option(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf page = BUF_INIT;

    manual_write(&page);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        CLEANUP(buf_done) struct buf heading = BUF_INIT;

        buf_addf(&heading, ".SS %s", commands[i].name);
        assert_non_null(strstr(page.p, heading.p));
    }
    for (size_t i = 0; i < command_options_count; i++) {
        CLEANUP(buf_done) struct buf name = BUF_INIT;

        buf_add_str(&name, STR("\\fB\\-\\-"));
        for (const char *p = command_options[i].name; *p != '\0'; p++)
            buf_addf(&name, "%s%c", *p == '-' ? "\\" : "", *p);
        buf_add_str(&name, STR("\\fR"));
        assert_non_null(strstr(page.p, name.p));
    }
}

/* A dot or a quote at the start of a line would be a request; a bare minus would be shown as a hyphen. */
static void no_text_is_taken_for_a_request(void **state UNUSED)
{
    static const char *const requests[] = {".TH", ".SH", ".SS", ".PP", ".TP", ".B ", ".I ", ".\\\""};
    CLEANUP(buf_done) struct buf page = BUF_INIT;
    struct str rest, line;

    manual_write(&page);
    rest = buf_str(&page);
    while (str_next(&rest, '\n', &line)) {
        bool is_known = line.n == 0 || (line.p[0] != '.' && line.p[0] != '\'');

        for (size_t i = 0; i < ARRAY_LEN(requests); i++)
            is_known = is_known || str_has_prefix(line, str_of(requests[i]));
        if (!is_known)
            fail_msg("no request of ours: " STR_FMT, STR_ARG(line));
        for (size_t i = 0; i < line.n; i++)
            assert_true(line.p[i] != '-' || (i > 0 && line.p[i - 1] == '\\'));
    }
}

static void the_page_in_the_tree_is_the_one_that_is_made(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf made = BUF_INIT, kept = BUF_INIT;
    struct err err;

    manual_write(&made);
    if (small_file_read(CULM_1, &kept, &err) < 0)
        fail_msg("%s", err.text);
    if (!str_eq(buf_str(&made), buf_str(&kept)))
        fail_msg("docs/culm.1 is old: culm help --man > docs/culm.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_every_command_and_option),
        cmocka_unit_test(no_text_is_taken_for_a_request),
        cmocka_unit_test(the_page_in_the_tree_is_the_one_that_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
