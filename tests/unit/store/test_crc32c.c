/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "store/sqlite/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The vectors of RFC 3720 B.4, and the usual one. */
static void known_values(void **state UNUSED)
{
    uint8_t bytes[32];

    assert_int_equal(crc32c_add(0, NULL, 0), 0);
    assert_int_equal(crc32c_add(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c_add(0, bytes, sizeof(bytes)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c_add(0, bytes, sizeof(bytes)), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c_add(0, bytes, sizeof(bytes)), 0x46dd794eu);
}

static void parts_give_what_the_whole_gives(void **state UNUSED)
{
    static const char text[] = "one two three four five six seven eight nine ten";
    size_t n = sizeof(text) - 1;

    for (size_t cut = 0; cut <= n; cut++)
        assert_int_equal(crc32c_add(crc32c_add(0, text, cut), text + cut, n - cut), crc32c_add(0, text, n));
    assert_int_equal(crc32c_add_u64(0, 0x3837363534333231u), crc32c_add(0, "12345678", 8));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(parts_give_what_the_whole_gives),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
