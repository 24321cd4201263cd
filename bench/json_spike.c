/* SPDX-License-Identifier: MIT */
/*
 * The measurement behind docs/decisions/0002-json-reader.md: strictness, and microseconds of CPU per
 * parse of one chunk of a provider's stream. From the root of the repository (json-c is needed here only):
 *
 *   gcc -O2 -std=gnu17 -D_GNU_SOURCE -Isrc bench/json_spike.c src/base/{arena,buf,err,json,mem,str,utf8}.c \
 *       -lyajl -ljson-c -lm -o /tmp/json_spike && /tmp/json_spike
 */
#include "base/json.h"
#include "base/str.h"

/* json-c has an enum of that name too. */
#define json_type jsonc_type
#include <json-c/json.h>
#undef json_type
#include <stdio.h>
#include <time.h>
#include <yajl/yajl_parse.h>

#define ROUNDS 200000
#define REPEATS 5
#define TEXT(literal) {(literal), sizeof(literal) - 1}

static const char chunk[] =
    "{\"id\":\"chatcmpl-C9f2aJk3Lm8Qw1Zx7Vb5Nn4Tt6Rr\",\"object\":\"chat.completion.chunk\",\"created\":1758000000,"
    "\"model\":\"gpt-4.1-mini-2025-04-14\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_6f2eabb9a5\","
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" the quick\"},\"logprobs\":null,\"finish_reason\":null}],"
    "\"usage\":null,\"obfuscation\":\"k3Jd9\"}";

/* All of these are wrong; the last rows are right JSON that we do not want. */
static const struct {
    const char *what;
    struct str text;
} refused[] = {
    {"single quotes", TEXT("{'a':1}")},
    {"NaN", TEXT("[NaN]")},
    {"Infinity", TEXT("[-Infinity]")},
    {"raw tab in a string", TEXT("[\"a\tb\"]")},
    {"1.", TEXT("[1.]")},
    {"01", TEXT("[01]")},
    {"+1", TEXT("[+1]")},
    {"trailing comma, array", TEXT("[1,]")},
    {"trailing comma, object", TEXT("{\"a\":1,}")},
    {"comment", TEXT("[1/**/]")},
    {"trailing garbage", TEXT("[1] x")},
    {"\\v as a blank", TEXT("[1,\v2]")},
    {"lone surrogate", TEXT("[\"\\ud800\"]")},
    {"wrong second half", TEXT("[\"\\ud800\\u0041\"]")},
    {"overlong UTF-8", TEXT("[\"\xc0\xaf\"]")},
    {"surrogate in UTF-8", TEXT("[\"\xed\xa0\x80\"]")},
    {"NUL in a name", TEXT("{\"a\\u0000b\":1}")},
    {"name given twice", TEXT("{\"a\":1,\"a\":2}")},
    {"integer above 64 bits", TEXT("[99999999999999999999]")},
    {"real above double", TEXT("[1e999]")},
};

static bool culm_takes(struct str text)
{
    struct json *root;
    struct arena arena;
    bool taken;

    arena_init(&arena);
    taken = json_parse(&arena, text, &root, NULL) == 0;
    arena_done(&arena);
    return taken;
}

static bool yajl_takes(struct str text)
{
    static const yajl_callbacks none = {0};
    yajl_handle h = yajl_alloc(&none, NULL, NULL);
    bool taken = yajl_parse(h, (const unsigned char *)text.p, text.n) == yajl_status_ok &&
                 yajl_complete_parse(h) == yajl_status_ok;

    yajl_free(h);
    return taken;
}

static bool jsonc_takes_with(struct str text, int flags)
{
    struct json_tokener *t = json_tokener_new();
    struct json_object *o;
    bool taken;

    json_tokener_set_flags(t, flags);
    o = json_tokener_parse_ex(t, text.p, (int)text.n);
    taken = json_tokener_get_error(t) == json_tokener_success && json_tokener_get_parse_end(t) == text.n;
    json_object_put(o);
    json_tokener_free(t);
    return taken;
}

static bool jsonc_takes(struct str text)
{
    return jsonc_takes_with(text, 0);
}

static bool jsonc_strict_takes(struct str text)
{
    return jsonc_takes_with(text, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
}

/* The best of a few, so that a busy machine spoils it less. */
static double micros(bool (*takes)(struct str), struct str text)
{
    double best = 1e9;

    for (int k = 0; k < REPEATS; k++) {
        struct timespec from, to;
        double us;
        int taken = 0;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        for (int i = 0; i < ROUNDS; i++)
            taken += takes(text);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        assert(taken == ROUNDS);
        us = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
        best = us / ROUNDS < best ? us / ROUNDS : best;
    }
    return best;
}

int main(void)
{
    static const struct {
        const char *name;
        bool (*takes)(struct str);
    } readers[] = {{"culm", culm_takes},
                   {"yajl alone", yajl_takes},
                   {"json-c", jsonc_takes},
                   {"json-c strict", jsonc_strict_takes}};

    printf("%-24s", "wrongly accepted");
    for (size_t r = 0; r < ARRAY_LEN(readers); r++)
        printf(" %14s", readers[r].name);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        printf("\n%-24s", refused[i].what);
        for (size_t r = 0; r < ARRAY_LEN(readers); r++)
            printf(" %14s", readers[r].takes(refused[i].text) ? "accepted" : "-");
    }
    printf("\n%-24s", "us per chunk");
    for (size_t r = 0; r < ARRAY_LEN(readers); r++)
        printf(" %14.2f", micros(readers[r].takes, STR(chunk)));
    printf("\n(chunk of %zu bytes)\n", sizeof(chunk) - 1);
    return 0;
}
