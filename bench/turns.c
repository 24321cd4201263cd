/* SPDX-License-Identifier: MIT */
#include "turns.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "conn.h"
#include "fail.h"
#include "now.h"

#include <stdio.h>
#include <unistd.h>

enum { TAIL_BYTES = 1024, WARM_AT_ONCE = 64 };

struct turns {
    struct bench *bench;
    const struct turns_plan *plan;
    struct turns_result *result;
    struct turn *items;
    unsigned begun, ended;
    bool is_done;
    struct buf request;
};

enum phase {
    PHASE_POSTED,  /* the reply to the POST is due */
    PHASE_WATCHED, /* the stream is */
};

struct turn {
    struct turns *all;
    struct conn *conn;
    enum phase phase;
    int64_t began_ns;
    unsigned number;
    size_t tail_n;
    char tail[TAIL_BYTES]; /* the end of what came: tells how the turn ended */
};

static void on_body(void *arg, struct str bytes);
static void on_end(void *arg, int status);

static uint16_t port_of(const struct turns_plan *plan)
{
    return plan->server != NULL ? plan->server->port : plan->provider->port;
}

static void open_conn(struct turn *t)
{
    struct conn_user user = {.on_body = on_body, .on_end = on_end, .arg = t};

    t->conn = conn_open(&t->all->bench->poller, port_of(t->all->plan), &user);
}

static void session_of(const struct turn *t, char *out, size_t size)
{
    const struct turns_plan *plan = t->all->plan;

    if (plan->one_session)
        snprintf(out, size, "%s", plan->sessions);
    else
        snprintf(out, size, "%s-%u", plan->sessions, t->number);
}

/* ---- requests ---- */

static void write_chat(const struct turn *t, struct buf *body)
{
    const struct turns_plan *plan = t->all->plan;
    struct json_writer w = JSON_WRITER(body);
    char session[64];

    session_of(t, session, sizeof(session));
    json_begin_object(&w);
    json_key_text(&w, "session_id", session);
    json_key_text(&w, "message", plan->message);
    json_key_text(&w, "model", plan->model);
    json_key_bool(&w, "execute", true);
    json_end_object(&w);
}

static void write_completion(const struct turns_plan *plan, struct buf *body)
{
    const char *name = strchr(plan->model, '/');
    struct json_writer w = JSON_WRITER(body);

    json_begin_object(&w);
    json_key_text(&w, "model", name != NULL ? name + 1 : plan->model);
    json_key(&w, "messages");
    json_begin_array(&w);
    json_begin_object(&w);
    json_key_text(&w, "role", "user");
    json_key_text(&w, "content", plan->message);
    json_end_object(&w);
    json_end_array(&w);
    json_key_bool(&w, "stream", true);
    json_end_object(&w);
}

static void begin(struct turn *t)
{
    struct turns *all = t->all;
    CLEANUP(buf_done) struct buf body = BUF_INIT;

    t->number = all->begun++;
    t->phase = all->plan->server != NULL ? PHASE_POSTED : PHASE_WATCHED;
    t->tail_n = 0;
    buf_clear(&all->request);
    if (all->plan->server != NULL) {
        write_chat(t, &body);
        request_write(&all->request, port_of(all->plan), "POST", "/api/v1/chat", all->plan->server->token,
                      buf_str(&body));
    } else {
        write_completion(all->plan, &body);
        request_write(&all->request, port_of(all->plan), "POST", "/v1/chat/completions", NULL, buf_str(&body));
    }
    t->began_ns = now_ns();
    conn_send(t->conn, buf_str(&all->request));
}

static void watch(struct turn *t)
{
    struct turns *all = t->all;
    char session[64], path[128];

    session_of(t, session, sizeof(session));
    /* A long log would be shown from its beginning; without a cursor only what is new is. */
    snprintf(path, sizeof(path), "/api/v1/events/%s%s", session, all->plan->one_session ? "" : "?after=0");
    buf_clear(&all->request);
    request_write(&all->request, port_of(all->plan), "GET", path, all->plan->server->token, STR(""));
    t->phase = PHASE_WATCHED;
    t->tail_n = 0;
    conn_send(t->conn, buf_str(&all->request));
}

/* ---- replies ---- */

static void on_body(void *arg, struct str bytes)
{
    struct turn *t = arg;
    size_t keep;

    t->all->result->bytes += bytes.n;
    if (bytes.n > TAIL_BYTES)
        bytes = str_skip(bytes, bytes.n - TAIL_BYTES);
    keep = TAIL_BYTES - bytes.n < t->tail_n ? TAIL_BYTES - bytes.n : t->tail_n;
    memmove(t->tail, t->tail + t->tail_n - keep, keep);
    memcpy(t->tail + keep, bytes.p, bytes.n);
    t->tail_n = keep + bytes.n;
}

static void check_end(const struct turn *t)
{
    struct str tail = {t->tail, t->tail_n};

    if (str_find(tail, STR("data: [DONE]\n\n")) < 0 ||
        (t->all->plan->server != NULL && str_find(tail, STR("\"end\":\"completed\"")) < 0))
        fail("turn %u ended badly: " STR_FMT, t->number, STR_ARG(tail));
}

static void end(struct turn *t)
{
    struct turns *all = t->all;

    samples_add(&all->result->took_ns, now_ns() - t->began_ns);
    check_end(t);
    conn_close(t->conn);
    t->conn = NULL;
    if (++all->ended == all->plan->total)
        all->is_done = true;
    if (all->begun == all->plan->total)
        return;
    open_conn(t);
    begin(t);
}

static void on_end(void *arg, int status)
{
    struct turn *t = arg;

    if (status < 200 || status >= 300)
        fail("turn %u: HTTP %d: " STR_FMT, t->number, status, STR_ARG(((struct str){t->tail, t->tail_n})));
    if (t->phase == PHASE_POSTED)
        watch(t);
    else
        end(t);
}

/* ---- before the clock starts ---- */

struct warming {
    unsigned left;
    bool is_done;
};

static void on_warm(void *arg, int status UNUSED)
{
    struct warming *w = arg;

    if (--w->left == 0)
        w->is_done = true;
}

/* An answer shows that the connection was accepted, so that a full queue of the kernel is not what is measured. */
static void open_first(struct turns *all)
{
    const struct turns_plan *plan = all->plan;
    CLEANUP(buf_done) struct buf request = BUF_INIT;

    request_write(&request, port_of(plan), "GET", plan->server != NULL ? "/api/v1/health" : "/stats", NULL, STR(""));
    for (unsigned i = 0; i < plan->at_once; i += WARM_AT_ONCE) {
        struct warming w = {0};
        struct conn_user user = {.on_end = on_warm, .arg = &w};

        for (unsigned k = i; k < plan->at_once && k < i + WARM_AT_ONCE; k++) {
            struct turn *t = &all->items[k];

            t->all = all;
            open_conn(t);
            conn_use(t->conn, &user);
            conn_send(t->conn, buf_str(&request));
            w.left++;
        }
        poller_run(&all->bench->poller, &w.is_done);
    }
    for (unsigned i = 0; i < plan->at_once; i++)
        conn_use(all->items[i].conn, &(struct conn_user){on_body, on_end, &all->items[i]});
}

struct cpu_mark {
    struct cpu_time server, driver, provider;
};

static struct cpu_mark mark(const struct turns_plan *plan)
{
    struct cpu_mark m = {.driver = process_cpu(getpid())};

    if (plan->server != NULL)
        m.server = process_cpu(plan->server->process.pid);
    if (plan->provider != NULL)
        m.provider = process_cpu(plan->provider->process.pid);
    return m;
}

void turns_run(struct bench *b, const struct turns_plan *plan, struct turns_result *out)
{
    struct turns all = {.bench = b, .plan = plan, .result = out};
    struct cpu_mark before, after;
    int64_t began;

    assert(plan->at_once > 0 && plan->at_once <= plan->total);
    *out = (struct turns_result){0};
    all.items = mem_zalloc(plan->at_once * sizeof(*all.items));
    open_first(&all);
    before = mark(plan);
    began = now_ns();
    for (unsigned i = 0; i < plan->at_once; i++)
        begin(&all.items[i]);
    poller_run(&b->poller, &all.is_done);
    out->wall_s = (double)(now_ns() - began) / 1e9;
    after = mark(plan);
    out->server = cpu_since(after.server, before.server);
    out->driver_ns = after.driver.all_ns - before.driver.all_ns;
    out->provider_ns = after.provider.all_ns - before.provider.all_ns;
    buf_done(&all.request);
    mem_free(all.items);
}

void turns_result_done(struct turns_result *r)
{
    samples_done(&r->took_ns);
}
