/* SPDX-License-Identifier: MIT */
/*
 * Decoding of paths and queries: what comes out is UTF-8 without NUL and never longer than what went in; of a query
 * that cannot be decoded the parameter is named.
 */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In a sound query each pair can be decoded; in another one the name that is told is in it, up to its value. */
static void check_soundness(struct str query)
{
    struct str rest = query, pair, bad = STR_NULL;
    bool sound = http_query_is_sound(query, &bad), all = true;

    while (str_next(&rest, '&', &pair)) {
        struct str value = pair, name;
        struct buf out CLEANUP(buf_done) = BUF_INIT;

        CHECK(str_next(&value, '=', &name));
        all = all && http_decode(name, true, &out) && (value.p == NULL || http_decode(value, true, &out));
        if (!all) {
            CHECK(!sound && bad.p == name.p && bad.n == name.n);
            return;
        }
    }
    CHECK(sound && bad.p == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct buf out CLEANUP(buf_done) = BUF_INIT;

    for (int is_query = 0; is_query < 2; is_query++) {
        buf_clear(&out);
        if (!http_decode(in, is_query != 0, &out))
            continue;
        CHECK(out.n <= in.n);
        CHECK(out.n == 0 || memchr(out.p, '\0', out.n) == NULL);
        CHECK(utf8_is_valid(buf_str(&out)));
    }
    if (http_query_find(in, "a", &out))
        CHECK(out.n < in.n && (out.n == 0 || utf8_is_valid(buf_str(&out))));
    check_soundness(in);
    return 0;
}
