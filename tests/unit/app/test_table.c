/* SPDX-License-Identifier: MIT */
#include "app/table.h"
#include "temporary.h"

static const struct table_column columns[] = {
    {.title = "ID"}, {.title = "TITLE", .may_shrink = true}, {.title = "N", .is_number = true}};

static void add(struct table *t, const char *id, const char *title, const char *n)
{
    table_add(t, (const struct table_cell[]){
                     {str_of(id), STYLE_PLAIN}, {str_of(title), STYLE_RED}, {str_of(n), STYLE_PLAIN}});
}

static void assert_printed(struct table *t, const char *wanted)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    table_print(t, &out);
    assert_string_equal(out.p == NULL ? "" : out.p, wanted);
}

static void in_a_pipe_it_is_tabs_and_whole(void **state UNUSED)
{
    const struct terminal t = {0};
    struct table *table = table_new(&t, columns, ARRAY_LEN(columns));

    add(table, "a", "a very long title that nobody cuts here", "1");
    add(table, "b", "two\nlines\tand a tab", "22");
    assert_printed(table, "a\ta very long title that nobody cuts here\t1\nb\ttwo lines and a tab\t22\n");
    assert_printed(table, "");
    table_free(table);
}

static void on_a_terminal_it_is_aligned_by_cells(void **state UNUSED)
{
    const struct terminal t = {.is_terminal = true, .width = 80};
    struct table *table = table_new(&t, columns, ARRAY_LEN(columns));

    add(table, "long-id", "世界", "1");
    add(table, "b", "x", "22");
    assert_printed(table, "ID       TITLE   N\n"
                          "long-id  世界    1\n"
                          "b        x      22\n");
    add(table, "c", "next page", "3");
    assert_printed(table, "c   next page  3\n"); /* without a second heading */
    table_free(table);
}

static void what_may_shrink_gives_way(void **state UNUSED)
{
    const struct terminal t = {.is_terminal = true, .width = 24};
    struct table *table = table_new(&t, columns, ARRAY_LEN(columns));

    add(table, "12345678", "a title of many words", "1");
    assert_printed(table, "ID        TITLE        N\n"
                          "12345678  a title of…  1\n");
    table_free(table);
}

static void a_style_stands_around_the_text_alone(void **state UNUSED)
{
    const struct terminal t = {.is_terminal = true, .has_colour = true, .width = 80};
    struct table *table = table_new(&t, columns, ARRAY_LEN(columns));
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    add(table, "a", "x", "1");
    table_print(table, &out);
    assert_non_null(strstr(out.p, "a   \033[31mx\033[0m      1\n"));
    table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_pipe_it_is_tabs_and_whole),
        cmocka_unit_test(on_a_terminal_it_is_aligned_by_cells),
        cmocka_unit_test(what_may_shrink_gives_way),
        cmocka_unit_test(a_style_stands_around_the_text_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
