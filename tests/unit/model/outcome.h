/* SPDX-License-Identifier: MIT */
#pragma once
/* What came of one model call: everything it told, kept until the test looks at it. */
#include "model/provider.h"

/* What one model call told. */
struct outcome {
    struct provider *provider;
    struct model_stream *stream;
    struct buf text, reasoning;
    size_t deltas, ends, returned; /* `returned`: model_start() had returned before the first callback */
    bool started, done, failed, early;
    size_t cancel_at_delta; /* 0: never */
    bool cancel_in_end;
    struct arena arena;
    struct model_result result;
    struct model_failure failure;
};

static inline void outcome_on_delta(void *arg, int channel, struct str piece)
{
    struct outcome *o = arg;

    o->early = o->early || !o->started;
    o->deltas++;
    buf_add_str(channel == DELTA_TEXT ? &o->text : &o->reasoning, piece);
    if (o->deltas == o->cancel_at_delta) {
        model_cancel(o->stream);
        loop_stop(o->provider->loop);
    }
}

static inline void outcome_end(struct outcome *o)
{
    o->early = o->early || !o->started;
    o->ends++;
    if (o->cancel_in_end)
        model_cancel(o->stream);
    loop_stop(o->provider->loop);
}

static inline void outcome_on_done(void *arg, const struct model_result *result)
{
    struct outcome *o = arg;
    struct call *calls = arena_zalloc(&o->arena, (result->calls.count + 1) * sizeof(*calls));

    for (size_t i = 0; i < result->calls.count; i++) {
        const struct call *c = (const struct call *)result->calls.items + i;

        calls[i] = (struct call){arena_str(&o->arena, c->id), arena_str(&o->arena, c->name),
                                 arena_str(&o->arena, c->args), c->effect};
    }
    o->result = *result;
    o->result.calls.items = calls;
    o->done = true;
    outcome_end(o);
}

static inline void outcome_on_failed(void *arg, const struct model_failure *failure)
{
    struct outcome *o = arg;

    o->failure = *failure;
    o->failed = true;
    outcome_end(o);
}

static inline void outcome_init(struct outcome *o, struct provider *p)
{
    *o = (struct outcome){.provider = p};
    arena_init(&o->arena);
}

static inline void outcome_done(struct outcome *o)
{
    buf_done(&o->text);
    buf_done(&o->reasoning);
    arena_done(&o->arena);
}

static inline void outcome_start(struct outcome *o, const struct model_request *q)
{
    struct model_callbacks cb = {outcome_on_delta, outcome_on_done, outcome_on_failed, o};

    o->stream = model_start(o->provider->registry, q, &cb);
    o->started = true;
}

/* Starts one call and runs the loop until it has ended (or was cancelled by its own callback). */
static inline void outcome_run(struct outcome *o, const struct model_request *q)
{
    outcome_start(o, q);
    loop_run(o->provider->loop);
    assert_false(o->early);
}

/* What comes of one call to a provider of its own, which gives this reply. */
static inline void outcome_of(struct outcome *o, struct provider *p, const struct reply_script *reply,
                              const struct model_request *q)
{
    provider_open(p, reply, 1);
    outcome_init(o, p);
    outcome_run(o, q);
}

static inline void outcome_close(struct outcome *o) /* and its provider */
{
    outcome_done(o);
    provider_close(o->provider);
}

static inline const char *buf_text(const struct buf *b)
{
    return b->n == 0 ? "" : b->p;
}
