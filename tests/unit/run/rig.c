/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void rig_init(struct rig *r)
{
    struct session absent;

    session_init(&absent);
    *r = (struct rig){.now = 1000000};
    session_init(&r->stored);
    machine_init(&r->m, &absent);
    step_init(&r->st);
}

void rig_done(struct rig *r)
{
    machine_done(&r->m);
    step_done(&r->st);
    for (size_t i = 0; i < r->n_log; i++)
        facts_unref(r->log[i]);
    mem_free(r->log);
    buf_done(&r->said);
}

/* ---- facts as text ---- */

static void say_answer(const struct fact *f, struct buf *out)
{
    buf_addf(out, "assistant(%u.%u.%u @%u", f->run, f->round, f->gen, f->place);
    if (f->text.n > 0)
        buf_addf(out, " '" STR_FMT "'", STR_ARG(f->text));
    if (f->calls.count > 0)
        buf_addf(out, " %zu calls", f->calls.count);
    buf_addf(out, "%s)", f->interrupted ? " interrupted" : "");
}

static void say_updated(const struct fact *f, struct buf *out)
{
    buf_addf(out, "session_updated(");
    if (f->set_title)
        buf_addf(out, "title " STR_FMT, STR_ARG(f->title));
    if (f->set_pinned)
        buf_addf(out, "pinned %d", f->pinned);
    if (f->set_model)
        buf_addf(out, "model " STR_FMT "/" STR_FMT, STR_ARG(f->provider), STR_ARG(f->model));
    buf_addf(out, ")");
}

static void say_ended(const struct fact *f, struct buf *out)
{
    buf_addf(out, "run_ended(%u %s", f->run, run_end_names[f->end]);
    if (f->failure != FAILURE_NONE)
        buf_addf(out, " %s", failure_names[f->failure]);
    if (f->by.n > 0)
        buf_addf(out, " by " STR_FMT, STR_ARG(f->by));
    buf_addf(out, ")");
}

static void say_fact_of_call(const struct fact *f, struct buf *out)
{
    if (f->kind == FACT_CALL_STARTED)
        buf_addf(out, "call_started(%u)", f->call);
    else
        buf_addf(out, "call_ended(%u %s @%u)", f->call, call_outcome_names[f->outcome], f->place);
}

static void say_fact(const struct fact *f, struct buf *out)
{
    switch (f->kind) {
    case FACT_SESSION_UPDATED:
        say_updated(f, out);
        break;
    case FACT_MESSAGE_POSTED:
        buf_addf(out, "message_posted(" STR_FMT "%s)", STR_ARG(f->id), f->later ? " later" : "");
        break;
    case FACT_RUN_STARTED:
        buf_addf(out, "run_started(%u)", f->run);
        break;
    case FACT_RUN_RECOVERED:
        buf_addf(out, "run_recovered(%u.%u.%u%s%s)", f->run, f->round, f->gen, f->charged ? " charged" : "",
                 f->discarded.n > 0 ? " void" : "");
        break;
    case FACT_ROUND_STARTED:
        buf_addf(out, "round_started(%u.%u +%u%s)", f->run, f->round, f->admitted, f->closing ? " closing" : "");
        break;
    case FACT_MODEL_FAILED:
        buf_addf(out, "model_failed(%u.%u.%u %s%s)", f->run, f->round, f->gen, failure_names[f->failure],
                 f->discarded.n > 0 ? " void" : "");
        break;
    case FACT_ASSISTANT:
        say_answer(f, out);
        break;
    case FACT_BUDGET_EXCEEDED:
        buf_addf(out, "budget_exceeded(" STR_FMT " %" PRId64 "/%" PRId64 ")", STR_ARG(f->tool), f->actual, f->limit);
        break;
    case FACT_CALL_STARTED:
    case FACT_CALL_ENDED:
        say_fact_of_call(f, out);
        break;
    case FACT_QUESTION_ASKED:
        buf_addf(out, "question_asked(%u '" STR_FMT "'%s)", f->call, STR_ARG(f->text), f->due != 0 ? " due" : "");
        break;
    case FACT_QUESTION_CLOSED:
        buf_addf(out, "question_closed(%u %s", f->call, closing_names[f->how]);
        if (f->text.n > 0)
            buf_addf(out, " '" STR_FMT "'", STR_ARG(f->text));
        buf_addf(out, " by " STR_FMT ")", STR_ARG(f->by));
        break;
    case FACT_RUN_QUEUED:
        buf_addf(out, "run_queued(%u)", f->run);
        break;
    case FACT_MESSAGES_REMOVED:
        buf_addf(out, "messages_removed(%u-%u %s)", f->place, f->upto, removal_names[f->how]);
        break;
    case FACT_MESSAGE_EDITED:
    case FACT_MESSAGE_IMPORTED:
        buf_addf(out, "%s(" STR_FMT " @%u)", fact_kind_name(f->kind), STR_ARG(f->id), f->place);
        break;
    case FACT_CANCEL_REQUESTED:
        buf_addf(out, "cancel_requested(%u by " STR_FMT ")", f->run, STR_ARG(f->by));
        break;
    case FACT_RUN_ENDED:
        say_ended(f, out);
        break;
    default:
        buf_addf(out, "%s", fact_kind_name(f->kind));
        break;
    }
}

/* ---- effects as text ---- */

static const char *const reply_names[] = {
#define X(kind) #kind,
    REPLIES(X)
#undef X
};

/* Ids of runs are derived: said as the number they stand for. */
static void say_run(const struct rig *r, const char *id, struct buf *out)
{
    char is[ID_TEXT];

    if (id[0] == '\0')
        return;
    for (uint32_t run = 1; run <= 9; run++) {
        session_run_id(&r->m.s, run, is);
        if (strcmp(is, id) == 0) {
            buf_addf(out, " run %u", run);
            return;
        }
    }
    buf_addf(out, " run ?");
}

static void say_reply(const struct rig *r, const struct reply *reply, struct buf *out)
{
    buf_addf(out, "reply(");
    for (const char *p = reply_names[reply->kind]; *p != '\0'; p++)
        buf_add_char(out, (char)tolower((unsigned char)*p));
    if (reply->message_id[0] != '\0')
        buf_addf(out, " %s", reply->message_id);
    if (reply->started)
        buf_addf(out, " started");
    if (reply->already_running)
        buf_addf(out, " joined");
    if (reply->queued)
        buf_addf(out, " queued");
    say_run(r, reply->run_id, out);
    if (reply->sync_reason != NULL)
        buf_addf(out, " %s", reply->sync_reason);
    buf_addf(out, ")");
}

static void say_timer(const struct effect *e, struct buf *out)
{
    if (e->timer == INPUT_TIMER_RETRY)
        buf_addf(out, "timer(retry %u.%u.%u)", e->run, e->round, e->gen); /* its pause is drawn */
    else if (e->timer == INPUT_TIMER_CALL)
        buf_addf(out, "timer(call %u +%" PRId64 "s)", e->call, e->in_ms / 1000);
    else if (e->timer == INPUT_TIMER_RUN)
        buf_addf(out, "timer(run %u +%" PRId64 "s)", e->run, e->in_ms / 1000);
    else if (e->timer == INPUT_TIMER_QUESTION)
        buf_addf(out, "timer(question %u +%" PRId64 "s)", e->call, e->in_ms / 1000);
    else
        buf_addf(out, "timer(cancel %u +%" PRId64 "s)", e->run, e->in_ms / 1000);
}

static void say_effect(const struct rig *r, const struct effect *e, struct buf *out)
{
    switch (e->kind) {
    case EFFECT_REPLY:
        say_reply(r, &e->reply, out);
        break;
    case EFFECT_DELTA:
        buf_addf(out, "delta(%u.%u.%u %s%" PRIu64 " '" STR_FMT "')", e->run, e->round, e->gen,
                 e->channel == DELTA_REASONING ? "reasoning " : "", e->offset, STR_ARG(e->text));
        break;
    case EFFECT_MODEL_START:
        buf_addf(out, "model_start(%u.%u.%u%s)", e->run, e->round, e->gen, e->closing ? " closing" : "");
        break;
    case EFFECT_MODEL_ABORT:
        buf_addf(out, "model_abort");
        break;
    case EFFECT_TOOL_START:
        buf_addf(out, "tool_start(%u " STR_FMT ")", e->call, STR_ARG(e->tool));
        break;
    case EFFECT_TOOL_CANCEL:
        buf_addf(out, "tool_cancel(%u)", e->call);
        break;
    case EFFECT_TIMER:
        say_timer(e, out);
        break;
    }
}

static const char *state_word(const struct session *s)
{
    if (!session_exists(s))
        return "absent";
    if (s->run.cancelling)
        return "stopping";
    if (s->run.active)
        return s->run.round_open ? "model" : "tools";
    if (s->n_questions > 0)
        return "asking";
    return session_has_work(s) ? "ready" : "idle";
}

static void say_step(const struct rig *r, const struct step *st, const struct session *s, struct buf *out)
{
    buf_clear(out);
    for (uint32_t i = 0; i < st->n_facts; i++) {
        say_fact(&st->facts[i], out);
        buf_add_char(out, ' ');
    }
    if (st->n_effects > 0)
        buf_addf(out, "| ");
    for (uint32_t i = 0; i < st->n_effects; i++) {
        say_effect(r, &st->effects[i], out);
        buf_add_char(out, ' ');
    }
    if (st->erase)
        buf_addf(out, "erase ");
    buf_addf(out, "> %s", state_word(s));
}

/* ---- one step ---- */

static void copy_machine(const struct machine *m, struct machine *twin)
{
    machine_init(twin, &m->s);
    twin->price = m->price;
    twin->run_began = m->run_began;
    twin->pausing = m->pausing;
    buf_add_str(&twin->text, buf_str(&m->text));
    buf_add_str(&twin->reasoning, buf_str(&m->reasoning));
    twin->answer = m->answer == NULL ? NULL : facts_ref(m->answer);
}

/* The twin's step begins in memory full of other things. */
static void check_twin(struct rig *r, struct machine *twin, const struct input *in)
{
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    const char *differs;
    struct step st;

    step_init(&st);
    memset(arena_alloc(&st.arena, ARENA_INLINE / 2), 0x5a, ARENA_INLINE / 2);
    run_step(twin, in, &st);
    say_step(r, &st, &twin->s, &said);
    assert_string_equal(said.p, r->said.p);
    differs = session_differs(&twin->s, &r->m.s);
    if (differs != NULL)
        fail_msg("the twin has another %s", differs);
    assert_true(str_eq(buf_str(&twin->text), buf_str(&r->m.text)));
    assert_true(str_eq(buf_str(&twin->reasoning), buf_str(&r->m.reasoning)));
    assert_int_equal(st.n_facts, r->st.n_facts);
    for (uint32_t i = 0; i < st.n_facts; i++) {
        CLEANUP(buf_done) struct buf one = BUF_INIT, two = BUF_INIT;

        fact_write(&st.facts[i], &one);
        fact_write(&r->st.facts[i], &two);
        assert_string_equal(one.p, two.p);
    }
    step_done(&st);
    machine_done(twin);
}

/* Dense numbers, the time of the input, and nothing changed but by folding: what the store would see. */
static void store_step(struct rig *r)
{
    struct step *st = &r->st;

    for (uint32_t i = 0; i < st->n_facts; i++) {
        assert_true(st->facts[i].seq == r->stored.seq + 1);
        assert_true(st->facts[i].at == r->now);
        session_fold(&r->stored, &st->facts[i]);
    }
    assert_memory_equal(&r->stored, &r->m.s, sizeof(r->stored));
    if (st->n_facts == 0)
        return;
    r->log = mem_grow(r->log, &r->log_cap, r->n_log + 1, sizeof(struct facts *));
    r->log[r->n_log] = facts_new(st->facts, st->n_facts);
    machine_keep(&r->m, r->log[r->n_log++]);
}

const char *rig_feed(struct rig *r, const struct input *given)
{
    struct input in = *given;
    struct machine twin;

    in.now = in.steady = r->now;
    if ((in.kind == INPUT_POST || in.kind == INPUT_RESUME) && in.model.n == 0 && !r->without_default) {
        in.provider = STR("p");
        in.model = STR("default");
    }
    copy_machine(&r->m, &twin);
    run_step(&r->m, &in, &r->st);
    say_step(r, &r->st, &r->m.s, &r->said);
    check_twin(r, &twin, &in);
    store_step(r);
    return r->said.p;
}

void rig_crash(struct rig *r)
{
    machine_done(&r->m);
    machine_init(&r->m, &r->stored);
    for (size_t i = 0; i < r->n_log; i++)
        machine_keep(&r->m, r->log[i]);
}

void rig_crash_with_text(struct rig *r, struct str text)
{
    rig_crash(r);
    buf_add_str(&r->m.text, text);
}

const struct fact *rig_fact(const struct rig *r, enum fact_kind kind)
{
    for (uint32_t i = r->st.n_facts; i > 0; i--)
        if (r->st.facts[i - 1].kind == kind)
            return &r->st.facts[i - 1];
    fail_msg("no %s in: %s", fact_kind_name(kind), r->said.p);
    return NULL;
}

const struct effect *rig_effect(const struct rig *r, enum effect_kind kind)
{
    for (uint32_t i = r->st.n_effects; i > 0; i--)
        if (r->st.effects[i - 1].kind == kind)
            return &r->st.effects[i - 1];
    return NULL;
}

const struct reply *rig_reply(const struct rig *r)
{
    const struct effect *e = rig_effect(r, EFFECT_REPLY);

    if (e == NULL)
        fail_msg("no reply in: %s", r->said.p);
    return &e->reply;
}

void rig_tell(struct rig *r, const struct line *story, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *said = rig_feed(r, &story[i].in);

        if (story[i].said != NULL && strcmp(said, story[i].said) != 0)
            fail_msg("line %zu, %s:\n  is     %s\n  not    %s", i, input_kind_name(story[i].in.kind), said,
                     story[i].said);
    }
}

struct record_list rig_calls(const int *effects, size_t n)
{
    static struct call lists[8][LIMIT_CALLS_PER_ROUND];
    static char names[LIMIT_CALLS_PER_ROUND][8];
    static size_t next;
    struct call *calls = lists[next++ % ARRAY_LEN(lists)];

    assert_true(n <= LIMIT_CALLS_PER_ROUND);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buf_done) struct buf name = BUF_INIT;

        buf_addf(&name, "t%zu", i + 1);
        str_copy(names[i], sizeof(names[i]), buf_str(&name));
        calls[i] =
            (struct call){.id = str_of(names[i]), .name = str_of(names[i]), .args = STR("{}"), .effect = effects[i]};
    }
    return (struct record_list){calls, n};
}
