/* SPDX-License-Identifier: MIT */
/* How long a person waits until what was asked for is safe on the disk, and how much of that is the disk. */
#include "base/str.h"
#include "bench.h"
#include "conn.h"
#include "fail.h"
#include "now.h"
#include "samples.h"
#include "server.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096, FILE_BLOCKS = 256, PATH_BYTES = 80 };

/* One execute, and the stream of its session. */
struct waiting {
    int64_t began_ns;
    struct samples reply_ns, event_ns;
    bool has_stream, has_reply, has_event, has_end, is_done;
};

static void look(struct waiting *w)
{
    w->is_done = w->has_reply && w->has_event && w->has_end;
}

static void on_stream(void *arg, struct str bytes)
{
    struct waiting *w = arg;

    w->has_stream = true;
    if (w->began_ns == 0 || w->has_event || str_find(bytes, STR("\"type\":\"execution_started\"")) < 0)
        return;
    samples_add(&w->event_ns, now_ns() - w->began_ns);
    w->has_event = true;
}

static void on_stream_end(void *arg, int status UNUSED)
{
    struct waiting *w = arg;

    w->has_end = true;
    look(w);
}

static void on_reply(void *arg, int status)
{
    struct waiting *w = arg;

    if (status != 202)
        fail("execute: HTTP %d", status);
    samples_add(&w->reply_ns, now_ns() - w->began_ns);
    w->has_reply = true;
    look(w);
}

static void execute_once(struct bench *b, const struct server *server, struct conn *ask, unsigned i, struct waiting *w)
{
    struct conn_user user = {.on_body = on_stream, .on_end = on_stream_end, .arg = w};
    CLEANUP(buf_done) struct buf request = BUF_INIT;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    char path[PATH_BYTES];
    struct conn *stream;

    w->began_ns = 0;
    w->has_stream = w->has_reply = w->has_event = w->has_end = w->is_done = false;
    buf_addf(&body, "{\"session_id\":\"first-%u\",\"message\":\"play\\n#!culm {\\\"tokens\\\": 1}\"}", i);
    server_ask(b, server, "POST", "/api/v1/chat", buf_str(&body), NULL);
    stream = conn_open(&b->poller, server->port, &user);
    snprintf(path, sizeof(path), "/api/v1/events/first-%u", i);
    request_write(&request, server->port, "GET", path, server->token, STR(""));
    conn_send(stream, buf_str(&request));
    poller_run(&b->poller, &w->has_stream);
    buf_clear(&request);
    snprintf(path, sizeof(path), "/api/v1/execute/first-%u", i);
    request_write(&request, server->port, "POST", path, server->token, STR("{}"));
    w->began_ns = now_ns();
    conn_send(ask, buf_str(&request));
    poller_run(&b->poller, &w->is_done);
    conn_close(stream);
}

/* What the disk alone takes: a block written over, as in a write-ahead log that began anew, and down with it. */
static void measure_disk(struct bench *b, unsigned times, struct samples *out)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    char block[BLOCK_BYTES];
    int fd;

    buf_addf(&path, "%s/flushes", b->dir);
    fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        fail_sys("%s", path.p);
    for (unsigned i = 0; i < FILE_BLOCKS + times; i++) {
        int64_t began = now_ns();

        memset(block, (int)i, sizeof(block));
        if (pwrite(fd, block, sizeof(block), (off_t)(i % FILE_BLOCKS) * BLOCK_BYTES) != (ssize_t)sizeof(block) ||
            (i + 1 >= FILE_BLOCKS && fdatasync(fd) != 0))
            fail_sys("%s", path.p);
        if (i >= FILE_BLOCKS)
            samples_add(out, now_ns() - began);
    }
    close(fd);
    unlink(path.p);
}

static void add_figures(struct bench *b, struct waiting *w, struct samples *disk)
{
    double flush_ms = (double)samples_median(disk) / 1e6;

    figures_add(b->figures, flush_ms, "ms", NO_TARGET, "write and fdatasync of 4 KB there, median");
    figures_add(b->figures, (double)samples_at(disk, 99) / 1e6, "ms", NO_TARGET,
                "write and fdatasync of 4 KB there, p99");
    figures_add(b->figures, (double)samples_median(&w->reply_ns) / 1e6, "ms", flush_ms + 1,
                "execute to its 202, median");
    figures_add(b->figures, (double)samples_at(&w->reply_ns, 99) / 1e6, "ms", NO_TARGET, "execute to its 202, p99");
    figures_add(b->figures, (double)samples_median(&w->event_ns) / 1e6, "ms", flush_ms + 1,
                "execute to the first durable event, median");
    figures_add(b->figures, (double)samples_at(&w->event_ns, 99) / 1e6, "ms", NO_TARGET,
                "execute to the first durable event, p99");
}

void group_first_event(struct bench *b)
{
    unsigned times = b->quick ? 5 : 300;
    struct samples disk = {0};
    struct waiting w = {0};
    struct server server;
    struct conn *ask;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "first_event");
    bench_make_dir(b, "first", &dir);
    server_start(b, "first_event", dir.p, NULL, &server);
    ask = conn_open(&b->poller, server.port, &(struct conn_user){.on_end = on_reply, .arg = &w});
    for (unsigned i = 0; i < times; i++)
        execute_once(b, &server, ask, i, &w);
    conn_close(ask);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
    measure_disk(b, times, &disk);
    add_figures(b, &w, &disk);
    samples_done(&disk);
    samples_done(&w.reply_ns);
    samples_done(&w.event_ns);
}
