/* SPDX-License-Identifier: MIT */
/* The first byte says how the rest is cut into pieces; repair must not depend on it. */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* By value, not by table: another road to the same answer. */
static bool is_valid_slowly(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = p[i] < 0x80 ? 1 : p[i] >> 5 == 6 ? 2 : p[i] >> 4 == 14 ? 3 : p[i] >> 3 == 30 ? 4 : 0;
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t c;

        if (len == 0 || len > n - i)
            return false;
        c = len == 1 ? p[i] : p[i] & (0x7fu >> len);
        for (size_t k = 1; k < len; k++) {
            if (p[i + k] >> 6 != 2)
                return false;
            c = c << 6 | (p[i + k] & 0x3fu);
        }
        if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
        i += len;
    }
    return true;
}

static bool repair(struct str text, size_t step, struct buf *out)
{
    struct utf8_repair r = {.n = 0};

    for (size_t i = 0; i < text.n; i += step)
        utf8_repair_add(&r, (struct str){text.p + i, text.n - i < step ? text.n - i : step}, out);
    utf8_repair_end(&r, out);
    CHECK(r.n == 0);
    return r.repaired;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_done) struct buf whole = BUF_INIT;
    CLEANUP(buf_done) struct buf pieces = BUF_INIT;
    struct str text;
    bool valid, repaired;

    if (size == 0)
        return 0;
    text = (struct str){(const char *)data + 1, size - 1};
    valid = utf8_is_valid(text);
    CHECK(valid == is_valid_slowly(data + 1, size - 1));
    repaired = repair(text, size, &whole);
    CHECK(repaired == !valid);
    CHECK(utf8_is_valid(buf_str(&whole)) && whole.n <= 3 * text.n);
    CHECK(!valid || str_eq(buf_str(&whole), text));
    CHECK(repair(text, 1 + data[0] % 7u, &pieces) == repaired);
    CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
    for (size_t limit = 0; limit <= whole.n && limit < 64; limit++) {
        size_t n = utf8_floor(buf_str(&whole), limit);

        CHECK(n <= limit && limit - n < 4 && utf8_is_valid((struct str){whole.p, n}));
    }
    return 0;
}
