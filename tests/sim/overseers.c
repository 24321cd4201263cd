/* SPDX-License-Identifier: MIT */
/*
 * Watchers of the account feed: by cursor, slow, leaving, coming back. I-FEED: what one is told, over all visits, is
 * each event once and in order, but for those of erased sessions; I-STATE: whoever stays is told the last state of all.
 */
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

struct overseer {
    struct sim *w;
    unsigned no;
    uint64_t visit; /* raised when it leaves */
    struct feed_watcher *feed;
    bool asking, pulling, slow;
    uint64_t seq; /* the last number it was told, kept from visit to visit */
    struct known {
        uint64_t incarnation, seq; /* of the session when it came */
        uint64_t state;            /* last seq of the state that it was told on this visit */
    } known[SIM_SESSIONS];
};

static void pull(struct overseer *v);
static void arrive(struct sim *w, void *arg, uint64_t visit);

void overseers_new(struct sim *w)
{
    w->overseers = mem_zalloc(SIM_OVERSEERS * sizeof(*w->overseers));
    for (unsigned i = 0; i < SIM_OVERSEERS; i++) {
        w->overseers[i].w = w;
        w->overseers[i].no = i;
        w->overseers[i].slow = i == 1;
    }
}

void overseers_free(struct sim *w)
{
    mem_free(w->overseers);
}

static unsigned index_of(struct str session)
{
    unsigned i = 0;

    while (!str_eq(sim_session_name(i), session))
        i++;
    return i;
}

/* ---- what is told ---- */

static void see_event(struct overseer *v, const struct feed_row *row)
{
    struct feed_row next;

    if (row->seq <= v->seq)
        sim_fail(v->w, "I-FEED", "overseer %u was told %" PRIu64 " after %" PRIu64, v->no, row->seq, v->seq);
    if (account_next(v->w->account, v->seq, &next) && next.seq < row->seq)
        sim_fail(v->w, "I-FEED", "overseer %u was told %" PRIu64 ", and never %" PRIu64, v->no, row->seq, next.seq);
    if (next.seq == row->seq && (next.event != row->event || !str_eq(next.session_id, row->session_id)))
        sim_fail(v->w, "I-FEED", "overseer %u was told something else than %" PRIu64, v->no, row->seq);
    v->seq = row->seq;
}

static void see_state(struct overseer *v, const struct session_row *s)
{
    unsigned i = index_of(s->id);
    struct known *k = &v->known[i];
    struct feed_row next;

    if (disk_fold(v->w->disk, s->id) == NULL && !account_next(v->w->account, v->seq, &next))
        sim_fail(v->w, "I-STATE", "overseer %u knows that " STR_FMT " was erased, and is told its state", v->no,
                 STR_ARG(s->id));
    if (disk_incarnation(v->w->disk, s->id) == k->incarnation && s->last_seq < k->state)
        sim_fail(v->w, "I-STATE", "overseer %u: the state of " STR_FMT " goes back from %" PRIu64 " to %" PRIu64, v->no,
                 STR_ARG(s->id), k->state, s->last_seq);
    k->state = s->last_seq;
}

/* ---- coming and going ---- */

static void come_back(struct overseer *v, int64_t in_ms)
{
    sim_after(v->w, in_ms, arrive, v, v->visit);
}

static void leave(struct overseer *v)
{
    v->visit++;
    v->asking = v->pulling = false;
    if (v->feed != NULL)
        engine_feed_unwatch(v->w->engine, v->feed);
    v->feed = NULL;
}

static void go_away(struct sim *w, void *arg, uint64_t visit)
{
    struct overseer *v = arg;

    if (visit != v->visit || w->dead || w->now >= SIM_FAULTS_MS)
        return;
    leave(v);
    come_back(v, (int64_t)sim_feed_below(w, 3000));
}

struct asked {
    struct overseer *v;
    uint64_t visit;
};

static void ask(struct overseer *v, uint64_t after, query_fn *done)
{
    struct query q = {.kind = QUERY_FEED, .after = after, .limit = 1 + (uint32_t)sim_feed_below(v->w, 40)};
    struct asked *a = mem_zalloc(sizeof(*a));

    a->v = v;
    a->visit = v->visit;
    v->asking = true;
    overseers_query(v->w, &q, done, a);
}

static void later_pull(struct sim *w, void *arg, uint64_t visit)
{
    struct overseer *v = arg;

    if (visit != v->visit || w->dead)
        return;
    v->pulling = false;
    pull(v);
}

static void pull_later(struct overseer *v)
{
    v->pulling = true;
    sim_after(v->w, (int64_t)sim_feed_below(v->w, 2500), later_pull, v, v->visit);
}

static void on_wake(void *arg)
{
    struct overseer *v = arg;

    if (!v->pulling && v->slow)
        pull_later(v);
    else if (!v->pulling)
        sim_after(v->w, 0, later_pull, v, v->visit); /* outside of the hub's own call, as a face does it */
    v->pulling = true;
}

static void on_range(void *arg, struct answer *answer)
{
    struct asked *a = arg;
    struct overseer *v = a->v;

    if (a->visit == v->visit) {
        v->asking = false;
        if (v->seq > answer->last_seq)
            sim_fail(v->w, "I-FEED", "overseer %u was told %" PRIu64 ", and the newest is %" PRIu64, v->no, v->seq,
                     answer->last_seq);
        for (unsigned i = 0; i < SIM_SESSIONS; i++) {
            struct str id = sim_session_name(i);
            const struct session *s = disk_fold(v->w->disk, id);

            v->known[i] = (struct known){disk_incarnation(v->w->disk, id), s == NULL ? 0 : s->seq, 0};
        }
        v->feed = engine_feed_watch(v->w->engine, v->seq, answer->last_seq, on_wake, v);
        sim_after(v->w, 500 + (int64_t)sim_feed_below(v->w, 20000), go_away, v, v->visit);
        pull(v);
    }
    answer_free(answer);
    mem_free(a);
}

static void arrive(struct sim *w, void *arg, uint64_t visit)
{
    struct overseer *v = arg;

    if (visit == v->visit && w->engine != NULL && !w->dead && v->feed == NULL && !v->asking)
        ask(v, UINT64_MAX, on_range);
}

/* ---- the pull loop: what a face does ---- */

static void on_page(void *arg, struct answer *answer)
{
    struct asked *a = arg;
    struct overseer *v = a->v;

    if (a->visit == v->visit) {
        v->asking = false;
        for (size_t i = 0; i < answer->n; i++)
            see_event(v, &answer->feed[i]);
        feed_watcher_skip(v->feed, answer->upto);
        pull(v);
    }
    answer_free(answer);
    mem_free(a);
}

static void take(struct overseer *v, const struct feed_item *item)
{
    if (item->row != NULL)
        see_event(v, item->row);
    else
        see_state(v, item->session);
}

static void pull(struct overseer *v)
{
    struct feed_item item;

    while (v->feed != NULL && !v->asking && !v->w->dead) {
        switch (feed_watcher_next(v->feed, &item)) {
        case FEED_ITEM:
            take(v, &item);
            if (v->slow && !v->pulling && sim_feed_below(v->w, 100) < 30) {
                pull_later(v);
                return;
            }
            break;
        case FEED_BEHIND:
            ask(v, feed_watcher_seq(v->feed), on_page);
            break;
        case FEED_EMPTY:
            return;
        case FEED_END:
            sim_fail(v->w, "I-FEED", "overseer %u: the feed ends, and nothing is wrong with the disk", v->no);
        }
    }
}

/* ---- the store's side: made now, answered later ---- */

static void read_session(const struct sim *w, struct str id, struct answer *a)
{
    const struct session *s = disk_fold(w->disk, id);

    if (s == NULL) {
        a->rc = err_set(&a->err, ERR_NOT_FOUND, "gone");
        return;
    }
    a->sessions = arena_zalloc(&a->arena, sizeof(*a->sessions));
    a->sessions->id = arena_str(&a->arena, id);
    a->sessions->last_seq = s->seq;
    a->n = 1;
}

void overseers_query(struct sim *w, const struct query *q, query_fn *done, void *arg)
{
    bool is_overseer = q->limit > 0; /* the hub leaves that to the store */
    struct answer *a = answer_new();

    if (q->kind == QUERY_FEED)
        account_read(w->account, q->after, is_overseer ? q->limit : 1 + sim_feed_below(w, 10), a);
    else
        read_session(w, q->session_id, a);
    disk_answer(w, (int64_t)sim_feed_below(w, 30), a, done, arg, is_overseer);
}

static void deliver_newest(struct sim *w, void *arg, uint64_t life)
{
    (void)arg;
    if (life == w->life && !w->dead)
        engine_on_feed(w->engine, account_newest(w->account));
}

void overseers_tell(struct sim *w)
{
    sim_after(w, 1, deliver_newest, NULL, w->life);
}

/* ---- life ---- */

void overseers_start(struct sim *w)
{
    for (unsigned i = 0; i < SIM_OVERSEERS && w->faults.feed; i++)
        come_back(&w->overseers[i], (int64_t)sim_feed_below(w, 1000));
}

void overseers_server_died(struct sim *w)
{
    for (unsigned i = 0; i < SIM_OVERSEERS; i++)
        leave(&w->overseers[i]);
}

static void check_states(const struct overseer *v)
{
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        struct str id = sim_session_name(i);
        const struct session *s = disk_fold(v->w->disk, id);
        const struct known *k = &v->known[i];
        bool changed = s != NULL && (disk_incarnation(v->w->disk, id) != k->incarnation || s->seq > k->seq);

        if (changed && k->state != s->seq)
            sim_fail(v->w, "I-STATE", "overseer %u stayed to the end and knows " STR_FMT " at %" PRIu64 " of %" PRIu64,
                     v->no, STR_ARG(id), k->state, s->seq);
    }
}

void overseers_check_end(struct sim *w)
{
    for (unsigned i = 0; i < SIM_OVERSEERS && w->faults.feed; i++) {
        struct overseer *v = &w->overseers[i];
        struct feed_row next;

        if (v->feed == NULL)
            sim_fail(w, "I-FEED", "overseer %u did not get in", i);
        if (account_next(w->account, v->seq, &next))
            sim_fail(w, "I-FEED", "overseer %u stayed to the end and was never told %" PRIu64, i, next.seq);
        check_states(v);
        leave(v);
    }
}
