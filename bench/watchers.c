/* SPDX-License-Identifier: MIT */
#include "watchers.h"

#include "base/mem.h"
#include "base/str.h"
#include "conn.h"
#include "fail.h"
#include "now.h"
#include "provider.h"

#include <stdlib.h>

enum { OPEN_AT_ONCE = 64, PATH_MAX_BYTES = 200 };

struct watcher {
    struct watchers *all;
    struct conn *conn;
    bool is_open;
};

struct watchers {
    struct bench *bench;
    struct watcher *items;
    unsigned n, open, ended;
    unsigned wanted; /* of `open`, before enough_open is set */
    bool enough_open, all_ended;
    struct samples delays_ns;
};

static void take_stamps(struct watchers *w, struct str bytes, int64_t now)
{
    const char *at;

    while ((at = memchr(bytes.p, PROVIDER_STAMP, bytes.n)) != NULL) {
        char digits[PROVIDER_STAMP_DIGITS + 1], *end;
        uint64_t sent;

        bytes = str_skip(bytes, (size_t)(at - bytes.p) + 1);
        if (bytes.n < PROVIDER_STAMP_DIGITS)
            return;
        memcpy(digits, bytes.p, PROVIDER_STAMP_DIGITS);
        digits[PROVIDER_STAMP_DIGITS] = '\0';
        sent = strtoull(digits, &end, 16);
        if (*end == '\0')
            samples_add(&w->delays_ns, now - (int64_t)sent);
    }
}

/* In text in flight alone, which is not numbered: the finished message says everything once more. */
static void take_frames(struct watchers *w, struct str bytes)
{
    int64_t now = now_ns();

    while (bytes.n > 0) {
        const char *end = memmem(bytes.p, bytes.n, "\n\n", 2);
        size_t n = end == NULL ? bytes.n : (size_t)(end - bytes.p) + 2;

        if (!str_has_prefix(bytes, STR("id: ")))
            take_stamps(w, (struct str){bytes.p, n}, now);
        bytes = str_skip(bytes, n);
    }
}

static void on_body(void *arg, struct str bytes)
{
    struct watcher *one = arg;
    struct watchers *w = one->all;

    if (!one->is_open) {
        one->is_open = true;
        if (++w->open == w->wanted)
            w->enough_open = true;
    }
    take_frames(w, bytes);
}

static void on_end(void *arg, int status)
{
    struct watcher *one = arg;
    struct watchers *w = one->all;

    if (status != 200)
        fail("an event stream was refused: HTTP %d", status);
    conn_close(one->conn);
    one->conn = NULL;
    if (++w->ended == w->n)
        w->all_ended = true;
}

static struct watchers *watchers_new(struct bench *b, unsigned n)
{
    struct watchers *w = mem_zalloc(sizeof(*w));

    w->bench = b;
    w->n = n;
    w->items = mem_zalloc(n * sizeof(*w->items));
    for (unsigned i = 0; i < n; i++)
        w->items[i].all = w;
    return w;
}

static void open_one(struct watcher *one, uint16_t port, struct str request)
{
    struct conn_user user = {.on_body = on_body, .on_end = on_end, .arg = one};

    one->conn = conn_open(&one->all->bench->poller, port, &user);
    conn_send(one->conn, request);
}

struct watchers *watchers_open(struct bench *b, const struct server *s, unsigned n, watchers_path_fn *path, void *arg)
{
    struct watchers *w = watchers_new(b, n);
    CLEANUP(buf_done) struct buf request = BUF_INIT;
    char target[PATH_MAX_BYTES];

    for (unsigned i = 0; i < n; i++) {
        path(arg, i, target, sizeof(target));
        buf_clear(&request);
        request_write(&request, s->port, "GET", target, s->token, STR(""));
        open_one(&w->items[i], s->port, buf_str(&request));
        if ((i + 1) % OPEN_AT_ONCE == 0 || i + 1 == n) {
            w->wanted = i + 1;
            w->enough_open = w->open == w->wanted;
            poller_run(&b->poller, &w->enough_open);
        }
    }
    return w;
}

struct watchers *watchers_open_floor(struct bench *b, const struct stand_in *s, const char *model)
{
    struct watchers *w = watchers_new(b, 1);
    CLEANUP(buf_done) struct buf request = BUF_INIT;
    CLEANUP(buf_done) struct buf body = BUF_INIT;

    buf_addf(&body, "{\"model\":\"%s\"}", model);
    request_write(&request, s->port, "POST", "/v1/chat/completions", NULL, buf_str(&body));
    open_one(&w->items[0], s->port, buf_str(&request));
    return w;
}

void watchers_close(struct watchers *w)
{
    if (w == NULL)
        return;
    for (unsigned i = 0; i < w->n; i++)
        conn_close(w->items[i].conn);
    samples_done(&w->delays_ns);
    mem_free(w->items);
    mem_free(w);
}

void watchers_wait_end(struct watchers *w)
{
    poller_run(&w->bench->poller, &w->all_ended);
}

struct samples *watchers_delays_ns(struct watchers *w)
{
    return &w->delays_ns;
}
