/* SPDX-License-Identifier: MIT */
#include "app/output.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

enum { AGAIN_MS = 10, WAITING_BYTES = 64 * 1024 * 1024 };

struct output {
    int fd;
    bool is_terminal, is_gone;
    struct timer *again;
    struct buf waiting;
    size_t written; /* of `waiting` */
    loop_fn *gone;
    void *arg;
};

static void lose(struct output *o)
{
    buf_clear(&o->waiting);
    o->written = 0;
    o->is_gone = true;
    timer_start(o->again, 0); /* tells it from the loop, not from inside output_add() */
}

/* A pipe that poll() calls writable takes PIPE_BUF bytes without waiting. The flag O_NONBLOCK would be everyone's. */
static void write_some(struct output *o)
{
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};

    while (o->written < o->waiting.n) {
        size_t left = o->waiting.n - o->written;
        ssize_t n;

        if (poll(&p, 1, 0) <= 0) {
            timer_start(o->again, AGAIN_MS);
            return;
        }
        n = write(o->fd, o->waiting.p + o->written, left < PIPE_BUF ? left : PIPE_BUF);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            lose(o);
            return;
        }
        if (n > 0)
            o->written += (size_t)n;
    }
    buf_clear(&o->waiting);
    o->written = 0;
}

static void on_again(void *arg)
{
    struct output *o = arg;
    loop_fn *gone = o->gone;

    if (!o->is_gone) {
        write_some(o);
    } else if (gone != NULL) {
        o->gone = NULL;
        gone(o->arg);
    }
}

struct output *output_new(struct loop *l, int fd, bool is_terminal, loop_fn *gone, void *arg)
{
    struct output *o = mem_zalloc(sizeof(*o));

    o->fd = fd;
    o->is_terminal = is_terminal;
    o->waiting = BUF_CAPPED(WAITING_BYTES);
    o->again = timer_new(l, "output.again", on_again, o);
    o->gone = gone;
    o->arg = arg;
    return o;
}

void output_free(struct output *o)
{
    if (o == NULL)
        return;
    timer_free(o->again);
    buf_done(&o->waiting);
    mem_free(o);
}

/* C0 and DEL, and C1, which is U+0080 to U+009F: C2 80 to C2 9F. */
void output_escape(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        unsigned char next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;

        if (c == 0xc2 && next >= 0x80 && next <= 0x9f) {
            buf_addf(out, "\\x%02x", next);
            i++;
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            buf_addf(out, "\\x%02x", c);
        } else {
            buf_add_char(out, (char)c);
        }
    }
}

void output_add(struct output *o, struct str text)
{
    if (o->is_gone)
        return;
    if (o->is_terminal)
        output_escape(text, &o->waiting);
    else
        buf_add_str(&o->waiting, text);
    if (o->waiting.full)
        lose(o);
    else
        write_some(o);
}

void output_drop(struct output *o)
{
    buf_clear(&o->waiting);
    o->written = 0;
}

bool output_is_empty(const struct output *o)
{
    return o->is_gone || o->waiting.n == 0;
}
