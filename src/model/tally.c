/* SPDX-License-Identifier: MIT */
#include "model/tally.h"

#include "base/clock.h"
#include "base/mem.h"

struct model_tally *model_tally_new(const char *name)
{
    struct model_tally *t = mem_zalloc(sizeof(*t));

    list_init(&t->link);
    t->name = mem_strdup(name);
    return t;
}

void model_tally_free(struct model_tally *t)
{
    if (t == NULL)
        return;
    list_remove(&t->link);
    mem_free(t->name);
    mem_free(t);
}

void model_tally_begin(struct model_tally *t, bool is_retry)
{
    if (t == NULL)
        return;
    t->calls++;
    t->in_flight++;
    t->retries += is_retry;
}

void model_tally_piece(struct model_tally *t, int64_t after_ms)
{
    if (t != NULL)
        histogram_add(&t->first_piece, after_ms * 1000);
}

/* What a provider counts is its own affair; a counter of ours never falls. */
static uint64_t tokens(int64_t counted)
{
    return counted > 0 ? (uint64_t)counted : 0;
}

void model_tally_answered(struct model_tally *t, const struct usage *usage)
{
    if (t == NULL)
        return;
    t->in_flight--;
    t->answered++;
    t->prompt_tokens += tokens(usage->prompt_tokens);
    t->completion_tokens += tokens(usage->completion_tokens);
    t->last_answered_at = clock_wall_ms();
}

void model_tally_failed(struct model_tally *t, const struct model_failure *failure)
{
    if (t == NULL)
        return;
    assert(failure->failure >= 0 && failure->failure < FAILURE_KINDS);
    t->in_flight--;
    t->failed[failure->failure]++;
    t->last_failure = *failure;
    t->last_failed_at = clock_wall_ms();
}

void model_tally_cancelled(struct model_tally *t)
{
    if (t == NULL)
        return;
    t->in_flight--;
    t->cancelled++;
}
