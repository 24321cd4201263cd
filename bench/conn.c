/* SPDX-License-Identifier: MIT */
#include "conn.h"

#include "base/mem.h"
#include "fail.h"
#include "http_reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, CONNS_PER_ADDRESS = 1000, ADDRESSES = 64 };

struct conn {
    struct poll_item item;
    struct poller *poller;
    struct conn_user user;
    struct http_reader reader;
    int fd;
    bool is_busy; /* a reply is due */
};

static void take(struct conn *c, struct str bytes)
{
    struct str body;

    for (;;) {
        switch (http_reader_next(&c->reader, &bytes, &body)) {
        case HTTP_MORE:
            return;
        case HTTP_BODY:
            if (c->user.on_body != NULL)
                c->user.on_body(c->user.arg, body);
            break;
        case HTTP_END:
            c->is_busy = false;
            if (bytes.n > 0)
                fail("the server sent more than its reply: " STR_FMT, STR_ARG(bytes));
            c->user.on_end(c->user.arg, http_reader_status(&c->reader)); /* the connection may be gone now */
            return;
        case HTTP_BAD:
            fail("the server does not speak HTTP");
        }
    }
}

static void on_ready(struct poll_item *item, uint32_t events UNUSED)
{
    static char bytes[READ_BYTES]; /* one thread */
    struct conn *c = CONTAINER_OF(item, struct conn, item);
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0) {
        take(c, (struct str){bytes, (size_t)n});
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (c->is_busy)
        fail("the server closed a connection in the middle of a reply: %s", n < 0 ? strerror(errno) : "no error");
    poller_change(c->poller, c->fd, 0, &c->item); /* closed by the server after a reply: the user will */
}

/*
 * Each address of 127/8 has ports of its own. Those of connections that are gone stay taken for a while, and the kernel
 * searches ever longer for a free one, so we move on before that counts.
 */
static void choose_source(int fd)
{
    static unsigned opened;
    struct sockaddr_in from = {.sin_family = AF_INET};
    const int on = 1;

    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + opened++ / CONNS_PER_ADDRESS % ADDRESSES);
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
        fail_sys("cannot take an address of 127/8");
}

struct conn *conn_open(struct poller *p, uint16_t port, const struct conn_user *user)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct conn *c = mem_zalloc(sizeof(*c));
    const int on = 1;

    c->item.ready = on_ready;
    c->poller = p;
    c->user = *user;
    /* Waits for the connection: on loopback it is there at once, unless the server's queue is full. */
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail_sys("socket");
    choose_source(c->fd);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail_sys("cannot connect to 127.0.0.1:%u", port);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    poller_add(p, c->fd, EPOLLIN, &c->item);
    return c;
}

void conn_use(struct conn *c, const struct conn_user *user)
{
    assert(!c->is_busy);
    c->user = *user;
}

void conn_send(struct conn *c, struct str request)
{
    ssize_t n;

    assert(!c->is_busy);
    c->is_busy = true;
    do
        n = send(c->fd, request.p, request.n, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        fail_sys("cannot send a request");
    if ((size_t)n != request.n)
        fail("a request of %zu bytes does not fit into a socket", request.n);
}

void conn_close(struct conn *c)
{
    if (c == NULL)
        return;
    close(c->fd);
    http_reader_done(&c->reader);
    mem_free(c);
}

void request_write(struct buf *out, uint16_t port, const char *method, const char *path, const char *token,
                   struct str body)
{
    buf_addf(out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", method, path, port);
    if (token != NULL)
        buf_addf(out, "Authorization: Bearer %s\r\n", token);
    if (body.n > 0)
        buf_addf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
    buf_add_str(out, STR("\r\n"));
    buf_add_str(out, body);
}

/* ---- one exchange, waited for ---- */

struct exchange {
    struct buf *body;
    int status;
    bool is_done;
};

static void on_exchange_body(void *arg, struct str bytes)
{
    struct exchange *x = arg;

    if (x->body != NULL)
        buf_add_str(x->body, bytes);
}

static void on_exchange_end(void *arg, int status)
{
    struct exchange *x = arg;

    x->status = status;
    x->is_done = true;
}

int conn_exchange(struct conn *c, struct poller *p, struct str request, struct buf *body)
{
    struct conn_user before = c->user;
    struct exchange x = {.body = body};
    struct conn_user user = {.on_body = on_exchange_body, .on_end = on_exchange_end, .arg = &x};

    conn_use(c, &user);
    conn_send(c, request);
    poller_run(p, &x.is_done);
    c->user = before;
    return x.status;
}
