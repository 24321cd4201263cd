/* SPDX-License-Identifier: MIT */
#include "face/request_key.h"

#include "base/str.h"
#include "face/bamboo/bamboo.h"

#include <sodium.h>

#define FINGERPRINT_BYTES 16

bool request_key_read(struct exchange *x)
{
    if ((x->route->flags & ROUTE_KEYED) == 0)
        return true;
    return exchange_header_word(x, "Idempotency-Key", LIMIT_KEY_CHARS, "invalid_idempotency_key", &x->key);
}

/* Texts of any length side by side: each brings its own. */
static void add(crypto_generichash_state *h, struct str s)
{
    uint64_t n = s.n;

    crypto_generichash_update(h, (const uint8_t *)&n, sizeof(n));
    crypto_generichash_update(h, (const uint8_t *)s.p, s.n);
}

/* Where the same function answers on several paths, the first of them stands for all. */
static const struct route *first_mount(const struct route *r)
{
    for (size_t i = 0; i < bamboo_routes_count; i++)
        if (bamboo_routes[i].handle == r->handle && bamboo_routes[i].method == r->method)
            return &bamboo_routes[i];
    return r;
}

void request_key_take_fingerprint(struct exchange *x)
{
    static const char *const meaning[] = {"Bamboo-Run-Id", "If-Match"};
    struct buf names CLEANUP(buf_done) = BUF_INIT;
    uint8_t hash[FINGERPRINT_BYTES];
    char *text = arena_alloc(&x->arena, 2 * sizeof(hash) + 1);
    crypto_generichash_state h;

    crypto_generichash_init(&h, NULL, 0, sizeof(hash));
    add(&h, str_of(route_method_name(x->route->method)));
    add(&h, str_of(first_mount(x->route)->path));
    route_write_parameters(x->route, http_request_path(x->req), &names);
    add(&h, buf_str(&names));
    add(&h, http_request_query(x->req));
    for (size_t i = 0; i < ARRAY_LEN(meaning); i++)
        add(&h, exchange_header(x, meaning[i]));
    add(&h, http_request_body(x->req));
    crypto_generichash_final(&h, hash, sizeof(hash));
    sodium_bin2hex(text, 2 * sizeof(hash) + 1, hash, sizeof(hash));
    x->fingerprint = str_of(text);
}

bool request_key_refused(struct exchange *x, const struct reply *reply)
{
    switch (reply->kind) {
    case REPLY_KEY_REUSED:
        exchange_fail_as(x, 409, "idempotency_key_reused",
                         "Idempotency-Key: this key was used for another request; a repeat must be the same in route "
                         "and body, and another request needs a key of its own.");
        return true;
    case REPLY_KEY_EXPIRED:
        exchange_fail_as(x, 410, "idempotency_key_expired",
                         "Idempotency-Key: a request was made under this key more than 24 hours ago, and its reply is "
                         "not kept any more; look at what is there, and use a new key for a new request.");
        return true;
    case REPLY_NO_RECEIPT:
        if (x->refusal.answer != NULL)
            x->refusal.answer(x);
        else
            exchange_fail_as(x, x->refusal.status, x->refusal.code, x->refusal.text);
        return true;
    default:
        return false;
    }
}
