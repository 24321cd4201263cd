/* SPDX-License-Identifier: MIT */
/*
 * The door, by the headers of a request, a line each: "-" is an empty one, an empty line none at all. The first byte
 * says what else is known. Nobody comes in who may not, by a reading of the rules that looks at nothing but them.
 */
#include "base/str.h"
#include "check.h"
#include "face/door.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOKEN "0123456789abcdef"
#define HOST "culm.example.org"
#define ORIGIN "https://page.example"

static const char *const hosts[] = {HOST, NULL}, *const origins[] = {ORIGIN, NULL};

static struct str next_line(struct str *rest)
{
    struct str line = STR_NULL;

    if (!str_next(rest, '\n', &line) || line.n == 0)
        return STR_NULL;
    return str_is(line, "-") ? STR("") : line;
}

static bool begins_with(struct str s, const char *word)
{
    return s.n >= strlen(word) && str_eq_nocase((struct str){s.p, strlen(word)}, str_of(word));
}

static bool is_one_of_ours(struct str host)
{
    return str_eq_nocase(host, STR("localhost:9562")) || str_eq_nocase(host, STR("127.0.0.1:9562")) ||
           str_eq_nocase(host, STR("[::1]:9562")) || str_eq_nocase(host, STR(HOST)) || begins_with(host, HOST ":");
}

static void check_who_came_in(const struct door_rules *rules, const struct knock *k, const struct verdict *v)
{
    CHECK(k->is_unix || is_one_of_ours(k->host));
    CHECK(k->is_public || v->preflight || v->credential != DOOR_NONE);
    CHECK(v->credential != DOOR_TOKEN || str_find(k->authorization, STR(TOKEN)) >= 0);
    CHECK(v->credential != DOOR_BYPASS || (k->is_unix ? k->peer_is_self : rules->open_loopback && k->peer_is_loopback));
    CHECK(k->origin.p == NULL || str_is(k->origin, ORIGIN) ||
          (str_has_prefix(k->origin, STR("http")) && k->origin.n > k->host.n));
    if (k->takes_json && k->body_bytes > 0 && !v->preflight)
        CHECK(begins_with(str_trim(k->content_type), "application/json"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct door_rules rules = {.hosts = hosts, .origins = origins};
    struct verdict v;
    struct str rest;
    struct knock k;

    if (size == 0)
        return 0;
    rest = (struct str){(const char *)data + 1, size - 1};
    rules.open_loopback = (data[0] & 1) != 0;
    door_set_token(&rules, STR(TOKEN));
    k = (struct knock){.method = (data[0] & 2) != 0 ? HTTP_OPTIONS : HTTP_POST,
                       .is_unix = (data[0] & 4) != 0,
                       .peer_is_self = (data[0] & 8) != 0,
                       .peer_is_loopback = (data[0] & 16) != 0,
                       .is_public = (data[0] & 32) != 0,
                       .takes_json = (data[0] & 64) != 0,
                       .body_bytes = (data[0] & 128) != 0 ? 2 : 0,
                       .port = 9562};
    k.host = next_line(&rest);
    k.origin = next_line(&rest);
    k.fetch_site = next_line(&rest);
    k.authorization = next_line(&rest);
    k.content_type = next_line(&rest);
    k.preflight_method = next_line(&rest);
    door_check(&rules, &k, &v);
    CHECK(v.cors == false || str_is(k.origin, ORIGIN));
    CHECK(!v.preflight || (v.cors && k.method == HTTP_OPTIONS));
    if (v.code == ERR_OK)
        check_who_came_in(&rules, &k, &v);
    else
        CHECK(v.why != NULL && v.why[0] != '\0');
    return 0;
}
