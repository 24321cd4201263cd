/* SPDX-License-Identifier: MIT */
#include "app/when.h"
#include "base/clock.h"
#include "temporary.h"

static void assert_age(int64_t age_ms, const char *wanted)
{
    const int64_t now = 1700000000000;
    char text[WHEN_TEXT];

    when_age(now - age_ms, now, text);
    assert_string_equal(text, wanted);
}

static void what_the_server_writes_is_read(void **state UNUSED)
{
    const int64_t at = 1795262523123;
    char text[CLOCK_TEXT];
    int64_t read = 0;

    clock_text(at, text);
    assert_true(when_parse(str_of(text), &read));
    assert_int_equal(read, at);
    assert_true(when_parse(STR("2023-11-14T23:13:20+01:00"), &read));
    assert_int_equal(read, 1700000000000);
    assert_true(when_parse(STR("2023-11-14T22:13:20.5Z"), &read));
    assert_int_equal(read, 1700000000500);
    assert_true(when_parse(STR("2023-11-14T22:13:20.123456789Z"), &read));
    assert_int_equal(read, 1700000000123);
}

static void a_time_of_no_year_is_written_as_the_nearest_that_can_be(void **state UNUSED)
{
    static const struct {
        int64_t at;
        const char *text;
    } table[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {-1, "1969-12-31T23:59:59.999Z"},
                 {INT64_MIN, "1000-01-01T00:00:00.000Z"},
                 {INT64_MAX, "9999-12-31T23:59:59.999Z"}};
    char text[CLOCK_TEXT];

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        clock_text(table[i].at, text);
        assert_string_equal(text, table[i].text);
    }
}

static void what_is_no_time_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"",
                                      "2023-11-14",
                                      "2023-11-14T22:13:20",
                                      "2023-11-14T22:13:20X",
                                      "2023-11-14T22:13:20+1",
                                      "nonsense",
                                      "2023-11-14T22:13:20Z and a tail that goes on and on and on and on and on"};
    int64_t read = 7;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(when_parse(str_of(bad[i]), &read));
    assert_int_equal(read, 7);
}

static void ages_have_one_unit(void **state UNUSED)
{
    assert_age(-5000, "now");
    assert_age(999, "now");
    assert_age(1000, "1 s");
    assert_age(59999, "59 s");
    assert_age(60000, "1 min");
    assert_age(3600 * 1000, "1 h");
    assert_age(47 * 3600 * 1000, "1 d");
    assert_age(400LL * 86400 * 1000, "400 d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_server_writes_is_read),
        cmocka_unit_test(a_time_of_no_year_is_written_as_the_nearest_that_can_be),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(ages_have_one_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
