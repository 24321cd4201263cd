/* SPDX-License-Identifier: MIT */
#include "app/terminal.h"
#include "temporary.h"

static const struct terminal coloured = {.is_terminal = true, .has_colour = true, .width = 80};
static const struct terminal pipe_end = {0};

static void assert_cut(const char *text, size_t cells, const char *wanted)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    buf_add_str(&out, STR(">"));
    terminal_cut(str_of(text), cells, &out);
    assert_string_equal(out.p + 1, wanted);
}

static void a_pipe_is_no_terminal(void **state UNUSED)
{
    struct terminal t;
    int fds[2];

    setenv("COLUMNS", "40", 1);
    setenv("TERM", "xterm", 1);
    assert_int_equal(pipe(fds), 0);
    t = terminal_of(fds[1]);
    close(fds[0]);
    close(fds[1]);
    assert_false(t.is_terminal || t.has_colour);
    assert_int_equal(t.width, 0);
}

static void cells_are_counted_not_bytes(void **state UNUSED)
{
    assert_int_equal(terminal_cells(STR("")), 0);
    assert_int_equal(terminal_cells(STR("plain")), 5);
    assert_int_equal(terminal_cells(STR("größe")), 5);
    assert_int_equal(terminal_cells(STR("世界")), 4);
    assert_int_equal(terminal_cells(STR("e\xcc\x81")), 1); /* e and a combining accent */
    assert_int_equal(terminal_cells(STR("\xf0\x9f\x98\x80")), 2);
}

static void what_does_not_fit_ends_in_dots(void **state UNUSED)
{
    assert_cut("plain", 5, "plain");
    assert_cut("plain", 4, "pla…");
    assert_cut("plain", 1, "…");
    assert_cut("plain", 0, "");
    assert_cut("世界", 4, "世界");
    assert_cut("世界", 3, "世…");
    assert_cut("世界", 2, "…"); /* half a character is none */
    assert_cut("e\xcc\x81xy", 2, "e\xcc\x81…");
}

static void one_line_without_control_characters(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    terminal_flatten(STR("a\nb\tc\033[31m\xc2\x9b"), &out);
    assert_string_equal(out.p, "a b c\\x1b[31m\\x9b");
}

static void colours_are_for_terminals_that_have_them(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf red = BUF_INIT, none = BUF_INIT, plain = BUF_INIT;

    terminal_put(&coloured, STYLE_RED, STR("x"), &red);
    assert_string_equal(red.p, "\033[31mx\033[0m");
    terminal_put(&pipe_end, STYLE_RED, STR("x"), &none);
    assert_string_equal(none.p, "x");
    terminal_put(&coloured, STYLE_PLAIN, STR("x"), &plain);
    assert_string_equal(plain.p, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_is_no_terminal),
        cmocka_unit_test(cells_are_counted_not_bytes),
        cmocka_unit_test(what_does_not_fit_ends_in_dots),
        cmocka_unit_test(one_line_without_control_characters),
        cmocka_unit_test(colours_are_for_terminals_that_have_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
