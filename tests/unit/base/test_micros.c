/* SPDX-License-Identifier: MIT */
#include "base/micros.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void amounts_are_read_exactly_and_written_shortest(void **state UNUSED)
{
    static const struct {
        const char *text;
        int64_t micros;
        const char *written;
    } table[] = {
        {"0", 0, "0"},
        {"0.0", 0, "0"},
        {"1", 1000000, "1"},
        {"1.25", 1250000, "1.25"},
        {"0.000001", 1, "0.000001"},
        {"0.1", 100000, "0.1"},
        {"10.500000", 10500000, "10.5"},
        {"007", 7000000, "7"},
        {"3.100001", 3100001, "3.100001"},
        {"9223372036854.775807", INT64_MAX, "9223372036854.775807"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf out = BUF_INIT;
        int64_t micros = -1;

        assert_true(micros_read(str_of(table[i].text), &micros));
        assert_true(micros == table[i].micros);
        micros_write(micros, &out);
        assert_string_equal(out.p, table[i].written);
    }
}

static void what_is_no_plain_amount_is_refused(void **state UNUSED)
{
    static const char *const table[] = {"",
                                        ".",
                                        "1.",
                                        ".5",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1,5",
                                        "1.2.3",
                                        "1e3",
                                        "0x1",
                                        "NaN",
                                        "0.0000001",
                                        "1.0000000",
                                        "9223372036854.775808",
                                        "9223372036855",
                                        "99999999999999999999"};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int64_t micros = -1;

        if (micros_read(str_of(table[i]), &micros) || micros != -1)
            fail_msg("\"%s\" was read as %" PRId64, table[i], micros);
    }
    assert_false(micros_read(STR_NULL, &(int64_t){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_read_exactly_and_written_shortest),
        cmocka_unit_test(what_is_no_plain_amount_is_refused),
    };

    return cmocka_run_group_tests_name("micros", tests, NULL, NULL);
}
