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

#define BEYOND_FLUSH_MS 1.0 /* what execute may take beside one flush */

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

/*
 * What the disk alone takes for a block: written over, as in a write-ahead log that began anew, or at the end of a file
 * that grows, as in a young one, where the file system has its own log to write too.
 */
static void measure_disk(struct bench *b, unsigned times, bool grows, struct samples *out)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    char block[BLOCK_BYTES];
    unsigned there = grows ? 1 : FILE_BLOCKS;
    int fd;

    buf_addf(&path, "%s/flushes", b->dir);
    fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        fail_sys("%s", path.p);
    for (unsigned i = 0; i < there + times; i++) {
        off_t at = (off_t)(grows ? i : i % FILE_BLOCKS) * BLOCK_BYTES;
        int64_t began = now_ns();

        memset(block, (int)i, sizeof(block));
        if (pwrite(fd, block, sizeof(block), at) != (ssize_t)sizeof(block) || (i + 1 >= there && fdatasync(fd) != 0))
            fail_sys("%s", path.p);
        if (i >= there)
            samples_add(out, now_ns() - began);
    }
    close(fd);
    unlink(path.p);
}

static void add_pair(struct bench *b, struct samples *s, double target_ms, const char *name)
{
    figures_add(b->figures, (double)samples_median(s) / 1e6, "ms", target_ms, "%s: median", name);
    figures_add(b->figures, (double)samples_at(s, 99) / 1e6, "ms", NO_TARGET, "%s: p99", name);
}

void group_first_event(struct bench *b)
{
    unsigned times = b->quick ? 5 : 300;
    struct samples over = {0}, grown = {0};
    struct waiting w = {0};
    struct server server;
    struct conn *ask;
    double target_ms;
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
    measure_disk(b, times, false, &over);
    measure_disk(b, times, true, &grown);
    target_ms = (double)samples_median(&over) / 1e6 + BEYOND_FLUSH_MS;
    add_pair(b, &over, NO_TARGET, "fdatasync of 4 KB written over");
    add_pair(b, &grown, NO_TARGET, "fdatasync of 4 KB at the end of a file");
    add_pair(b, &w.reply_ns, target_ms, "execute to its 202");
    add_pair(b, &w.event_ns, target_ms, "execute to the first durable event");
    samples_done(&over);
    samples_done(&grown);
    samples_done(&w.reply_ns);
    samples_done(&w.event_ns);
}
