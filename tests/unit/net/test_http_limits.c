/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

static void on_request(void *arg, struct http_request *r)
{
    const struct rig *rig = arg;
    static char large[8 * 1024 * 1024];
    char text[32];

    if (str_is(http_request_path(r), "/large")) {
        http_reply(r, 200, STR("text/plain"), (struct str){large, sizeof(large)});
    } else if (str_is(http_request_path(r), "/count")) {
        snprintf(text, sizeof(text), "<%zu>", http_server_connections(rig->server));
        http_reply(r, 200, STR("text/plain"), str_of(text));
    } else {
        http_reply(r, 200, STR("text/plain"), STR("fine"));
    }
}

/* --- sizes --- */

static void send_large_heads(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT, text CLEANUP(buf_done) = BUF_INIT;
    int fd;

    buf_addf(&text, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: %0*d\r\n\r\n", LIMIT_HEADER_BYTES - 80, 0);
    CHECK(rig, rig_ask(rig, text.p, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 200 "));
    buf_clear(&text);
    buf_addf(&text, "GET / HTTP/1.1\r\nHost: x\r\nA: %0*d\r\n\r\n", 3 * LIMIT_HEADER_BYTES, 0);
    CHECK(rig, rig_ask(rig, text.p, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 431 "));
    CHECK(rig, rig_has(&heard, "\"code\":\"headers_too_large\""));
    buf_clear(&text);
    for (int i = 0; i < 3 * LIMIT_HEADER_BYTES / 10; i++)
        buf_addf(&text, "%sA: %06d\r\n", i == 0 ? "GET / HTTP/1.1\r\nHost: x\r\n" : "", i);
    CHECK(rig, rig_ask(rig, text.p, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 431 "));
    buf_clear(&text);
    buf_addf(&text, "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", LIMIT_URI_BYTES, 0);
    CHECK(rig, rig_ask(rig, text.p, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 414 "));
    fd = rig_dial(rig); /* not even its end has to come */
    buf_clear(&heard);
    CHECK(rig, rig_say_bytes(fd, text.p, LIMIT_URI_BYTES + 100));
    CHECK(rig, rig_hear_all(fd, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 414 "));
    close(fd);
}

static void heads_that_are_too_large_are_refused(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request};

    rig_run(&o, send_large_heads, NULL);
}

static size_t small_limit(void *arg UNUSED, struct str path)
{
    return str_is(path, "/small") ? 10 : 1024 * 1024;
}

static void send_large_bodies(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    CHECK(rig,
          rig_ask(rig, "POST /small?a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789",
                  &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 200 "));
    CHECK(rig, rig_ask(rig, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 413 "));
    CHECK(rig, rig_has(&heard, "{\"error\":{\"message\":\"The body is too large.\",\"type\":\"api_error\","
                               "\"code\":\"too_large\"},\"request_id\":"));
    CHECK(rig, rig_ask(rig,
                       "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5\r\nabcde\r\n6\r\nfghijk\r\n0\r\n\r\n",
                       &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 413 "));
    /* Who sends all of it before reading finds the answer nevertheless. */
    buf_addf(&text, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n%03000000d", 7);
    CHECK(rig, rig_ask(rig, text.p, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 413 "));
}

static void bodies_are_limited_by_their_path(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request, .body_limit = small_limit};

    rig_run(&o, send_large_bodies, NULL);
}

static void fill_the_budget(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    char body[600] = {0};
    int first = rig_dial(rig), second = rig_dial(rig);

    /* 600 of 1000 bytes are taken up by a body that is not complete. */
    CHECK(rig, rig_say(first, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 601\r\nExpect: 100-continue\r\n\r\n"));
    CHECK(rig, rig_hear(first, "100 Continue\r\n\r\n", 1, &heard));
    CHECK(rig, rig_say_bytes(first, body, sizeof(body)));
    CHECK(rig, rig_say(second, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n"));
    CHECK(rig, rig_say_bytes(second, body, sizeof(body)));
    buf_clear(&heard);
    CHECK(rig, rig_hear_all(second, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 503 "));
    CHECK(rig, rig_has(&heard, "\r\nRetry-After: 1\r\n"));
    CHECK(rig, rig_ask(rig, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 503 "));
    CHECK(rig, rig_ask(rig, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 200 "));
    /* The first gets its answer and gives its share back. */
    buf_clear(&heard);
    CHECK(rig, rig_say(first, "x"));
    CHECK(rig, rig_hear(first, "\r\n\r\nfine", 1, &heard));
    CHECK(rig, rig_say(first, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\nConnection: close\r\n\r\n"));
    CHECK(rig, rig_say_bytes(first, body, sizeof(body)));
    CHECK(rig, rig_hear_all(first, &heard));
    CHECK(rig, count_text(&heard, "HTTP/1.1 200 ") == 2);
    close(first);
    close(second);
}

static void all_bodies_together_have_a_budget(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request, .limits = {.body_total_bytes = 1000}};

    rig_run(&o, fill_the_budget, NULL);
}

/* --- times --- */

static void be_slow(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int idle = rig_dial(rig), head = rig_dial(rig), body = rig_dial(rig), drip = rig_dial(rig), kept = rig_dial(rig);
    int fed = rig_dial(rig);
    bool is_open = true;

    CHECK(rig, rig_say(head, "GET / HTTP/1.1\r\nHost:"));
    CHECK(rig, rig_say(body, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
    CHECK(rig, rig_say(kept, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(rig, rig_hear(kept, "fine", 1, &heard));
    /* One byte after another keeps neither a head nor a body alive. */
    CHECK(rig, rig_say(drip, "GET / HTTP/1.1\r\nHost: x\r\nA: "));
    while (is_open) {
        char byte;

        is_open = send(drip, "b", 1, MSG_NOSIGNAL) == 1 && recv(drip, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
        sched_yield();
    }
    buf_clear(&heard);
    CHECK(rig, rig_hear_all(idle, &heard));
    CHECK(rig, heard.n == 0);
    CHECK(rig, rig_hear_all(kept, &heard));
    CHECK(rig, heard.n == 0);
    CHECK(rig, rig_hear_all(head, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 408 "));
    buf_clear(&heard);
    CHECK(rig, rig_hear_all(body, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 408 "));
    close(idle);
    close(head);
    close(body);
    close(drip);
    close(kept);
    close(fed);
}

static void slow_clients_are_cut(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request,
                                          .limits = {.idle_ms = 40, .header_ms = 40, .body_ms = 40}};

    rig_run(&o, be_slow, NULL);
}

static void read_nothing(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int fd = rig_dial(rig);

    CHECK(rig, rig_say(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
    do
        CHECK(rig, rig_ask(rig, "GET /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &heard));
    while (!rig_has(&heard, "<1>"));
    close(fd);
}

static void who_does_not_read_an_answer_is_cut(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request, .limits = {.stuck_ms = 40}};

    rig_run(&o, read_nothing, NULL);
}

static void send_at_the_slowest_pace(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    struct timespec began, now;
    int fd = rig_dial(rig);

    clock_gettime(CLOCK_MONOTONIC, &began);
    CHECK(rig, rig_say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n"));
    /* Several times the base time, but never slower than the rate: the limit must not strike. */
    for (size_t sent = 0; sent < 1000000; sent += 1000) {
        char piece[1000] = {0};
        long ms;

        CHECK(rig, rig_say_bytes(fd, piece, sizeof(piece)));
        do {
            clock_gettime(CLOCK_MONOTONIC, &now);
            ms = (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
        } while ((size_t)ms < sent / 10000); /* 10,000 bytes a millisecond */
    }
    CHECK(rig, rig_hear_all(fd, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 200 "));
    close(fd);
}

static void a_body_that_keeps_its_pace_is_not_cut(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request,
                                          .limits = {.body_ms = 10, .body_bytes_per_second = 1000}};

    rig_run(&o, send_at_the_slowest_pace, NULL);
}

/* --- numbers --- */

static void dial_often(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int fds[4], more;

    for (int i = 0; i < 4; i++) {
        fds[i] = rig_dial(rig);
        CHECK(rig, rig_say(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        CHECK(rig, rig_hear(fds[i], "fine", 1, &heard));
        buf_clear(&heard);
    }
    more = rig_dial(rig);
    CHECK(rig, rig_hear_all(more, &heard));
    CHECK(rig, rig_has(&heard, "HTTP/1.1 503 "));
    close(more);
    close(fds[0]);
    /* The place of one that left is free again, soon. */
    do {
        more = rig_dial(rig);
        buf_clear(&heard);
        if (rig_say(more, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
            CHECK(rig, rig_hear_all(more, &heard));
        close(more);
    } while (!rig_has(&heard, "fine"));
    for (int i = 1; i < 4; i++)
        close(fds[i]);
}

static void connections_have_a_cap(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request, .limits = {.connections = 4}};

    rig_run(&o, dial_often, NULL);
}

struct shortage {
    int fds[64];
    size_t n;
    int turns;
    struct rlimit before;
};

static void take_all_descriptors(struct shortage *s)
{
    struct rlimit few;

    getrlimit(RLIMIT_NOFILE, &s->before);
    few = s->before;
    few.rlim_cur = 48;
    setrlimit(RLIMIT_NOFILE, &few);
    while (s->n < ARRAY_LEN(s->fds) && (s->fds[s->n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        s->n++;
}

/* After some turns of the loop, in which it has tried to accept and could not. */
static void give_them_back(void *arg)
{
    struct rig *rig = arg;
    struct shortage *s = rig->data;

    if (++s->turns < 5) {
        loop_post(rig->loop, give_them_back, rig);
        return;
    }
    while (s->n > 0)
        close(s->fds[--s->n]);
    setrlimit(RLIMIT_NOFILE, &s->before);
}

static void dial_in_a_shortage(struct rig *rig)
{
    struct shortage *s = rig->data;
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int fd;

    take_all_descriptors(s);
    CHECK(rig, s->n > 0 && s->n < ARRAY_LEN(s->fds));
    close(s->fds[--s->n]); /* for our end; the server's finds none */
    fd = rig_dial(rig);
    loop_post(rig->loop, give_them_back, rig);
    CHECK(rig, rig_say(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    CHECK(rig, rig_hear_all(fd, &heard));
    CHECK(rig, rig_has(&heard, "fine"));
    close(fd);
}

static void a_shortage_of_descriptors_passes(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request};
    struct shortage s = {0};

    rig_run(&o, dial_in_a_shortage, &s);
}

/* --- what is counted --- */

static void say_something_sound_and_something_wrong(struct rig *rig)
{
    static const char sound[] = "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    static const char large[] = "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n";
    static const char broken[] = "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n";
    const char *const all[] = {sound, large, broken};
    size_t *heard_bytes = rig->data;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct buf heard CLEANUP(buf_done) = BUF_INIT;

        CHECK(rig, rig_ask(rig, all[i], &heard));
        heard_bytes[0] += strlen(all[i]);
        heard_bytes[1] += heard.n;
    }
}

static void every_byte_and_every_refusal_is_counted(void **state UNUSED)
{
    const struct http_server_options o = {.on_request = on_request, .body_limit = small_limit};
    struct http_server_stats stats;
    size_t bytes[2] = {0};
    struct rig rig = {.data = bytes};

    rig_open(&rig, &o);
    rig_play(&rig, say_something_sound_and_something_wrong);
    http_server_stats(rig.server, &stats);
    rig_close(&rig);
    assert_int_equal(stats.accepted, 3);
    assert_int_equal(stats.turned_away, 0);
    assert_int_equal(stats.bytes_in, bytes[0]);
    assert_int_equal(stats.bytes_out, bytes[1]);
    assert_int_equal(stats.refused[HTTP_REFUSED_BODY], 1);
    assert_int_equal(stats.refused[HTTP_REFUSED_FRAMING], 1);
    assert_int_equal(stats.refused[HTTP_REFUSED_TIMEOUT], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_that_are_too_large_are_refused),
        cmocka_unit_test(bodies_are_limited_by_their_path),
        cmocka_unit_test(all_bodies_together_have_a_budget),
        cmocka_unit_test(slow_clients_are_cut),
        cmocka_unit_test(who_does_not_read_an_answer_is_cut),
        cmocka_unit_test(a_body_that_keeps_its_pace_is_not_cut),
        cmocka_unit_test(connections_have_a_cap),
        cmocka_unit_test(every_byte_and_every_refusal_is_counted),
        cmocka_unit_test(a_shortage_of_descriptors_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
