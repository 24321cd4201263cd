/* SPDX-License-Identifier: MIT */
/* Records of runs. */
#include "base/clock.h"
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/event_wire.h"
#include "face/bamboo/transcript.h"
#include "face/error_body.h"

#define PAGE_RUNS 200
#define PAGE_RUNS_MAX 1000

/* ---- one ---- */

static void on_run(struct exchange *x, const struct answer *a)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (a->rc < 0) {
        error_body_begin(&w, STR("Run not found"), err_wire_name(ERR_NOT_FOUND), http_request_id(x->req));
        json_key_str(&w, "run_id", x->id);
    } else {
        json_begin_object(&w);
        json_key(&w, "run");
        run_row_write(&a->runs[0], &w);
    }
    json_end_object(&w);
    exchange_send(x, a->rc < 0 ? 404 : 200, &body);
}

void run_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_RUN, .run_id = x->id};

    exchange_query(x, &q, on_run);
}

/* ---- those of a session ---- */

static void write_sum(const struct answer *a, struct json_writer *w)
{
    struct usage sum = {0};
    uint64_t rounds = 0, calls = 0;
    int64_t cost = 0;

    for (size_t i = 0; i < a->n; i++) {
        usage_add(&sum, &a->runs[i].usage);
        cost = amount_add(cost, a->runs[i].cost);
        rounds += a->runs[i].rounds;
        calls += a->runs[i].calls;
    }
    json_key(w, "sum");
    json_begin_object(w);
    json_key_u64(w, "runs", a->n);
    json_key_u64(w, "rounds", rounds);
    json_key_u64(w, "tool_calls", calls);
    json_key(w, "usage");
    usage_write(&sum, w);
    json_key_i64(w, "cost_micros", cost);
    json_end_object(w);
}

static void send_runs(struct exchange *x, const struct answer *a)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_str(&w, "session_id", x->id);
    json_key(&w, "runs");
    json_begin_array(&w);
    for (size_t i = 0; i < a->n; i++)
        run_row_write(&a->runs[i], &w);
    json_end_array(&w);
    write_sum(a, &w);
    json_key_bool(&w, "more", a->more);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

/* Never run, or no such session? */
static void on_session(struct exchange *x, const struct answer *session)
{
    struct answer none = {.rc = 0};

    if (session->rc < 0)
        exchange_no_session(x, x->id);
    else
        send_runs(x, &none);
}

static void on_runs(struct exchange *x, const struct answer *a)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id};

    if (a->rc < 0)
        exchange_no_session(x, x->id);
    else if (a->n == 0)
        exchange_query(x, &q, on_session);
    else
        send_runs(x, a);
}

void session_runs_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_RUNS, .session_id = x->id};

    if (exchange_query_limit(x, PAGE_RUNS, PAGE_RUNS_MAX, &q.limit))
        exchange_query(x, &q, on_runs);
}

/* ---- those at work ---- */

struct at_work {
    struct str session_id, run_id, events; /* the latter as JSON values with commas */
    int64_t started_at;
    uint32_t rounds;
};

/* In x->state. */
struct active {
    struct at_work *rows;
    size_t n, at;
};

static void look_at_next(struct exchange *x);

static void write_at_work(const struct at_work *r, struct json_writer *w)
{
    json_begin_object(w);
    json_key_str(w, "session_id", r->session_id);
    json_key_str(w, "run_id", r->run_id);
    json_key(w, "started_at");
    run_time_write(r->started_at, w);
    json_key_u64(w, "round_count", r->rounds);
    json_key(w, "last_critical_events");
    json_begin_array(w);
    if (r->events.n > 0)
        json_put_raw(w, r->events);
    json_end_array(w);
    json_key(w, "running_child_session_ids");
    json_put_raw(w, STR("[]"));
    json_end_object(w);
}

static void send_active(struct exchange *x)
{
    const struct active *active = x->state;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key(&w, "sessions");
    json_begin_array(&w);
    for (size_t i = 0; i < active->n; i++)
        write_at_work(&active->rows[i], &w);
    json_end_array(&w);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

/* A session that is gone meanwhile has none. */
static void on_critical(struct exchange *x, const struct answer *a)
{
    struct active *active = x->state;
    struct at_work *r = &active->rows[active->at++];
    const struct session *now = engine_shown(x->face->o.engine, r->session_id);
    struct event_context c = {.session_id = r->session_id, .title_version = now == NULL ? 0 : now->title_version};
    struct buf events CLEANUP(buf_done) = BUF_INIT;

    for (uint32_t i = 0; a->rc == 0 && a->facts != NULL && i < a->facts->n; i++) {
        if (events.n > 0)
            buf_add_char(&events, ',');
        event_wire_write(&c, &a->facts->items[i], &events);
    }
    r->events = arena_str(&x->arena, buf_str(&events));
    look_at_next(x);
}

/* The engine knows which facts they are, the store what they say. */
static void look_at_next(struct exchange *x)
{
    struct active *active = x->state;

    for (; active->at < active->n; active->at++) {
        struct query q = {.kind = QUERY_FACTS, .session_id = active->rows[active->at].session_id};
        const struct session *now = engine_shown(x->face->o.engine, q.session_id);

        q.n_seqs = now == NULL ? 0 : session_critical(now, q.seqs);
        if (q.n_seqs > 0) {
            exchange_query(x, &q, on_critical);
            return;
        }
    }
    send_active(x);
}

static void on_active(struct exchange *x, const struct answer *a)
{
    struct active *active = arena_zalloc(&x->arena, sizeof(*active));

    active->n = a->n;
    active->rows = arena_zalloc(&x->arena, a->n * sizeof(*active->rows));
    for (size_t i = 0; i < a->n; i++) {
        const struct run_row *r = &a->runs[i];

        active->rows[i] = (struct at_work){.session_id = arena_str(&x->arena, r->session_id),
                                           .run_id = arena_str(&x->arena, r->id),
                                           .started_at = r->started_at,
                                           .rounds = r->rounds};
    }
    x->state = active;
    look_at_next(x);
}

void runs_active_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_ACTIVE};

    exchange_query(x, &q, on_active);
}
