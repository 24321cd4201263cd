/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who may come in. A pure function over what is known of a request, in the order Host (421),
 * Origin (403), credential (401), content type (415); framing was checked before. Browsers are
 * stopped by the first two: a page of another site neither names our host nor has our origin.
 */
#include "base/err.h"
#include "net/http.h"

#define DOOR_HASH_BYTES 32

struct door_rules {
    const char *const *hosts, *const *origins; /* NULL-terminated, may be NULL */
    bool has_token, open_loopback;
    uint8_t token_hash[DOOR_HASH_BYTES];
};

/* A request as the door sees it. Absent headers are STR_NULL. */
struct knock {
    enum http_method method;
    bool is_unix, peer_is_self; /* Unix socket, and the uid of the peer is ours or root */
    bool peer_is_loopback;
    bool is_public;  /* the route wants no credential */
    bool takes_json; /* the route reads a JSON body */
    uint16_t port;   /* ours */
    size_t body_bytes;
    struct str host, origin, fetch_site, authorization, content_type, preflight_method;
};

enum door_credential { DOOR_NONE, DOOR_BYPASS, DOOR_TOKEN };

struct verdict {
    enum err_code code; /* ERR_OK: come in */
    const char *why;    /* a sentence with the remedy */
    enum door_credential credential;
    bool cors;      /* the origin is a configured one and is to be told so */
    bool preflight; /* a CORS preflight: to be answered here and now */
};

void door_set_token(struct door_rules *rules, struct str token);
void door_check(const struct door_rules *rules, const struct knock *k, struct verdict *out);
