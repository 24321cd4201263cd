/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/log_line.h"
#include "base/str.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define AT_MS 1795247341123 /* 2026-11-21T07:49:01.123Z */

#define RECORD_OF(level_, event_, ...)                                                                                 \
    ((const struct log_record){.at_ms = AT_MS,                                                                         \
                               .level = LOG_LEVEL_##level_,                                                            \
                               .event = (event_),                                                                      \
                               .fields = (const struct log_field[]){__VA_ARGS__},                                      \
                               .n_fields = ARRAY_LEN(((const struct log_field[]){__VA_ARGS__}))})

enum form { TEXT, COLOURED, JSON, PREFIXED };

/* The line, its end taken off; checks what holds for every line. */
static const char *line_of(enum form form, const struct log_record *r)
{
    static char line[LOG_LINE_BYTES + 1];
    size_t n = form == JSON       ? log_line_json(r, line)
               : form == PREFIXED ? log_line_prefixed(r, line)
                                  : log_line_text(r, form == COLOURED, line);

    assert_in_range(n, 1, LOG_LINE_BYTES);
    assert_true(line[n - 1] == '\n');
    assert_true(utf8_is_valid((struct str){line, n}));
    for (size_t i = 0; i + 1 < n; i++)
        assert_true((unsigned char)line[i] >= 0x20 || (form == COLOURED && line[i] == '\x1b'));
    line[n - 1] = '\0';
    return line;
}

static struct json *parsed(struct arena *a, const char *line)
{
    struct json *root = NULL;
    struct err err;

    if (json_parse(a, str_of(line), &root, &err) < 0)
        fail_msg("%s: %s", err.text, line);
    assert_int_equal(root->type, JSON_OBJECT);
    return root;
}

/* ---- the forms ---- */

static void a_line_for_people_has_time_level_event_sentence_and_fields(void **state UNUSED)
{
    struct log_record r = RECORD_OF(WARN, "server.files", log_uint("files", 256), log_message("raise \"it\""),
                                    log_text("path", "/a/b"), log_text("why", "two words"), log_text("none", ""),
                                    log_int("ms", -5), log_bool("ok", true), log_text("absent", NULL));

    assert_string_equal(line_of(TEXT, &r), "2026-11-21T07:49:01.123Z warn  server.files raise \"it\" files=256 "
                                           "path=/a/b why=\"two words\" none=\"\" ms=-5 ok=true");
    assert_string_equal(line_of(PREFIXED, &r), "<4>server.files raise \"it\" files=256 path=/a/b why=\"two words\" "
                                               "none=\"\" ms=-5 ok=true");
}

static void only_the_level_is_coloured(void **state UNUSED)
{
    struct log_record r = RECORD_OF(ERROR, "server.fail", log_message("x"));

    assert_string_equal(line_of(COLOURED, &r), "2026-11-21T07:49:01.123Z \x1b[31merror\x1b[0m server.fail x");
    r.level = LOG_LEVEL_INFO;
    assert_string_equal(line_of(COLOURED, &r), "2026-11-21T07:49:01.123Z info  server.fail x");
}

static void json_keeps_the_types(void **state UNUSED)
{
    struct log_record r = RECORD_OF(INFO, "run.end", log_message("done"), log_text("session", "a"),
                                    log_int("least", INT64_MIN), log_uint("most", UINT64_MAX), log_bool("no", false));

    assert_string_equal(line_of(JSON, &r),
                        "{\"ts\":\"2026-11-21T07:49:01.123Z\",\"level\":\"info\",\"module\":\"run\",\"event\":"
                        "\"run.end\",\"message\":\"done\",\"session\":\"a\",\"least\":-9223372036854775808,"
                        "\"most\":18446744073709551615,\"no\":false}");
}

static void every_level_has_its_priority(void **state UNUSED)
{
    static const char *const expected[] = {"<3>log.x", "<4>log.x", "<6>log.x", "<7>log.x"};
    struct log_record r = RECORD_OF(ERROR, "log.x", log_text("a", NULL));

    for (int level = 0; level < LOG_LEVEL_COUNT; level++) {
        r.level = (enum log_level)level;
        assert_string_equal(line_of(PREFIXED, &r), expected[level]);
    }
}

/* ---- what strangers send ---- */

static void what_would_end_a_line_or_move_a_terminal_is_escaped(void **state UNUSED)
{
    struct log_record r = RECORD_OF(INFO, "http.request", log_message("a\nb\x1b[2J"),
                                    log_text("v", "q\"b\\t\tc\x7f\xc2\x9b"
                                                  "d"));

    assert_non_null(strstr(line_of(TEXT, &r), "a\\nb\\u001b[2J v=\"q\\\"b\\\\t\\tc\\u007f\\u009bd\""));
    assert_non_null(strstr(line_of(JSON, &r), "\"message\":\"a\\nb\\u001b[2J\""));
    assert_non_null(strstr(line_of(JSON, &r), "\"v\":\"q\\\"b\\\\t\\tc\\u007f\\u009bd\""));
}

static void json_gives_back_every_character(void **state UNUSED)
{
    struct arena arena;
    struct log_record r;
    char text[512], *at = text;

    for (int c = 1; c < 0x80; c++)
        *at++ = (char)c;
    for (int c = 0x80; c < 0x120; c++) {
        *at++ = (char)(0xc0 | c >> 6);
        *at++ = (char)(0x80 | (c & 0x3f));
    }
    at = stpcpy(at, "\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd");
    r = RECORD_OF(INFO, "http.request", log_str("v", (struct str){text, (size_t)(at - text)}));
    arena_init(&arena);
    assert_true(
        str_eq(json_text(json_find(parsed(&arena, line_of(JSON, &r)), "v")), (struct str){text, (size_t)(at - text)}));
    arena_done(&arena);
}

static void broken_text_is_repaired(void **state UNUSED)
{
    struct log_record r =
        RECORD_OF(INFO, "http.request", log_str("v", (struct str){"a\xff\xc3\xed\xa0\x80\0z\xe2\x82", 10}));

    assert_non_null(strstr(line_of(JSON, &r), "\"v\":\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
    assert_non_null(strstr(line_of(JSON, &r), "\\u0000z\xef\xbf\xbd\""));
    line_of(TEXT, &r);
}

/* ---- what is too long ---- */

static void what_does_not_fit_is_cut_and_the_line_says_so(void **state UNUSED)
{
    static char long_text[3 * LOG_LINE_BYTES];
    struct arena arena;
    struct json *root;

    for (size_t i = 0; i < sizeof(long_text); i++)
        long_text[i] = "\xc3\xa9\"\n"[i % 4];
    for (size_t n = 0; n < sizeof(long_text); n += n < 2 * LOG_LINE_BYTES ? 13 : 501) {
        struct str half = {long_text, n / 2}, all = {long_text, n};
        struct log_record r =
            RECORD_OF(INFO, "http.request", log_str("message", half), log_uint("count", n), log_str("a", all),
                      log_str("b", all), log_str("c", all), log_str("d", all), log_uint("last", n));
        bool fits = n < LOG_VALUE_BYTES / 2;

        arena_init(&arena);
        root = parsed(&arena, line_of(JSON, &r));
        assert_int_equal(json_number(json_find(root, "count"), -1), n);
        if (fits)
            assert_null(json_find(root, "truncated"));
        if (n > LOG_VALUE_BYTES)
            assert_true(json_find(root, "truncated")->truth);
        arena_done(&arena);
        assert_true((strstr(line_of(TEXT, &r), " truncated=true") != NULL) >= (n > LOG_VALUE_BYTES));
        line_of(PREFIXED, &r);
    }
}

static void numbers_are_whole_or_not_there(void **state UNUSED)
{
    static char filler[LOG_VALUE_BYTES];
    struct arena arena;

    memset(filler, 'x', sizeof(filler));
    for (size_t n = 0; n < sizeof(filler); n++) {
        struct str rest = {filler, n}, full = {filler, sizeof(filler)};
        struct log_record r =
            RECORD_OF(INFO, "http.request", log_str("a", full), log_str("b", full), log_str("c", full),
                      log_str("d", rest), log_uint("n", UINT32_MAX), log_bool("t", true));
        struct json *root, *number;

        arena_init(&arena);
        root = parsed(&arena, line_of(JSON, &r));
        number = json_find(root, "n");
        if (number == NULL)
            assert_true(json_find(root, "truncated")->truth);
        else
            assert_int_equal(number->number, UINT32_MAX);
        arena_done(&arena);
    }
}

/* ---- the journal ---- */

static void the_journal_gets_fields_of_its_own(void **state UNUSED)
{
    struct log_record r = RECORD_OF(ERROR, "run.end", log_message("two\nlines"), log_text("session", "a\nb"),
                                    log_uint("rounds", 3), log_bool("ok", true), log_text("absent", NULL));
    static const char expected[] = "MESSAGE=run.end two\\nlines session=\"a\\nb\" rounds=3 ok=true\n"
                                   "PRIORITY=3\nSYSLOG_IDENTIFIER=culm\nCULM_EVENT=run.end\nCULM_MODULE=run\n"
                                   "CULM_SESSION\n\3\0\0\0\0\0\0\0a\nb\n"
                                   "CULM_ROUNDS\n\1\0\0\0\0\0\0\0003\n"
                                   "CULM_OK\n\4\0\0\0\0\0\0\0true\n";
    char out[LOG_JOURNAL_BYTES];
    size_t n = log_line_journal(&r, out);

    assert_int_equal(n, sizeof(expected) - 1);
    assert_memory_equal(out, expected, n);
}

static void the_journal_is_told_what_was_cut(void **state UNUSED)
{
    static char long_text[2 * LOG_VALUE_BYTES];
    struct log_record r = RECORD_OF(INFO, "run.end", log_str("a", (struct str){long_text, sizeof(long_text)}));
    char out[LOG_JOURNAL_BYTES];
    size_t n = log_line_journal(&r, out);

    assert_true(n > sizeof("CULM_TRUNCATED=1"));
    assert_memory_equal(out + n - strlen("\nCULM_TRUNCATED=1\n"), "\nCULM_TRUNCATED=1\n",
                        strlen("\nCULM_TRUNCATED=1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_for_people_has_time_level_event_sentence_and_fields),
        cmocka_unit_test(only_the_level_is_coloured),
        cmocka_unit_test(json_keeps_the_types),
        cmocka_unit_test(every_level_has_its_priority),
        cmocka_unit_test(what_would_end_a_line_or_move_a_terminal_is_escaped),
        cmocka_unit_test(json_gives_back_every_character),
        cmocka_unit_test(broken_text_is_repaired),
        cmocka_unit_test(what_does_not_fit_is_cut_and_the_line_says_so),
        cmocka_unit_test(numbers_are_whole_or_not_there),
        cmocka_unit_test(the_journal_gets_fields_of_its_own),
        cmocka_unit_test(the_journal_is_told_what_was_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
