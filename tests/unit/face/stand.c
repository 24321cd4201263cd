/* SPDX-License-Identifier: MIT */
#include "face/stand.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "face/stand_feed.h"
#include "face/stand_http.h"
#include "run/machine.h"

#include <stdio.h>

#define FACTS_MAX 4096

/* ---- the world ---- */

struct stand_in {
    struct list link;
    char id[ID_MAX + 1];
    struct machine m;
    struct hub *hub;
    struct facts *log[FACTS_MAX]; /* one block per step */
    size_t n_log;
    uint64_t epoch;
    char title[64];
    bool pinned;
};

enum way { WAY_REPLY, WAY_ANSWER, WAY_WATCH };

struct on_its_way {
    struct list link;
    enum way kind;
    struct reply reply;
    struct query q;
    struct arena arena; /* of the query's texts */
    query_fn *done;
    void *arg;
    struct watching *watching;
};

struct watching {
    struct watch watch;
    char session_id[ID_MAX + 1], message_id[ID_MAX + 1];
    bool cancelled;
};

struct timer {
    struct list link;
    loop_fn *fn;
    void *arg;
    int64_t due;
    bool armed;
};

struct stand {
    struct face *face;
    struct face_options o;
    struct list sessions, way;
    struct http_request *requests[256];
    size_t n_requests;
    bool refuses, broken, holds, has_receipt;
    struct err refusal, breakage;
    struct reply receipt;
    bool (*on_query)(const struct query *q, struct answer *a);
    int64_t now;
};

static struct stand *the; /* the doubles below have no other way to know */
static struct list timers = {&timers, &timers};

static int resolve(void *arg UNUSED, struct str provider, struct str ref, struct str *out_provider,
                   struct str *out_model, struct err *err)
{
    if (str_is(ref, "nonsense"))
        return err_set(err, ERR_BAD_REQUEST, "model: no model \"nonsense\"; nearest: \"offline\"");
    *out_provider = provider.n > 0 ? provider : STR("offline");
    *out_model = ref.n > 0 ? ref : STR("offline");
    return 0;
}

struct stand *stand_new(void)
{
    struct stand *st = mem_zalloc(sizeof(*st));

    the = st;
    stand_feed_begin();
    list_init(&st->sessions);
    list_init(&st->way);
    st->o = (struct face_options){.boot_id = "boot-1",
                                  .version = "0.0",
                                  .token = "secret",
                                  .resolve_model = resolve,
                                  .default_system_prompt = "You are culm."};
    return st;
}

struct face_options *stand_options(struct stand *st)
{
    return &st->o;
}

void stand_start(struct stand *st)
{
    st->face = face_new(&st->o);
}

struct face *stand_face(struct stand *st)
{
    return st->face;
}

static void session_free(struct stand_in *s)
{
    list_remove(&s->link);
    for (size_t i = 0; i < s->n_log; i++)
        facts_unref(s->log[i]);
    machine_done(&s->m);
    hub_free(s->hub);
    mem_free(s);
}

static void way_free(struct on_its_way *w)
{
    list_remove(&w->link);
    arena_done(&w->arena);
    mem_free(w);
}

void stand_close(struct stand *st)
{
    face_free(st->face);
    st->face = NULL;
    LIST_EACH (it, tmp, &st->way) {
        struct on_its_way *w = LIST_ITEM(it, struct on_its_way, link);

        if (w->kind == WAY_ANSWER)
            way_free(w);
    }
}

void stand_free(struct stand *st)
{
    st->holds = false;
    stand_close(st);
    stand_run(st);
    stand_feed_end();
    LIST_EACH (it, tmp, &st->sessions)
        session_free(LIST_ITEM(it, struct stand_in, link));
    for (size_t i = 0; i < st->n_requests; i++)
        stand_request_free(st->requests[i]);
    assert(list_is_empty(&timers));
    mem_free(st);
    the = NULL;
}

/* ---- sessions ---- */

static struct stand_in *find_session(struct stand *st, struct str id)
{
    LIST_EACH (it, tmp, &st->sessions)
        if (str_is(id, LIST_ITEM(it, struct stand_in, link)->id))
            return LIST_ITEM(it, struct stand_in, link);
    return NULL;
}

static struct stand_in *make_session(struct stand *st, struct str id)
{
    struct stand_in *s = mem_zalloc(sizeof(*s));
    struct session fresh;

    session_init(&fresh);
    machine_init(&s->m, &fresh);
    str_copy(s->id, sizeof(s->id), id);
    s->hub = hub_new(id, LIMIT_RING_EVENTS);
    list_add_tail(&st->sessions, &s->link);
    return s;
}

const struct session *stand_session(struct stand *st, const char *session_id)
{
    struct stand_in *s = find_session(st, str_of(session_id));

    assert(s != NULL);
    return &s->m.s;
}

static struct on_its_way *send_off(struct stand *st, enum way kind)
{
    struct on_its_way *w = mem_zalloc(sizeof(*w));

    w->kind = kind;
    arena_init(&w->arena);
    list_add_tail(&st->way, &w->link);
    return w;
}

static void keep_facts(struct stand_in *s, const struct step *step)
{
    struct facts *facts;
    size_t i = 0;

    if (step->n_facts == 0)
        return;
    facts = facts_new(step->facts, step->n_facts);
    for (; i < facts->n; i++) {
        if (facts->items[i].set_title || facts->items[i].kind == FACT_SESSION_CREATED)
            str_copy(s->title, sizeof(s->title), facts->items[i].title);
        if (facts->items[i].set_pinned)
            s->pinned = facts->items[i].pinned;
    }
    machine_keep(&s->m, facts);
    assert(s->n_log < FACTS_MAX);
    s->log[s->n_log++] = facts;
    if (hub_is_ready(s->hub))
        (void)hub_publish(s->hub, facts);
}

static void feed(struct stand *st, struct str id, const struct input *given)
{
    struct stand_in *s = find_session(st, id);
    struct input in = *given;
    struct step step;
    bool fresh = s == NULL;

    if (fresh)
        s = make_session(st, id);
    in.now = 1700000000000 + (int64_t)s->m.s.seq;
    step_init(&step);
    run_step(&s->m, &in, &step);
    keep_facts(s, &step);
    for (uint32_t i = 0; i < step.n_effects; i++) {
        const struct effect *e = &step.effects[i];

        if (e->kind == EFFECT_REPLY)
            send_off(st, WAY_REPLY)->reply = e->reply;
        else if (e->kind == EFFECT_DELTA)
            hub_publish_delta(s->hub, e->run, e->round, e->gen, e->channel, e->offset, e->text);
    }
    if (hub_take_dirty(s->hub))
        hub_wake(s->hub);
    if (step.erase || s->m.s.seq == 0)
        session_free(s);
    step_done(&step);
}

void stand_feed(struct stand *st, const char *session_id, struct input *in)
{
    const struct run_state *r = &stand_session(st, session_id)->run;

    in->run = r->number;
    in->round = r->round;
    in->gen = r->gen;
    feed(st, str_of(session_id), in);
}

void stand_say(struct stand *st, const char *session_id, const char *text)
{
    struct input in = {.kind = INPUT_DELTA, .channel = DELTA_TEXT, .text = str_of(text)};

    stand_feed(st, session_id, &in);
}

void stand_finish(struct stand *st, const char *session_id, const char *text)
{
    struct input in = {.kind = INPUT_MODEL_DONE,
                       .stop = STOP_END,
                       .usage = {.prompt_tokens = 7, .completion_tokens = 5, .reported = true}};

    stand_say(st, session_id, text);
    stand_feed(st, session_id, &in);
}

/* ---- the store's answers ---- */

static void answer_facts(struct stand_in *s, const struct query *q, struct answer *a)
{
    struct fact *found = mem_alloc(sizeof(*found) * (s->m.s.seq + 1));
    uint32_t n = 0, limit = q->limit == 0 ? 3 : q->limit; /* small pages, so that there are several */

    for (size_t k = 0; k < s->n_log; k++) {
        for (uint32_t i = 0; i < s->log[k]->n; i++) {
            const struct fact *f = &s->log[k]->items[i];
            bool fits = f->seq > q->after && (q->before == 0 || f->seq < q->before);

            if (q->n_seqs > 0) {
                fits = false;
                for (uint32_t m = 0; m < q->n_seqs; m++)
                    fits = fits || f->seq == q->seqs[m];
            }
            if (q->kinds != 0 && (q->kinds & (1ull << f->kind)) == 0)
                fits = false;
            if (fits)
                found[n++] = *f;
        }
    }
    if (q->newest)
        for (uint32_t i = 0; i < n / 2; i++) {
            struct fact f = found[i];

            found[i] = found[n - 1 - i];
            found[n - 1 - i] = f;
        }
    a->more = q->n_seqs == 0 && n > limit;
    a->facts = facts_new(found, a->more ? limit : n);
    a->first_seq = 1;
    a->last_seq = s->m.s.seq;
    mem_free(found);
}

static void answer_session(struct stand_in *s, struct answer *a)
{
    struct session_row *row = arena_zalloc(&a->arena, sizeof(*row));
    const struct session *f = &s->m.s;

    row->id = arena_str(&a->arena, str_of(s->id));
    row->title = arena_str(&a->arena, str_of(s->title));
    row->provider = arena_str(&a->arena, str_of(f->provider));
    row->model = arena_str(&a->arena, str_of(f->model));
    row->pinned = s->pinned;
    row->state = str_of(session_state_word(f));
    row->is_running = f->run.active;
    row->last_seq = f->seq;
    row->metadata_version = f->metadata_version;
    row->title_version = f->title_version;
    row->message_count = f->messages;
    a->sessions = row;
    a->n = 1;
}

static void answer_query(struct stand *st, const struct query *q, struct answer *a)
{
    struct stand_in *s = find_session(st, q->session_id);

    if (st->broken) {
        a->err = st->breakage;
        a->rc = -(int)st->breakage.code;
    } else if (st->on_query != NULL && st->on_query(q, a)) {
        return;
    } else if (s == NULL) {
        a->rc = err_set(&a->err, ERR_NOT_FOUND, "not there");
    } else if (q->kind == QUERY_FACTS) {
        answer_facts(s, q, a);
    } else if (q->kind == QUERY_SESSION) {
        answer_session(s, a);
    }
}

static void watch_ready(struct stand *st, struct watching *one)
{
    struct stand_in *s = find_session(st, str_of(one->session_id));
    struct err err;

    if (!one->cancelled && s == NULL) {
        err_set(&err, ERR_NOT_FOUND, "session not found");
        one->watch.ready(one->watch.arg, NULL, &err);
    } else if (!one->cancelled) {
        if (!hub_is_ready(s->hub))
            hub_set_snapshot(s->hub, &s->m.s, buf_str(&s->m.text), buf_str(&s->m.reasoning));
        one->watch.at.message_id = str_of(one->message_id);
        one->watch.ready(one->watch.arg, subscriber_new(s->hub, &one->watch.at, one->watch.wake, one->watch.arg), NULL);
    }
    mem_free(one);
}

static void deliver(struct stand *st, struct on_its_way *w)
{
    struct answer *a;

    list_remove(&w->link);
    switch (w->kind) {
    case WAY_REPLY:
        if (st->face != NULL)
            face_reply(st->face, &w->reply);
        break;
    case WAY_ANSWER:
        a = answer_new();
        answer_query(st, &w->q, a);
        w->done(w->arg, a);
        break;
    case WAY_WATCH:
        watch_ready(st, w->watching);
        break;
    }
    way_free(w);
}

static struct on_its_way *next_on_its_way(struct stand *st)
{
    LIST_EACH (it, tmp, &st->way) {
        struct on_its_way *w = LIST_ITEM(it, struct on_its_way, link);

        if (!st->holds || w->kind != WAY_ANSWER)
            return w;
    }
    return NULL;
}

static struct timer *next_due(const struct stand *st)
{
    LIST_EACH (it, tmp, &timers) {
        struct timer *t = LIST_ITEM(it, struct timer, link);

        if (t->armed && t->due <= st->now)
            return t;
    }
    return NULL;
}

void stand_run(struct stand *st)
{
    for (;;) {
        bool served = stand_feed_serve(st->now);
        struct on_its_way *w = next_on_its_way(st);
        struct timer *t = next_due(st);

        if (w != NULL) {
            deliver(st, w);
        } else if (t != NULL) {
            t->armed = false;
            t->fn(t->arg);
        } else if (!served) {
            return;
        }
    }
}

void stand_pass(struct stand *st, int64_t ms)
{
    st->now += ms;
    stand_run(st);
}

void stand_refuse(struct stand *st, const struct err *err)
{
    st->refuses = err != NULL;
    if (err != NULL)
        st->refusal = *err;
}

void stand_keep(struct stand *st, const struct reply *receipt)
{
    st->has_receipt = receipt != NULL;
    if (receipt != NULL)
        st->receipt = *receipt;
}

void stand_break_store(struct stand *st, const struct err *err)
{
    st->broken = err != NULL;
    if (err != NULL)
        st->breakage = *err;
}

void stand_hold_answers(struct stand *st, bool hold)
{
    st->holds = hold;
}

void stand_on_query(struct stand *st, bool (*fn)(const struct query *q, struct answer *a))
{
    st->on_query = fn;
}

/* ---- requests ---- */

struct http_request *stand_knock(struct stand *st, const char *line, const char *headers, const char *body)
{
    struct http_request *r = stand_request_new(line, headers, body);

    assert(st->n_requests < ARRAY_LEN(st->requests));
    st->requests[st->n_requests++] = r;
    face_request(st->face, r);
    return r;
}

struct http_request *stand_ask(struct stand *st, const char *line, const char *headers, const char *body)
{
    char all[1024];

    snprintf(all, sizeof(all), "Host: localhost:9562\nAuthorization: Bearer secret\n%s%s",
             body == NULL ? "" : "Content-Type: application/json\n", headers == NULL ? "" : headers);
    return stand_knock(st, line, all, body);
}

struct http_request *stand_call(struct stand *st, const char *line, const char *headers, const char *body)
{
    struct http_request *r = stand_ask(st, line, headers, body);

    stand_run(st);
    return r;
}

/* ---- doubles of net/loop.h and net/workers.h ---- */

struct timer *timer_new(struct loop *l UNUSED, const char *name UNUSED, loop_fn *fn, void *arg)
{
    struct timer *t = mem_zalloc(sizeof(*t));

    t->fn = fn;
    t->arg = arg;
    list_add_tail(&timers, &t->link);
    return t;
}

void timer_start(struct timer *t, int64_t in_ms)
{
    t->armed = true;
    t->due = the->now + in_ms;
}

void timer_stop(struct timer *t)
{
    t->armed = false;
}

void timer_free(struct timer *t)
{
    list_remove(&t->link);
    mem_free(t);
}

void workers_submit(struct workers *w UNUSED, work_fn *work, loop_fn *done, void *arg)
{
    work(arg);
    done(arg);
}

/* ---- doubles of engine/engine.h ---- */

void engine_submit(struct engine *e UNUSED, struct str session_id, const struct input *in)
{
    if (the->refuses) {
        struct reply r = {.kind = REPLY_UNAVAILABLE, .to = in->from, .err = the->refusal};

        face_reply(the->face, &r);
        return;
    }
    if (in->key.n > 0 && (the->has_receipt || in->recall)) {
        struct reply r = the->has_receipt ? the->receipt : (struct reply){.kind = REPLY_NO_RECEIPT};

        r.to = in->from;
        face_reply(the->face, &r);
        return;
    }
    feed(the, session_id, in);
}

const struct session *engine_shown(const struct engine *e UNUSED, struct str session_id)
{
    const struct stand_in *s = find_session(the, session_id);

    return s == NULL ? NULL : &s->m.s;
}

static struct str keep(struct on_its_way *w, struct str s)
{
    return s.p == NULL ? s : arena_str(&w->arena, s);
}

void engine_query(struct engine *e UNUSED, const struct query *q, query_fn *done, void *arg)
{
    struct on_its_way *w = send_off(the, WAY_ANSWER);

    w->q = *q;
    w->q.session_id = keep(w, q->session_id);
    w->q.run_id = keep(w, q->run_id);
    w->q.after_message = keep(w, q->after_message);
    w->q.search = keep(w, q->search);
    w->q.state = keep(w, q->state);
    w->q.cursor = keep(w, q->cursor);
    w->done = done;
    w->arg = arg;
}

struct watching *engine_watch(struct engine *e UNUSED, struct str session_id, const struct watch *given)
{
    struct on_its_way *w = send_off(the, WAY_WATCH);

    w->watching = mem_zalloc(sizeof(*w->watching));
    w->watching->watch = *given;
    str_copy(w->watching->session_id, sizeof(w->watching->session_id), session_id);
    str_copy(w->watching->message_id, sizeof(w->watching->message_id), given->at.message_id);
    return w->watching;
}

void engine_watch_cancel(struct engine *e UNUSED, struct watching *w)
{
    w->cancelled = true;
}

void engine_unwatch(struct engine *e UNUSED, struct subscriber *s)
{
    subscriber_free(s);
}
