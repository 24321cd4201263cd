/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/mem.h"

struct str str_of(const char *s)
{
    return s == NULL ? STR_NULL : (struct str){s, strlen(s)};
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *literal)
{
    return str_eq(a, str_of(literal));
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (d != 0)
        return d;
    return a.n < b.n ? -1 : a.n > b.n;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && blank(s.p[0]))
        s = str_skip(s, 1);
    while (s.n > 0 && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct str str_skip(struct str s, size_t n)
{
    if (n > s.n)
        n = s.n;
    return n == 0 ? s : (struct str){s.p + n, s.n - n};
}

bool str_next(struct str *rest, char sep, struct str *part)
{
    const char *at;

    if (rest->p == NULL)
        return false;
    at = rest->n == 0 ? NULL : memchr(rest->p, sep, rest->n);
    if (at == NULL) {
        *part = *rest;
        *rest = STR_NULL;
    } else {
        *part = (struct str){rest->p, (size_t)(at - rest->p)};
        *rest = str_skip(*rest, part->n + 1);
    }
    return true;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    const char *at;

    if (needle.n == 0)
        return 0;
    if (s.n < needle.n)
        return -1;
    at = memmem(s.p, s.n, needle.p, needle.n);
    return at == NULL ? -1 : at - s.p;
}

int str_find_word(const char *const *words, struct str s)
{
    for (int i = 0; words[i] != NULL; i++)
        if (str_is(s, words[i]))
            return i;
    return -1;
}

bool str_copy(char *dst, size_t size, struct str s)
{
    size_t n = s.n < size ? s.n : size - 1;

    assert(size > 0);
    if (n > 0)
        memcpy(dst, s.p, n);
    dst[n] = '\0';
    return n == s.n;
}

struct str str_put(struct str s, char **at)
{
    struct str copy = {*at, s.n};

    if (s.n == 0)
        return s.p == NULL ? STR_NULL : (struct str){"", 0};
    memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > 20)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool minus = s.n > 0 && s.p[0] == '-';
    uint64_t v;

    if (!str_to_u64(minus ? str_skip(s, 1) : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + (minus ? 1 : 0))
        return false;
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

size_t str_distance(struct str a, struct str b)
{
    size_t *row = mem_alloc((b.n + 1) * sizeof(*row));
    size_t result;

    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    result = row[b.n];
    mem_free(row);
    return result;
}

/* FNV-1a with a finisher: maps are seeded at start, so peers cannot aim at a bucket. */
uint64_t str_hash(struct str s, uint64_t seed)
{
    uint64_t h = seed ^ 0xcbf29ce484222325u;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}
