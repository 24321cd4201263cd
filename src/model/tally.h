/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What became of the calls of one provider, counted where they begin and end, nothing per piece.
 * It goes by the provider's name and outlives a change of its configuration. Owned by the
 * registry; written by its streams; loop thread only. Times are wall ms; 0: never.
 */
#include "base/histogram.h"
#include "base/list.h"
#include "model/model.h"

enum {
    FAILURE_KINDS = 0
#define X(name, wire, retry) +1
    FAILURES(X)
#undef X
};

struct model_tally {
    struct list link;
    char *name;
    uint64_t calls, retries; /* all that began; those of them that repeat one of the same round */
    uint64_t answered, cancelled, failed[FAILURE_KINDS];
    uint64_t in_flight;
    uint64_t prompt_tokens, completion_tokens; /* of answered calls; estimated where the provider does not say */
    int64_t last_answered_at, last_failed_at;
    struct model_failure last_failure;
    struct histogram first_piece; /* from the start of a call to its first content */
};

/* All of them in the order in which the providers came; NULL gives the first, NULL comes after the last. */
const struct model_tally *model_tally_next(const struct model_registry *r, const struct model_tally *before);

/* Among the files of this folder. No tally (NULL) is fine: then nothing is counted. */
struct model_tally *model_tally_new(const char *name);
void model_tally_free(struct model_tally *t);
void model_tally_begin(struct model_tally *t, bool is_retry);
void model_tally_piece(struct model_tally *t, int64_t after_ms); /* the first of a call */
/* Exactly one of these for each that began. */
void model_tally_answered(struct model_tally *t, const struct usage *usage);
void model_tally_failed(struct model_tally *t, const struct model_failure *failure);
void model_tally_cancelled(struct model_tally *t);
