/* SPDX-License-Identifier: MIT */
#include "net/http_peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct http_peer peer_at(const char *address)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;
    struct http_peer peer;

    if (address == NULL) {
        sa.ss_family = AF_UNIX;
    } else if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
    }
    http_peer_of((struct sockaddr *)&sa, &peer);
    return peer;
}

static void loopback_is_known_in_all_its_forms(void **state UNUSED)
{
    static const char *const near[] = {"127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"};
    static const char *const far[] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0", "::"};

    for (size_t i = 0; i < ARRAY_LEN(near); i++)
        assert_true(peer_at(near[i]).is_loopback);
    for (size_t i = 0; i < ARRAY_LEN(far); i++)
        assert_false(peer_at(far[i]).is_loopback);
    assert_true(peer_at(NULL).is_unix);
    assert_false(peer_at(NULL).is_loopback);
}

static void an_address_gets_its_share_and_no_more(void **state UNUSED)
{
    struct http_peers peers;
    struct http_peer a = peer_at("192.0.2.1"), mapped = peer_at("::ffff:192.0.2.1"), b = peer_at("192.0.2.2");

    http_peers_init(&peers, 2);
    assert_true(http_peers_add(&peers, &a));
    assert_true(http_peers_add(&peers, &mapped));
    assert_false(http_peers_add(&peers, &a));
    assert_true(http_peers_add(&peers, &b));
    http_peers_remove(&peers, &mapped);
    assert_true(http_peers_add(&peers, &a));
    assert_false(http_peers_add(&peers, &a));
    http_peers_remove(&peers, &a);
    http_peers_remove(&peers, &a);
    http_peers_remove(&peers, &b);
    assert_int_equal(map_count(peers.counts), 0);
    http_peers_done(&peers);
}

static void a_site_of_ipv6_counts_as_one(void **state UNUSED)
{
    struct http_peers peers;
    struct http_peer a = peer_at("2001:db8:1:2::1"), b = peer_at("2001:db8:1:2:ffff::2"),
                     c = peer_at("2001:db8:1:3::1");

    http_peers_init(&peers, 1);
    assert_true(http_peers_add(&peers, &a));
    assert_false(http_peers_add(&peers, &b));
    assert_true(http_peers_add(&peers, &c));
    http_peers_done(&peers); /* also with some still there */
}

static void near_peers_are_not_counted(void **state UNUSED)
{
    struct http_peers peers;
    struct http_peer loopback = peer_at("127.0.0.1"), local = peer_at(NULL);

    http_peers_init(&peers, 1);
    for (int i = 0; i < 3; i++)
        assert_true(http_peers_add(&peers, &loopback) && http_peers_add(&peers, &local));
    assert_int_equal(map_count(peers.counts), 0);
    http_peers_remove(&peers, &loopback);
    http_peers_done(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_known_in_all_its_forms),
        cmocka_unit_test(an_address_gets_its_share_and_no_more),
        cmocka_unit_test(a_site_of_ipv6_counts_as_one),
        cmocka_unit_test(near_peers_are_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
