/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Tool calls arrive in fragments. With an index they are merged by it; without one by id, else
 * they extend the last call. Names given again are not added again, calls that never got a name
 * are dropped, missing or repeated ids get one of ours, no arguments at all become "{}". Some servers begin to count
 * anew in each answer ("call_1"): an id that the transcript has already is a repeated one too. Of more
 * than LIMIT_CALLS_PER_ROUND calls the first are kept; the model sees only these, and asks for the others again.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "session/types.h"

struct call_fragment {
    bool has_index;
    int64_t index;
    struct str id, name, args; /* each may be empty */
};

struct call_part;
struct call_merge {
    struct call_part *parts;
    size_t n, cap;
    uint64_t *known; /* hashes of ids; one that only looks known gets another name, which harms nobody */
    size_t n_known, known_cap;
    bool is_beyond, has_left_out; /* the last call that began was one too many; one was */
};

void call_merge_done(struct call_merge *m);                /* a zeroed one is empty */
void call_merge_know(struct call_merge *m, struct str id); /* of a call of the transcript */
void call_merge_add(struct call_merge *m, const struct call_fragment *f);
/* Every call has a name and arguments that are JSON: it may be taken though nobody said that it was whole. */
bool call_merge_is_whole(const struct call_merge *m);
/* Drops the last call where its arguments are no JSON: an answer that was cut ends in one that was not finished. */
void call_merge_drop_cut(struct call_merge *m);
/* The calls in order, in the arena; *repaired is set where broken UTF-8 was replaced, or calls were left out. */
struct record_list call_merge_take(const struct call_merge *m, struct arena *a, bool *repaired);
