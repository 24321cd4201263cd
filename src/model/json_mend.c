/* SPDX-License-Identifier: MIT */
#include "model/json_mend.h"

#include "base/str.h"

#define UNIT 6 /* bytes of \uXXXX */

/* The UTF-16 unit that an escape stands for, or 0. */
static unsigned unit_at(struct str s, size_t i)
{
    unsigned v = 0;

    if (i + UNIT > s.n || s.p[i] != '\\' || s.p[i + 1] != 'u')
        return 0;
    for (size_t k = i + 2; k < i + UNIT; k++) {
        unsigned c = (unsigned char)s.p[k];
        unsigned low = c | 0x20u;

        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (low - 'a' + 10);
        else
            return 0;
    }
    return v;
}

static bool is_high(unsigned unit)
{
    return (unit & 0xfc00) == 0xd800;
}

static bool is_low(unsigned unit)
{
    return (unit & 0xfc00) == 0xdc00;
}

/* Copies the escape at s[i] and returns its length. */
static size_t mend_escape(struct str s, size_t i, struct buf *out, bool *replaced)
{
    unsigned unit = unit_at(s, i);
    size_t n = unit != 0 ? UNIT : 2;

    if (is_high(unit) && is_low(unit_at(s, i + UNIT))) {
        n = (size_t)2 * UNIT;
    } else if (is_high(unit) || is_low(unit)) {
        buf_add_str(out, STR("\\ufffd"));
        *replaced = true;
        return UNIT;
    }
    if (n > s.n - i)
        n = s.n - i;
    buf_add(out, s.p + i, n);
    return n;
}

bool json_mend(struct str text, struct buf *out)
{
    bool replaced = false;

    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.p[i];

        if (c >= 0x80) {
            buf_add(out, (char[]){'\xf4', '\x8f', (char)(0xbe | (c >> 6 & 1)), (char)(0x80 | (c & 0x3f))}, 4);
            i++;
        } else if (c == '\\' && i + 1 < text.n && (unsigned char)text.p[i + 1] < 0x80) {
            i += mend_escape(text, i, out, &replaced);
        } else {
            buf_add_char(out, text.p[i++]);
        }
    }
    return replaced;
}

struct str json_unmend(struct str text, struct arena *a)
{
    char *out;
    size_t n = 0;

    if (text.n == 0)
        return text;
    out = arena_alloc(a, text.n);
    for (size_t i = 0; i < text.n; n++) {
        if (i + 4 <= text.n &&
            (memcmp(text.p + i, "\xf4\x8f\xbe", 3) == 0 || memcmp(text.p + i, "\xf4\x8f\xbf", 3) == 0)) {
            out[n] = (char)(0x80 | (text.p[i + 2] & 1) << 6 | (text.p[i + 3] & 0x3f));
            i += 4;
        } else {
            out[n] = text.p[i++];
        }
    }
    return (struct str){out, n};
}
