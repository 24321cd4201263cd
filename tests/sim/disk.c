/* SPDX-License-Identifier: MIT */
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

#define ANSWER_MS 1 /* from a commit until the server knows of it */

struct row {
    struct str id;
    int64_t sid;
    uint64_t epoch, owner, incarnation;
    int64_t erased_at; /* in the incarnation before */
    bool exists;
    struct session fold;  /* of everything stored: the reference */
    struct session head;  /* as the engine wrote it */
    struct facts **facts; /* facts[seq - 1], one each */
    uint64_t *places;     /* of each, among the facts of all sessions */
    size_t n, cap, cap_places;
    bool has_partial;
    struct partial partial;
    char *partial_text, *partial_reasoning;
};

struct queued {
    struct list link;
    uint64_t life;
    struct append a;
    struct row *row;
    struct session head;
    bool has_head;
    struct receipt *receipt;
};

struct disk {
    struct store store; /* of the living server */
    struct sim *w;
    struct row rows[SIM_SESSIONS];
    struct receipts *receipts;
    int64_t next_sid;
    uint64_t newest_place; /* of a fact, in the order of their arrival */
    struct list queue;
    bool commit_planned;
};

static const struct store_ops ops;

struct disk *disk_new(struct sim *w)
{
    struct disk *d = mem_zalloc(sizeof(*d));

    d->w = w;
    d->store.ops = &ops;
    d->receipts = receipts_new();
    d->next_sid = 1;
    list_init(&d->queue);
    for (unsigned i = 0; i < SIM_SESSIONS; i++)
        d->rows[i].id = sim_session_name(i);
    return d;
}

static struct row *find(const struct disk *d, struct str id)
{
    unsigned i = 0;

    while (i < SIM_SESSIONS - 1 && !str_eq(d->rows[i].id, id))
        i++;
    assert(str_eq(d->rows[i].id, id));
    return (struct row *)(uintptr_t)&d->rows[i];
}

static void erase(struct row *r)
{
    for (size_t i = 0; i < r->n; i++)
        facts_unref(r->facts[i]);
    r->n = 0;
    r->exists = false;
    r->has_partial = false;
    r->incarnation++;
    session_init(&r->fold);
    session_init(&r->head);
}

static void queued_free(struct queued *q)
{
    list_remove(&q->link);
    facts_unref(q->a.facts);
    mem_free(q->receipt);
    mem_free(q);
}

void disk_free(struct disk *d)
{
    while (!list_is_empty(&d->queue))
        queued_free(LIST_ITEM(d->queue.next, struct queued, link));
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        erase(&d->rows[i]);
        mem_free(d->rows[i].facts);
        mem_free(d->rows[i].places);
        mem_free(d->rows[i].partial_text);
        mem_free(d->rows[i].partial_reasoning);
    }
    receipts_free(d->receipts);
    mem_free(d);
}

/* The lock of the data directory is the fence: from here on no older life writes. */
struct store *disk_mount(struct disk *d)
{
    while (!list_is_empty(&d->queue))
        queued_free(LIST_ITEM(d->queue.next, struct queued, link));
    return &d->store;
}

/* Three deaths in ten leave what was under way behind: parts of it still arrive, until the next life begins. */
void disk_server_died(struct disk *d)
{
    bool orphans = sim_chance(d->w, 30);

    LIST_EACH (it, next, &d->queue) {
        struct queued *q = LIST_ITEM(it, struct queued, link);

        if (q->life == d->w->life && (!orphans || sim_chance(d->w, 30)))
            queued_free(q);
    }
}

const struct fact *disk_fact(const struct disk *d, struct str session, uint64_t seq)
{
    const struct row *r = find(d, session);

    return seq == 0 || seq > r->n ? NULL : &r->facts[seq - 1]->items[0];
}

const struct session *disk_fold(const struct disk *d, struct str session)
{
    const struct row *r = find(d, session);

    return !r->exists ? NULL : &r->fold;
}

bool disk_is_quiet(const struct disk *d, struct str session)
{
    const struct row *r = find(d, session);

    LIST_EACH (it, next, &d->queue)
        if (LIST_ITEM(it, const struct queued, link)->row == r)
            return false;
    return true;
}

uint64_t disk_incarnation(const struct disk *d, struct str session)
{
    return find(d, session)->incarnation;
}

uint64_t disk_incarnation_seen(const struct disk *d, struct str session)
{
    const struct row *r = find(d, session);

    return r->incarnation > 0 && d->w->now <= r->erased_at + ANSWER_MS ? UINT64_MAX : r->incarnation;
}

/* ---- commits ---- */

struct completion {
    struct appended done;
};

static void deliver_appended(struct sim *w, void *arg, uint64_t life)
{
    struct completion *c = arg;

    if (life == w->life && !w->dead)
        engine_on_appended(w->engine, &c->done);
    mem_free(c);
}

static void complete(struct disk *d, const struct queued *q, int rc, const char *why)
{
    struct completion *c = mem_zalloc(sizeof(*c));

    c->done = (struct appended){.token = q->a.token, .sid = q->a.sid, .epoch = q->a.epoch, .rc = rc};
    if (rc < 0) {
        err_set(&c->done.err, (enum err_code) - rc, "%s", why);
        sim_tell(d->w, STR_FMT " append at %" PRIu64 " refused: %s", STR_ARG(q->row->id), q->a.first, why);
        d->w->resets++;
        d->w->shown[q->row - d->rows].bytes = 0; /* starts anew: its stored text may be older than what people saw */
    }
    /* All answers take the same time from here, so those of one session stay in order. */
    sim_after(d->w, ANSWER_MS, deliver_appended, c, q->life);
}

static void hash_fact(struct sim *w, const struct fact *f)
{
    struct buf body = BUF_INIT;

    fact_write(f, &body);
    w->hash = (w->hash ^ str_hash(buf_str(&body), f->seq)) * 0x100000001b3u + (uint64_t)f->at;
    buf_done(&body);
}

/* One that was removed from the transcript is there as well: only the store of the server knows which those are. */
static bool has_message(const struct row *r, struct str id)
{
    bool is_there = false;

    for (size_t i = 0; i < r->n; i++) {
        const struct fact *f = &r->facts[i]->items[0];

        if (f->kind == FACT_MESSAGE_POSTED || f->kind == FACT_MESSAGE_WITHDRAWN)
            is_there = str_eq(f->id, id) ? f->kind == FACT_MESSAGE_POSTED : is_there;
    }
    return is_there;
}

static void store_facts(struct disk *d, struct row *r, const struct queued *q)
{
    for (uint32_t i = 0; q->a.facts != NULL && i < q->a.facts->n; i++) {
        const struct fact *f = &q->a.facts->items[i];

        if (f->seq != r->n + 1)
            sim_fail(d->w, "I-DENSE", "session " STR_FMT ": seq %" PRIu64 " after %zu", STR_ARG(r->id), f->seq, r->n);
        if (r->n > 0 && f->epoch < r->facts[r->n - 1]->items[0].epoch)
            sim_fail(d->w, "I-EPOCH", "session " STR_FMT ": the epoch fell at seq %" PRIu64, STR_ARG(r->id), f->seq);
        check_fact(d->w, &r->fold, f);
        if (f->kind == FACT_MESSAGE_POSTED && has_message(r, f->id))
            sim_fail(d->w, "I-NAME", "session " STR_FMT " has two messages " STR_FMT, STR_ARG(r->id), STR_ARG(f->id));
        keys_check_fact(d->w, r->id, f);
        r->facts = mem_grow(r->facts, &r->cap, r->n + 1, sizeof(struct facts *));
        r->places = mem_grow(r->places, &r->cap_places, r->n + 1, sizeof(*r->places));
        r->places[r->n] = ++d->newest_place;
        r->facts[r->n++] = facts_new(f, 1);
        session_fold(&r->fold, f);
        account_put(d->w->account, r->id, f);
        hash_fact(d->w, f);
        sim_tell(d->w, STR_FMT " %" PRIu64 " %s run %u/%u/%u call %u epoch %" PRIx64, STR_ARG(r->id), f->seq,
                 fact_kind_name(f->kind), f->run, f->round, f->gen, f->call, f->epoch);
        d->w->facts++;
    }
}

/* The engine looked for it before: a second one under a key is one too many. */
static void store_receipt(struct disk *d, const struct queued *q)
{
    if (q->receipt == NULL)
        return;
    if (receipts_find(d->receipts, q->row->id, q->receipt->key) != NULL)
        sim_fail(d->w, "I-IDEMP", "session " STR_FMT ": a second receipt for " STR_FMT, STR_ARG(q->row->id),
                 STR_ARG(q->receipt->key));
    receipts_put(d->receipts, q->row->id, q->receipt);
}

static void apply(struct disk *d, const struct queued *q)
{
    struct row *r = q->row;
    uint64_t last = q->a.first - 1 + (q->a.facts == NULL ? 0 : q->a.facts->n);
    bool fits = q->a.expect == 0 ? !r->exists : r->exists && r->epoch == q->a.expect && r->n == q->a.first - 1;

    if (!fits) {
        bool twice = r->exists && last > 0 && last <= r->n && r->facts[last - 1]->items[0].epoch == q->a.epoch;

        complete(d, q, twice ? 0 : -ERR_REFUSED, "epoch or seq");
        return;
    }
    if (q->a.erase) {
        sim_tell(d->w, STR_FMT " is erased", STR_ARG(r->id));
        erase(r);
        r->erased_at = d->w->now;
        account_erase(d->w->account, r->id);
        receipts_erase(d->receipts, r->id);
        complete(d, q, 0, NULL);
        return;
    }
    store_receipt(d, q);
    if (q->a.facts == NULL && q->a.expect == 0) { /* it says that there is no session, and makes none */
        complete(d, q, 0, NULL);
        return;
    }
    r->exists = true;
    r->sid = q->a.sid;
    r->epoch = q->a.epoch;
    r->owner = q->a.owner;
    store_facts(d, r, q);
    if (q->has_head)
        r->head = q->head;
    if (session_is_unfinished(&r->fold) != q->a.unfinished)
        sim_fail(d->w, "I-FOLD", "session " STR_FMT ": unfinished is not what the fold says", STR_ARG(r->id));
    complete(d, q, 0, NULL);
}

static void commit(struct sim *w, void *arg, uint64_t a UNUSED);

static void plan_commit(struct disk *d)
{
    int64_t flush = d->w->faults.slow_disk && sim_chance(d->w, 5) ? 3000 : 1 + (int64_t)sim_below(d->w, 20);

    if (d->commit_planned || list_is_empty(&d->queue))
        return;
    d->commit_planned = true;
    sim_after(d->w, flush, commit, d, 0);
}

/* A random part of the queue, in order: what one flush took. */
static void commit(struct sim *w, void *arg, uint64_t a UNUSED)
{
    struct disk *d = arg;
    uint64_t batch = 1 + sim_below(w, 8);
    bool refused = w->faults.refusals && w->now < SIM_FAULTS_MS && sim_chance(w, 1);

    d->commit_planned = false;
    if (w->faults.feed)
        overseers_tell(w);
    while (batch-- > 0 && !list_is_empty(&d->queue)) {
        struct queued *q = LIST_ITEM(d->queue.next, struct queued, link);

        if (refused)
            complete(d, q, -ERR_STORAGE, "no space");
        else
            apply(d, q);
        queued_free(q);
    }
    plan_commit(d);
}

static void disk_append(struct store *st, const struct append *a)
{
    struct disk *d = CONTAINER_OF(st, struct disk, store);
    struct queued *q;

    if (!sim_port(d->w))
        return;
    q = mem_zalloc(sizeof(*q));
    q->life = d->w->life;
    q->a = *a;
    q->row = find(d, a->session_id);
    if (a->facts != NULL)
        facts_ref(a->facts);
    if (a->head != NULL) {
        q->head = *a->head;
        q->has_head = true;
    }
    if (a->receipt != NULL)
        q->receipt = receipt_copy(a->receipt);
    sim_tell(d->w, STR_FMT " append queued: first %" PRIu64 ", %u facts, expect %" PRIx64 " epoch %" PRIx64,
             STR_ARG(a->session_id), a->first, a->facts ? a->facts->n : 0, a->expect, a->epoch);
    list_add_tail(&d->queue, &q->link);
    plan_commit(d);
}

static void disk_put_partial(struct store *st, int64_t sid UNUSED, uint64_t epoch, const struct partial *p)
{
    struct disk *d = CONTAINER_OF(st, struct disk, store);

    if (!sim_port(d->w) || sim_chance(d->w, 30)) /* it rides along: often it does not get there */
        return;
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        struct row *r = &d->rows[i];

        if (!r->exists || r->sid != sid || r->epoch != epoch)
            continue;
        mem_free(r->partial_text);
        mem_free(r->partial_reasoning);
        r->partial = *p;
        r->partial_text = mem_strndup(p->text.p, p->text.n);
        r->partial_reasoning = mem_strndup(p->reasoning.p, p->reasoning.n);
        r->partial.text.p = r->partial_text;
        r->partial.reasoning.p = r->partial_reasoning;
        r->has_partial = true;
    }
}

/* ---- reads: made now, answered later ---- */

static void deliver_opened(struct sim *w, void *arg, uint64_t life)
{
    struct opened *o = arg;

    if (life == w->life && !w->dead)
        engine_on_opened(w->engine, o);
    opened_free(o);
}

/* I-FOLD: what a store reads (head and tail) is what adding up everything gives. */
static void load(struct disk *d, const struct row *r, struct opened *o)
{
    struct session s = r->head;

    for (size_t i = s.seq; i < r->n; i++)
        session_fold(&s, &r->facts[i]->items[0]);
    if (!check_same_fold(&s, &r->fold))
        sim_fail(d->w, "I-FOLD", "session " STR_FMT ": head and tail are not the log", STR_ARG(r->id));
    o->session = s;
    if (session_has_open_calls(&s))
        o->calls = facts_ref(r->facts[s.assistant_seq - 1]);
    if (r->has_partial) {
        o->has_partial = true;
        o->partial = r->partial;
        o->partial.text = arena_str(&o->arena, r->partial.text);
        o->partial.reasoning = arena_str(&o->arena, r->partial.reasoning);
    }
}

static void disk_open_session(struct store *st, struct str id, uint64_t token)
{
    struct disk *d = CONTAINER_OF(st, struct disk, store);
    const struct row *r = find(d, id);
    struct opened *o;

    if (!sim_port(d->w))
        return;
    o = opened_new();
    o->token = token;
    o->found = r->exists;
    o->sid = r->exists ? r->sid : d->next_sid++;
    o->ended_in_order = !r->exists; /* nothing here ends in order */
    if (r->exists) {
        o->epoch = r->epoch;
        o->owner = r->owner;
        load(d, r, o);
    }
    sim_after(d->w, (int64_t)sim_below(d->w, 15), deliver_opened, o, d->w->life);
}

struct later {
    struct answer *answer;
    query_fn *done;
    void *arg;
    bool owns_arg;
};

static void deliver_answer(struct sim *w, void *arg, uint64_t life)
{
    struct later *q = arg;

    if (life == w->life && !w->dead) {
        q->done(q->arg, q->answer);
    } else {
        answer_free(q->answer);
        if (q->owns_arg)
            mem_free(q->arg);
    }
    mem_free(q);
}

void disk_answer(struct sim *w, int64_t in_ms, struct answer *a, query_fn *done, void *arg, bool owns_arg)
{
    struct later *q = mem_zalloc(sizeof(*q));

    *q = (struct later){.answer = a, .done = done, .arg = arg, .owns_arg = owns_arg};
    sim_after(w, in_ms, deliver_answer, q, w->life);
}

static void read_facts(const struct disk *d, const struct query *q, struct answer *a)
{
    const struct row *r = find(d, q->session_id);
    uint64_t last = q->before == 0 || q->before > r->n ? r->n : q->before - 1;
    size_t most = 1 + sim_below(d->w, 40), n = 0;
    struct fact *facts;

    a->first_seq = 1;
    a->last_seq = r->n;
    if (q->after >= last)
        return;
    n = last - q->after < most ? last - q->after : most;
    facts = mem_alloc(n * sizeof(*facts));
    for (size_t i = 0; i < n; i++)
        facts[i] = r->facts[q->after + i]->items[0];
    a->facts = facts_new(facts, (uint32_t)n);
    a->n = n;
    a->more = q->after + n < last;
    mem_free(facts);
}

static void read_receipt(const struct disk *d, const struct query *q, struct answer *a)
{
    const struct receipt *r = receipts_find(d->receipts, q->session_id, q->key);

    if (r == NULL)
        return;
    a->receipts = arena_alloc(&a->arena, sizeof(*r));
    *a->receipts = (struct receipt){.key = arena_str(&a->arena, r->key),
                                    .fingerprint = arena_str(&a->arena, r->fingerprint),
                                    .at = r->at,
                                    .reply = arena_str(&a->arena, r->reply)};
    a->n = 1;
}

/* Where what the session is busy with began: its run, or the first open question; 0: it is at rest. */
static uint64_t busy_since(const struct row *r)
{
    size_t i = r->n;

    if (!r->fold.run.active)
        return r->fold.n_questions > 0 ? r->places[r->fold.questions[0].seq - 1] : 0;
    while (r->facts[i - 1]->items[0].kind != FACT_RUN_STARTED)
        i--;
    return r->places[i - 1];
}

static bool is_busy_below(const struct disk *d, const struct row *r, const struct query *q)
{
    const struct row *top = find(d, q->session_id);
    uint64_t since = busy_since(r), before = UINT64_MAX;

    if (q->before > 0)
        before = q->before <= top->n ? top->places[q->before - 1] : 0;
    return since > 0 && since < before && str_eq(r->facts[0]->items[0].parent, q->session_id);
}

static void read_ids(const struct disk *d, const struct query *q, struct answer *a)
{
    assert(q->kind == QUERY_BUSY || q->kind == QUERY_UNFINISHED);
    a->session_ids = arena_alloc(&a->arena, SIM_SESSIONS * sizeof(struct str));
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        const struct row *r = &d->rows[i];

        if (r->exists && (q->kind == QUERY_BUSY ? is_busy_below(d, r, q) : session_is_unfinished(&r->fold)))
            a->session_ids[a->n++] = r->id;
    }
}

static void disk_query(struct store *st, const struct query *q, query_fn *done, void *arg)
{
    struct disk *d = CONTAINER_OF(st, struct disk, store);
    bool is_watcher = q->kind == QUERY_FACTS;
    struct answer *a;

    if (q->kind == QUERY_FEED || q->kind == QUERY_SESSION) {
        overseers_query(d->w, q, done, arg);
        return;
    }
    if (!sim_port(d->w))
        return;
    a = answer_new();
    if (is_watcher)
        read_facts(d, q, a);
    else if (q->kind == QUERY_RECEIPT)
        read_receipt(d, q, a);
    else if (q->kind == QUERY_HAS_MESSAGE)
        a->is_taken = has_message(find(d, q->session_id), q->after_message);
    else
        read_ids(d, q, a);
    disk_answer(d->w, (int64_t)sim_below(d->w, 30), a, done, arg, is_watcher);
}

static uint64_t disk_writer(const struct store *st)
{
    return ((const struct disk *)st)->w->life; /* the store is its first member */
}

static bool disk_was_clean(const struct store *st UNUSED)
{
    return false;
}

static const struct store_ops ops = {
    .open_session = disk_open_session,
    .append = disk_append,
    .put_partial = disk_put_partial,
    .query = disk_query,
    .writer = disk_writer,
    .was_clean = disk_was_clean,
};

void disk_check_end(struct disk *d)
{
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        const struct row *r = &d->rows[i];

        if (r->exists && r->fold.run.active)
            sim_fail(d->w, "I-END", "session " STR_FMT ": run %u never ended", STR_ARG(r->id), r->fold.run.number);
        if (r->exists && session_is_unfinished(&r->fold))
            sim_fail(d->w, "I-ASK", "session " STR_FMT ": a deadline has passed by", STR_ARG(r->id));
    }
    if (!list_is_empty(&d->queue))
        sim_fail(d->w, "I-IDLE", "appends are left in the queue");
}
