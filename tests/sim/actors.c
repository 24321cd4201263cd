/* SPDX-License-Identifier: MIT */
/* The provider and the tools: what they say, when, and how they fail. */
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

#include <stdio.h>

struct model_at_work {
    bool open;
    struct model_call key;
    int left; /* pieces until the end */
};

struct actors {
    struct sim *w;
    struct model_at_work models[SIM_SESSIONS];
    uint64_t abandoned[SIM_SESSIONS]; /* how often: what was at work before that has ended silently */
    uint64_t serial[SIM_SESSIONS];    /* of the call; late events of an older one do nothing */
    struct map *ran;                  /* unsafe calls that have run, by name: I-ONCE3 */
};

static const struct {
    const char *name;
    int effect;
} tools[] = {
    {"look", EFFECT_READ},     {"peek", EFFECT_READ},   {"book", EFFECT_KEYED},
    {"launch", EFFECT_UNSAFE}, {"poison", EFFECT_READ}, {"nonsense", EFFECT_UNKNOWN_TOOL},
    {"ask_user", EFFECT_ASK},
};

static const char *const questions[] = {
    "{\"question\": \"Which one?\", \"options\": [\"a\", \"b\"], \"allow_custom\": false}",
    "{\"question\": \"How?\"}",
    "{\"question\": \"Now?\", \"options\": [\"yes\", \"no\"], \"deadline_seconds\": 5, \"default\": \"no\"}",
    "{\"question\": \"Still there?\", \"deadline_seconds\": 3}",
    "{\"options\": []}",
};

struct actors *actors_new(struct sim *w)
{
    struct actors *a = mem_zalloc(sizeof(*a));

    a->w = w;
    a->ran = map_new();
    return a;
}

void actors_free(struct actors *a)
{
    map_free(a->ran);
    mem_free(a);
}

void actors_server_died(struct actors *a)
{
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        a->models[i] = (struct model_at_work){0};
        a->serial[i]++;
    }
}

static unsigned index_of(struct str id)
{
    for (unsigned i = 0; i < SIM_SESSIONS; i++)
        if (str_eq(sim_session_name(i), id))
            return i;
    assert(!"a session that nobody made");
    return 0;
}

/* ---- provider ---- */

static struct input late(const struct model_at_work *m, enum input_kind kind)
{
    return (struct input){.kind = kind, .run = m->key.run, .round = m->key.round, .gen = m->key.gen};
}

static void fail(struct sim *w, unsigned i, enum failure failure, int64_t wait_ms)
{
    struct input in = late(&w->actors->models[i], INPUT_MODEL_FAILED);

    in.failure = failure;
    in.wait_ms = wait_ms;
    in.text = STR("simulated failure");
    w->actors->models[i].open = false;
    engine_submit(w->engine, sim_session_name(i), &in);
}

static void propose_calls(struct sim *w, struct input *in, struct call *calls, bool closing)
{
    static const char *const ids[] = {"call_a", "call_b", "call_c", "call_d", "call_e"};
    size_t n = closing || sim_chance(w, 55) ? 0 : 1 + sim_below(w, 5);

    for (size_t k = 0; k < n; k++) {
        size_t t = sim_below(w, ARRAY_LEN(tools));

        if (t == 4 && !sim_chance(w, 10))
            t = 0;
        calls[k] = (struct call){.id = str_of(ids[k]), .name = str_of(tools[t].name), .args = STR("{\"x\": 1}")};
        if (tools[t].effect == EFFECT_ASK)
            calls[k].args = str_of(questions[sim_below(w, ARRAY_LEN(questions))]);
    }
    in->calls = (struct record_list){calls, n};
    in->stop = n > 0 ? STOP_CALLS : STOP_END;
}

static void finish(struct sim *w, unsigned i)
{
    struct model_at_work *m = &w->actors->models[i];
    struct input in = late(m, INPUT_MODEL_DONE);
    struct call calls[5];

    m->open = false;
    propose_calls(w, &in, calls, m->key.closing);
    in.usage = (struct usage){.prompt_tokens = 50, .completion_tokens = 10 + (int64_t)sim_below(w, 200)};
    if (sim_chance(w, 10))
        in.usage.completion_tokens += 4000; /* long answers cost money */
    in.usage.reported = sim_chance(w, 80);
    engine_submit(w->engine, sim_session_name(i), &in);
}

static void speak(struct sim *w, void *arg, uint64_t serial)
{
    static const char *const words[] = {"word ", "Grüße ", "日本 ", "\n", "a", "longer piece of text "};
    unsigned i = (unsigned)(uintptr_t)arg;
    struct model_at_work *m = &w->actors->models[i];
    bool faulty = w->faults.provider && w->now < SIM_FAULTS_MS;
    struct input in;

    if (w->dead || serial != w->actors->serial[i] || !m->open)
        return;
    if (faulty && sim_chance(w, 3)) {
        fail(w, i, sim_chance(w, 80) ? FAILURE_CUT : FAILURE_AUTH, 0);
        return;
    }
    if (faulty && sim_chance(w, 1))
        return; /* silence: the driver's timer below ends it */
    if (m->left-- <= 0) {
        finish(w, i);
        return;
    }
    in = late(m, INPUT_DELTA);
    in.channel = sim_chance(w, 15) ? DELTA_REASONING : DELTA_TEXT;
    in.text = str_of(words[sim_below(w, ARRAY_LEN(words))]);
    w->texts++;
    sim_after(w, (int64_t)sim_below(w, 120), speak, arg, serial);
    engine_submit(w->engine, sim_session_name(i), &in);
}

static void silence_ends(struct sim *w, void *arg, uint64_t serial)
{
    unsigned i = (unsigned)(uintptr_t)arg;

    if (!w->dead && serial == w->actors->serial[i] && w->actors->models[i].open)
        fail(w, i, FAILURE_TIMEOUT, 0);
}

static void refuse(struct sim *w, void *arg, uint64_t serial)
{
    unsigned i = (unsigned)(uintptr_t)arg;

    if (!w->dead && serial == w->actors->serial[i] && w->actors->models[i].open)
        fail(w, i, FAILURE_RATE_LIMIT, sim_chance(w, 50) ? 1000 : 0);
}

/* A provider that was told to stop, or had failed, says one more thing: nobody may listen. */
static void speak_late(struct sim *w, unsigned i, const struct model_call *old)
{
    struct input in = {.kind = sim_chance(w, 50) ? INPUT_DELTA : INPUT_MODEL_FAILED,
                       .run = old->run,
                       .round = old->round,
                       .gen = old->gen,
                       .failure = FAILURE_CUT,
                       .text = STR("too late")};

    engine_submit(w->engine, sim_session_name(i), &in);
}

struct late_words {
    unsigned session;
    uint64_t abandoned;
    struct model_call old;
};

static void fire_late(struct sim *w, void *arg, uint64_t life)
{
    struct late_words *l = arg;

    if (life == w->life && !w->dead && l->abandoned == w->actors->abandoned[l->session])
        speak_late(w, l->session, &l->old);
    mem_free(l);
}

static void plan_late(struct sim *w, unsigned i, const struct model_at_work *before)
{
    struct late_words *l;

    if (before->key.run == 0 || !w->faults.provider || !sim_chance(w, 20))
        return;
    l = mem_zalloc(sizeof(*l));
    l->session = i;
    l->abandoned = w->actors->abandoned[i];
    l->old = before->key;
    sim_after(w, 1 + (int64_t)sim_below(w, 600), fire_late, l, w->life);
}

static void model_start(void *arg, const struct model_call *call)
{
    struct sim *w = arg;
    unsigned i = index_of(call->session_id);
    struct model_at_work *m = &w->actors->models[i];
    uint64_t serial;

    if (!sim_port(w))
        return;
    check_model_call(w, call);
    if (m->open)
        sim_fail(w, "I-ONEACTIVE", "two model calls at once in session %u", i);
    plan_late(w, i, m);
    m->open = true;
    m->key = *call;
    m->left = sim_chance(w, 5) ? 0 : 1 + (int)sim_below(w, 25);
    serial = ++w->actors->serial[i];
    if (w->faults.provider && w->now < SIM_FAULTS_MS && sim_chance(w, 10))
        sim_after(w, 50, refuse, (void *)(uintptr_t)i, serial);
    else
        sim_after(w, (int64_t)sim_below(w, 400), speak, (void *)(uintptr_t)i, serial);
    sim_after(w, 20000, silence_ends, (void *)(uintptr_t)i, serial);
}

static void model_abort(void *arg, struct str id)
{
    struct sim *w = arg;
    unsigned i = index_of(id);

    if (!sim_port(w))
        return;
    w->actors->models[i].open = false;
    w->actors->serial[i]++;
}

/* A micro a token, for most. */
static struct price price(void *arg, struct str provider UNUSED, struct str model UNUSED)
{
    struct sim *w = arg;

    return (struct price){.input = 1000000, .output = 1000000, .cached = 500000, .known = w->seed % 5 != 0};
}

/* ---- tools ---- */

static int tool_effect(void *arg UNUSED, struct str tool)
{
    for (size_t k = 0; k < ARRAY_LEN(tools); k++)
        if (str_is(tool, tools[k].name))
            return tools[k].effect;
    return EFFECT_UNKNOWN_TOOL;
}

struct tool_at_work {
    unsigned session;
    uint64_t abandoned;
    uint64_t life;
    struct input in;
};

static void tool_ends(struct sim *w, void *arg, uint64_t a UNUSED)
{
    struct tool_at_work *t = arg;

    if (t->life == w->life && !w->dead && t->abandoned == w->actors->abandoned[t->session])
        engine_submit(w->engine, sim_session_name(t->session), &t->in);
    mem_free(t);
}

static void check_tool_start(struct sim *w, const struct tool_call *call)
{
    const struct session *s = disk_fold(w->disk, call->session_id);
    uint64_t erased = disk_incarnation(w->disk, call->session_id);
    bool found = erased > 0;
    char name[160];

    for (uint64_t seq = s == NULL ? 0 : s->seq; seq > 0 && !found; seq--) {
        const struct fact *f = disk_fact(w->disk, call->session_id, seq);

        found = f->kind == FACT_CALL_STARTED && f->call == call->call;
    }
    if (!found)
        sim_fail(w, "I-INTENT", "tool call %u ran before its fact was stored", call->call);
    if (tool_effect(NULL, call->tool) != EFFECT_UNSAFE)
        return;
    snprintf(name, sizeof(name), STR_FMT "/%" PRIu64 "/%u", STR_ARG(call->session_id), erased, call->call);
    if (erased == 0 && map_find(w->actors->ran, str_of(name)) != NULL)
        sim_fail(w, "I-ONCE3", "unsafe call %s ran twice", name);
    map_put(w->actors->ran, str_of(name), w);
}

static void tool_start(void *arg, const struct tool_call *call)
{
    struct sim *w = arg;
    struct tool_at_work *t;
    int64_t takes = (int64_t)sim_below(w, 900);

    if (!sim_port(w))
        return;
    check_tool_start(w, call);
    w->tool_runs++;
    if (str_is(call->tool, "poison") && w->faults.deaths) {
        w->dead = true; /* this call is what kills the server */
        return;
    }
    if (w->faults.tools && w->now < SIM_FAULTS_MS && sim_chance(w, 4))
        takes = sim_chance(w, 50) ? 20 * 60 * 1000 : 30000; /* hangs, deaf to cancel */
    t = mem_zalloc(sizeof(*t));
    t->session = index_of(call->session_id);
    t->abandoned = w->actors->abandoned[t->session];
    t->life = w->life;
    t->in = (struct input){.kind = INPUT_TOOL_DONE,
                           .run = call->run,
                           .call = call->call,
                           .outcome = sim_chance(w, 85) ? OUTCOME_OK : OUTCOME_ERROR,
                           .text = STR("what the tool said")};
    sim_after(w, takes, tool_ends, t, 0);
}

static void tool_cancel(void *arg, struct str id UNUSED, uint32_t call UNUSED)
{
    sim_port(arg); /* these tools do not listen: the bounds must do */
}

static void abandon(void *arg, struct str id)
{
    struct sim *w = arg;

    model_abort(arg, id);
    w->actors->models[index_of(id)].key = (struct model_call){0};
    w->actors->abandoned[index_of(id)]++;
}

void actors_fill(struct actors *a UNUSED, struct ports *p)
{
    p->model_start = model_start;
    p->model_abort = model_abort;
    p->price = price;
    p->tool_effect = tool_effect;
    p->tool_start = tool_start;
    p->tool_cancel = tool_cancel;
    p->abandon = abandon;
}
