/* SPDX-License-Identifier: MIT */
/* People who post, execute, stop, rename and delete, and the promise behind each reply: I-ACK, I-STALE. */
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

#include <stdio.h>

/* What a session had to do, as far as it was stored, when the stop of one above it was asked for. */
struct at_work {
    uint64_t incarnation, question_seq; /* of the newest that was open; 0: none */
    uint32_t run;                       /* active; 0: none */
};

struct asked {
    struct at_work below[SIM_SESSIONS];
    enum input_kind kind;
    uint64_t question_seq; /* answer: the question that was open when it was sent; 0: none */
    unsigned session;
    uint64_t incarnation;
    bool existed;
    bool execute;
};

struct people {
    struct sim *w;
    struct map *asked; /* by token */
    uint64_t next_token, next_message;
    struct map *answered;            /* questions whose answer was acknowledged, by session and call: I-ASK */
    uint64_t promised[SIM_SESSIONS]; /* newest message that was acknowledged together with its execution */
};

struct people *people_new(struct sim *w)
{
    struct people *p = mem_zalloc(sizeof(*p));

    p->w = w;
    p->asked = map_new();
    p->answered = map_new();
    p->next_token = 1;
    return p;
}

void people_free(struct people *p)
{
    size_t it = 0;
    void *value;

    while (map_next(p->asked, &it, NULL, &value))
        mem_free(value);
    map_free(p->asked);
    map_free(p->answered);
    mem_free(p);
}

/* Whoever waited for an answer never gets one. */
void people_server_died(struct people *p)
{
    size_t it = 0;
    void *value;

    while (map_next(p->asked, &it, NULL, &value))
        mem_free(value);
    map_free(p->asked);
    p->asked = map_new();
}

static void look_below(struct sim *w, struct at_work below[SIM_SESSIONS])
{
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        const struct session *s = disk_fold(w->disk, sim_session_name(i));

        if (!sim_is_child(i) || s == NULL)
            continue;
        below[i] = (struct at_work){.incarnation = disk_incarnation(w->disk, sim_session_name(i)),
                                    .question_seq = s->n_questions > 0 ? s->questions[s->n_questions - 1].seq : 0,
                                    .run = s->run.active ? s->run.number : 0};
    }
}

static void submit(struct people *p, unsigned session, struct input *in)
{
    struct asked *a = mem_zalloc(sizeof(*a));
    const struct session *s = disk_fold(p->w->disk, sim_session_name(session));

    in->from.token = p->next_token++;
    in->session_id = sim_session_name(session);
    sim_put_family(session, in);
    a->kind = in->kind;
    a->session = session;
    a->incarnation = disk_incarnation_seen(p->w->disk, in->session_id);
    a->existed = s != NULL;
    a->execute = in->execute;
    if (in->kind == INPUT_CANCEL && in->run_id.n == 0 && session == 0)
        look_below(p->w, a->below);
    map_put_u64(p->asked, in->from.token, a);
    engine_submit(p->w->engine, in->session_id, in);
}

static void post(struct people *p, unsigned session)
{
    struct sim *w = p->w;
    char id[ID_TEXT], text[64];
    struct input in = {.kind = INPUT_POST, .nonce = sim_random(w), .model = STR("m"), .provider = STR("p")};

    if (sim_chance(w, 15)) /* somebody else may have chosen that one */
        snprintf(id, sizeof(id), "again-%" PRIu64, sim_below(w, 9));
    else
        snprintf(id, sizeof(id), "message-%" PRIu64, p->next_message++);
    snprintf(text, sizeof(text), "please do thing %" PRIu64, sim_below(w, 1000));
    in.message_id = str_of(id);
    in.text = str_of(text);
    in.system = STR("You are a simulated assistant.");
    in.execute = sim_chance(w, 50);
    in.limits.max_rounds = sim_chance(w, 20) ? 1 + (uint32_t)sim_below(w, 3) : 0;
    in.limits.max_tokens = sim_chance(w, 20) ? 100 + (int64_t)sim_below(w, 800) : 0;
    in.limits.max_calls = sim_chance(w, 10) ? 1 + (uint32_t)sim_below(w, 4) : 0;
    in.limits.max_cost = sim_chance(w, 20) ? 9000 + (int64_t)sim_below(w, 40000) : 0;
    in.limits.max_ms = sim_chance(w, 10) ? 1000 + (int64_t)sim_below(w, 9000) : 0;
    in.limits.unpriced = sim_chance(w, 20);
    in.unattended = sim_chance(w, 10);
    in.busy = sim_chance(w, 30) ? (int)sim_below(w, 4) : BUSY_JOIN;
    in.later = sim_chance(w, 15);
    submit(p, session, &in);
}

/* The first that is open, another one, or one that is over; an option, something else, or no answer at all. */
static void answer(struct people *p, unsigned session)
{
    static const char *const words[] = {"a", "b", "yes", "no", "something else", ""};
    struct sim *w = p->w;
    struct input in = {.kind = INPUT_ANSWER, .by = STR("somebody")};
    const struct session *s = disk_fold(w->disk, sim_session_name(session));
    char id[ID_TEXT];

    in.text = str_of(words[sim_below(w, ARRAY_LEN(words))]);
    in.dismiss = sim_chance(w, 10);
    if (s != NULL && s->n_questions > 0 && sim_chance(w, 50)) {
        session_question_id(s, s->questions[sim_below(w, s->n_questions)].call, id);
        in.question_id = str_of(id);
    } else if (sim_chance(w, 10)) {
        in.question_id = STR("no such question");
    }
    submit(p, session, &in);
}

/* As somebody does who has looked at the end of the transcript: right only if nothing happens meanwhile. */
static void change(struct people *p, unsigned session)
{
    struct sim *w = p->w;
    const struct session *s = disk_fold(w->disk, sim_session_name(session));
    struct old_message edited = {.role = ROLE_ASSISTANT, .text = STR("edited"), .id = STR("edited")};
    struct input in = {.kind = INPUT_REMOVE, .change = {.how = REMOVAL_AFTER_LAST_USER, .pending = true}};

    if (s == NULL || s->messages == 0)
        return;
    in.change.seen = s->seq - (s->seq > 1 && sim_chance(w, 20));
    in.change.last = STR("whoever is last");
    if (sim_chance(w, 50)) {
        in.change.place = s->messages - 1;
        in.change.upto = s->messages;
        in.change.removed = s->gaps > 0 ? 0 : 1;
    } else {
        in.kind = INPUT_EDIT;
        edited.place = (uint32_t)sim_below(w, s->messages);
        in.messages = (struct record_list){&edited, 1};
        in.change.bytes = 3;
    }
    submit(p, session, &in);
}

/* The newest message that waits, if it is known which one that is. */
static void withdraw(struct people *p, unsigned session)
{
    struct sim *w = p->w;
    struct str name = sim_session_name(session);
    const struct session *s = disk_fold(w->disk, name);
    struct input in = {.kind = INPUT_WITHDRAW};
    const struct fact *f;

    if (s == NULL || s->inbox != 1 || (f = disk_fact(w->disk, name, s->last_posted_seq)) == NULL)
        return;
    in.message_id = f->id;
    in.change = (struct change){.seen = s->seq, .of_seq = f->seq, .bytes = (int64_t)f->text.n};
    submit(p, session, &in);
}

static void stop(struct people *p, unsigned session)
{
    const struct session *s = disk_fold(p->w->disk, sim_session_name(session));
    struct input in = {.kind = INPUT_CANCEL, .by = STR("user")};
    char run[ID_TEXT];

    if (s != NULL && s->runs > 0 && sim_chance(p->w, 30)) {
        session_run_id(s, s->runs, run);
        in.run_id = str_of(run);
    }
    submit(p, session, &in);
}

/* Of all runs of a session; often some limit, sometimes none any more. */
static void limit_session(struct sim *w, struct input *in)
{
    struct run_limits *l = &in->session_limits;

    if (sim_chance(w, 50))
        l->max_rounds = 1 + (uint32_t)sim_below(w, 20);
    if (sim_chance(w, 30))
        l->max_tokens = 500 + (int64_t)sim_below(w, 8000);
    if (sim_chance(w, 30))
        l->max_calls = 1 + (uint32_t)sim_below(w, 20);
    if (sim_chance(w, 30))
        l->max_cost = 20000 + (int64_t)sim_below(w, 200000);
    if (sim_chance(w, 50))
        l->max_ms = 500 + (int64_t)sim_below(w, 20000);
    l->unpriced = sim_chance(w, 50);
}

static void update(struct people *p, unsigned session)
{
    const struct session *s = disk_fold(p->w->disk, sim_session_name(session));
    struct input in = {.kind = INPUT_UPDATE, .set_title = true, .title = STR("a title")};

    in.set_pinned = sim_chance(p->w, 30);
    in.pinned = true;
    in.set_limits = sim_chance(p->w, 30);
    if (in.set_limits)
        limit_session(p->w, &in);
    if (s != NULL && sim_chance(p->w, 50))
        in.if_match = s->metadata_version;
    submit(p, session, &in);
}

static void resume(struct people *p, unsigned session)
{
    const struct session *s = disk_fold(p->w->disk, sim_session_name(session));
    struct input in = {.kind = INPUT_RESUME, .model = STR("m"), .provider = STR("p")};

    in.busy = sim_chance(p->w, 30) ? (int)sim_below(p->w, 4) : BUSY_JOIN;

    if (s != NULL && sim_chance(p->w, 20)) {
        in.sync.present = true;
        in.sync.message_count = s->messages;
        in.sync.last_message_id = str_of(s->last_message);
    }
    submit(p, session, &in);
}

static void act(struct sim *w, void *arg UNUSED, uint64_t a UNUSED)
{
    struct people *p = w->people;
    unsigned session = (unsigned)sim_below(w, SIM_SESSIONS);
    uint64_t what = sim_below(w, 100);
    struct input in = {0};

    if (w->now < SIM_FAULTS_MS)
        sim_after(w, 1 + (int64_t)sim_below(w, 1500), act, NULL, 0);
    if (w->engine == NULL || w->dead)
        return;
    if (what < 38) {
        post(p, session);
    } else if (what < 55) {
        answer(p, session);
    } else if (what < 72) {
        resume(p, session);
    } else if (what < 82) {
        stop(p, session);
    } else if (what < 87) {
        change(p, session);
    } else if (what < 90) {
        withdraw(p, session);
    } else if (what < 95) {
        update(p, session);
    } else if (what < 98 || !w->faults.deletes) {
        in.kind = INPUT_CREATE;
        in.nonce = sim_random(w);
        if (sim_chance(w, 30))
            limit_session(w, &in);
        submit(p, session, &in);
    } else {
        in.kind = INPUT_DELETE;
        submit(p, session, &in);
    }
}

void people_start(struct people *p)
{
    for (int i = 0; i < 4; i++)
        sim_after(p->w, (int64_t)sim_below(p->w, 1000), act, NULL, 0);
}

/* ---- what a reply promises ---- */

static bool log_has_run(struct sim *w, struct str session, const char *run_id, enum fact_kind kind)
{
    const struct session *s = disk_fold(w->disk, session);
    char id[ID_TEXT];

    for (uint64_t seq = s == NULL ? 0 : s->seq; seq > 0; seq--) {
        const struct fact *f = disk_fact(w->disk, session, seq);

        if (f->kind != kind)
            continue;
        session_run_id(s, f->run, id);
        if (strcmp(id, run_id) == 0)
            return true;
    }
    return false;
}

static void check_posted(struct sim *w, struct str session, const struct reply *r)
{
    const struct fact *f = disk_fact(w->disk, session, r->seq);

    if (f == NULL || f->kind != FACT_MESSAGE_POSTED || !str_is(f->id, r->message_id))
        sim_fail(w, "I-ACK", "message %s is acknowledged and not stored", r->message_id);
    if (r->started && !log_has_run(w, session, r->run_id, FACT_RUN_STARTED))
        sim_fail(w, "I-ACK", "run %s is acknowledged and not stored", r->run_id);
}

/* I-ASK: an answer that is acknowledged is stored, and it is the only one of its question. */
static void check_answered(struct people *p, unsigned session, const struct reply *r)
{
    struct sim *w = p->w;
    struct str name = sim_session_name(session);
    const struct session *s = disk_fold(w->disk, name);
    char key[2 * ID_TEXT];
    unsigned found = 0;

    for (uint64_t seq = s == NULL ? 0 : s->seq; seq > 0; seq--) {
        const struct fact *f = disk_fact(w->disk, name, seq);

        found += f->kind == FACT_QUESTION_CLOSED && str_is(f->id, r->question_id) &&
                 (f->how == CLOSING_ANSWERED || f->how == CLOSING_DISMISSED);
    }
    if (found != 1)
        sim_fail(w, "I-ASK", "question %s is acknowledged as answered, and was %u times", r->question_id, found);
    snprintf(key, sizeof(key), "%u/%" PRIu64 "/%s", session, disk_incarnation(w->disk, name), r->question_id);
    if (map_find(p->answered, str_of(key)) != NULL)
        sim_fail(w, "I-ASK", "two answers to question %s are acknowledged", r->question_id);
    map_put(p->answered, str_of(key), w);
    if (r->started && !log_has_run(w, name, r->run_id, FACT_RUN_STARTED))
        sim_fail(w, "I-ACK", "run %s is acknowledged and not stored", r->run_id);
}

/*
 * I-CANCEL: what is acknowledged as stopped is stopped with all that was at work below it; and who is told that nothing
 * was at work has left nothing at work. A stop without a run is one of what is below.
 */
static void check_stopped(struct sim *w, const struct asked *a, const struct reply *r)
{
    if (r->run_id[0] != '\0' && !log_has_run(w, sim_session_name(a->session), r->run_id, FACT_CANCEL_REQUESTED))
        sim_fail(w, "I-ACK", "the stop of %s is acknowledged and not stored", r->run_id);
    if (r->kind == REPLY_STOPPED && r->run_id[0] == '\0' && a->session != 0)
        sim_fail(w, "I-CANCEL", "session %u has nothing below it, and its stop is acknowledged", a->session);
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        const struct session *s = disk_fold(w->disk, sim_session_name(i));
        const struct at_work *was = &a->below[i];

        if (s == NULL || disk_incarnation(w->disk, sim_session_name(i)) != was->incarnation)
            continue;
        if (was->run != 0 && s->run.active && s->run.number == was->run && !s->run.cancelling)
            sim_fail(w, "I-CANCEL", "session %u goes on below session %u, whose stop is answered", i, a->session);
        for (int k = 0; was->question_seq != 0 && k < s->n_questions; k++)
            if (s->questions[k].seq <= was->question_seq)
                sim_fail(w, "I-CANCEL", "session %u asks below session %u, whose stop is answered", i, a->session);
    }
}

void people_reply(struct people *p, const struct reply *r)
{
    struct sim *w = p->w;
    struct asked *a = map_take_u64(p->asked, r->to.token);
    struct str session;

    if (a == NULL)
        sim_fail(w, "I-ACK", "a reply to nobody, or a second one");
    session = sim_session_name(a->session);
    if (disk_incarnation(w->disk, session) != a->incarnation) {
        mem_free(a); /* erased meanwhile: nothing can be said */
        return;
    }
    switch (r->kind) {
    case REPLY_POSTED:
        check_posted(w, session, r);
        if (r->started || r->already_running || r->queued)
            p->promised[a->session] = r->seq;
        break;
    case REPLY_STARTED:
    case REPLY_RUNNING:
        if (!log_has_run(w, session, r->run_id, FACT_RUN_STARTED))
            sim_fail(w, "I-ACK", "run %s is acknowledged and not stored", r->run_id);
        break;
    case REPLY_QUEUED:
        if (!log_has_run(w, session, r->run_id, FACT_RUN_QUEUED))
            sim_fail(w, "I-ACK", "a run behind %s is acknowledged and not stored", r->run_id);
        break;
    case REPLY_ANSWERED:
        check_answered(p, a->session, r);
        break;
    case REPLY_STOPPED:
    case REPLY_NO_RUN:
        check_stopped(w, a, r);
        break;
    case REPLY_NOT_FOUND:
        if (a->existed)
            sim_fail(w, "I-STALE", "a session that exists was not found");
        break;
    case REPLY_CREATED:
    case REPLY_UPDATED:
        if (disk_fold(w->disk, session) == NULL || disk_fold(w->disk, session)->metadata_version < r->metadata_version)
            sim_fail(w, "I-ACK", "an update is acknowledged and not stored");
        break;
    default:
        break;
    }
    mem_free(a);
}

/* Whoever was told that a run takes his message finds it taken. */
void people_check_end(struct people *p)
{
    for (unsigned i = 0; i < SIM_SESSIONS; i++) {
        struct str session = sim_session_name(i);
        const struct session *s = disk_fold(p->w->disk, session);
        uint32_t left = s == NULL || disk_incarnation(p->w->disk, session) > 0 ? 0 : s->inbox;

        for (uint64_t seq = left > 0 ? s->seq : 0; left > 0; seq--) {
            const struct fact *f = disk_fact(p->w->disk, session, seq);

            /* Who stops a run takes back what it was to do; a question comes first; a run may have nothing to spend. */
            if (f->kind == FACT_CANCEL_REQUESTED || s->n_questions > 0 || (f->kind == FACT_RUN_ENDED && f->rounds == 0))
                break;
            if (f->kind != FACT_MESSAGE_POSTED)
                continue;
            if (seq <= p->promised[i])
                sim_fail(p->w, "I-END", "session %u: message %" PRIu64 " was to be answered and still waits", i, seq);
            left--;
        }
    }
}
