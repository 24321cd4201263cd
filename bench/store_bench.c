/* SPDX-License-Identifier: MIT */
/*
 * Figures of the SQLite store: appends with 1, 16 and 256 sessions in flight, and what 100,000 stored
 * sessions and a transcript of 5,000 messages cost. Prints, asserts nothing. From the root of the repository:
 *
 *   gcc -O2 -std=gnu17 -D_GNU_SOURCE -Isrc bench/store_bench.c \
 *       $(find src/store src/session src/base -name '*.c') -lsqlite3 -lsodium -lyajl -o /tmp/store_bench &&
 * /tmp/store_bench EMPTY_DIRECTORY
 */
#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/sqlite_store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define APPENDS_PER_TURN 3
#define MOST_IN_FLIGHT 1024

struct talk {
    char id[24];
    int64_t sid;
    uint64_t epoch, expect;
    int step; /* of the turn */
    struct session s;
};

static struct store *st;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static bool ready;
static struct talk *talks;
static long left, done;
static struct opened *opened;
static struct answer *answer;
static char text[2000];

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(struct talk *t, struct fact *facts, uint32_t *n, struct fact f)
{
    f.seq = t->s.seq + 1;
    f.epoch = t->epoch;
    f.at = 1700000000000 + (int64_t)t->s.seq;
    session_fold(&t->s, &f);
    facts[(*n)++] = f;
}

/* The three appends of a turn: post; start; answer and end. 7 facts, 400 bytes each way. */
static void send_next(struct talk *t)
{
    struct fact facts[8];
    uint32_t n = 0, run = t->s.run.number;
    struct append a = {
        .sid = t->sid, .token = (uint64_t)(t - talks), .session_id = str_of(t->id), .first = t->s.seq + 1};
    struct str words = {text, 400};

    if (t->epoch == 0)
        t->epoch = (1ull << 24) | store_writer(st);
    a.expect = t->expect;
    a.epoch = t->expect = t->epoch;
    if (t->s.seq == 0)
        add(t, facts, &n,
            (struct fact){.kind = FACT_SESSION_CREATED,
                          .id = a.session_id,
                          .root = a.session_id,
                          .title = STR("A talk about something")});
    if (t->step == 0) {
        add(t, facts, &n,
            (struct fact){
                .kind = FACT_MESSAGE_POSTED, .id = STR("0f9d2a52-7cb0-4b0e-9c3c-1d2f3e4a5b6c"), .text = words});
    } else if (t->step == 1) {
        add(t, facts, &n,
            (struct fact){.kind = FACT_RUN_STARTED,
                          .run = t->s.runs + 1,
                          .id = STR("1f9d2a52-7cb0-4b0e-9c3c-1d2f3e4a5b6c"),
                          .provider = STR("openai"),
                          .model = STR("some-model")});
        add(t, facts, &n,
            (struct fact){
                .kind = FACT_ROUND_STARTED, .run = t->s.runs, .round = 1, .admitted = t->s.inbox, .tokens = 99});
        add(t, facts, &n,
            (struct fact){.kind = FACT_BUDGET, .run = t->s.runs, .round = 1, .budget = {.total_tokens = 99}});
    } else {
        add(t, facts, &n,
            (struct fact){.kind = FACT_ASSISTANT,
                          .run = run,
                          .round = 1,
                          .place = t->s.messages,
                          .id = STR("2f9d2a52-7cb0-4b0e-9c3c-1d2f3e4a5b6c"),
                          .text = words,
                          .usage = {.prompt_tokens = 90, .completion_tokens = 90, .reported = true}});
        add(t, facts, &n, (struct fact){.kind = FACT_BUDGET, .run = run, .round = 1, .budget = {.total_tokens = 199}});
        add(t, facts, &n, (struct fact){.kind = FACT_RUN_ENDED, .run = run, .end = END_COMPLETED, .rounds = 1});
    }
    t->step = (t->step + 1) % APPENDS_PER_TURN;
    a.unfinished = session_is_unfinished(&t->s);
    a.owner = a.unfinished ? store_writer(st) : 0;
    a.head = a.unfinished ? NULL : &t->s;
    a.facts = facts_new(facts, n);
    store_append(st, &a);
    facts_unref(a.facts);
}

static void notify(void *arg UNUSED)
{
    pthread_mutex_lock(&lock);
    ready = true;
    pthread_cond_signal(&told);
    pthread_mutex_unlock(&lock);
}

static void on_appended(void *arg UNUSED, const struct appended *a)
{
    if (a->rc != 0)
        printf("append: %s\n", a->err.text);
    done++;
    if (left > 0) {
        left--;
        send_next(&talks[a->token]);
    }
}

static void on_opened(void *arg UNUSED, struct opened *o)
{
    opened = o;
}

static void on_answer(void *arg UNUSED, struct answer *a)
{
    answer = a;
}

static void wait_and_poll(void)
{
    pthread_mutex_lock(&lock);
    while (!ready)
        pthread_cond_wait(&told, &lock);
    ready = false;
    pthread_mutex_unlock(&lock);
    store_poll(st);
}

static void open_store(const char *dir)
{
    static const struct store_callbacks cb = {.notify = notify, .on_appended = on_appended, .on_opened = on_opened};
    struct sqlite_options o = {.data_dir = dir};
    struct err err;
    double began = now_s();

    if (sqlite_store_open(&o, &st, &err) < 0) {
        printf("%s\n", err.text);
        _Exit(1);
    }
    printf("store opened in %.1f ms\n", (now_s() - began) * 1e3);
    store_set_callbacks(st, &cb);
}

static struct opened *open_one(const char *id)
{
    opened = NULL;
    store_open_session(st, str_of(id), 1);
    while (opened == NULL)
        wait_and_poll();
    return opened;
}

static void begin_talk(struct talk *t, const char *prefix, long number)
{
    memset(t, 0, sizeof(*t));
    snprintf(t->id, sizeof(t->id), "%s-%ld", prefix, number);
    opened = open_one(t->id);
    t->sid = opened->sid;
    opened_free(opened);
}

/* `n` appends, so many on their way at once, each session waiting for its own. */
static void appends(long in_flight, long n)
{
    struct sqlite_stats before, after;
    double began, took;

    for (long i = 0; i < in_flight; i++)
        begin_talk(&talks[i], "t", in_flight * 1000000 + i);
    sqlite_store_stats(st, &before);
    began = now_s();
    done = 0;
    left = n - in_flight;
    for (long i = 0; i < in_flight; i++)
        send_next(&talks[i]);
    while (done < n)
        wait_and_poll();
    took = now_s() - began;
    sqlite_store_stats(st, &after);
    printf("%4ld in flight: %7.0f appends/s, %6.0f commits/s, %5.1f appends a commit, flush p50 %.2f ms\n", in_flight,
           (double)n / took, (double)(after.commits - before.commits) / took,
           (double)n / (double)(after.commits - before.commits),
           (double)histogram_quantile_us(&after.flush, 0.5) / 1e3);
}

static void many_sessions(long n)
{
    double began = now_s();

    for (long at = 0; at < n; at += MOST_IN_FLIGHT) {
        long some = n - at < MOST_IN_FLIGHT ? n - at : MOST_IN_FLIGHT;

        for (long i = 0; i < some; i++)
            begin_talk(&talks[i], "many", at + i);
        done = 0;
        left = 0;
        for (int step = 0; step < APPENDS_PER_TURN; step++)
            for (long i = 0; i < some; i++)
                send_next(&talks[i]);
        while (done < some * APPENDS_PER_TURN)
            wait_and_poll();
    }
    printf("%ld sessions of one turn in %.1f s\n", n, now_s() - began);
}

static void time_query(const char *what, struct query q)
{
    double best = 1e9;
    size_t n = 0;

    for (int i = 0; i < 5; i++) {
        double began = now_s();

        answer = NULL;
        store_query(st, &q, on_answer, NULL);
        while (answer == NULL)
            wait_and_poll();
        if (now_s() - began < best)
            best = now_s() - began;
        n = answer->n;
        answer_free(answer);
    }
    printf("%-44s %8.3f ms (%zu)\n", what, best * 1e3, n);
}

static void time_open(const char *what, const char *id)
{
    double began;

    opened_free(open_one(id));
    began = now_s();
    for (int i = 0; i < 100; i++)
        opened_free(open_one(id));
    printf("%-44s %8.3f ms\n", what, (now_s() - began) * 10);
}

static void long_talk(long turns)
{
    begin_talk(&talks[0], "long", 1);
    done = 0;
    left = turns * APPENDS_PER_TURN - 1;
    send_next(&talks[0]);
    while (done < turns * APPENDS_PER_TURN)
        wait_and_poll();
}

int main(int argc, char **argv)
{
    long sessions = 100000;

    if (argc != 2) {
        printf("usage: store_bench EMPTY_DIRECTORY\n");
        return 2;
    }
    memset(text, 'x', sizeof(text));
    talks = mem_zalloc(MOST_IN_FLIGHT * sizeof(*talks));
    open_store(argv[1]);
    appends(1, 2000);
    appends(16, 20000);
    appends(256, 60000);
    appends(1024, 100000);
    long_talk(2500);
    many_sessions(sessions);
    store_close(st);
    open_store(argv[1]);
    time_open("open a session at rest, 2 messages", "many-7");
    time_open("open a session at rest, 5,000 messages", "long-1");
    time_query("facts: the newest page of 5,000 messages",
               (struct query){.kind = QUERY_FACTS, .session_id = STR("long-1"), .newest = true});
    time_query("messages: the newest 50 of 5,000",
               (struct query){.kind = QUERY_MESSAGES, .session_id = STR("long-1"), .limit = 50});
    time_query("messages: 2,000 of 5,000", (struct query){.kind = QUERY_MESSAGES, .session_id = STR("long-1")});
    time_query("sessions: first page of 50", (struct query){.kind = QUERY_SESSIONS, .limit = 50});
    time_query("sessions: page of 50 at 50,000", (struct query){.kind = QUERY_SESSIONS, .limit = 50, .offset = 50000});
    time_query("sessions: state, none found",
               (struct query){.kind = QUERY_SESSIONS, .limit = 50, .state = STR("error")});
    time_query("sessions: search, many found",
               (struct query){.kind = QUERY_SESSIONS, .limit = 50, .search = STR("TALK")});
    time_query("sessions: search, none found",
               (struct query){.kind = QUERY_SESSIONS, .limit = 50, .search = STR("absent")});
    time_query("unfinished", (struct query){.kind = QUERY_UNFINISHED});
    store_close(st);
    mem_free(talks);
    return 0;
}
