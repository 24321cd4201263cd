/* SPDX-License-Identifier: MIT */
/* Reading from a store that holds much: what a session costs to open, and what lists cost to show. */
#include "base/str.h"
#include "bench.h"
#include "fail.h"
#include "now.h"
#include "samples.h"
#include "talks.h"

#include <stdio.h>

enum { TEXT_BYTES = 400 };

static void on_answer(void *arg, struct answer *a)
{
    *(struct answer **)arg = a;
}

static void measure_query(struct bench *b, struct talks *t, unsigned times, struct query q, const char *name)
{
    struct samples took_ns = {0};

    for (unsigned i = 0; i < times; i++) {
        struct answer *answer = NULL;
        int64_t began = now_ns();

        store_query(talks_store(t), &q, on_answer, &answer);
        while (answer == NULL)
            talks_wait(t);
        samples_add(&took_ns, now_ns() - began);
        if (answer->rc < 0)
            fail("queries, %s: %s", name, answer->err.text);
        answer_free(answer);
    }
    figures_add(b->figures, (double)samples_median(&took_ns) / 1e6, "ms", NO_TARGET, "%s", name);
    samples_done(&took_ns);
}

static void measure_open(struct bench *b, struct talks *t, unsigned times, const char *session, const char *name)
{
    struct samples took_ns = {0};

    for (unsigned i = 0; i < times; i++) {
        int64_t began = now_ns();
        struct opened *o = talks_open_session(t, session);

        samples_add(&took_ns, now_ns() - began);
        if (o->rc < 0 || !o->found)
            fail("queries, %s: %s", name, o->rc < 0 ? o->err.text : "it is not there");
        opened_free(o);
    }
    figures_add(b->figures, (double)samples_median(&took_ns) / 1e6, "ms", NO_TARGET, "%s", name);
    samples_done(&took_ns);
}

static void measure_all(struct bench *b, struct talks *t)
{
    const struct {
        const char *name;
        struct query query;
    } queries[] = {
        {"newest page of a log of 5,000 messages", {.kind = QUERY_FACTS, .session_id = STR("long"), .newest = true}},
        {"newest 50 of 5,000 messages", {.kind = QUERY_MESSAGES, .session_id = STR("long"), .limit = 50}},
        {"2,000 of 5,000 messages", {.kind = QUERY_MESSAGES, .session_id = STR("long")}},
        {"first page of 50 sessions", {.kind = QUERY_SESSIONS, .limit = 50}},
        {"page of 50 sessions in the middle", {.kind = QUERY_SESSIONS, .limit = 50, .offset = talks_many(b) / 2}},
        {"sessions in a state that none has", {.kind = QUERY_SESSIONS, .limit = 50, .state = STR("error")}},
        {"search that finds all sessions", {.kind = QUERY_SESSIONS, .limit = 50, .search = STR("TALK")}},
        {"search that finds none", {.kind = QUERY_SESSIONS, .limit = 50, .search = STR("absent")}},
        {"unfinished sessions, at start", {.kind = QUERY_UNFINISHED}},
    };
    unsigned times = b->quick ? 3 : 21;

    measure_open(b, t, times, "many-7", "opening a session of 2 messages");
    measure_open(b, t, times, "long", "opening a session of 5,000 messages");
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        bench_say(b, "queries: %s", queries[i].name);
        measure_query(b, t, times, queries[i].query, queries[i].name);
    }
}

void group_queries(struct bench *b)
{
    CLEANUP(buf_done) struct buf dir = BUF_INIT;
    struct talks *t;

    bench_make_dir(b, "queries", &dir);
    talks_make_many(b, dir.p);
    t = talks_open(dir.p, TEXT_BYTES);
    talks_add(t, "long", b->quick ? 100 : 2500);
    measure_all(b, t);
    talks_close(t);
    bench_remove_dir(dir.p);
}
