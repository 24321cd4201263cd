/* SPDX-License-Identifier: MIT */
/* Decoding of paths and queries: what comes out is UTF-8 without NUL and never longer than what went in. */
#include "base/str.h"
#include "base/utf8.h"
#include "net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct buf out CLEANUP(buf_done) = BUF_INIT;

    for (int is_query = 0; is_query < 2; is_query++) {
        buf_clear(&out);
        if (!http_decode(in, is_query != 0, &out))
            continue;
        assert(out.n <= in.n);
        assert(out.n == 0 || memchr(out.p, '\0', out.n) == NULL);
        assert(utf8_is_valid(buf_str(&out)));
    }
    if (http_query_find(in, "a", &out))
        assert(out.n < in.n && (out.n == 0 || utf8_is_valid(buf_str(&out))));
    return 0;
}
