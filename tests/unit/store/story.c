/* SPDX-License-Identifier: MIT */
#include "store/story.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

#define WRITER_BITS 24

static void expect(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "story: %s\n", what);
    abort();
}

void story_open(struct story *t, struct driver *d, struct str id)
{
    struct opened *o = driver_open(d, id);

    expect(o->rc == 0, o->err.text);
    *t = (struct story){.id = id,
                        .sid = o->sid,
                        .row_epoch = o->epoch,
                        .writer = store_writer(driver_store(d)),
                        .generation = o->epoch >> WRITER_BITS,
                        .now = 1700000000000,
                        .s = o->session,
                        .sent_seq = o->session.seq};
    opened_free(o);
}

void story_add(struct story *t, struct fact f)
{
    expect(t->n < STORY_FACTS, "too many facts in one step");
    f.seq = t->s.seq + 1;
    f.at = t->now++;
    session_fold(&t->s, &f);
    t->facts[t->n++] = f;
}

void story_create(struct story *t, struct str title, struct str system)
{
    story_add(t, (struct fact){.kind = FACT_SESSION_CREATED,
                               .id = t->id,
                               .root = t->id,
                               .nonce = 0xfedcba9876543210u,
                               .title = title,
                               .system = system,
                               .workspace = STR("/w")});
}

void story_post(struct story *t, struct str message_id, struct str text)
{
    story_add(t, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = message_id, .text = text});
}

void story_run(struct story *t, struct str run_id)
{
    story_add(t, (struct fact){.kind = FACT_RUN_STARTED,
                               .run = t->s.runs + 1,
                               .id = run_id,
                               .provider = STR("p"),
                               .model = STR("m"),
                               .effort = STR("low")});
}

static struct fact of_round(const struct story *t, enum fact_kind kind)
{
    const struct run_state *r = &t->s.run;

    return (struct fact){.kind = kind, .run = r->number, .round = r->round, .gen = r->gen};
}

void story_round(struct story *t)
{
    struct fact f = of_round(t, FACT_ROUND_STARTED);

    f.round++;
    f.gen = 0;
    f.admitted = t->s.inbox;
    f.tokens = 10;
    story_add(t, f);
}

void story_answer(struct story *t, struct str message_id, struct str text, const struct call *calls, size_t n)
{
    struct fact f = of_round(t, FACT_ASSISTANT);

    f.id = message_id;
    f.text = text;
    f.place = t->s.messages;
    f.calls = (struct record_list){.items = (void *)(uintptr_t)calls, .count = n};
    f.usage = (struct usage){.prompt_tokens = 7, .completion_tokens = 3, .reported = true};
    story_add(t, f);
}

void story_call(struct story *t, uint32_t index)
{
    struct fact f = of_round(t, FACT_CALL_STARTED);

    f.call = t->s.first_call + index;
    f.call_id = STR("c");
    f.tool = STR("look");
    f.args = STR("{}");
    story_add(t, f);
}

void story_result(struct story *t, uint32_t index, struct str id, struct str text)
{
    struct fact f = of_round(t, FACT_CALL_ENDED);

    f.call = t->s.first_call + index;
    f.call_id = STR("c");
    f.tool = STR("look");
    f.id = id;
    f.text = text;
    f.place = t->s.calls_place + index;
    story_add(t, f);
}

void story_end(struct story *t, enum run_end end)
{
    struct fact f = {.kind = FACT_RUN_ENDED, .run = t->s.run.number, .end = end};

    f.usage = t->s.run.usage;
    f.rounds = t->s.run.round;
    if (end == END_ERROR) {
        f.failure = FAILURE_NETWORK;
        f.text = STR("it broke");
    }
    story_add(t, f);
}

struct append story_step(struct story *t)
{
    bool unfinished = session_is_unfinished(&t->s);
    struct append a = {.sid = t->sid,
                       .token = (uint64_t)t->sid,
                       .session_id = t->id,
                       .expect = t->epoch != 0 ? t->epoch : t->row_epoch,
                       .owner = unfinished ? t->writer : 0,
                       .unfinished = unfinished,
                       .state = session_state_word(&t->s),
                       .first = t->sent_seq + 1,
                       .letters = t->letters,
                       .n_letters = t->n_letters,
                       .consumed = t->consumed,
                       .receipt = t->receipt,
                       .head = unfinished || t->no_head ? NULL : &t->s};

    if (t->epoch == 0 || (t->n == 0 && t->receipt != NULL))
        t->epoch = ++t->generation << WRITER_BITS | t->writer;
    a.epoch = t->epoch;
    for (uint32_t i = 0; i < t->n; i++)
        t->facts[i].epoch = t->epoch;
    a.facts = t->n == 0 ? NULL : facts_new(t->facts, t->n);
    t->n = 0;
    t->sent_seq = t->s.seq;
    t->letters = NULL;
    t->n_letters = 0;
    t->consumed = 0;
    t->receipt = NULL;
    return a;
}

int story_commit(struct story *t, struct driver *d)
{
    struct append a = story_step(t);
    int rc = driver_append(d, &a, NULL);

    facts_unref(a.facts);
    return rc;
}

void story_send(struct story *t, struct driver *d)
{
    struct append a = story_step(t);

    driver_send(d, &a);
    facts_unref(a.facts);
}

void story_turn(struct story *t, struct driver *d, struct str text, struct str answer)
{
    if (t->s.seq == 0)
        story_create(t, STR("A talk"), STR_NULL);
    story_post(t, STR("user-message"), text);
    expect(story_commit(t, d) == 0, "post");
    story_run(t, STR("run-id"));
    story_round(t);
    expect(story_commit(t, d) == 0, "run");
    story_answer(t, STR("assistant-message"), answer, NULL, 0);
    story_end(t, END_COMPLETED);
    expect(story_commit(t, d) == 0, "end");
}
