/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A server on the loop of the main thread and a client script with plain blocking sockets on
 * another thread. Nothing sleeps: the script waits for bytes or for the end of a connection, at
 * most RIG_WAIT_S. cmocka's asserts belong to the main thread, so the script uses CHECK().
 */
#include "base/count.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { RIG_WAIT_S = 20 };

struct rig {
    struct loop *loop;
    struct http_server *server;
    uint16_t port;
    void (*script)(struct rig *rig);
    void *data;
    char failure[256];
    struct timer *guard;
};

#define CHECK(rig, cond)                                                                                               \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            if ((rig)->failure[0] == '\0')                                                                             \
                snprintf((rig)->failure, sizeof((rig)->failure), "line %d: %s", __LINE__, #cond);                      \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

/* Blocking, with RIG_WAIT_S. Without sockets there is nothing to test. */
static UNUSED int rig_socket(int family)
{
    struct timeval wait = {.tv_sec = RIG_WAIT_S};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        abort();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    return fd;
}

static UNUSED int rig_dial(const struct rig *rig)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
    int fd = rig_socket(AF_INET);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        abort();
    return fd;
}

static UNUSED bool rig_say_bytes(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

static UNUSED bool rig_say(int fd, const char *text)
{
    return rig_say_bytes(fd, text, strlen(text));
}

/* Reads until the peer closes; a reset counts as a close. False: it took too long. */
static UNUSED bool rig_hear_all(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
        buf_add(out, piece, (size_t)n);
    return n == 0 || errno == ECONNRESET;
}

/* Reads until `text` has come `times` times. */
static UNUSED bool rig_hear(int fd, const char *text, size_t times, struct buf *out)
{
    char piece[4096];

    for (;;) {
        struct str rest = buf_str(out);
        size_t seen = 0;
        ptrdiff_t at;
        ssize_t n;

        while (seen < times && (at = str_find(rest, str_of(text))) >= 0) {
            rest = str_skip(rest, (size_t)at + strlen(text));
            seen++;
        }
        if (seen == times)
            return true;
        n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0)
            return false;
        buf_add(out, piece, (size_t)n);
    }
}

static UNUSED bool rig_has(const struct buf *heard, const char *text)
{
    return str_find(buf_str(heard), str_of(text)) >= 0;
}

/* One request on a connection of its own; `text` asks for nothing or for a close. */
static UNUSED bool rig_ask(const struct rig *rig, const char *text, struct buf *out)
{
    int fd = rig_dial(rig);
    bool ok;

    buf_clear(out);
    ok = rig_say(fd, text) && rig_hear_all(fd, out);
    close(fd);
    return ok;
}

static UNUSED void rig_stop(void *arg)
{
    struct rig *rig = arg;

    loop_stop(rig->loop);
}

static UNUSED void rig_late(void *arg)
{
    struct rig *rig = arg;

    snprintf(rig->failure, sizeof(rig->failure), "took longer than %d s", 2 * RIG_WAIT_S);
    loop_stop(rig->loop);
}

static UNUSED void *rig_thread(void *arg)
{
    struct rig *rig = arg;

    rig->script(rig);
    loop_post(rig->loop, rig_stop, rig);
    return NULL;
}

static UNUSED void rig_open(struct rig *rig, const struct http_server_options *o)
{
    struct err err;
    struct http_server_options mine = *o;

    if (mine.arg == NULL)
        mine.arg = rig;
    assert_int_equal(loop_new(&rig->loop, &err), 0);
    assert_int_equal(http_server_new(rig->loop, &mine, &rig->server, &err), 0);
    rig->port = 0;
    assert_int_equal(http_server_listen_tcp(rig->server, "127.0.0.1", &rig->port, &err), 0);
    assert_int_not_equal(rig->port, 0);
    rig->guard = timer_new(rig->loop, "guard", rig_late, rig);
    timer_start(rig->guard, 2 * RIG_WAIT_S * 1000);
}

static UNUSED void rig_play(struct rig *rig, void (*script)(struct rig *))
{
    pthread_t thread;

    rig->script = script;
    assert_int_equal(pthread_create(&thread, NULL, rig_thread, rig), 0);
    loop_run(rig->loop);
    pthread_join(thread, NULL);
    if (rig->failure[0] != '\0')
        fail_msg("%s", rig->failure);
}

static UNUSED void rig_close(struct rig *rig)
{
    timer_free(rig->guard);
    http_server_free(rig->server);
    loop_free(rig->loop);
}

static UNUSED void rig_run(const struct http_server_options *o, void (*script)(struct rig *), void *data)
{
    struct rig rig = {.data = data};

    rig_open(&rig, o);
    rig_play(&rig, script);
    rig_close(&rig);
}
