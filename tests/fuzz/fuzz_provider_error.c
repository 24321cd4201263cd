/* SPDX-License-Identifier: MIT */
/*
 * What a provider says went wrong: two lines that say how long to wait, then the body. The quotation is short, shows no
 * key and nothing that a terminal obeys.
 */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "model/provider_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY "sk-CANARY"
#define QUOTE_MOST (160 + 3) /* "..." where it was cut */

static void check_quote(struct str text)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct str quote;

    provider_quote(text, KEY, &out);
    quote = buf_str(&out);
    CHECK(quote.n <= QUOTE_MOST && utf8_is_valid(quote) && str_find(quote, STR(KEY)) < 0);
    for (size_t i = 0; i < quote.n; i++) {
        unsigned char c = (unsigned char)quote.p[i], next = i + 1 < quote.n ? (unsigned char)quote.p[i + 1] : 0xff;

        CHECK(c >= 0x20 && c != 0x7f && !(c == 0xc2 && next < 0xa0));
    }
}

static void check_error(struct str body)
{
    struct provider_error e = {.status = 0};
    struct json *node = NULL;
    struct err err;
    struct arena a;

    arena_init(&a);
    if (json_parse(&a, body, &node, &err) == 0 && provider_error_find(node, &e)) {
        CHECK(e.status == 0 || (e.status >= 300 && e.status <= 599));
        CHECK(utf8_is_valid(e.code) && utf8_is_valid(e.type) && utf8_is_valid(e.message));
        check_quote(e.message);
    }
    CHECK(failure_names[provider_error_failure(&e)] != NULL);
    CHECK(provider_error_remedy(&e) != NULL);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size}, after_ms = STR_NULL, after = STR_NULL;

    check_quote(rest);
    (void)str_next(&rest, '\n', &after_ms);
    (void)str_next(&rest, '\n', &after);
    CHECK(provider_retry_after(after_ms, after, INT64_C(1700000000000)) >= 0);
    check_error(rest);
    return 0;
}
