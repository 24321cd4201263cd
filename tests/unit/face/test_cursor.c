/* SPDX-License-Identifier: MIT */
#include "face/cursor.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct watch_wish *parse(struct watch_words words)
{
    static struct watch_wish wish;
    struct err err;

    return watch_wish_parse(&words, &wish, &err) == 0 ? &wish : NULL;
}

static void without_words_everything_from_now_on(void **state UNUSED)
{
    const struct watch_wish *w = parse((struct watch_words){.follow = STR_NULL});

    assert_true(w != NULL && !w->at.has_cursor && !w->follow && w->deltas && w->batch_ms == 0);
}

static void a_cursor_is_the_number_alone(void **state UNUSED)
{
    static const char *const bad[] = {"-1", "x", "1.5", "0x1", " 1", "1 ", "18446744073709551616", "7:abc:3"};
    const struct watch_wish *w = parse((struct watch_words){.after = STR("0")});

    assert_true(w != NULL && w->at.has_cursor && w->at.after == 0);
    w = parse((struct watch_words){.last_event_id = STR("41")});
    assert_true(w != NULL && w->at.has_cursor && w->at.after == 41);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(parse((struct watch_words){.after = str_of(bad[i])}));
        assert_null(parse((struct watch_words){.last_event_id = str_of(bad[i])}));
    }
    assert_null(parse((struct watch_words){.after = STR("")}));
}

static void the_header_wins(void **state UNUSED)
{
    const struct watch_wish *w = parse((struct watch_words){.last_event_id = STR("5"), .after = STR("nonsense")});

    assert_true(w != NULL && w->at.after == 5);
    w = parse((struct watch_words){.last_event_id = STR(""), .after = STR("6")});
    assert_true(w != NULL && w->at.after == 6);
}

static void a_place_in_the_text_completes_a_cursor(void **state UNUSED)
{
    const struct watch_wish *w =
        parse((struct watch_words){.after = STR("5"), .message_id = STR("m-1"), .offset = STR("12")});

    assert_true(w != NULL && str_is(w->at.message_id, "m-1") && w->at.offset == 12);
    w = parse((struct watch_words){.after = STR("5"), .message_id = STR("m-1")});
    assert_true(w != NULL && w->at.offset == 0);
    assert_null(parse((struct watch_words){.message_id = STR("m-1"), .offset = STR("12")}));
    assert_null(parse((struct watch_words){.after = STR("5"), .message_id = STR("m-1"), .offset = STR("-1")}));
    assert_null(parse((struct watch_words){.after = STR("5"), .message_id = STR("a b")}));
}

static void flags_and_the_window(void **state UNUSED)
{
    const struct watch_wish *w =
        parse((struct watch_words){.follow = STR("1"), .deltas = STR("0"), .batch_ms = STR("50")});

    assert_true(w != NULL && w->follow && !w->deltas && w->batch_ms == 50);
    w = parse((struct watch_words){.follow = STR("false"), .deltas = STR("true"), .batch_ms = STR("99999")});
    assert_true(w != NULL && !w->follow && w->deltas && w->batch_ms == BATCH_MS_MAX);
    assert_null(parse((struct watch_words){.follow = STR("yes")}));
    assert_null(parse((struct watch_words){.deltas = STR("2")}));
    assert_null(parse((struct watch_words){.batch_ms = STR("-1")}));
}

static void the_log_holds_what_follows_a_cursor(void **state UNUSED)
{
    struct position none = {.has_cursor = false, .after = 99}, at = {.has_cursor = true};
    struct err err;

    assert_int_equal(cursor_check(&none, 1, 7, &err), 0);
    for (at.after = 0; at.after <= 7; at.after++)
        assert_int_equal(cursor_check(&at, 1, 7, &err), 0);
    assert_int_equal(cursor_check(&at, 1, 7, &err), -ERR_BAD_REQUEST);
    at.after = UINT64_MAX;
    assert_int_equal(cursor_check(&at, 1, 7, &err), -ERR_BAD_REQUEST);
    at.after = 3;
    assert_int_equal(cursor_check(&at, 5, 7, &err), -ERR_GONE);
    at.after = 4;
    assert_int_equal(cursor_check(&at, 5, 7, &err), 0);
}

static void a_cursor_of_the_feed_is_a_number_or_the_beginning(void **state UNUSED)
{
    uint64_t seq = 9;
    struct err err;

    assert_int_equal(feed_cursor_parse(STR_NULL, STR_NULL, &seq, &err), 0);
    assert_int_equal(seq, 0);
    assert_int_equal(feed_cursor_parse(STR_NULL, STR("12"), &seq, &err), 0);
    assert_int_equal(seq, 12);
    assert_int_equal(feed_cursor_parse(STR("13"), STR("nonsense"), &seq, &err), 0);
    assert_int_equal(seq, 13);
    assert_int_equal(feed_cursor_parse(STR(""), STR("14"), &seq, &err), 0); /* of who has no id yet */
    assert_int_equal(seq, 14);
    assert_int_equal(feed_cursor_parse(STR("-1"), STR("1"), &seq, &err), -ERR_BAD_REQUEST);
    assert_int_equal(feed_cursor_parse(STR_NULL, STR(""), &seq, &err), -ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_words_everything_from_now_on),
        cmocka_unit_test(a_cursor_is_the_number_alone),
        cmocka_unit_test(the_header_wins),
        cmocka_unit_test(a_place_in_the_text_completes_a_cursor),
        cmocka_unit_test(flags_and_the_window),
        cmocka_unit_test(the_log_holds_what_follows_a_cursor),
        cmocka_unit_test(a_cursor_of_the_feed_is_a_number_or_the_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
