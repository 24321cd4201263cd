/* SPDX-License-Identifier: MIT */
#include "store/store_suite.h"

#include "base/mem.h"
#include "base/str.h"
#include "store/suite.h"

struct fixture {
    const struct store_factory *factory;
    struct driver *d;
};

static const struct store_factory *factory; /* of the group that runs */

int suite_set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    f->factory = factory;
    factory->clear(factory->arg);
    f->d = driver_new(factory->open(factory->arg));
    *state = f;
    return 0;
}

int suite_tear_down(void **state)
{
    struct fixture *f = *state;

    driver_free(f->d);
    mem_free(f);
    return 0;
}

struct driver *driver_of(void **state)
{
    return ((struct fixture *)*state)->d;
}

struct driver *reopen(void **state)
{
    struct fixture *f = *state;

    driver_free(f->d);
    f->d = driver_new(f->factory->open(f->factory->arg));
    return f->d;
}

void assert_str(struct str s, const char *text)
{
    if (!str_is(s, text))
        fail_msg("\"" STR_FMT "\" is not \"%s\"", STR_ARG(s), text);
}

/* ---- everything a store says of a session, as text ---- */

static void dump_facts(struct driver *d, struct str id, struct buf *out)
{
    struct query q = {.kind = QUERY_FACTS, .session_id = id};
    struct answer *a = driver_query(d, &q);

    buf_addf(out, "facts rc %d last %" PRIu64 "\n", a->rc, a->last_seq);
    for (uint32_t i = 0; a->facts != NULL && i < a->facts->n; i++) {
        const struct fact *f = &a->facts->items[i];

        buf_addf(out, "%" PRIu64 " %" PRIx64 " %" PRId64 " %s ", f->seq, f->epoch, f->at, fact_kind_name(f->kind));
        fact_write(f, out);
        buf_add_char(out, '\n');
    }
    answer_free(a);
}

static void dump_messages(struct driver *d, struct str id, struct buf *out)
{
    struct query q = {.kind = QUERY_MESSAGES, .session_id = id};
    struct answer *a = driver_query(d, &q);

    buf_addf(out, "messages rc %d total %" PRIu64 "\n", a->rc, a->total);
    for (size_t i = 0; i < a->n; i++) {
        const struct message *m = &a->messages[i];

        buf_addf(out, "%u %" PRIu64 " %s " STR_FMT " " STR_FMT " run " STR_FMT "\n", m->place, m->seq,
                 role_names[m->role], STR_ARG(m->id), STR_ARG(m->text), STR_ARG(m->run_id));
    }
    answer_free(a);
}

static void dump_rows(struct driver *d, struct str id, struct buf *out)
{
    struct query of_session = {.kind = QUERY_SESSION, .session_id = id};
    struct query of_runs = {.kind = QUERY_RUNS, .session_id = id};
    struct answer *s = driver_query(d, &of_session), *r = driver_query(d, &of_runs);

    for (size_t i = 0; i < s->n; i++) {
        const struct session_row *row = &s->sessions[i];

        buf_addf(out, STR_FMT " " STR_FMT " %" PRIu64 " %u %u %" PRId64 " " STR_FMT "\n", STR_ARG(row->title),
                 STR_ARG(row->state), row->last_seq, row->message_count, row->inbox, row->updated_at,
                 STR_ARG(row->last_run_status));
    }
    for (size_t i = 0; i < r->n; i++)
        buf_addf(out, "run %u " STR_FMT " %u %u\n", r->runs[i].number, STR_ARG(r->runs[i].status), r->runs[i].rounds,
                 r->runs[i].calls);
    answer_free(s);
    answer_free(r);
}

static void dump_opened(struct driver *d, struct str id, struct buf *out)
{
    struct opened *o = driver_open(d, id);

    buf_addf(out, "opened rc %d found %d epoch %" PRIx64 " owner %" PRIu64 " seq %" PRIu64 "\n", o->rc, o->found,
             o->epoch, o->owner, o->session.seq);
    if (o->has_partial)
        buf_addf(out, "partial %u %u %u " STR_FMT "\n", o->partial.run, o->partial.round, o->partial.gen,
                 STR_ARG(o->partial.text));
    for (size_t i = 0; i < o->n_letters; i++)
        buf_addf(out, "letter %" PRIu64 " " STR_FMT "\n", o->letters[i].id, STR_ARG(o->letters[i].body));
    opened_free(o);
}

char *suite_dump(struct driver *d, struct str id)
{
    struct buf out = BUF_INIT;

    dump_opened(d, id, &out);
    dump_facts(d, id, &out);
    dump_messages(d, id, &out);
    dump_rows(d, id, &out);
    return out.p;
}

void assert_unchanged(struct driver *d, struct str id, char *before)
{
    char *now = suite_dump(d, id);

    assert_string_equal(now, before);
    mem_free(now);
    mem_free(before);
}

/* I-FOLD and I-DENSE: what opening gives is the sum of the log, and the log has no hole. */
void assert_fold_is(struct driver *d, const struct story *t)
{
    struct opened *o = driver_open(d, t->id);
    struct query q = {.kind = QUERY_FACTS, .session_id = t->id};
    struct answer *a = driver_query(d, &q);
    struct session s;

    assert_int_equal(o->rc, 0);
    assert_true(o->found);
    assert_int_equal(o->session.seq, t->s.seq);
    assert_memory_equal(&o->session, &t->s, sizeof(t->s));
    session_init(&s);
    for (uint32_t i = 0; i < a->facts->n; i++) {
        assert_int_equal(a->facts->items[i].seq, i + 1);
        session_fold(&s, &a->facts->items[i]);
    }
    assert_memory_equal(&s, &t->s, sizeof(s));
    answer_free(a);
    opened_free(o);
}

const struct call two_calls[] = {
    {.id = {"c1", 2}, .name = {"look", 4}, .args = {"{\"a\":1}", 7}, .effect = EFFECT_READ},
    {.id = {"c2", 2}, .name = {"look", 4}, .args = {"{\"a\":2}", 7}, .effect = EFFECT_UNSAFE},
};

/* Each step of a run with two calls whose results come in the other order, and a post in the middle. */
void play_calls(struct story *t, struct driver *d, void (*after_step)(struct driver *, const struct story *))
{
    for (int step = 0; step < 9; step++) {
        switch (step) {
        case 0:
            story_create(t, STR("Calls"), STR("be kind"));
            story_post(t, STR("u1"), STR("please"));
            break;
        case 1:
            story_run(t, STR("r1"));
            story_round(t);
            story_add(t, (struct fact){.kind = FACT_BUDGET, .run = 1, .round = 1, .budget = {.total_tokens = 11}});
            break;
        case 2:
            story_answer(t, STR("m1"), STR("two looks"), two_calls, 2);
            story_call(t, 0);
            story_call(t, 1);
            break;
        case 3:
            story_post(t, STR("u2"), STR("and also"));
            break;
        case 4:
            story_result(t, 1, STR("res2"), STR("second"));
            break;
        case 5:
            story_result(t, 0, STR("res1"), STR("first"));
            story_round(t);
            break;
        case 6:
            story_answer(t, STR("m2"), STR("done"), NULL, 0);
            story_add(t, (struct fact){.kind = FACT_BUDGET, .run = 1, .round = 2, .budget = {.total_tokens = 22}});
            story_end(t, END_COMPLETED);
            break;
        case 7:
            story_add(t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_title = true, .title = STR("Renamed")});
            story_add(t, (struct fact){.kind = FACT_SESSION_UPDATED, .set_pinned = true, .pinned = true});
            break;
        case 8:
            story_run(t, STR("r2"));
            story_add(t, (struct fact){.kind = FACT_RUN_RECOVERED, .run = 2, .charged = true});
            story_end(t, END_ERROR);
            break;
        }
        assert_int_equal(story_commit(t, d), 0);
        if (after_step != NULL)
            after_step(d, t);
    }
}

static int run_part(const char *name, const struct CMUnitTest *cases, size_t n)
{
    return _cmocka_run_group_tests(name, cases, n, NULL, NULL);
}

int store_suite_run(const char *name, const struct store_factory *f)
{
    factory = f;
    return run_part(name, suite_append_cases, suite_append_cases_count) +
           run_part(name, suite_query_cases, suite_query_cases_count) +
           run_part(name, suite_past_cases, suite_past_cases_count) +
           run_part(name, suite_receipt_cases, suite_receipt_cases_count);
}
