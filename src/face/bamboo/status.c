/* SPDX-License-Identifier: MIT */
/* How the server is doing: for people and programs, and for Prometheus. What is told is the owner's. */
#include "base/process_stats.h"
#include "base/str.h"
#include "face/bamboo/bamboo.h"

/* On a worker: with many descriptors the kernel may need longer than the loop can wait. */
static void ask_kernel(void *arg)
{
    struct exchange *x = arg;
    struct process_stats *process = arena_zalloc(&x->arena, sizeof(*process));

    process_stats_read(process);
    x->state = process;
}

static void send_status(struct exchange *x, enum face_status_form form, struct str content_type)
{
    const struct face_options *o = &x->face->o;
    struct buf body CLEANUP(buf_done) = BUF_INIT;

    o->write_status(o->arg, form, x->state, &body);
    exchange_send_text(x, 200, content_type, buf_str(&body));
}

static void send_document(struct exchange *x)
{
    send_status(x, FACE_STATUS_JSON, STR("application/json"));
}

static void send_metrics(struct exchange *x)
{
    send_status(x, FACE_STATUS_PROMETHEUS, STR("text/plain; version=0.0.4; charset=utf-8"));
}

void status_get(struct exchange *x)
{
    exchange_work(x, ask_kernel, send_document);
}

void metrics_get(struct exchange *x)
{
    exchange_work(x, ask_kernel, send_metrics);
}
