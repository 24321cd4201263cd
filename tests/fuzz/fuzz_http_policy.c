/* SPDX-License-Identifier: MIT */
/*
 * The framing policy: whatever it accepts holds what it promises, however the bytes are cut, the
 * HTTP library understands its target (it would answer itself), and a chunked body ends at the same
 * place whole or byte by byte.
 */
#include "base/limits.h"
#include "base/str.h"
#include "net/http_policy.h"

#include <event2/http.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_target(struct str target)
{
    char text[LIMIT_URI_BYTES + 1];
    struct evhttp_uri *uri;

    assert(str_copy(text, sizeof(text), target));
    uri = evhttp_uri_parse_with_flags(text, EVHTTP_URI_NONCONFORMANT);
    assert(uri != NULL);
    evhttp_uri_free(uri);
}

static void check_head(struct str bytes)
{
    size_t end = http_head_end(bytes, 0);
    struct http_head head;
    const char *why;

    for (size_t cut = 0; cut <= bytes.n; cut++) {
        struct str part = {bytes.p, cut};

        assert((http_head_end(part, 0) > 0) == (end > 0 && cut >= end));
        if (cut < end || end == 0)
            assert(http_head_end(bytes, cut) == end);
    }
    if (end == 0 || http_head_check((struct str){bytes.p, end}, &head, &why) != 0)
        return;
    assert(memchr(bytes.p, '\0', end) == NULL);
    assert(head.method.n > 0 && head.target.n > 0 && head.target.n <= LIMIT_URI_BYTES);
    assert(!head.is_chunked || (head.content_length == 0 && !head.is_http10));
    assert(str_find(head.target, STR("%00")) < 0);
    check_target(head.target);
}

static void check_chunks(struct str bytes)
{
    struct http_chunks whole = {0}, single = {0};
    enum http_chunks_next expected, next = HTTP_CHUNKS_MORE;
    size_t whole_used = 0, used = 0, at = 0;

    expected = http_chunks_feed(&whole, bytes, &whole_used);
    while (next == HTTP_CHUNKS_MORE && at < bytes.n) {
        next = http_chunks_feed(&single, (struct str){bytes.p + at, 1}, &used);
        at += used;
    }
    assert(next == expected);
    assert(at == whole_used);
    assert(single.body_bytes == whole.body_bytes && single.state == whole.state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};

    if (size > 4096)
        return 0;
    check_head(bytes);
    check_chunks(bytes);
    return 0;
}
