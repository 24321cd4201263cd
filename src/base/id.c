/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/str.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static void random_bytes(void *p, size_t n)
{
    /* Up to 256 bytes are never cut short once the pool is ready (getrandom(2)). */
    if (getrandom(p, n, 0) != (ssize_t)n)
        abort();
}

static void format(const uint8_t raw[16], int version, char out[ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t b[16];
    char *at = out;

    memcpy(b, raw, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | (version << 4));
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[b[i] >> 4];
        *at++ = digits[b[i] & 0xf];
    }
    *at = '\0';
}

void id_random(char out[ID_TEXT])
{
    uint8_t raw[16];

    random_bytes(raw, sizeof(raw));
    format(raw, 4, out);
}

uint64_t id_random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof(v));
    return v;
}

void id_derive(uint64_t key, const char *kind, uint32_t a, uint32_t b, uint32_t c, char out[ID_TEXT])
{
    uint8_t raw[16];
    char name[96];
    int n = snprintf(name, sizeof(name), "%016" PRIx64 "/%s/%u/%u/%u", key, kind, a, b, c);

    assert(n > 0 && (size_t)n < sizeof(name));
    crypto_generichash(raw, sizeof(raw), (const uint8_t *)name, (unsigned long long)n, NULL, 0);
    format(raw, 8, out);
}

bool id_is_valid(struct str id)
{
    if (id.n == 0 || id.n > ID_MAX || str_is(id, ".") || str_is(id, ".."))
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == ':' || c == '-';

        if (!ok)
            return false;
    }
    return true;
}
