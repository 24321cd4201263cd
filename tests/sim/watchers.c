/* SPDX-License-Identifier: MIT */
/* Watchers: fresh, by cursor, slow, leaving, coming back. I-PREFIX, I-RESUME, I-NOPHANTOM, I-SNAP, I-TEXT, I-BUDGET. */
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

struct watcher {
    struct sim *w;
    unsigned no, session;
    uint64_t visit; /* raised when it leaves: late pages and wake-ups of an older visit do nothing */
    struct watching *waiting;
    struct subscriber *sub;
    bool reading, pulling, slow;
    uint64_t incarnation;

    /* what it has seen, kept from visit to visit */
    bool has_cursor;
    uint64_t seq;
    char message[ID_TEXT];
    struct buf text[DELTA_CHANNELS];
    bool reasoning_partial; /* came back in mid-message: its reasoning is not told again */
};

static void pull(struct watcher *v);
static void arrive(struct sim *w, void *arg, uint64_t visit);

void watchers_new(struct sim *w)
{
    w->watchers = mem_zalloc(SIM_WATCHERS * sizeof(*w->watchers));
    for (unsigned i = 0; i < SIM_WATCHERS; i++) {
        w->watchers[i].w = w;
        w->watchers[i].no = i;
        w->watchers[i].session = i % SIM_SESSIONS;
        w->watchers[i].slow = i % 3 == 2;
    }
}

void watchers_free(struct sim *w)
{
    for (unsigned i = 0; i < SIM_WATCHERS; i++)
        for (int c = 0; c < DELTA_CHANNELS; c++)
            buf_done(&w->watchers[i].text[c]);
    mem_free(w->watchers);
}

static void forget_message(struct watcher *v)
{
    v->message[0] = '\0';
    buf_clear(&v->text[DELTA_TEXT]);
    buf_clear(&v->text[DELTA_REASONING]);
    v->reasoning_partial = false;
}

static void forget_all(struct watcher *v)
{
    v->has_cursor = false;
    v->seq = 0;
    forget_message(v);
}

/* ---- what is seen ---- */

static void see_delta(struct watcher *v, const struct event *e)
{
    struct buf *text = &v->text[e->channel];

    if (strcmp(v->message, e->message_id) != 0) {
        forget_message(v);
        str_copy(v->message, sizeof(v->message), str_of(e->message_id));
    }
    if (e->offset != text->n)
        sim_fail(v->w, "I-TEXT", "watcher %u has %zu bytes of %s and is told those after %" PRIu64, v->no, text->n,
                 v->message, e->offset);
    buf_add_str(text, e->text);
    if (e->channel == DELTA_TEXT) {
        struct shown *most = &v->w->shown[v->session];

        if (strcmp(most->message, v->message) != 0) {
            memcpy(most->message, v->message, sizeof(most->message));
            most->bytes = 0;
        }
        if (text->n > most->bytes)
            most->bytes = text->n;
    }
}

static void check_finished_text(struct watcher *v, const struct fact *f)
{
    if (!str_is(f->id, v->message)) {
        if (f->text.n > 0)
            sim_fail(v->w, "I-TEXT", "watcher %u was never shown the text of seq %" PRIu64, v->no, f->seq);
        return;
    }
    if (!str_eq(buf_str(&v->text[DELTA_TEXT]), f->text))
        sim_fail(v->w, "I-TEXT", "watcher %u: text of seq %" PRIu64 " differs from the stored one", v->no, f->seq);
    if (!v->reasoning_partial && !str_eq(buf_str(&v->text[DELTA_REASONING]), f->reasoning))
        sim_fail(v->w, "I-TEXT", "watcher %u: reasoning of seq %" PRIu64 " differs", v->no, f->seq);
}

static void see_fact(struct watcher *v, const struct fact *f)
{
    const struct fact *stored = disk_fact(v->w->disk, sim_session_name(v->session), f->seq);
    struct buf a = BUF_INIT, b = BUF_INIT;

    if (disk_incarnation(v->w->disk, sim_session_name(v->session)) == v->incarnation) {
        if (stored == NULL || stored->kind != f->kind)
            sim_fail(v->w, "I-NOPHANTOM", "watcher %u saw seq %" PRIu64 ", which is not stored", v->no, f->seq);
        fact_write(f, &a);
        fact_write(stored, &b);
        if (!str_eq(buf_str(&a), buf_str(&b)))
            sim_fail(v->w, "I-NOPHANTOM", "watcher %u saw other bytes at seq %" PRIu64, v->no, f->seq);
        buf_done(&a);
        buf_done(&b);
    }
    if (f->seq != v->seq + 1)
        sim_fail(v->w, "I-PREFIX", "watcher %u saw seq %" PRIu64 " after %" PRIu64, v->no, f->seq, v->seq);
    v->seq = f->seq;
    v->has_cursor = true;
    if (f->kind == FACT_ASSISTANT)
        check_finished_text(v, f);
    if (f->kind == FACT_ASSISTANT || f->kind == FACT_RUN_RECOVERED || f->kind == FACT_MODEL_FAILED ||
        f->kind == FACT_ROUND_STARTED || f->kind == FACT_RUN_ENDED)
        forget_message(v);
}

/* ---- coming and going ---- */

static void leave(struct watcher *v)
{
    v->visit++;
    v->reading = false;
    if (v->waiting != NULL)
        engine_watch_cancel(v->w->engine, v->waiting);
    if (v->sub != NULL)
        engine_unwatch(v->w->engine, v->sub);
    v->waiting = NULL;
    v->sub = NULL;
}

static void come_back(struct watcher *v, int64_t delay_ms)
{
    if (v->w->now < SIM_FAULTS_MS + SIM_CALM_MS / 2)
        sim_after(v->w, delay_ms, arrive, v, v->visit);
}

static void go_away(struct sim *w, void *arg, uint64_t visit)
{
    struct watcher *v = arg;

    if (visit != v->visit || w->engine == NULL || w->dead)
        return;
    if (w->now > SIM_FAULTS_MS + SIM_CALM_MS / 4)
        return; /* stays to the end: by then it must have seen everything */
    leave(v);
    if (sim_chance(w, 20)) {
        v->session = (unsigned)sim_below(w, SIM_SESSIONS);
        forget_all(v);
    } else if (sim_chance(w, 20)) {
        forget_all(v);
    }
    come_back(v, (int64_t)sim_below(w, 3000));
}

/* I-SNAP: what a late watcher starts from is the fold of the log at one seq. It contains I-BUDGET. */
static void check_snapshot(struct watcher *v)
{
    const struct session *shown = hub_session(subscriber_hub(v->sub));
    struct session s;

    session_init(&s);
    for (uint64_t seq = 1; seq <= shown->seq; seq++) {
        const struct fact *f = disk_fact(v->w->disk, sim_session_name(v->session), seq);

        if (f == NULL)
            sim_fail(v->w, "I-SNAP", "watcher %u starts from seq %" PRIu64 ", which is not stored", v->no, shown->seq);
        session_fold(&s, f);
    }
    if (!check_same_fold(&s, shown))
        sim_fail(v->w, "I-SNAP", "watcher %u starts from something that is not the log at %" PRIu64, v->no, shown->seq);
}

static void on_ready(void *arg, struct subscriber *s, const struct err *err UNUSED)
{
    struct watcher *v = arg;
    struct str name = sim_session_name(v->session);

    v->waiting = NULL;
    v->sub = s;
    if (s == NULL) {
        forget_all(v);
        come_back(v, 500);
        return;
    }
    if (v->has_cursor &&
        (disk_incarnation(v->w->disk, name) != v->incarnation || v->seq > hub_session(subscriber_hub(s))->seq)) {
        uint64_t incarnation = disk_incarnation(v->w->disk, name);

        if (incarnation == v->incarnation)
            sim_fail(v->w, "I-RESUME", "watcher %u has seen seq %" PRIu64 ", the hub only %" PRIu64, v->no, v->seq,
                     hub_session(subscriber_hub(s))->seq);
        forget_all(v);
        leave(v);
        come_back(v, 10);
        return;
    }
    v->incarnation = disk_incarnation_seen(v->w->disk, name);
    if (v->incarnation == 0)
        check_snapshot(v);
    if (!v->has_cursor) {
        v->seq = subscriber_seq(s);
        v->has_cursor = true;
        forget_message(v);
    }
    sim_after(v->w, 500 + (int64_t)sim_below(v->w, 20000), go_away, v, v->visit);
    pull(v);
}

static void later_pull(struct sim *w, void *arg, uint64_t visit)
{
    struct watcher *v = arg;

    if (visit != v->visit || w->dead)
        return;
    v->pulling = false;
    pull(v);
}

static void on_wake(void *arg)
{
    struct watcher *v = arg;

    if (v->sub == NULL || v->pulling)
        return;
    if (!v->slow) {
        pull(v);
        return;
    }
    v->pulling = true;
    sim_after(v->w, (int64_t)sim_below(v->w, 2500), later_pull, v, v->visit);
}

static void arrive(struct sim *w, void *arg, uint64_t visit)
{
    struct watcher *v = arg;
    struct watch watch = {.ready = on_ready, .wake = on_wake, .arg = v};

    if (visit != v->visit || w->engine == NULL || w->dead || v->sub != NULL || v->waiting != NULL)
        return;
    v->pulling = false;
    if (v->has_cursor && sim_chance(w, 85)) {
        watch.at.has_cursor = true;
        watch.at.after = v->seq;
        if (v->message[0] != '\0') {
            watch.at.message_id = str_of(v->message);
            watch.at.offset = v->text[DELTA_TEXT].n;
            v->reasoning_partial = watch.at.offset > 0;
            if (!v->reasoning_partial) /* before the first word it is told anew */
                buf_clear(&v->text[DELTA_REASONING]);
        }
    } else {
        forget_all(v);
    }
    v->waiting = engine_watch(w->engine, sim_session_name(v->session), &watch);
}

/* ---- the pull loop: what a face does ---- */

struct page_for {
    struct watcher *v;
    uint64_t visit;
};

static void on_page(void *arg, struct answer *answer)
{
    struct page_for *p = arg;
    struct watcher *v = p->v;
    struct event e;

    if (p->visit == v->visit && v->sub != NULL) {
        v->reading = false;
        for (uint32_t i = 0; answer->facts != NULL && i < answer->facts->n; i++) {
            const struct fact *f = &answer->facts->items[i];

            while (subscriber_take(v->sub, f, &e))
                see_delta(v, &e);
            see_fact(v, f);
        }
        pull(v);
    }
    answer_free(answer);
    mem_free(p);
}

static void read_log(struct watcher *v, uint64_t seq, uint64_t upto)
{
    struct query q = {
        .kind = QUERY_FACTS, .session_id = sim_session_name(v->session), .after = seq - 1, .before = upto + 1};
    struct page_for *p;

    if (v->w->dead)
        return;
    p = mem_zalloc(sizeof(*p));
    p->v = v;
    p->visit = v->visit;
    v->reading = true;
    engine_query(v->w->engine, &q, on_page, p);
    if (v->w->dead)
        mem_free(p); /* died at this very call: nobody will answer */
}

/* Whoever has nothing more to read has as much of the text in flight as anybody was shown. */
static void check_live_text(struct watcher *v)
{
    const struct session *s = hub_session(subscriber_hub(v->sub));
    const struct session *stored = disk_fold(v->w->disk, sim_session_name(v->session));
    const struct shown *most = &v->w->shown[v->session];
    char id[ID_TEXT];

    if (!hub_is_ready(subscriber_hub(v->sub)) || !s->run.round_open)
        return;
    if (v->incarnation > 0 || !disk_is_quiet(v->w->disk, sim_session_name(v->session)) || stored == NULL ||
        stored->seq != s->seq)
        return; /* the answer is decided and not stored: who comes now gets it with its fact */
    session_message_id(s, s->run.number, s->run.round, s->run.gen, id);
    if (strcmp(most->message, id) == 0 && v->text[DELTA_TEXT].n < most->bytes)
        sim_fail(v->w, "I-TEXT", "watcher %u has %zu bytes of the text in flight, others %zu", v->no,
                 v->text[DELTA_TEXT].n, most->bytes);
}

static void pull(struct watcher *v)
{
    uint64_t seq, upto;
    struct event e;

    while (v->sub != NULL && !v->reading && !v->w->dead) {
        switch (subscriber_next(v->sub, &e, &seq, &upto)) {
        case HUB_EVENT:
            if (e.kind == EVENT_FACT)
                see_fact(v, e.fact);
            else
                see_delta(v, &e);
            if (v->slow && sim_chance(v->w, 30) && !v->pulling) {
                v->pulling = true;
                sim_after(v->w, (int64_t)sim_below(v->w, 2500), later_pull, v, v->visit);
                return;
            }
            break;
        case HUB_BEHIND:
            read_log(v, seq, upto);
            break;
        case HUB_EMPTY:
            check_live_text(v);
            return;
        case HUB_END:
            forget_all(v);
            leave(v);
            come_back(v, 200);
            return;
        }
    }
}

void watchers_start(struct sim *w)
{
    for (unsigned i = 0; i < SIM_WATCHERS; i++)
        come_back(&w->watchers[i], (int64_t)sim_below(w, 1000));
}

void watchers_server_died(struct sim *w)
{
    for (unsigned i = 0; i < SIM_WATCHERS; i++)
        leave(&w->watchers[i]);
}

void watchers_check_end(struct sim *w)
{
    for (unsigned i = 0; i < SIM_WATCHERS; i++) {
        struct watcher *v = &w->watchers[i];
        const struct session *s = disk_fold(w->disk, sim_session_name(v->session));

        if (v->sub != NULL && s != NULL && v->seq != s->seq)
            sim_fail(w, "I-PREFIX", "watcher %u stayed to the end and saw seq %" PRIu64 " of %" PRIu64, i, v->seq,
                     s->seq);
        leave(v);
    }
}
