/* SPDX-License-Identifier: MIT */
#include "store/check.h"

#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PLACES 4096

/* The transcript as the log tells it: the fact at each place. */
struct places {
    const struct fact *at[PLACES];
    const struct fact *inbox[PLACES];
    size_t first, posted, next;
};

static void put(struct places *p, size_t place, const struct fact *f)
{
    assert_true(place < PLACES);
    assert_null(p->at[place]);
    p->at[place] = f;
}

static void fold_places(struct places *p, const struct fact *f)
{
    switch (f->kind) {
    case FACT_SESSION_CREATED:
        if (f->system.n > 0)
            put(p, p->next++, f);
        break;
    case FACT_MESSAGE_POSTED:
        p->inbox[p->posted++ % PLACES] = f;
        break;
    case FACT_ROUND_STARTED:
        for (uint32_t i = 0; i < f->admitted; i++)
            put(p, p->next++, p->inbox[p->first++ % PLACES]);
        break;
    case FACT_ASSISTANT:
        put(p, f->place, f);
        p->next = f->place + 1 + f->calls.count;
        break;
    case FACT_CALL_ENDED:
        put(p, f->place, f);
        break;
    default:
        break;
    }
}

static void check_messages(struct driver *d, struct str id, const struct places *p)
{
    struct query q = {.kind = QUERY_MESSAGES, .session_id = id, .limit = PLACES};
    struct answer *a = driver_query(d, &q);
    size_t n = 0;

    assert_int_equal(a->rc, 0);
    for (size_t place = 0; place < PLACES; place++) {
        struct message m;

        if (p->at[place] == NULL)
            continue;
        assert_true(n < a->n);
        assert_true(message_from_fact(p->at[place], &m));
        assert_int_equal(a->messages[n].place, place);
        assert_int_equal(a->messages[n].seq, m.seq);
        assert_int_equal(a->messages[n].role, m.role);
        assert_true(str_eq(a->messages[n].id, m.id) && str_eq(a->messages[n].text, m.text));
        n++;
    }
    assert_int_equal(a->n, n);
    assert_int_equal(a->total, n);
    answer_free(a);
}

static void check_row(struct driver *d, struct str id, const struct session *s)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = id};
    struct answer *a = driver_query(d, &q);
    const struct session_row *row = a->sessions;
    uint32_t open = session_open_calls(s, CALL_PROPOSED) + session_open_calls(s, CALL_RUNNING);

    assert_int_equal(a->rc, 0);
    assert_int_equal(row->last_seq, s->seq);
    assert_int_equal(row->message_count, s->messages - open);
    assert_int_equal(row->inbox, s->inbox);
    assert_int_equal(row->metadata_version, s->metadata_version);
    assert_int_equal(row->title_version, s->title_version);
    assert_int_equal(row->is_running, s->run.active);
    assert_true(str_is(row->state, session_state_word(s)));
    answer_free(a);
}

static void check_runs(struct driver *d, struct str id, const struct session *s)
{
    struct query q = {.kind = QUERY_RUNS, .session_id = id};
    struct answer *a = driver_query(d, &q);

    assert_int_equal(a->rc, 0);
    assert_int_equal(a->n, s->runs < LIMIT_PAGE_FACTS ? s->runs : LIMIT_PAGE_FACTS);
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(a->runs[i].number, s->runs - i);
        assert_int_equal(a->runs[i].ended_at == 0, i == 0 && s->run.active);
    }
    answer_free(a);
}

/* All of the log, page by page, into the sum and the places. The pages live as long as the places. */
static size_t read_log(struct driver *d, struct str id, struct session *s, struct places *p, struct answer ***pages)
{
    struct query q = {.kind = QUERY_FACTS, .session_id = id};
    size_t n = 0, cap = 0;
    uint64_t epoch = 0;
    bool more = true;

    while (more) {
        struct answer *a = driver_query(d, &q);

        assert_int_equal(a->rc, 0);
        for (uint32_t i = 0; i < a->facts->n; i++) {
            const struct fact *f = &a->facts->items[i];

            assert_int_equal(f->seq, s->seq + 1);
            assert_true(f->epoch >= epoch);
            epoch = f->epoch;
            session_fold(s, f);
            fold_places(p, f);
        }
        q.after = s->seq;
        more = a->more;
        *pages = mem_grow(*pages, &cap, n + 1, sizeof(struct answer *));
        (*pages)[n++] = a;
    }
    return n;
}

uint64_t check_session(struct driver *d, struct str id)
{
    struct opened *o = driver_open(d, id);
    struct places *p = mem_zalloc(sizeof(*p));
    struct answer **pages = NULL;
    struct session s;
    uint64_t seq = 0;
    size_t n;

    if (o->rc != 0)
        fail_msg("%s", o->err.text);
    session_init(&s);
    if (o->found) {
        n = read_log(d, id, &s, p, &pages);
        assert_memory_equal(&s, &o->session, sizeof(s));
        check_messages(d, id, p);
        check_row(d, id, &s);
        check_runs(d, id, &s);
        for (size_t i = 0; i < n; i++)
            answer_free(pages[i]);
        seq = s.seq;
    }
    mem_free(pages);
    mem_free(p);
    opened_free(o);
    return seq;
}

void check_unfinished(struct driver *d, const struct str *ids, size_t n)
{
    struct query q = {.kind = QUERY_UNFINISHED};
    struct answer *a = driver_query(d, &q);

    assert_int_equal(a->rc, 0);
    for (size_t i = 0; i < n; i++) {
        struct opened *o = driver_open(d, ids[i]);
        bool listed = false;

        for (size_t k = 0; k < a->n; k++)
            listed |= str_eq(a->session_ids[k], ids[i]);
        assert_int_equal(listed, o->found && session_is_unfinished(&o->session));
        opened_free(o);
    }
    answer_free(a);
}
