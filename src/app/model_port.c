/* SPDX-License-Identifier: MIT */
#include "app/model_port.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/engine_tools.h"

struct model_port {
    struct model_registry *models;
    struct engine *engine;
    struct map *by_session; /* struct call_job: at work */
    struct list jobs;       /* all of them, also those that only wait for an answer that nobody wants */
};

struct call_job {
    struct list link;
    struct model_port *port;
    struct str session_id;
    uint32_t run, round, gen;
    char *provider, *model, *effort;
    bool closing;
    int64_t max_output;
    bool asked; /* an answer of the store is on its way */
    bool over;  /* aborted: waits for that answer only */
    struct model_stream *stream;
};

struct model_port *model_port_new(struct model_registry *models)
{
    struct model_port *p = mem_zalloc(sizeof(*p));

    p->models = models;
    p->by_session = map_new();
    list_init(&p->jobs);
    return p;
}

static char *copy(struct str s)
{
    return mem_strndup(s.n == 0 ? "" : s.p, s.n);
}

static void job_free(struct call_job *j)
{
    list_remove(&j->link);
    mem_free((void *)(uintptr_t)j->session_id.p);
    mem_free(j->provider);
    mem_free(j->model);
    mem_free(j->effort);
    mem_free(j);
}

/* It may have been replaced by a newer call of the same session. */
static void forget(struct call_job *j)
{
    if (map_find(j->port->by_session, j->session_id) == j)
        map_take(j->port->by_session, j->session_id);
}

static void end(struct call_job *j)
{
    forget(j);
    if (j->stream != NULL)
        model_cancel(j->stream);
    j->stream = NULL;
    j->over = true;
    if (!j->asked)
        job_free(j);
}

void model_port_free(struct model_port *p)
{
    if (p == NULL)
        return;
    LIST_EACH (it, tmp, &p->jobs) {
        struct call_job *j = LIST_ITEM(it, struct call_job, link);

        j->asked = false; /* no answer comes any more */
        end(j);
    }
    map_free(p->by_session);
    mem_free(p);
}

void model_port_set_engine(struct model_port *p, struct engine *e)
{
    p->engine = e;
}

/* ---- what the stream says ---- */

static struct input key_of(const struct call_job *j, enum input_kind kind)
{
    return (struct input){.kind = kind, .run = j->run, .round = j->round, .gen = j->gen};
}

static void on_delta(void *arg, int channel, struct str piece)
{
    struct call_job *j = arg;
    struct input in = key_of(j, INPUT_DELTA);

    in.channel = channel;
    in.text = piece;
    engine_submit(j->port->engine, j->session_id, &in);
}

/* The stream ends with this: the engine may start the next call of the session before it returns. */
static void submit_last(struct call_job *j, const struct input *in)
{
    FAULT_POINT("model.answer");
    j->stream = NULL;
    j->asked = true; /* keeps it in memory, whatever the engine does */
    forget(j);
    engine_submit(j->port->engine, j->session_id, in);
    job_free(j);
}

static void on_done(void *arg, const struct model_result *result)
{
    struct call_job *j = arg;
    struct input in = key_of(j, INPUT_MODEL_DONE);
    struct call *calls = NULL;
    struct arena arena;

    /* A copy, because the engine writes the effects into it. */
    arena_init(&arena);
    if (result->calls.count > 0) {
        calls = arena_alloc(&arena, result->calls.count * sizeof(*calls));
        memcpy(calls, result->calls.items, result->calls.count * sizeof(*calls));
    }
    in.calls = (struct record_list){calls, result->calls.count};
    in.stop = result->stop;
    in.usage = result->usage;
    in.repaired = result->repaired;
    submit_last(j, &in);
    arena_done(&arena);
}

static void on_failed(void *arg, const struct model_failure *failure)
{
    struct call_job *j = arg;
    struct input in = key_of(j, INPUT_MODEL_FAILED);

    in.failure = failure->failure;
    in.wait_ms = failure->wait_ms;
    in.usage = failure->usage;
    in.text = str_of(failure->text);
    submit_last(j, &in);
}

/* ---- starting ---- */

#define TOOLS_MAX 8

static size_t offer_tools(const struct call_job *j, struct model_tool tools[TOOLS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; !j->closing && i < engine_tools_count && n < TOOLS_MAX; i++)
        if (engine_tools[i].description != NULL)
            tools[n++] =
                (struct model_tool){engine_tools[i].name, engine_tools[i].description, engine_tools[i].parameters};
    return n;
}

/* A run that goes on after an answer goes on with the script too. */
static uint32_t calls_so_far(const struct call_job *j, const struct answer *a)
{
    uint32_t answers = 0, rounds = j->round > 0 ? j->round - 1 : 0;

    for (size_t i = a->n; i > 0 && a->messages[i - 1].role != ROLE_USER; i--)
        answers += a->messages[i - 1].role == ROLE_ASSISTANT && !a->messages[i - 1].interrupted;
    return answers > rounds ? answers : rounds;
}

static void begin(struct call_job *j, const struct answer *answer)
{
    struct model_tool tools[TOOLS_MAX];
    const struct model_callbacks callbacks = {on_delta, on_done, on_failed, j};
    struct model_request request = {
        .provider = str_of(j->provider),
        .model = str_of(j->model),
        .effort = str_of(j->effort),
        .messages = answer->messages,
        .n_messages = answer->n,
        .max_output_tokens = j->max_output,
        .tools = tools,
        .n_tools = offer_tools(j, tools),
        .call_index = calls_so_far(j, answer),
        .is_retry = j->gen > 0,
    };

    j->stream = model_start(j->port->models, &request, &callbacks);
}

static void on_transcript(void *arg, struct answer *answer)
{
    struct call_job *j = arg;
    struct input in = key_of(j, INPUT_MODEL_FAILED);

    j->asked = false;
    if (j->over) {
        job_free(j);
    } else if (answer->rc < 0) {
        in.failure = FAILURE_INTERNAL;
        in.text = str_of(answer->err.text);
        submit_last(j, &in);
    } else {
        begin(j, answer);
    }
    answer_free(answer);
}

void model_port_start(struct model_port *p, const struct model_call *call)
{
    struct query q = {
        .kind = QUERY_MESSAGES, .session_id = call->session_id, .limit = UINT32_MAX, .without_runs = true};
    struct call_job *j = mem_zalloc(sizeof(*j));

    model_port_abort(p, call->session_id);
    list_add_tail(&p->jobs, &j->link);
    j->port = p;
    j->session_id = (struct str){copy(call->session_id), call->session_id.n};
    j->run = call->run;
    j->round = call->round;
    j->gen = call->gen;
    j->closing = call->closing;
    j->max_output = call->max_output;
    j->provider = copy(call->provider);
    j->model = copy(call->model);
    j->effort = copy(call->effort);
    j->asked = true;
    map_put(p->by_session, j->session_id, j);
    engine_query(p->engine, &q, on_transcript, j);
}

void model_port_abort(struct model_port *p, struct str session_id)
{
    struct call_job *j = map_find(p->by_session, session_id);

    if (j != NULL)
        end(j);
}
