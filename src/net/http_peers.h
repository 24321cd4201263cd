/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who is at the other end, and how many connections each address holds. IPv6 peers count by
 * their /64, which is what one site can choose from. Loopback and Unix peers are not counted.
 */
#include "base/base.h"
#include "base/map.h"

struct sockaddr;

struct http_peer {
    uint8_t address[8]; /* what is counted */
    uint8_t address_len;
    bool is_unix, is_self, is_loopback;
};

struct http_peers {
    struct map *counts; /* of address: struct peer_count */
    size_t max;
};

void http_peer_of(const struct sockaddr *sa, struct http_peer *out); /* is_self is left false */

void http_peers_init(struct http_peers *p, size_t max);
void http_peers_done(struct http_peers *p);
NODISCARD bool http_peers_add(struct http_peers *p, const struct http_peer *peer); /* false: too many, not added */
void http_peers_remove(struct http_peers *p, const struct http_peer *peer);
