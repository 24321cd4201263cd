/* SPDX-License-Identifier: MIT */
#include "engine/stats.h"

#include "base/mem.h"
#include "base/str.h"
#include "engine/live.h"

#include <stdlib.h>

const char *const run_state_words[] = {
#define X(name, wire) [RUN_IS_##name] = wire,
    RUN_STATES(X)
#undef X
};

void engine_count_fact(struct engine *e, struct live *l, const struct fact *f)
{
    switch (f->kind) {
    case FACT_RUN_STARTED:
        e->counted.started++;
        l->flow = (struct flow){0};
        break;
    case FACT_RUN_RECOVERED:
        e->counted.recovered++;
        break;
    case FACT_RUN_ENDED:
        e->counted.ended[f->end]++;
        break;
    default:
        break;
    }
}

static void flow_add(struct flow *flow, size_t bytes, int64_t now)
{
    flow->pieces++;
    flow->bytes += bytes;
    rate_add(&flow->rate, now);
}

void engine_count_piece(struct engine *e, struct live *l, size_t bytes, int64_t now)
{
    flow_add(&l->flow, bytes, now);
    flow_add(&e->counted.flow, bytes, now);
}

static enum run_state_word state_of(const struct machine *m)
{
    const struct run_state *r = &m->s.run;

    if (r->cancelling)
        return RUN_IS_STOPPING;
    if (r->round == 0)
        return RUN_IS_PENDING;
    return r->round_open && m->pausing ? RUN_IS_RETRYING : RUN_IS_RUNNING;
}

void engine_stats(const struct engine *e, struct engine_stats *out)
{
    int64_t now = engine_steady_now(e);
    size_t it = 0;
    void *value;

    *out = (struct engine_stats){.live = map_count(e->lives),
                                 .watched = map_count(e->hubs),
                                 .subscribers = e->subscribers + feed_hub_watchers(e->feed),
                                 .queued = e->queued,
                                 .started = e->counted.started,
                                 .recovered = e->counted.recovered,
                                 .pieces = e->counted.flow.pieces,
                                 .piece_bytes = e->counted.flow.bytes};
    memcpy(out->ended, e->counted.ended, sizeof(out->ended));
    out->pieces_per_second = rate_per_second(&e->counted.flow.rate, now);
    while (map_next(e->lives, &it, NULL, &value)) {
        const struct machine *m = &((const struct live *)value)->m;

        if (m->s.run.active) {
            out->running++;
            out->by_state[state_of(m)]++;
        }
    }
}

/* ---- the runs ---- */

static int by_age(const void *a, const void *b)
{
    const struct live *x = *(const struct live *const *)a, *y = *(const struct live *const *)b;
    int64_t xs = x->m.s.run.started_at, ys = y->m.s.run.started_at;

    if (xs != ys)
        return xs < ys ? -1 : 1;
    return str_cmp(x->id, y->id);
}

static void describe(const struct live *l, int64_t now, struct engine_run *out)
{
    const struct session *s = &l->m.s;

    *out = (struct engine_run){.session_id = l->id,
                               .provider = str_of(s->run_provider),
                               .model = str_of(s->run_model),
                               .state = run_state_words[state_of(&l->m)],
                               .started_at = s->run.started_at,
                               .round = s->run.round,
                               .pieces = l->flow.pieces,
                               .piece_bytes = l->flow.bytes,
                               .pieces_per_second = rate_per_second(&l->flow.rate, now)};
    session_run_id(s, s->run.number, out->run_id);
}

size_t engine_runs(const struct engine *e, struct engine_run *out, size_t max)
{
    const struct live **active = mem_alloc((map_count(e->lives) + 1) * sizeof(struct live *));
    int64_t now = engine_steady_now(e);
    size_t it = 0, n = 0;
    void *value;

    while (map_next(e->lives, &it, NULL, &value))
        if (((const struct live *)value)->m.s.run.active)
            active[n++] = value;
    qsort(active, n, sizeof(struct live *), by_age);
    if (n > max)
        n = max;
    for (size_t i = 0; i < n; i++)
        describe(active[i], now, &out[i]);
    mem_free(active);
    return n;
}
