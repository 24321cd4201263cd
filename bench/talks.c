/* SPDX-License-Identifier: MIT */
#include "talks.h"

#include "base/mem.h"
#include "base/str.h"
#include "fail.h"

#include <pthread.h>
#include <stdio.h>

enum { APPENDS_PER_TURN = 3, FACTS_MAX = 4, AT_ONCE = 1024, MANY = 100000, MANY_QUICK = 500, TEXT_BYTES = 400 };

struct talk {
    char id[48];
    int64_t sid;
    uint64_t epoch, expect; /* of the row after and before the next append */
    unsigned left;          /* appends that are to follow by themselves */
    unsigned step;          /* of the turn */
    struct session now;
};

struct talks {
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool is_ready; /* the store wants to be polled */
    struct talk *items;
    struct opened *opened;
    unsigned under_way;   /* appends */
    unsigned shared_left; /* appends that any talk may make, when its last one is done */
    struct str text;
};

/* ---- the facts of a turn: `id` is where the id of a step is kept ---- */

static void add_fact(struct talk *t, struct fact *facts, uint32_t *n, struct fact f)
{
    assert(*n < FACTS_MAX);
    f.seq = t->now.seq + 1;
    f.epoch = t->epoch;
    f.at = 1700000000000 + (int64_t)t->now.seq;
    session_fold(&t->now, &f);
    facts[(*n)++] = f;
}

static void add_post(struct talk *t, struct str text, char id[ID_TEXT], struct fact *facts, uint32_t *n)
{
    id_derive((uint64_t)t->sid, "bench", (uint32_t)t->now.seq, 0, 0, id);
    if (t->now.seq == 0)
        add_fact(t, facts, n,
                 (struct fact){.kind = FACT_SESSION_CREATED,
                               .id = str_of(t->id),
                               .root = str_of(t->id),
                               .nonce = id_random_u64(),
                               .title = STR("A talk about something")});
    add_fact(t, facts, n, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = str_of(id), .text = text});
}

static void add_start(struct talk *t, char id[ID_TEXT], struct fact *facts, uint32_t *n)
{
    session_run_id(&t->now, t->now.runs + 1, id);
    add_fact(t, facts, n,
             (struct fact){.kind = FACT_RUN_STARTED,
                           .run = t->now.runs + 1,
                           .id = str_of(id),
                           .provider = STR("openai"),
                           .model = STR("some-model")});
    add_fact(t, facts, n,
             (struct fact){
                 .kind = FACT_ROUND_STARTED, .run = t->now.runs, .round = 1, .admitted = t->now.inbox, .tokens = 99});
    add_fact(t, facts, n,
             (struct fact){.kind = FACT_BUDGET, .run = t->now.runs, .round = 1, .budget = {.total_tokens = 99}});
}

static void add_answer(struct talk *t, struct str text, char id[ID_TEXT], struct fact *facts, uint32_t *n)
{
    uint32_t run = t->now.runs;

    session_message_id(&t->now, run, 1, 0, id);
    add_fact(t, facts, n,
             (struct fact){.kind = FACT_ASSISTANT,
                           .run = run,
                           .round = 1,
                           .place = t->now.messages,
                           .id = str_of(id),
                           .text = text,
                           .usage = {.prompt_tokens = 90, .completion_tokens = 90, .reported = true}});
    add_fact(t, facts, n, (struct fact){.kind = FACT_BUDGET, .run = run, .round = 1, .budget = {.total_tokens = 199}});
    add_fact(t, facts, n, (struct fact){.kind = FACT_RUN_ENDED, .run = run, .end = END_COMPLETED, .rounds = 1});
}

static void send_next(struct talks *all, struct talk *t)
{
    struct fact facts[FACTS_MAX];
    char id[ID_TEXT];
    uint32_t n = 0;
    struct append a = {.sid = t->sid,
                       .token = (uint64_t)(t - all->items),
                       .session_id = str_of(t->id),
                       .first = t->now.seq + 1,
                       .expect = t->expect,
                       .epoch = t->epoch};

    if (t->step == 0)
        add_post(t, all->text, id, facts, &n);
    else if (t->step == 1)
        add_start(t, id, facts, &n);
    else
        add_answer(t, all->text, id, facts, &n);
    t->step = (t->step + 1) % APPENDS_PER_TURN;
    t->expect = t->epoch;
    a.unfinished = session_is_unfinished(&t->now);
    a.state = session_state_word(&t->now);
    a.owner = a.unfinished ? store_writer(all->store) : 0;
    a.head = a.unfinished ? NULL : &t->now;
    a.facts = facts_new(facts, n);
    all->under_way++;
    store_append(all->store, &a);
    facts_unref(a.facts);
}

/* ---- the store ---- */

static void notify(void *arg)
{
    struct talks *t = arg;

    pthread_mutex_lock(&t->lock);
    t->is_ready = true;
    pthread_cond_signal(&t->told);
    pthread_mutex_unlock(&t->lock);
}

static void on_appended(void *arg, const struct appended *a)
{
    struct talks *all = arg;
    struct talk *t = &all->items[a->token];

    if (a->rc != 0)
        fail("the store refuses an append: %s", a->err.text);
    all->under_way--;
    if (t->left > 0)
        t->left--;
    else if (all->shared_left > 0)
        all->shared_left--;
    else
        return;
    send_next(all, t);
}

static void on_opened(void *arg, struct opened *o)
{
    ((struct talks *)arg)->opened = o;
}

void talks_wait(struct talks *t)
{
    pthread_mutex_lock(&t->lock);
    while (!t->is_ready)
        pthread_cond_wait(&t->told, &t->lock);
    t->is_ready = false;
    pthread_mutex_unlock(&t->lock);
    store_poll(t->store);
}

struct talks *talks_open(const char *data_dir, size_t text_bytes)
{
    struct talks *t = mem_zalloc(sizeof(*t));
    struct store_callbacks cb = {.notify = notify, .on_appended = on_appended, .on_opened = on_opened, .arg = t};
    struct sqlite_options o = {.data_dir = data_dir};
    char *text = mem_alloc(text_bytes);
    struct err err;

    memset(text, 'x', text_bytes);
    t->text = (struct str){text, text_bytes};
    t->items = mem_zalloc(AT_ONCE * sizeof(*t->items));
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->told, NULL);
    if (sqlite_store_open(&o, &t->store, &err) < 0)
        fail("%s", err.text);
    store_set_callbacks(t->store, &cb);
    return t;
}

void talks_close(struct talks *t)
{
    if (t == NULL)
        return;
    store_close(t->store);
    pthread_cond_destroy(&t->told);
    pthread_mutex_destroy(&t->lock);
    mem_free((char *)(uintptr_t)t->text.p);
    mem_free(t->items);
    mem_free(t);
}

struct store *talks_store(struct talks *t)
{
    return t->store;
}

struct opened *talks_open_session(struct talks *t, const char *session)
{
    t->opened = NULL;
    store_open_session(t->store, str_of(session), 1);
    while (t->opened == NULL)
        talks_wait(t);
    return t->opened;
}

/* ---- adding ---- */

static void begin_talk(struct talks *all, struct talk *t)
{
    struct opened *o = talks_open_session(all, t->id);

    if (o->rc < 0 || o->found)
        fail("session %s cannot be begun: %s", t->id, o->rc < 0 ? o->err.text : "it is there");
    t->sid = o->sid;
    t->epoch = (1ull << 24) | store_writer(all->store);
    t->expect = 0;
    t->step = t->left = 0;
    session_init(&t->now);
    opened_free(o);
}

static void finish(struct talks *t)
{
    while (t->under_way > 0)
        talks_wait(t);
}

void talks_add(struct talks *t, const char *session, unsigned turns)
{
    struct talk *one = &t->items[0];

    snprintf(one->id, sizeof(one->id), "%s", session);
    begin_talk(t, one);
    one->left = turns * APPENDS_PER_TURN - 1;
    send_next(t, one);
    finish(t);
}

void talks_add_many(struct talks *t, const char *prefix, unsigned n)
{
    for (unsigned at = 0; at < n; at += AT_ONCE) {
        for (unsigned i = 0; i < AT_ONCE && at + i < n; i++) {
            struct talk *one = &t->items[i];

            snprintf(one->id, sizeof(one->id), "%s-%u", prefix, at + i);
            begin_talk(t, one);
            one->left = APPENDS_PER_TURN - 1;
            send_next(t, one);
        }
        finish(t);
    }
}

void talks_append(struct talks *t, const char *prefix, unsigned in_flight, unsigned appends)
{
    assert(in_flight <= AT_ONCE && in_flight <= appends);
    for (unsigned i = 0; i < in_flight; i++) {
        snprintf(t->items[i].id, sizeof(t->items[i].id), "%s-%u", prefix, i);
        begin_talk(t, &t->items[i]);
    }
    t->shared_left = appends - in_flight;
    for (unsigned i = 0; i < in_flight; i++)
        send_next(t, &t->items[i]);
    finish(t);
}

unsigned talks_many(const struct bench *b)
{
    return b->quick ? MANY_QUICK : MANY;
}

void talks_make_many(struct bench *b, const char *data_dir)
{
    struct talks *t;

    bench_say(b, "writing %u sessions", talks_many(b));
    t = talks_open(data_dir, TEXT_BYTES);
    talks_add_many(t, "many", talks_many(b));
    talks_close(t);
}
