/* SPDX-License-Identifier: MIT */
#include "provider.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "fail.h"
#include "http_reader.h"
#include "now.h"
#include "poller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, BACKLOG = 4096, BLOCK_PIECES = 256, SLOTS = 1024, NS_PER_MS = 1000000 };

#define CHUNK(before, content, after)                                                                                  \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"pieces\","   \
    "\"choices\":[{\"index\":0,\"delta\":{" before content "},\"finish_reason\":" after "}]}\n\n"
#define PIECE(text) CHUNK("", "\"content\":\"" text "\"", "null")

static const char plain_piece[] = PIECE("word ");
static const char stamped_piece[] = PIECE("@0123456789abcdef ");
static const char first_chunk[] = CHUNK("\"role\":\"assistant\",", "\"content\":\"\"", "null");
static const char last_chunk[] = CHUNK("", "", "\"stop\"");
static const char usage_chunk[] =
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"pieces\","
    "\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":50,\"total_tokens\":60}}\n\n";

struct provider {
    struct poller poller;
    struct poll_item listener;
    int listen_fd;
    struct buf block;         /* BLOCK_PIECES plain pieces as HTTP chunks */
    size_t piece_bytes;       /* one of them */
    struct list slots[SLOTS]; /* paced streams, by the millisecond of their next piece */
    int64_t tick;             /* the millisecond that was handled last */
    uint64_t requests, body_bytes, connections;
    uint64_t paced; /* streams that are under way */
};

struct caller {
    struct poll_item item;
    struct list slot; /* in a slot while paced */
    struct provider *provider;
    struct http_reader reader;
    int fd;
    struct buf body; /* the beginning of the request's */
    struct buf out;  /* what the socket has not taken */
    bool waits_for_room, is_stamped, is_streaming;
    int64_t began_ns, every_ns; /* 0: all at once */
    uint64_t pieces, sent;
};

static struct provider provider;

static void add_chunk(struct buf *out, struct str text)
{
    buf_addf(out, "%zx\r\n", text.n);
    buf_add_str(out, text);
    buf_add_str(out, STR("\r\n"));
}

/* ---- writing ---- */

static void caller_free(struct caller *c)
{
    list_remove(&c->slot);
    if (c->every_ns > 0 && c->is_streaming)
        c->provider->paced--;
    close(c->fd);
    http_reader_done(&c->reader);
    buf_done(&c->body);
    buf_done(&c->out);
    mem_free(c);
}

/* False: the caller is gone. */
static bool send_out(struct caller *c)
{
    ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    buf_drop_front(&c->out, n > 0 ? (size_t)n : 0);
    if ((c->out.n > 0) != c->waits_for_room) {
        c->waits_for_room = c->out.n > 0;
        poller_change(&c->provider->poller, c->fd, c->waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN, &c->item);
    }
    return true;
}

static void add_stamped(struct caller *c)
{
    char text[sizeof(stamped_piece)], digits[PROVIDER_STAMP_DIGITS + 1];
    const char *at = strchr(stamped_piece, PROVIDER_STAMP);

    memcpy(text, stamped_piece, sizeof(text));
    snprintf(digits, sizeof(digits), "%016" PRIx64, (uint64_t)now_ns());
    memcpy(text + (at - stamped_piece) + 1, digits, PROVIDER_STAMP_DIGITS);
    add_chunk(&c->out, (struct str){text, sizeof(text) - 1});
}

static void add_pieces(struct caller *c, uint64_t n)
{
    const struct provider *p = c->provider;

    c->sent += n;
    for (; n > 0 && c->is_stamped; n--)
        add_stamped(c);
    while (n > 0) {
        uint64_t some = n < BLOCK_PIECES ? n : BLOCK_PIECES;

        buf_add(&c->out, p->block.p, some * p->piece_bytes);
        n -= some;
    }
}

static void add_end(struct caller *c)
{
    add_chunk(&c->out, STR(last_chunk));
    add_chunk(&c->out, STR(usage_chunk));
    add_chunk(&c->out, STR("data: [DONE]\n\n"));
    buf_add_str(&c->out, STR("0\r\n\r\n"));
    if (c->every_ns > 0)
        c->provider->paced--;
    c->is_streaming = false;
}

/* Of an answer without a pace; goes on whenever there is room. */
static bool stream_all(struct caller *c)
{
    while (c->is_streaming && !c->waits_for_room) {
        uint64_t left = c->pieces - c->sent;

        add_pieces(c, left < BLOCK_PIECES ? left : BLOCK_PIECES);
        if (c->sent == c->pieces)
            add_end(c);
        if (!send_out(c))
            return false;
    }
    return true;
}

/* ---- pace: a wheel of milliseconds ---- */

static void plan_next(struct caller *c)
{
    int64_t due_ms = (c->began_ns + (int64_t)(c->sent + 1) * c->every_ns + NS_PER_MS - 1) / NS_PER_MS;

    if (due_ms <= c->provider->tick)
        due_ms = c->provider->tick + 1;
    list_remove(&c->slot);
    list_add_tail(&c->provider->slots[due_ms % SLOTS], &c->slot);
}

static void stream_due(struct caller *c, int64_t now)
{
    uint64_t due = (uint64_t)((now - c->began_ns) / c->every_ns);

    if (due > c->pieces)
        due = c->pieces;
    if (due > c->sent) { /* else its slot came up a turn of the wheel too early */
        add_pieces(c, due - c->sent);
        if (c->sent == c->pieces)
            add_end(c);
        if (!send_out(c)) {
            caller_free(c);
            return;
        }
    }
    if (c->is_streaming)
        plan_next(c);
}

static void turn_wheel(struct provider *p)
{
    int64_t now = now_ns(), now_ms = now / NS_PER_MS;
    int64_t from = now_ms - p->tick > SLOTS ? now_ms - SLOTS : p->tick;

    p->tick = now_ms;
    for (int64_t ms = from + 1; ms <= now_ms; ms++) {
        struct list due;

        /* What is planned meanwhile is for later turns, possibly of this slot. */
        list_init(&due);
        LIST_EACH (it, tmp, &p->slots[ms % SLOTS]) {
            list_remove(it);
            list_add_tail(&due, it);
        }
        while (!list_is_empty(&due)) {
            struct caller *c = LIST_ITEM(due.next, struct caller, slot);

            list_remove(&c->slot);
            stream_due(c, now);
        }
    }
}

/* How long nothing is due; -1: for ever. */
static int time_to_next(const struct provider *p)
{
    if (p->paced == 0)
        return -1;
    for (int64_t ms = p->tick + 1; ms <= p->tick + SLOTS; ms++) {
        int64_t in;

        if (list_is_empty(&p->slots[ms % SLOTS]))
            continue;
        in = ms - now_ns() / NS_PER_MS;
        return in < 0 ? 0 : (int)in;
    }
    return SLOTS;
}

/* ---- requests ---- */

/* The number behind `word` in the model's name; `otherwise` where it is not there. */
static uint64_t number_behind(struct str model, const char *word, uint64_t otherwise)
{
    ptrdiff_t at = str_find(model, str_of(word));

    return at < 0 ? otherwise : strtoull(model.p + at + strlen(word), NULL, 10);
}

static struct str model_of(const struct buf *body)
{
    struct str text = buf_str(body), model = STR_NULL;
    ptrdiff_t at = str_find(text, STR("\"model\":\""));

    if (at >= 0) {
        text = str_skip(text, (size_t)at + sizeof("\"model\":\"") - 1);
        str_next(&text, '"', &model);
    }
    return model;
}

static bool answer_chat(struct caller *c)
{
    struct str model = model_of(&c->body);

    c->pieces = number_behind(model, "pieces-", 1);
    c->every_ns = (int64_t)number_behind(model, "-every-", 0) * NS_PER_MS;
    c->is_stamped = str_find(model, STR("-stamped")) >= 0;
    c->began_ns = now_ns();
    c->sent = 0;
    c->is_streaming = true;
    buf_add_str(&c->out, STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n"));
    add_chunk(&c->out, STR(first_chunk));
    if (c->every_ns == 0)
        return stream_all(c);
    c->provider->paced++;
    plan_next(c);
    return send_out(c);
}

static bool answer_stats(struct caller *c)
{
    const struct provider *p = c->provider;
    CLEANUP(buf_done) struct buf body = BUF_INIT;

    buf_addf(&body, "{\"requests\":%" PRIu64 ",\"body_bytes\":%" PRIu64 ",\"connections\":%" PRIu64 "}", p->requests,
             p->body_bytes, p->connections);
    buf_addf(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.n);
    buf_add_str(&c->out, buf_str(&body));
    return send_out(c);
}

/* False: the caller is gone. */
static bool answer(struct caller *c)
{
    bool ok;

    if (str_has_prefix(str_of(c->reader.first_line), STR("POST "))) {
        c->provider->requests++;
        ok = answer_chat(c);
    } else {
        ok = answer_stats(c);
    }
    buf_clear(&c->body);
    return ok;
}

/* False: the caller is gone. */
static bool take(struct caller *c, struct str bytes)
{
    struct str body;

    for (;;) {
        switch (http_reader_next(&c->reader, &bytes, &body)) {
        case HTTP_MORE:
            return true;
        case HTTP_BODY:
            c->provider->body_bytes += body.n;
            if (c->body.n == 0) /* the model's name is at the beginning */
                buf_add_str(&c->body, (struct str){body.p, body.n < 1024 ? body.n : 1024});
            break;
        case HTTP_END:
            if (!answer(c))
                return false;
            break;
        case HTTP_BAD:
            return false;
        }
    }
}

static void on_ready(struct poll_item *item, uint32_t events)
{
    static char bytes[READ_BYTES]; /* one thread */
    struct caller *c = CONTAINER_OF(item, struct caller, item);
    bool is_there = true;
    ssize_t n;

    if (c->waits_for_room && (events & EPOLLOUT) != 0)
        is_there = send_out(c) && (c->every_ns > 0 || stream_all(c));
    if (is_there && (events & ~(uint32_t)EPOLLOUT) != 0) {
        n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n > 0)
            is_there = take(c, (struct str){bytes, (size_t)n});
        else
            is_there = n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (!is_there)
        caller_free(c);
}

static void on_accept(struct poll_item *item UNUSED, uint32_t events UNUSED)
{
    const int on = 1;
    int fd;

    while ((fd = accept4(provider.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct caller *c = mem_zalloc(sizeof(*c));

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        c->item.ready = on_ready;
        c->provider = &provider;
        c->fd = fd;
        provider.connections++;
        list_init(&c->slot);
        poller_add(&provider.poller, fd, EPOLLIN, &c->item);
    }
}

static uint16_t begin_listening(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        fail_sys("the stand-in cannot listen");
    provider.listen_fd = fd;
    provider.listener.ready = on_accept;
    poller_add(&provider.poller, fd, EPOLLIN, &provider.listener);
    return ntohs(at.sin_port);
}

static void on_term(int signo UNUSED)
{
    _exit(0);
}

void provider_main(void)
{
    signal(SIGTERM, on_term);
    poller_init(&provider.poller);
    for (size_t i = 0; i < SLOTS; i++)
        list_init(&provider.slots[i]);
    add_chunk(&provider.block, STR(plain_piece));
    provider.piece_bytes = provider.block.n;
    for (size_t i = 1; i < BLOCK_PIECES; i++)
        add_chunk(&provider.block, STR(plain_piece));
    provider.tick = now_ns() / NS_PER_MS;
    printf("%u\n", begin_listening());
    fflush(stdout);
    for (;;) {
        /* The wheel stands still while nothing is paced. */
        if (provider.paced == 0)
            provider.tick = now_ns() / NS_PER_MS;
        poller_wait(&provider.poller, time_to_next(&provider));
        if (provider.paced > 0)
            turn_wheel(&provider);
    }
}
