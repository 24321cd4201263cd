/* SPDX-License-Identifier: MIT */
#include "base/micros.h"

enum { DIGITS = 6 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool micros_read(struct str s, int64_t *out)
{
    int64_t micros = 0;
    int after = -1; /* digits behind the point; -1: there was no point */

    for (size_t i = 0; i < s.n; i++) {
        bool is_point = s.p[i] == '.' && after < 0 && i > 0;

        if (!is_point && (!is_digit(s.p[i]) || after == DIGITS))
            return false;
        if (is_point) {
            after = 0;
            continue;
        }
        if (__builtin_mul_overflow(micros, 10, &micros) || __builtin_add_overflow(micros, s.p[i] - '0', &micros))
            return false;
        after += after >= 0;
    }
    if (s.n == 0 || after == 0)
        return false;
    for (int i = after < 0 ? 0 : after; i < DIGITS; i++)
        if (__builtin_mul_overflow(micros, 10, &micros))
            return false;
    *out = micros;
    return true;
}

void micros_write(int64_t micros, struct buf *out)
{
    int64_t whole = micros / MICROS_PER_ONE, rest = micros % MICROS_PER_ONE;

    assert(micros >= 0);
    buf_addf(out, "%" PRId64, whole);
    if (rest > 0)
        buf_add_char(out, '.');
    for (int64_t unit = MICROS_PER_ONE / 10; rest > 0; unit /= 10) {
        buf_add_char(out, (char)('0' + rest / unit));
        rest %= unit;
    }
}
