/* SPDX-License-Identifier: MIT */
/* Sessions created: alone each waits for its own flush, together they share one. */
#include "base/mem.h"
#include "bench.h"
#include "conn.h"
#include "fail.h"
#include "now.h"
#include "samples.h"
#include "server.h"

struct creates {
    struct buf request;
    struct samples took_ns;
    unsigned left, under_way;
    bool is_done;
};

struct creator {
    struct creates *all;
    struct conn *conn;
    int64_t began_ns;
};

static void create(struct creator *c)
{
    c->all->left--;
    c->all->under_way++;
    c->began_ns = now_ns();
    conn_send(c->conn, buf_str(&c->all->request));
}

static void on_end(void *arg, int status)
{
    struct creator *c = arg;
    struct creates *all = c->all;

    if (status != 201)
        fail("a session was not created: HTTP %d", status);
    samples_add(&all->took_ns, now_ns() - c->began_ns);
    all->under_way--;
    if (all->left > 0)
        create(c);
    else if (all->under_way == 0)
        all->is_done = true;
}

static void measure(struct bench *b, unsigned at_once, unsigned total)
{
    struct creator *items = mem_zalloc(at_once * sizeof(*items));
    struct creates all = {.left = total};
    struct cpu_time before, cpu;
    struct server server;
    int64_t began;
    double wall_s;
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    bench_say(b, "creates: %u at once", at_once);
    bench_make_dir(b, "creates", &dir);
    server_start(b, "creates", dir.p, NULL, &server);
    request_write(&all.request, server.port, "POST", "/api/v1/sessions", server.token,
                  STR("{\"title\":\"A session\"}"));
    for (unsigned i = 0; i < at_once; i++) {
        items[i].all = &all;
        items[i].conn = conn_open(&b->poller, server.port, &(struct conn_user){.on_end = on_end, .arg = &items[i]});
    }
    before = process_cpu(server.process.pid);
    began = now_ns();
    for (unsigned i = 0; i < at_once; i++)
        create(&items[i]);
    poller_run(&b->poller, &all.is_done);
    wall_s = (double)(now_ns() - began) / 1e9;
    cpu = cpu_since(process_cpu(server.process.pid), before);
    figures_add(b->figures, total / wall_s, "/s", NO_TARGET, "%u at once", at_once);
    figures_add(b->figures, (double)cpu.all_ns / total / 1e3, "us", NO_TARGET, "%u at once: server CPU each", at_once);
    figures_add(b->figures, (double)samples_median(&all.took_ns) / 1e6, "ms", NO_TARGET, "%u at once: median", at_once);
    figures_add(b->figures, (double)samples_at(&all.took_ns, 99) / 1e6, "ms", NO_TARGET, "%u at once: p99", at_once);
    for (unsigned i = 0; i < at_once; i++)
        conn_close(items[i].conn);
    server_stop(b, &server);
    bench_remove_dir(dir.p);
    samples_done(&all.took_ns);
    buf_done(&all.request);
    mem_free(items);
}

void group_creates(struct bench *b)
{
    measure(b, 1, b->quick ? 20 : 1000);
    measure(b, 64, b->quick ? 128 : 20000);
}
