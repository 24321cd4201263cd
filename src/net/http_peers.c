/* SPDX-License-Identifier: MIT */
#include "net/http_peers.h"

#include "base/mem.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct peer_count {
    size_t n;
};

static void peer_of_v4(const uint8_t address[4], struct http_peer *out)
{
    memcpy(out->address, address, 4);
    out->address_len = 4;
    out->is_loopback = address[0] == 127;
}

void http_peer_of(const struct sockaddr *sa, struct http_peer *out)
{
    *out = (struct http_peer){0};
    if (sa->sa_family == AF_UNIX) {
        out->is_unix = true;
    } else if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        peer_of_v4((const uint8_t *)&in.sin_addr, out);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            peer_of_v4(in6.sin6_addr.s6_addr + 12, out);
            return;
        }
        memcpy(out->address, in6.sin6_addr.s6_addr, 8);
        out->address_len = 8;
        out->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
}

static bool is_counted(const struct http_peer *peer)
{
    return !peer->is_unix && !peer->is_loopback && peer->address_len > 0;
}

static struct str key_of(const struct http_peer *peer)
{
    return (struct str){(const char *)peer->address, peer->address_len};
}

void http_peers_init(struct http_peers *p, size_t max)
{
    p->counts = map_new();
    p->max = max;
}

void http_peers_done(struct http_peers *p)
{
    size_t it = 0;
    struct str key;
    void *count;

    while (p->counts != NULL && map_next(p->counts, &it, &key, &count))
        mem_free(count);
    map_free(p->counts);
    p->counts = NULL;
}

bool http_peers_add(struct http_peers *p, const struct http_peer *peer)
{
    struct peer_count *count;

    if (!is_counted(peer))
        return true;
    count = map_find(p->counts, key_of(peer));
    if (count == NULL) {
        count = mem_zalloc(sizeof(*count));
        map_put(p->counts, key_of(peer), count);
    }
    if (count->n >= p->max)
        return false;
    count->n++;
    return true;
}

void http_peers_remove(struct http_peers *p, const struct http_peer *peer)
{
    struct peer_count *count;

    if (!is_counted(peer))
        return;
    count = map_find(p->counts, key_of(peer));
    assert(count != NULL && count->n > 0);
    if (--count->n == 0)
        mem_free(map_take(p->counts, key_of(peer)));
}
