/* SPDX-License-Identifier: MIT */
#include "face/door.h"

#include "base/str.h"

#include <sodium.h>
#include <stdio.h>

_Static_assert(DOOR_HASH_BYTES == crypto_generichash_BYTES, "the hash that is compared");

static void hash(struct str token, uint8_t out[DOOR_HASH_BYTES])
{
    crypto_generichash(out, DOOR_HASH_BYTES, (const uint8_t *)token.p, token.n, NULL, 0);
}

void door_set_token(struct door_rules *rules, struct str token)
{
    rules->has_token = token.n > 0;
    hash(token, rules->token_hash);
}

/* ---- Host ---- */

/* The part before the port; all of it where there is none. */
static struct str host_name(struct str host)
{
    for (size_t i = host.n; i > 0; i--) {
        if (host.p[i - 1] == ']')
            break;
        if (host.p[i - 1] == ':')
            return (struct str){host.p, i - 1};
    }
    return host;
}

static bool is_own_host(struct str host, uint16_t port)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    char full[32];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(full, sizeof(full), "%s:%u", names[i], (unsigned)port);
        if (str_eq_nocase(host, str_of(full)) || (port == 80 && str_eq_nocase(host, str_of(names[i]))))
            return true;
    }
    return false;
}

static bool is_known_host(const struct door_rules *rules, const struct knock *k)
{
    if (k->is_unix || is_own_host(k->host, k->port))
        return true;
    for (size_t i = 0; rules->hosts != NULL && rules->hosts[i] != NULL; i++) {
        struct str known = str_of(rules->hosts[i]);

        /* A name without a port stands for all of its ports: in front of us may be a proxy. */
        if (str_eq_nocase(k->host, known) || str_eq_nocase(host_name(k->host), known))
            return true;
    }
    return false;
}

/* ---- Origin ---- */

static bool is_configured_origin(const struct door_rules *rules, struct str origin)
{
    for (size_t i = 0; origin.n > 0 && rules->origins != NULL && rules->origins[i] != NULL; i++)
        if (str_is(origin, rules->origins[i]))
            return true;
    return false;
}

static bool is_same_origin(struct str origin, struct str host)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (str_has_prefix(origin, schemes[i]) && str_eq_nocase(str_skip(origin, schemes[i].n), host))
            return true;
    return false;
}

/* Browsers leave Origin away on plain loads, but say with Sec-Fetch-Site whose page asked. */
static bool is_foreign_page(const struct door_rules *rules, const struct knock *k)
{
    if (is_configured_origin(rules, k->origin))
        return false;
    if (k->origin.p != NULL && !is_same_origin(k->origin, k->host))
        return true;
    return k->fetch_site.p != NULL && !str_is(k->fetch_site, "same-origin") && !str_is(k->fetch_site, "none");
}

/* ---- credential ---- */

static bool is_our_token(const struct door_rules *rules, struct str authorization)
{
    static const struct str scheme = {"Bearer ", 7};
    uint8_t shown[DOOR_HASH_BYTES];

    if (!rules->has_token || authorization.n <= scheme.n ||
        !str_eq_nocase((struct str){authorization.p, scheme.n}, scheme))
        return false;
    hash(str_trim(str_skip(authorization, scheme.n)), shown);
    return sodium_memcmp(shown, rules->token_hash, sizeof(shown)) == 0;
}

static enum door_credential credential_of(const struct door_rules *rules, const struct knock *k)
{
    if (is_our_token(rules, k->authorization))
        return DOOR_TOKEN;
    if (k->is_unix)
        return k->peer_is_self ? DOOR_BYPASS : DOOR_NONE;
    return rules->open_loopback && k->peer_is_loopback ? DOOR_BYPASS : DOOR_NONE;
}

/* ---- content type ---- */

static bool is_utf8_charset(struct str parameter)
{
    struct str name, value = parameter;

    if (!str_next(&value, '=', &name) || !str_eq_nocase(str_trim(name), STR("charset")))
        return true; /* another parameter says nothing about the bytes */
    value = str_trim(value);
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
        value = (struct str){value.p + 1, value.n - 2};
    return str_eq_nocase(value, STR("utf-8")) || str_eq_nocase(value, STR("utf8"));
}

static bool is_json(struct str content_type)
{
    struct str rest = content_type, part;

    if (!str_next(&rest, ';', &part) || !str_eq_nocase(str_trim(part), STR("application/json")))
        return false;
    while (str_next(&rest, ';', &part))
        if (!is_utf8_charset(part))
            return false;
    return true;
}

/* ---- all together ---- */

static void refuse(struct verdict *out, enum err_code code, const char *why)
{
    out->code = code;
    out->why = why;
}

void door_check(const struct door_rules *rules, const struct knock *k, struct verdict *out)
{
    *out = (struct verdict){.code = ERR_OK};
    if (!is_known_host(rules, k)) {
        refuse(out, ERR_MISDIRECTED,
               "This server does not answer to that Host; use localhost or 127.0.0.1 with its port, or configure the "
               "name.");
        return;
    }
    if (is_foreign_page(rules, k)) {
        refuse(out, ERR_FORBIDDEN, "Pages of this origin may not call this server; configure the origin to allow it.");
        return;
    }
    out->cors = is_configured_origin(rules, k->origin);
    out->credential = credential_of(rules, k);
    if (k->method == HTTP_OPTIONS && out->cors && k->preflight_method.n > 0) {
        out->preflight = true; /* browsers send it without credentials */
        return;
    }
    if (out->credential == DOOR_NONE && !k->is_public) {
        refuse(out, ERR_UNAUTHORIZED,
               "Send the token of this server as \"Authorization: Bearer TOKEN\"; `culm token` prints it.");
        return;
    }
    if (k->takes_json && k->body_bytes > 0 && !is_json(k->content_type))
        refuse(out, ERR_MEDIA_TYPE, "The body must be JSON in UTF-8, sent with Content-Type: application/json.");
}
