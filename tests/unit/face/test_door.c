/* SPDX-License-Identifier: MIT */
#include "face/door.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define TOKEN "0123456789abcdef"
#define BEARER "Bearer " TOKEN
#define JSON "application/json"

/* A row is what differs from a sound POST from a TCP peer far away, and the status it comes to. */
struct row {
    const char *what;
    int status;
    const char *host, *origin, *fetch_site, *authorization, *content_type;
    bool is_unix, peer_is_self, peer_is_loopback, is_public, open_loopback, no_token, no_json;
    enum http_method method;
    const char *preflight;
    size_t body_bytes;
    enum door_credential credential;
    bool cors;
};

#define OK(...) .status = 0, .credential = DOOR_TOKEN, __VA_ARGS__

static const struct row rows[] = {
    /* Host */
    {"our name", OK(.host = "localhost:9562")},
    {"our name in capitals", OK(.host = "LocalHost:9562")},
    {"our address", OK(.host = "127.0.0.1:9562")},
    {"our address, version 6", OK(.host = "[::1]:9562")},
    {"a configured name", OK(.host = "culm.example.org")},
    {"a configured name with a port", OK(.host = "culm.example.org:443")},
    {"a configured name with its port", OK(.host = "bound.example.org:8443")},
    {"another port of that", 421, .host = "bound.example.org:8444"},
    {"our name without port", 421, .host = "localhost"},
    {"our name with another port", 421, .host = "localhost:80"},
    {"somebody else's name", 421, .host = "evil.example:9562"},
    {"a name that ends in ours", 421, .host = "evil.example.localhost:9562"},
    {"a name that begins with ours", 421, .host = "localhost.evil.example:9562"},
    {"our name with a dot", 421, .host = "localhost.:9562"},
    {"any address", 421, .host = "0.0.0.0:9562"},
    {"no name", 421, .host = ""},
    {"the Unix socket takes any", .status = 0, .host = "evil.example", .is_unix = true, .peer_is_self = true,
     .authorization = "", .credential = DOOR_BYPASS},
    {"public paths too want it", 421, .host = "evil.example:9562", .is_public = true},
    {"before origin, credential and type", 421, .host = "evil.example", .origin = "https://evil.example",
     .authorization = "", .content_type = "text/plain"},

    /* Origin */
    {"our own page", OK(.origin = "http://localhost:9562")},
    {"our own page behind TLS", OK(.host = "culm.example.org", .origin = "https://culm.example.org")},
    {"a configured origin", OK(.origin = "https://page.example.org", .cors = true)},
    {"a configured origin of another site",
     OK(.origin = "https://page.example.org", .fetch_site = "cross-site", .cors = true)},
    {"another origin", 403, .origin = "https://evil.example"},
    {"another port of this machine", 403, .origin = "http://localhost:3000"},
    {"another of our names", 403, .origin = "http://127.0.0.1:9562"},
    {"a configured origin with a tail", 403, .origin = "https://page.example.org.evil.example"},
    {"an opaque origin", 403, .origin = "null"},
    {"an empty origin", 403, .origin = ""},
    {"a load by another site", 403, .fetch_site = "cross-site"},
    {"a load by another port", 403, .fetch_site = "same-site"},
    {"a load by our page", OK(.fetch_site = "same-origin")},
    {"a load by the person", OK(.fetch_site = "none")},
    {"before credential and type", 403, .origin = "null", .authorization = "", .content_type = "text/plain"},
    {"also on the Unix socket", 403, .is_unix = true, .peer_is_self = true, .origin = "https://evil.example"},
    {"also on public paths", 403, .is_public = true, .origin = "https://evil.example"},
    {"also with an open loopback", 403, .open_loopback = true, .peer_is_loopback = true, .origin = "null"},

    /* credential */
    {"the token", OK(.authorization = BEARER)},
    {"the token, scheme in capitals", OK(.authorization = "BEARER " TOKEN)},
    {"the token with room around it", OK(.authorization = "Bearer   " TOKEN " ")},
    {"none", 401, .authorization = ""},
    {"the token alone", 401, .authorization = TOKEN},
    {"another scheme", 401, .authorization = "Basic " TOKEN},
    {"another token", 401, .authorization = "Bearer 0123456789abcdee"},
    {"the token and more", 401, .authorization = BEARER "0"},
    {"the token's beginning", 401, .authorization = "Bearer 0123456789abcde"},
    {"a scheme without token", 401, .authorization = "Bearer "},
    {"no token is configured", 401, .no_token = true, .authorization = "Bearer "},
    {"no token is configured and one is shown", 401, .no_token = true},
    {"a public path without", .status = 0, .is_public = true, .authorization = "", .credential = DOOR_NONE},
    {"a public path with", OK(.is_public = true)},
    {"our own user on the Unix socket", .status = 0, .is_unix = true, .peer_is_self = true, .authorization = "",
     .credential = DOOR_BYPASS},
    {"another user on the Unix socket", 401, .is_unix = true, .authorization = ""},
    {"another user on the Unix socket with the token", OK(.is_unix = true)},
    {"loopback alone is nothing", 401, .peer_is_loopback = true, .authorization = ""},
    {"an open loopback without", .status = 0, .open_loopback = true, .peer_is_loopback = true, .authorization = "",
     .credential = DOOR_BYPASS},
    {"an open loopback with another", .status = 0, .open_loopback = true, .peer_is_loopback = true,
     .authorization = "Bearer sk-other", .credential = DOOR_BYPASS},
    {"an open loopback from elsewhere", 401, .open_loopback = true, .authorization = ""},
    {"before type", 401, .authorization = "", .content_type = "text/plain"},

    /* content type */
    {"JSON", OK(.content_type = JSON)},
    {"JSON in UTF-8", OK(.content_type = "application/json; charset=utf-8")},
    {"JSON in quotes", OK(.content_type = "application/json;charset=\"UTF-8\"")},
    {"JSON with another parameter", OK(.content_type = "application/json; profile=x")},
    {"JSON in capitals", OK(.content_type = "Application/JSON")},
    {"JSON with an open end", OK(.content_type = "application/json;")},
    {"JSON in another charset", 415, .content_type = "application/json; charset=latin1"},
    {"text", 415, .content_type = "text/plain"},
    {"a form", 415, .content_type = "application/x-www-form-urlencoded"},
    {"a longer name", 415, .content_type = "application/jsonp"},
    {"JSON in a list", 415, .content_type = "text/plain, application/json"},
    {"no type", 415, .content_type = ""},
    {"no type and no body", OK(.content_type = "", .body_bytes = SIZE_MAX)},
    {"a route without body", OK(.content_type = "text/plain", .no_json = true)},

    /* preflight */
    {"a preflight of a configured origin", .status = 0, .method = HTTP_OPTIONS, .origin = "https://page.example.org",
     .preflight = "POST", .authorization = "", .credential = DOOR_NONE, .cors = true},
    {"a preflight of another", 403, .method = HTTP_OPTIONS, .origin = "https://evil.example", .preflight = "POST"},
    {"OPTIONS that is none", 401, .method = HTTP_OPTIONS, .authorization = ""},
};

static struct str or_default(const char *given, const char *fallback)
{
    struct str s = str_of(given != NULL ? given : fallback);

    return given != NULL && given[0] == '\0' && fallback != NULL ? STR_NULL : s;
}

static void check_row(const struct row *r)
{
    static const char *const hosts[] = {"culm.example.org", "bound.example.org:8443", NULL};
    static const char *const origins[] = {"https://page.example.org", NULL};
    struct door_rules rules = {.hosts = hosts, .origins = origins, .open_loopback = r->open_loopback};
    struct verdict v;
    struct knock k = {
        .method = r->method == 0 ? HTTP_POST : r->method,
        .is_unix = r->is_unix,
        .peer_is_self = r->peer_is_self,
        .peer_is_loopback = r->peer_is_loopback,
        .is_public = r->is_public,
        .takes_json = !r->no_json,
        .port = 9562,
        .body_bytes = r->body_bytes == 0          ? 2
                      : r->body_bytes == SIZE_MAX ? 0
                                                  : r->body_bytes,
        .host = or_default(r->host, "localhost:9562"),
        .origin = str_of(r->origin),
        .fetch_site = str_of(r->fetch_site),
        .authorization = or_default(r->authorization, BEARER),
        .content_type = or_default(r->content_type, JSON),
        .preflight_method = str_of(r->preflight),
    };

    if (!r->no_token)
        door_set_token(&rules, STR(TOKEN));
    door_check(&rules, &k, &v);
    if ((v.code == ERR_OK ? 0 : err_http_status(v.code)) != r->status)
        fail_msg("%s: %d instead of %d", r->what, err_http_status(v.code), r->status);
    if (r->status != 0) {
        assert_non_null(v.why);
        return;
    }
    if (v.credential != r->credential || v.cors != r->cors || v.preflight != (r->preflight != NULL))
        fail_msg("%s: credential %d, cors %d, preflight %d", r->what, (int)v.credential, v.cors, v.preflight);
}

static void every_row_of_the_door(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

static void port_80_needs_no_port_in_host(void **state UNUSED)
{
    struct door_rules rules = {.has_token = false};
    struct knock k = {.port = 80, .host = STR("localhost"), .is_public = true};
    struct verdict v;

    door_check(&rules, &k, &v);
    assert_int_equal(v.code, ERR_OK);
    k.port = 8080;
    door_check(&rules, &k, &v);
    assert_int_equal(v.code, ERR_MISDIRECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_door),
        cmocka_unit_test(port_80_needs_no_port_in_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
