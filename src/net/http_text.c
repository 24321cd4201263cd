/* SPDX-License-Identifier: MIT */
#include "net/http.h"

#include "base/str.h"
#include "base/utf8.h"
#include "net/http_policy.h"

bool http_decode(struct str in, bool is_query, struct buf *out)
{
    size_t start = out->n;

    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '%') {
            int high = i + 2 < in.n ? http_hex_value(in.p[i + 1]) : -1;
            int low = high >= 0 ? http_hex_value(in.p[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        buf_add_char(out, c);
    }
    return !out->full && (out->n == start || utf8_is_valid((struct str){out->p + start, out->n - start}));
}

bool http_query_is_sound(struct str query, struct str *bad)
{
    struct str rest = query, pair;

    while (str_next(&rest, '&', &pair)) {
        struct buf decoded CLEANUP(buf_done) = BUF_INIT;

        if (http_decode(pair, true, &decoded))
            continue;
        (void)str_next(&pair, '=', bad);
        return false;
    }
    return true;
}

bool http_query_find(struct str query, const char *name, struct buf *out)
{
    struct str rest = query, pair;

    while (str_next(&rest, '&', &pair)) {
        struct str value = pair, key;
        struct buf decoded CLEANUP(buf_done) = BUF_INIT;

        if (!str_next(&value, '=', &key) || !http_decode(key, true, &decoded) || !str_is(buf_str(&decoded), name))
            continue;
        buf_clear(out);
        if (http_decode(value, true, out))
            return true;
        buf_clear(out);
        return false;
    }
    return false;
}
