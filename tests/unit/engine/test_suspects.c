/* SPDX-License-Identifier: MIT */
/* Runs that cut life after life of the server short go on one by one, so that the next crash says which one it was. */
#include "quiet.h"

#include "base/list.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LIFE 7
#define SESSIONS 4

/* Sessions "a", "b", … in a model call each. */
static struct {
    struct store store;
    struct engine *e;
    struct quiet world;
    bool is_in_order; /* the life before ended so */
    struct session rows[SESSIONS];
    struct appended done; /* of the newest append */
    struct buf said;      /* which session is recovered; `!`: charged with a crash */
} rig;

/* ---- the store ---- */

static size_t index_of(struct str id)
{
    assert_int_equal(id.n, 1);
    return (size_t)(id.p[0] - 'a');
}

static void rig_open(struct store *st UNUSED, struct str id, uint64_t token)
{
    struct opened *o = opened_new();

    o->token = token;
    o->found = true;
    o->sid = (int64_t)index_of(id) + 1;
    o->epoch = 1 << 24 | 1;
    o->ended_in_order = rig.is_in_order;
    o->session = rig.rows[index_of(id)];
    engine_on_opened(rig.e, o);
    opened_free(o);
}

static void rig_append(struct store *st UNUSED, const struct append *a)
{
    rig.done =
        (struct appended){.token = a->token, .sid = a->sid, .epoch = a->epoch, .last_seq = a->first + a->facts->n - 1};
    for (uint32_t i = 0; i < a->facts->n; i++)
        if (a->facts->items[i].kind == FACT_RUN_RECOVERED)
            buf_addf(&rig.said, STR_FMT "%s ", STR_ARG(a->session_id), a->facts->items[i].charged ? "!" : "");
}

static void rig_query(struct store *st UNUSED, const struct query *q, query_fn *done, void *arg)
{
    static const char names[SESSIONS][2] = {"a", "b", "c", "d"};
    struct answer *a = answer_new();

    assert_int_equal(q->kind, QUERY_UNFINISHED);
    a->session_ids = arena_alloc(&a->arena, SESSIONS * sizeof(struct str));
    for (size_t i = 0; i < SESSIONS; i++)
        if (rig.rows[i].run.active)
            a->session_ids[a->n++] = str_of(names[i]);
    done(arg, a);
}

static uint64_t rig_writer(const struct store *st UNUSED)
{
    return LIFE;
}

static void rig_partial(struct store *st UNUSED, int64_t sid UNUSED, uint64_t epoch UNUSED,
                        const struct partial *p UNUSED)
{
}

static const struct store_ops ops = {.open_session = rig_open,
                                     .append = rig_append,
                                     .put_partial = rig_partial,
                                     .query = rig_query,
                                     .writer = rig_writer};

/* ---- the other ports ---- */

static void rig_model(void *arg UNUSED, const struct model_call *call UNUSED)
{
}

static void rig_abort(void *arg UNUSED, struct str id UNUSED)
{
}

/* ---- what happens ---- */

static void put(size_t i, struct fact f)
{
    f.seq = rig.rows[i].seq + 1;
    session_fold(&rig.rows[i], &f);
}

/* In its first model call, which so many lives have not survived. */
static void store_run(size_t i, unsigned crashes)
{
    put(i, (struct fact){.kind = FACT_SESSION_CREATED, .id = STR("s"), .nonce = 5});
    put(i, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = STR("m"), .text = STR("hello")});
    put(i, (struct fact){.kind = FACT_RUN_STARTED, .run = 1, .model = STR("m"), .provider = STR("p")});
    put(i, (struct fact){.kind = FACT_ROUND_STARTED, .run = 1, .round = 1, .admitted = 1});
    for (unsigned k = 0; k < crashes; k++)
        put(i, (struct fact){.kind = FACT_RUN_RECOVERED, .run = 1, .round = 1, .gen = k, .charged = true});
}

static int set_up(void **state UNUSED)
{
    struct ports ports = quiet_ports(&rig.world);
    const struct engine_options o = {.node = 1};

    memset(&rig, 0, sizeof(rig));
    ports.model_start = rig_model;
    ports.model_abort = rig_abort;
    for (size_t i = 0; i < SESSIONS; i++)
        session_init(&rig.rows[i]);
    rig.store.ops = &ops;
    rig.e = engine_new(&rig.store, &ports, &o);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    engine_free(rig.e);
    buf_done(&rig.said);
    return 0;
}

static void assert_recovered(const char *expected)
{
    assert_string_equal(rig.said.n == 0 ? "" : rig.said.p, expected);
    buf_clear(&rig.said);
}

static void pass(int64_t ms)
{
    rig.world.mono += ms;
    engine_tick(rig.e);
}

/* ---- cases ---- */

static void suspects_go_on_one_by_one_and_others_at_once(void **state UNUSED)
{
    store_run(0, LIMIT_SUSPECT_MODEL_CRASHES);
    store_run(1, LIMIT_SUSPECT_MODEL_CRASHES);
    store_run(2, LIMIT_SUSPECT_MODEL_CRASHES - 1);
    store_run(3, LIMIT_SUSPECT_MODEL_CRASHES);
    engine_recover(rig.e);
    assert_recovered("a! c! ");
    assert_int_equal(rig.world.alarm_ms, LIMIT_SUSPECT_MS);
    pass(LIMIT_SUSPECT_MS - 1);
    assert_recovered("");
    pass(1);
    assert_recovered("b! ");
    pass(LIMIT_SUSPECT_MS);
    assert_recovered("d! ");
    assert_int_equal(rig.world.alarm_ms, -1);
}

static void a_life_that_ended_in_order_is_charged_to_nobody(void **state UNUSED)
{
    rig.is_in_order = true;
    store_run(0, 0);
    store_run(1, LIMIT_SUSPECT_MODEL_CRASHES);
    engine_recover(rig.e);
    assert_recovered("a b ");
}

static void the_next_one_follows_progress_at_once(void **state UNUSED)
{
    const struct input answer = {
        .kind = INPUT_MODEL_DONE, .run = 1, .round = 1, .gen = LIMIT_SUSPECT_MODEL_CRASHES + 1, .stop = STOP_END};
    const struct input piece = {
        .kind = INPUT_DELTA, .run = 1, .round = 1, .gen = LIMIT_SUSPECT_MODEL_CRASHES + 1, .text = STR("yes")};

    store_run(0, LIMIT_SUSPECT_MODEL_CRASHES);
    store_run(1, LIMIT_SUSPECT_MODEL_CRASHES);
    engine_recover(rig.e);
    assert_recovered("a! ");
    engine_on_appended(rig.e, &rig.done);
    pass(1);
    assert_recovered(""); /* that it was let go on is no progress */
    engine_submit(rig.e, STR("a"), &piece);
    engine_submit(rig.e, STR("a"), &answer);
    assert_int_equal(rig.world.alarm_ms, LIMIT_SUSPECT_MS - 1);
    engine_on_appended(rig.e, &rig.done);
    assert_int_equal(rig.world.alarm_ms, 0);
    pass(0);
    assert_recovered("b! ");
}

#define CASE(fn) {#fn, fn, set_up, tear_down, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(suspects_go_on_one_by_one_and_others_at_once),
        CASE(a_life_that_ended_in_order_is_charged_to_nobody),
        CASE(the_next_one_follows_progress_at_once),
    };

    return cmocka_run_group_tests_name("suspects", tests, NULL, NULL);
}
